using System.Globalization;
using System.Net;
using System.Net.Sockets;
using FastExit.Cores;
using FastExit.Tests.Native;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>
/// <c>fastexit-bench lab --ipr</c> as a process of a <see cref="TunnelWorld"/>'s gateway, the exit being its child, and clients beside it.
/// </summary>
public class TunnelLab : IAsyncLifetime
{
    internal const string HopDelay = "2ms";
    internal const string Device = "nymtun0";

    private static readonly IPEndPoint s_metrics = new(IPAddress.Loopback, 9184);
    private readonly IReadOnlyList<int> _cores;
    private readonly IReadOnlyList<string> _settings;
    private readonly int _clients;
    private readonly List<TunnelClient> _started = [];
    private readonly string _root = Path.Combine(Path.GetTempPath(), $"fastexit-tunnel-{Guid.NewGuid():N}");

    internal TunnelLab(IReadOnlyList<int> cores, int clients, params IReadOnlyList<string> settings)
    {
        _cores = cores;
        _clients = clients;
        _settings = settings;
    }

    /// <summary>Null: the one that the exit brings along.</summary>
    internal string? Policy { get; init; } = TunnelWorld.Policy;

    internal TunnelWorld World { get; private set; } = null!;

    internal SpaceProcess Process { get; private set; } = null!;

    internal ExitMetrics Metrics { get; private set; } = null!;

    internal IReadOnlyList<TunnelClient> Clients => _started;

    internal string Folder => Path.Combine(_root, "lab");

    /// <summary>The exit that runs now.</summary>
    internal int ExitId => Directory.EnumerateDirectories("/proc")
        .Select(path => int.TryParse(Path.GetFileName(path.AsSpan()), CultureInfo.InvariantCulture, out int id) ? id : 0)
        .Single(id => id != 0 && IsExit(id));

    /// <summary>Skips the running test when no lab can be here.</summary>
    internal static void Require() => Skip.If(TunnelWorld.Unavailable is not null, TunnelWorld.Unavailable);

    public async Task InitializeAsync()
    {
        if (TunnelWorld.Unavailable is not null)
            return;
        try
        {
            await StartAsync();
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async Task DisposeAsync()
    {
        foreach (TunnelClient client in _started)
            client.Dispose();
        Metrics?.Dispose();
        if (Process is not null)
        {
            Process.Signal(LibC.SIGTERM);
            try
            {
                await Process.EndAsync(TimeSpan.FromSeconds(30));
            }
            finally
            {
                Process.Dispose();
            }
        }

        World?.Dispose();
        if (Directory.Exists(_root))
            Directory.Delete(_root, recursive: true);
    }

    /// <summary>One more client, its device in a namespace of its own.</summary>
    internal async Task<TunnelClient> StartClientAsync(int? version = null)
    {
        TunnelClient client = await TunnelClient.StartAsync(this, World.AddApplication(), version);
        _started.Add(client);
        return client;
    }

    /// <summary>Ends one, so that another may take its place.</summary>
    internal async Task StopClientAsync(TunnelClient client)
    {
        _started.Remove(client);
        using (client)
            await client.StopAsync();
    }

    internal async Task<double> CountAsync(Counter counter) => (await Metrics.ReadAsync())[counter];

    internal Task<MetricsSample> UntilAsync(Func<MetricsSample, bool> reached, string otherwise) =>
        Metrics.UntilAsync(TimeSpan.FromSeconds(20), reached, otherwise);

    private async Task StartAsync()
    {
        Directory.CreateDirectory(_root);
        World = new TunnelWorld();
        List<string> arguments =
        [
            "lab", "--ipr", "--dir", Folder, "--no-web", "--delay", HopDelay, "--cores", string.Join(',', _cores),
        ];
        if (Policy is { } rules)
        {
            string policy = Path.Combine(_root, "policy.txt");
            await File.WriteAllTextAsync(policy, rules);
            arguments.AddRange(["--set", $"policy.file=\"{policy}\""]);
        }

        foreach (string setting in _settings)
            arguments.AddRange(["--set", setting]);
        Process = SpaceProcess.Start(World.Gateway, Path.Combine(AppContext.BaseDirectory, "fastexit-bench"), arguments);
        await Process.LineAsync("ip packet router: ", TimeSpan.FromSeconds(60));
        Metrics = new ExitMetrics(s_metrics, new SocketsHttpHandler { ConnectCallback = ConnectAsync });
        await UntilAsync(sample => sample[Counter.Core_Loops] > 4 * _cores.Count, "the cores do not turn");
        for (int i = 0; i < _clients; i++)
            await StartClientAsync();
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken stop)
    {
        Socket socket = World.Gateway.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        try
        {
            await socket.ConnectAsync(s_metrics, stop);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private bool IsExit(int id)
    {
        try
        {
            string status = File.ReadAllText($"/proc/{id}/status");
            return status.StartsWith("Name:\tfastexit\n", StringComparison.Ordinal)
                && status.Contains($"\nPPid:\t{Process.Id}\n", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // It has ended meanwhile.
            return false;
        }
    }
}

/// <summary>Two clients on an exit of one core.</summary>
public sealed class OneCoreTunnel() : TunnelLab([0], clients: 2);

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class OneCoreTunnelRun : ICollectionFixture<OneCoreTunnel>
{
    public const string Name = "tunnels on one core";
}

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class OwnTunnelRun
{
    public const string Name = "tunnels of their own";
}
