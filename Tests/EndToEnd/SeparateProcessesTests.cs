using System.Net;
using System.Net.Sockets;
using System.Text;
using FastExit.Tests.EndToEnd.Tunnel;
using FastExit.Tests.Native;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>
/// A lab in eight namespaces that share nothing but a switch: three mixes, the entry gateway, the directory, the exit, a destination and a
/// client that knows a directory, a gateway and a service. Everything is a process of its own.
/// </summary>
[Collection(OwnLabRun.Name)]
public sealed class SeparateProcessesTests
{
    private const string Page = "A page behind four namespaces.\n";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [SkippableFact]
    public async Task A_page_is_fetched_through_a_lab_whose_pieces_live_apart()
    {
        NetworkNamespace.Require();
        Tool.Require("curl");
        string folder = Directory.CreateTempSubdirectory("fastexit-parts-").FullName;
        string bench = Path.Combine(AppContext.BaseDirectory, "fastexit-bench"), exit = Path.Combine(AppContext.BaseDirectory, "fastexit");
        var started = new List<SpaceProcess>();
        using var world = new Switch(8);
        NetworkNamespace destination = world[7], client = world[8];
        using TcpListener listener = destination.Run(() =>
        {
            var server = new TcpListener(IPAddress.Any, 80);
            server.Start();
            return server;
        });
        _ = ServeAsync(listener);
        try
        {
            string plan = Tool.Run(
                bench,
                $"lab-plan --dir {folder} --mix {Switch.Address(1)}:1789 --mix {Switch.Address(2)}:1789 --mix {Switch.Address(3)}:1789 "
                + $"--entry {Switch.Address(4)}:1789 --exit {Switch.Address(6)}:1789");
            string gateway = Word(plan, "entry gateway: "), provider = Word(plan, "network requester: ");
            for (int i = 1; i <= 3; i++)
                started.Add(await StartAsync(world[i], "listens on", bench, "lab-mix", "--dir", folder, "--number", $"{i}"));
            started.Add(await StartAsync(world[4], "takes clients", bench, "lab-entry", "--dir", folder, "--entry-ws", $"{Switch.Address(4)}:9000"));
            started.Add(await StartAsync(
                world[5], "the directory is", bench,
                "lab-directory", "--dir", folder, "--directory", $"{Switch.Address(5)}:8000", "--entry-ws", $"{Switch.Address(4)}:9000"));
            started.Add(await StartAsync(
                world[6], "ready", exit,
                "run", "--data-dir", Path.Combine(folder, "exit"), "--set", "cores.cores=[0]",
                "--set", $"policy.allowed_local_prefixes=[\"{Switch.Address(7)}/32\"]", "--set", "policy.open_proxy=true"));
            started.Add(await StartAsync(
                client, "SOCKS on", bench,
                "socks", "--directory", $"http://{Switch.Address(5)}:8000/api", "--gateway", gateway, "--provider", provider,
                "--listen", "127.0.0.1:1080", "--delay", "2ms"));
            (int code, string text) = await SpaceProcess.RunAsync(
                client, s_patience, "curl", "--silent", "--show-error", "--max-time", "40", "--proxy", "socks5h://127.0.0.1:1080", $"http://{Switch.Address(7)}/");
            Assert.True(code == 0, text + "\n" + string.Join('\n', started.Select(process => process.Text)));
            Assert.Equal(Page.TrimEnd(), text.TrimEnd());
        }
        finally
        {
            listener.Stop();
            foreach (SpaceProcess process in Enumerable.Reverse(started))
                process.Dispose();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Word(string lines, string before) =>
        lines.Split('\n').Single(line => line.StartsWith(before, StringComparison.Ordinal))[before.Length..].Trim();

    private static async Task<SpaceProcess> StartAsync(NetworkNamespace space, string ready, string program, params string[] arguments)
    {
        SpaceProcess process = SpaceProcess.Start(space, program, arguments);
        try
        {
            await process.LineAsync(ready, s_patience);
            return process;
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    private static async Task ServeAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                using Socket socket = await listener.AcceptSocketAsync();
                byte[] request = new byte[4096];
                int bytes = 0, received;
                while (!request.AsSpan(0, bytes).EndsWith("\r\n\r\n"u8) && (received = await socket.ReceiveAsync(request.AsMemory(bytes))) > 0)
                    bytes += received;
                await socket.SendAsync(Encoding.ASCII.GetBytes(
                    $"HTTP/1.1 200 OK\r\nContent-Length: {Page.Length}\r\nConnection: close\r\n\r\n{Page}"));
                socket.Shutdown(SocketShutdown.Both);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    /// <summary>Namespaces 1 to n, each with one wire to a switch that is in a namespace of its own.</summary>
    private sealed class Switch : IDisposable
    {
        private readonly NetworkNamespace _bridge = NetworkNamespace.Create("sw");
        private readonly NetworkNamespace[] _spaces;

        public Switch(int count)
        {
            _spaces = [.. Enumerable.Range(1, count).Select(i => NetworkNamespace.Create($"p{i}"))];
            _bridge.Ip("link add name br0 type bridge");
            _bridge.Ip("link set dev br0 up");
            for (int i = 1; i <= count; i++)
            {
                this[i].Connect(_bridge, "wire", $"port{i}");
                this[i].Ip($"addr add {Address(i)}/24 dev wire");
                _bridge.Ip($"link set dev port{i} master br0");
            }
        }

        public NetworkNamespace this[int number] => _spaces[number - 1];

        public static string Address(int number) => $"10.77.3.{number}";

        public void Dispose()
        {
            foreach (NetworkNamespace space in _spaces)
                space.Dispose();
            _bridge.Dispose();
        }
    }
}
