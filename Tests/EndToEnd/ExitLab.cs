using System.Net;
using FastExit.Bench.Lab;
using FastExit.Cores;
using FastExit.Tests.Native;
using FastExit.Tests.Resolution;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>
/// A lab around a real exit process: mixes, destinations and a DNS server on loopback, and SOCKS clients that are processes of their own.
/// The exit asks only that DNS server, whose names end in <c>.test</c>.
/// </summary>
public class ExitLab : IAsyncLifetime
{
    /// <summary>Opens the address guard for the destinations of these tests, and for two addresses that are unreachable.</summary>
    internal const string OpenGuard = "policy.allowed_local_prefixes=[\"127.0.0.1/32\", \"::1/128\", \"255.255.255.255/32\", \"203.0.113.9/32\"]";

    private static readonly TimeSpan s_hopDelay = TimeSpan.FromMilliseconds(2);
    private readonly IReadOnlyList<int> _cores;
    private readonly IReadOnlyList<string> _settings;
    private readonly bool _guardOpen;
    private readonly List<string> _log = [];
    private readonly List<SocksProcess> _clients = [];
    private readonly List<LabWeb> _webs = [];
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"fastexit-e2e-{Guid.NewGuid():N}");

    internal ExitLab(IReadOnlyList<int> cores, bool guardOpen, params IReadOnlyList<string> settings)
    {
        _cores = cores;
        _guardOpen = guardOpen;
        _settings = settings;
    }

    internal LoopbackDnsServer Dns { get; } = new();

    internal LabNetwork Network { get; private set; } = null!;

    internal ExitMetrics Metrics { get; private set; } = null!;

    /// <summary>The first client; more by <see cref="StartClientAsync"/>.</summary>
    internal SocksProcess Client { get; private set; } = null!;

    /// <summary>A web server on this port of 127.0.0.1 and, where there is one, of ::1.</summary>
    internal int WebPort { get; private set; }

    /// <summary>The same web server on a port that the policy refuses for 127.0.0.1.</summary>
    internal int DeniedPort { get; private set; }

    internal bool HasIPv6 { get; private set; }

    /// <summary>Slots that the exit holds for reading from destinations, before any client came.</summary>
    internal double RegularSlotsAtRest { get; private set; }

    /// <summary>What the exit wrote to its standard output and standard error.</summary>
    internal string[] ExitLog
    {
        get
        {
            lock (_log)
                return [.. _log.Where(line => line.StartsWith("exit: ", StringComparison.Ordinal))];
        }
    }

    public async Task InitializeAsync()
    {
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
        foreach (SocksProcess client in _clients)
            client.Dispose();
        if (Network is not null)
            await Network.DisposeAsync();
        Metrics?.Dispose();
        foreach (LabWeb web in _webs)
            await web.DisposeAsync();
        await Dns.DisposeAsync();
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Starts a lab of one test's own.</summary>
    internal static async Task<ExitLab> StartAsync(IReadOnlyList<int> cores, bool guardOpen, params IReadOnlyList<string> settings)
    {
        var lab = new ExitLab(cores, guardOpen, settings);
        await lab.InitializeAsync();
        return lab;
    }

    /// <summary>One more client with a sender tag of its own; there is room for four at once.</summary>
    internal async Task<SocksProcess> StartClientAsync()
    {
        SocksProcess client = await SocksProcess.StartAsync(Network.Directory.Path, s_hopDelay);
        _clients.Add(client);
        return client;
    }

    internal string Web(string path, string host = "127.0.0.1") => $"http://{host}:{WebPort}{path}";

    /// <summary>Waits until no client's connection and no packet is left in the exit.</summary>
    internal Task QuietAsync(TimeSpan patience) => Metrics.UntilAsync(
        patience,
        sample => sample[Gauge.NetworkRequester_Connections] == 0
            && sample[Gauge.NetworkRequester_HalfOpen] == 0
            && sample[Gauge.NetworkRequester_EarlyConnections] == 0
            && sample[Gauge.Delivery_Sets] == 0
            && sample[Gauge.Delivery_PendingAcks] == 0
            && sample[Gauge.MixLink_EgressQueued] == 0,
        "the exit did not become quiet");

    private async Task StartAsync()
    {
        Directory.CreateDirectory(_folder);
        IPEndPoint[] free = LabDirectory.FreeAddresses(3);
        WebPort = free[0].Port;
        DeniedPort = free[1].Port;
        await StartWebAsync(IPAddress.Loopback, WebPort);
        await StartWebAsync(IPAddress.Loopback, DeniedPort);
        HasIPv6 = LoopbackIPv6.IsPresent;
        if (HasIPv6)
            await StartWebAsync(IPAddress.IPv6Loopback, WebPort);
        ServeNames();
        string policy = Path.Combine(_folder, "policy.txt");
        await File.WriteAllTextAsync(
            policy,
            $"reject denied.test:*\nreject *.denied.test:*\nreject 127.0.0.1/32:{DeniedPort}\naccept *:*\n");
        List<string> settings =
        [
            $"metrics.listen=\"{free[2]}\"",
            $"dns.servers=[\"{Dns.Endpoint}\"]",
            $"policy.file=\"{policy}\"",
            .. _settings,
        ];
        if (_guardOpen)
            settings.Add(OpenGuard);
        Network = await LabNetwork.StartAsync(
            new LabSettings
            {
                Directory = Path.Combine(_folder, "lab"),
                ExitBinary = Path.Combine(AppContext.BaseDirectory, "fastexit"),
                Cores = _cores,
                Set = settings,
                MeanHopDelay = s_hopDelay,
            },
            Log);
        Metrics = new ExitMetrics(free[2]);
        MetricsSample rest = await Metrics.UntilAsync(
            TimeSpan.FromSeconds(30), sample => sample[Counter.Core_Loops] > 4 * _cores.Count, "the cores do not turn");
        RegularSlotsAtRest = rest[Gauge.Memory_RegularSlotsInUse];
        Client = await StartClientAsync();
    }

    private async Task StartWebAsync(IPAddress address, int port) =>
        _webs.Add(await LabWeb.StartAsync(new IPEndPoint(address, port)));

    private void ServeNames()
    {
        var silent = Dns.Answer;
        Dns.Answer = (name, type) => name switch
        {
            "silent.test" => null,
            "broken.test" => DnsReply.ServerFailure,
            "empty.test" => DnsReply.Empty,
            _ => silent(name, type),
        };
        Dns.Serve("web.test", "127.0.0.1");
        Dns.Serve("web6.test", "::1");
        Dns.Serve("both.test", "::1", "127.0.0.1");
        Dns.Serve("denied.test", "127.0.0.1");
        Dns.Serve("a.denied.test", "127.0.0.1");
        Dns.Serve("rebind.test", "93.184.215.14", "10.0.0.1");
        Dns.Serve("rebind6.test", "93.184.215.14", "fd00::1");
        Dns.Serve("metadata.test", "169.254.169.254");
        Dns.Serve("mapped.test", "::ffff:10.0.0.1");
    }

    private void Log(string line)
    {
        lock (_log)
            _log.Add(line);
    }
}

/// <summary>Shared by every test that needs nothing special: one core, waits for destinations scaled down.</summary>
public sealed class OneCoreLab() : ExitLab([0], guardOpen: true, ScaledWaits)
{
    internal static IReadOnlyList<string> ScaledWaits { get; } =
    [
        "network_requester.connect_timeout=\"2s\"",
        "network_requester.resolve_timeout=\"2s\"",
        "dns.query_timeout=\"1s\"",
    ];
}

/// <summary>The same on two cores.</summary>
public sealed class TwoCoreLab() : ExitLab([0, 1], guardOpen: true, OneCoreLab.ScaledWaits);

/// <summary>Every test here has the machine to itself: processes, sockets and megabytes would disturb the others and each other.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class OneCoreRun : ICollectionFixture<OneCoreLab>
{
    public const string Name = "exit on one core";
}

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TwoCoreRun : ICollectionFixture<TwoCoreLab>
{
    public const string Name = "exit on two cores";
}

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class OwnLabRun
{
    public const string Name = "exits of their own";
}
