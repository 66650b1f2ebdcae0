using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using FastExit.Configuration;
using FastExit.NetworkDirectory;
using FastExit.Topology;
using SimpleBase;
using Xunit;

namespace FastExit.Tests.NetworkDirectory;

public sealed class DirectoryTests
{
    private const string Rewarded = """{"epoch_id":100,"entry_gateways":[],"exit_gateways":[4],"layer1":[1],"layer2":[2],"layer3":[3],"standby":[],"new":{}}""";

    [Fact]
    public void Wrong_nodes_are_skipped_and_counted()
    {
        string good = Node(1);
        string[] wrong =
        [
            "null", "7", "[]", "{}",
            good.Replace("\"mix_port\":1790", "\"mix_port\":0", StringComparison.Ordinal),
            good.Replace("\"mix_port\":1790", "\"mix_port\":65536", StringComparison.Ordinal),
            good.Replace("\"0.98\"", "0.98", StringComparison.Ordinal),
            good.Replace("\"0.98\"", "\"1.01\"", StringComparison.Ordinal),
            good.Replace("\"0.98\"", "\"NaN\"", StringComparison.Ordinal),
            good.Replace("192.0.2.1", "0.0.0.0", StringComparison.Ordinal),
            good.Replace("192.0.2.1", "\\ud800", StringComparison.Ordinal),
            good.Replace("\"x25519_pubkey\":\"", "\"x25519_pubkey\":\"0", StringComparison.Ordinal),
        ];
        Assert.True(DirectoryJson.TryReadPage(Bytes(Page(wrong.Length + 1, [good, .. wrong])), out NodePage? page));
        Assert.Equal((wrong.Length, wrong.Length + 1, 1), (page.Skipped, page.Entries, page.Nodes.Count));
        TopologyNode node = page.Nodes[0].Node;
        Assert.Equal(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 1790), node.MixAddress);
        Assert.Equal([IPAddress.Parse("2001:db8::1")], node.OtherAddresses);
        Assert.Equal(Key(201), node.NoiseKey);
        Assert.Equal(0.98, page.Nodes[0].Performance);
    }

    [Fact]
    public void Mutated_answers_never_throw()
    {
        byte[][] seeds = [Bytes(Rewarded), Bytes(Page(1, [Node(1)]))];
        byte[][] pieces = [.. new[] { "\"", "{", "}", "[", "]", ",", "null", "1e9", "-1", "\\ud800", "\"\\ud800\":", "4294967296", "é" }.Select(Bytes)];
        var random = new Random(77);
        int read = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            byte[] seed = seeds[i % 8 == 0 ? 1 : 0];
            byte[] json = [.. seed];
            for (int edits = random.Next(1, 4); edits > 0; edits--)
            {
                int at = random.Next(json.Length);
                if (random.Next(2) == 0)
                {
                    json[at] ^= (byte)(1 << random.Next(8));
                    continue;
                }

                byte[] piece = pieces[random.Next(pieces.Length)];
                piece.AsSpan(0, Math.Min(piece.Length, json.Length - at)).CopyTo(json.AsSpan(at));
            }

            if (DirectoryJson.TryReadRewardedSet(json, out _) | DirectoryJson.TryReadPage(json, out _))
                read++;
        }

        Assert.InRange(read, 1_000, 999_000);
    }

    [Fact]
    public async Task Pages_are_joined_with_the_rewarded_set()
    {
        using var server = new Server((path, _) => path switch
        {
            "/api/v1/nym-nodes/rewarded-set" => (200, Rewarded),
            "/api/v2/unstable/nym-nodes/semi-skimmed?page=0" => (200, Page(6, [Node(1), Node(2), Node(3)])),
            "/api/v2/unstable/nym-nodes/semi-skimmed?page=1" => (200, Page(6, [Node(4), Node(5), "{}"])),
            _ => (404, ""),
        });
        using var client = new DirectoryClient(new DirectorySettings { Urls = [$"http://127.0.0.1:{FreePort()}/api", server.Url + "/"] });
        (NetworkTopology topology, int skipped) = await client.FetchAsync(default);
        Assert.Equal((1, 4u), (skipped, topology.RotationId));
        Assert.Equal(
            [TopologyRole.Mix1, TopologyRole.Mix2, TopologyRole.Mix3, TopologyRole.Exit, TopologyRole.Exit], topology.Nodes.Select(n => n.Role));
        Assert.True(topology.TryGetGateway(Key(4), out _));
    }

    [Fact]
    public async Task A_slow_mix_node_makes_its_layer_unusable()
    {
        using var server = new Server((path, _) => path.Contains("rewarded", StringComparison.Ordinal)
            ? (200, Rewarded)
            : (200, Page(3, [Node(1), Node(2).Replace("0.98", "0.49", StringComparison.Ordinal), Node(3)])));
        using var client = new DirectoryClient(new DirectorySettings { Urls = [server.Url] });
        DirectoryException error = await Assert.ThrowsAsync<DirectoryException>(() => client.FetchAsync(default));
        Assert.Contains("layer 2", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("500", "answered 500")]
    [InlineData("redirect", "answered 302")]
    [InlineData("huge", "")]
    [InlineData("slow", "no whole answer")]
    [InlineData("types", "not what it should be")]
    [InlineData("disagree", "never agree")]
    [InlineData("empty", "empty, although")]
    public async Task Hostile_servers_are_an_error_of_one_line(string kind, string expected)
    {
        using var server = new Server((path, count) => (kind, path.Contains("rewarded", StringComparison.Ordinal)) switch
        {
            ("500", _) => (500, Rewarded),
            ("redirect", _) => (302, ""),
            ("huge", _) => (200, new string(' ', 300_000) + Rewarded),
            ("slow", _) => (-1, Rewarded),
            ("types", _) => (200, Rewarded.Replace("[1]", "{}", StringComparison.Ordinal)),
            (_, true) => (200, Rewarded),
            ("disagree", _) => (200, Page(9, [Node(1)], epoch: 100 + count)),
            _ => (200, Page(9, [])),
        });
        using var client = new DirectoryClient(new DirectorySettings { Urls = [server.Url] }, TimeSpan.FromSeconds(kind == "slow" ? 1 : 20), maximumBytes: 200_000);
        var clock = Stopwatch.StartNew();
        DirectoryException error = await Assert.ThrowsAsync<DirectoryException>(() => client.FetchAsync(default));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task The_last_good_answer_is_used_when_the_api_is_down()
    {
        string folder = System.IO.Directory.CreateTempSubdirectory("directory").FullName;
        bool up = true;
        using var server = new Server((path, _) => !up ? (500, "") : path.Contains("rewarded", StringComparison.Ordinal)
            ? (200, Rewarded)
            : (200, Page(4, [Node(1), Node(2), Node(3), Node(4)])));
        ExitSettings settings = ConfigurationFile.Defaults(folder, new IPEndPoint(IPAddress.Loopback, 1789)) with
        {
            Directory = new DirectorySettings { Urls = [server.Url], StartWait = TimeSpan.Zero, Refresh = TimeSpan.FromMilliseconds(200) },
        };
        var log = new List<string>();
        var never = new TaskCompletionSource();
        using (var first = new DirectoryFollower(settings, _ => { }))
        {
            Assert.Equal(4, (await first.StartAsync(never.Task))!.Nodes.Count);
            var used = new TaskCompletionSource<NetworkTopology>();
            first.Follow(topology =>
            {
                used.TrySetResult(topology);
                return Task.CompletedTask;
            });
            Assert.Equal(4, (await used.Task.WaitAsync(TimeSpan.FromSeconds(20))).Nodes.Count);
        }

        up = false;
        using (var second = new DirectoryFollower(settings, log.Add))
            Assert.Equal(4, (await second.StartAsync(never.Task))!.Nodes.Count);
        Assert.Contains(log, line => line.Contains("minutes old", StringComparison.Ordinal));
        File.Delete(Path.Combine(folder, DirectoryFollower.CacheName));
        using (var third = new DirectoryFollower(settings, log.Add))
            await Assert.ThrowsAsync<FastExit.Commands.CommandException>(() => third.StartAsync(never.Task));
        System.IO.Directory.Delete(folder, recursive: true);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Key(int number) => [.. Enumerable.Repeat((byte)number, 32)];

    private static string Text(int number) => Base58.Bitcoin.Encode(Key(number));

    private static string Node(int id) =>
        $$$"""{"basic":{"node_id":{{{id}}},"ed25519_identity_pubkey":"{{{Text(id)}}}","ip_addresses":["192.0.2.{{{id}}}","2001:db8::{{{id}}}"],"mix_port":1790,"x25519_sphinx_pubkey":"{{{Text(100 + id)}}}","role":"Inactive","supported_roles":{"mixnode":true,"entry":false,"exit_nr":true,"exit_ipr":true},"entry":null,"performance":"0.98"},"x25519_noise_versioned_key":{"supported_version":1,"x25519_pubkey":"{{{Text(200 + id)}}}"}}""";

    private static string Page(int total, IEnumerable<string> nodes, int epoch = 100) =>
        $$$"""{"metadata":{"status":null,"absolute_epoch_id":{{{epoch}}},"rotation_id":4,"refreshed_at":"x"},"nodes":{"pagination":{"total":{{{total}}},"page":0,"size":1},"data":[{{{string.Join(',', nodes)}}}]}}""";

    private static int FreePort()
    {
        using var socket = new TcpListener(IPAddress.Loopback, 0);
        socket.Start();
        return ((IPEndPoint)socket.LocalEndpoint).Port;
    }

    /// <summary>Answers by path and number of the request; 302 leads to itself, -1 sends one byte and then nothing.</summary>
    private sealed class Server : IDisposable
    {
        private readonly HttpListener _listener = new();

        public Server(Func<string, int, (int Status, string Body)> answer)
        {
            string root = $"http://127.0.0.1:{FreePort()}/";
            Url = root + "api";
            _listener.Prefixes.Add(root);
            _listener.Start();
            _ = Task.Run(async () =>
            {
                for (int count = 0; _listener.IsListening; count++)
                {
                    HttpListenerContext context = await _listener.GetContextAsync();
                    (int status, string body) = answer(context.Request.RawUrl!, count);
                    byte[] bytes = Bytes(body);
                    context.Response.StatusCode = Math.Abs(status) == 1 ? 200 : status;
                    if (status == 302)
                        context.Response.RedirectLocation = context.Request.Url!.ToString();
                    context.Response.ContentLength64 = bytes.Length;
                    try
                    {
                        await context.Response.OutputStream.WriteAsync(bytes.AsMemory(0, status == -1 ? 1 : bytes.Length));
                        if (status != -1)
                            context.Response.Close();
                        else
                            await context.Response.OutputStream.FlushAsync();
                    }
                    catch (HttpListenerException)
                    {
                        // The client went away.
                    }
                }
            });
        }

        public string Url { get; }

        public void Dispose() => _listener.Close();
    }
}
