using System.Globalization;
using System.Net;
using FastExit.Bench.Lab.Api;
using FastExit.Bench.Lab.Entry;
using FastExit.Bench.Lab.Parts;
using FastExit.Topology;
using SimpleBase;

namespace FastExit.Bench.Lab;

/// <summary>What a lab is made of.</summary>
internal sealed record LabSettings
{
    public required string Directory { get; init; }

    /// <summary>The exit's program.</summary>
    public required string ExitBinary { get; init; }

    public IReadOnlyList<string> Set { get; init; } = [];

    public IReadOnlyList<int> Cores { get; init; } = [];

    public int? WebPort { get; init; }

    /// <summary>With a web server; 0 takes any free port that the bundled policy allows.</summary>
    public int EchoPort { get; init; } = EchoServer.DefaultPort;

    public TimeSpan MeanHopDelay { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>The exit routes IP packets too; it needs CAP_NET_ADMIN.</summary>
    public bool IpPacketRouter { get; init; }

    /// <summary>However it was asked for.</summary>
    public bool RoutesIpPackets => IpPacketRouter || Set.Contains("ipr.enabled=true");

    public double Loss { get; init; }

    /// <summary>Where the entry gateway takes clients; port 0: any free one.</summary>
    public IPEndPoint EntryWebsocket { get; init; } = new(IPAddress.Loopback, 0);

    public EntrySettings Entry { get; init; } = new();

    public DirectorySettings Api { get; init; } = new();
}

/// <summary>Three mixes, an entry gateway, a directory, a real exit as a child process, and destinations, all on loopback.</summary>
internal sealed class LabNetwork : IAsyncDisposable
{
    /// <summary>Lets the exit connect to this machine's loopback; the guard stands in every other set-up.</summary>
    private const string OpenGuard = "policy.allowed_local_prefixes=[\"127.0.0.1/32\"]";

    /// <summary>Stands for the directory's URL in the exit's settings.</summary>
    private const string DirectoryPlaceholder = "{directory}";

    private const int QuickEnds = 3;
    private const int QuickEndMilliseconds = 5000;
    private static readonly TimeSpan s_exitPatience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_startPatience = TimeSpan.FromSeconds(60);
    private readonly List<MixNode> _mixes = [];
    private EntryGateway? _gateway;
    private LabWeb? _web;
    private EchoServer? _echo;
    private readonly TaskCompletionSource _gaveUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stopping;

    private LabNetwork(LabDirectory directory) => Directory = directory;

    public LabDirectory Directory { get; }

    public IReadOnlyList<MixNode> Mixes => _mixes;

    /// <summary>Where clients of other processes come in.</summary>
    public EntryListener Entry { get; private set; } = null!;

    public DirectoryService Api { get; private set; } = null!;

    /// <summary>As it was written for clients.</summary>
    public LabFile File { get; private set; } = null!;

    public NetworkTopology Topology { get; private set; } = null!;

    public ExitAddress ExitAddress { get; private set; } = null!;

    /// <summary>The exit that runs now; replaced when it ended by itself.</summary>
    public ChildProcess Exit { get; private set; } = null!;

    /// <summary>Completes when the exit ended by itself again and again.</summary>
    public Task GaveUp => _gaveUp.Task;

    /// <exception cref="LabException">Something could not be set up.</exception>
    public static async Task<LabNetwork> StartAsync(LabSettings settings, Action<string> log)
    {
        var lab = new LabNetwork(new LabDirectory(settings.Directory));
        try
        {
            await lab.SetUpAsync(settings, log).ConfigureAwait(false);
            return lab;
        }
        catch
        {
            await lab.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        System.IO.File.Delete(Directory.LabFile);
        if (Exit is not null)
        {
            await Exit.StopAsync(s_exitPatience).ConfigureAwait(false);
            Exit.Dispose();
        }

        if (Api is not null)
            await Api.DisposeAsync().ConfigureAwait(false);
        if (Entry is not null)
            await Entry.DisposeAsync().ConfigureAwait(false);
        _gateway?.Dispose();
        foreach (MixNode mix in _mixes)
            mix.Dispose();
        _echo?.Dispose();
        if (_web is not null)
            await _web.DisposeAsync().ConfigureAwait(false);
    }

    private async Task SetUpAsync(LabSettings settings, Action<string> log)
    {
        IPEndPoint[] addresses = LabDirectory.FreeAddresses(LabDirectory.Mixes + LabDirectory.Entries + 1);
        IPEndPoint[] mixes = addresses[..LabDirectory.Mixes];
        IPEndPoint exit = addresses[^1];
        (Topology, ExitAddress) = await LabPlan.PrepareAsync(
            Directory, settings.ExitBinary, mixes, addresses[LabDirectory.Mixes..^1], exit).ConfigureAwait(false);
        var nodeSettings = new LabNodeSettings
        {
            Known = LabDirectory.Known(Topology),
            Loss = settings.Loss,
            Holds = settings.MeanHopDelay > TimeSpan.Zero,
        };
        for (int i = 0; i < mixes.Length; i++)
        {
            var mix = new MixNode($"mix-{i + 1}", Directory.Mix(i + 1), mixes[i], nodeSettings);
            _mixes.Add(mix);
            mix.Start();
            log($"mix-{i + 1} listens on {mix.Address}");
        }

        await StartEntryAsync(settings, nodeSettings, log).ConfigureAwait(false);
        if (settings.WebPort is { } port)
        {
            _web = await LabWeb.StartAsync(new IPEndPoint(IPAddress.Loopback, port)).ConfigureAwait(false);
            _echo = EchoServer.Open(settings.EchoPort);
            log($"web server on http://127.0.0.1:{port}/, echo on {_echo.Address}");
        }

        await StartExitAsync(settings, log).ConfigureAwait(false);
        File = new LabFile(
            Api.Url.ToString(),
            Api.SecureUrl?.ToString(),
            new LabEntry(Base58.Bitcoin.Encode(_gateway!.Identity), $"ws://{Entry.Address}"),
            ExitAddress.NetworkRequester,
            settings.RoutesIpPackets ? ExitAddress.IpPacketRouter : null,
            settings.WebPort is { } web ? $"http://127.0.0.1:{web}" : null);
        File.Write(Directory.LabFile);
        _ = SuperviseAsync(settings, log);
    }

    private async Task StartEntryAsync(LabSettings settings, LabNodeSettings nodeSettings, Action<string> log)
    {
        NodeKeys keys = Directory.Entry(LabDirectory.WebsocketEntry);
        Topology.TryGetGateway(keys.Identity, out TopologyNode node);
        _gateway = new EntryGateway($"entry-{LabDirectory.WebsocketEntry}", keys, node.MixAddress, nodeSettings);
        _gateway.Start();
        Entry = await EntryListener.StartAsync(_gateway, keys, settings.EntryWebsocket, Directory.ClientsFile, settings.Entry).ConfigureAwait(false);
        var websockets = new Dictionary<string, int> { [Base58.Bitcoin.Encode(keys.Identity)] = Entry.Address.Port };
        Api = await DirectoryService.StartAsync(Directory, settings.Api with
        {
            Websockets = websockets,
            RoutesIpPackets = settings.RoutesIpPackets,
        }).ConfigureAwait(false);
        log($"{_gateway.Name} takes clients on ws://{Entry.Address}, the directory is {Api.Url}{(Api.SecureUrl is { } tls ? $" and {tls}" : "")}");
    }

    private async Task StartExitAsync(LabSettings settings, Action<string> log)
    {
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Exit = StartExit(settings, line =>
        {
            if (line == "ready")
                ready.TrySetResult();
            log("exit: " + line);
        }, log);
        Task first = await Task.WhenAny(ready.Task, Exit.Ended, Task.Delay(s_startPatience)).ConfigureAwait(false);
        if (first != ready.Task)
            throw new LabException("the exit did not become ready; its own lines above say why");
    }

    // Whoever kills the exit to see what happens gets a new one, as a service manager would start it.
    private async Task SuperviseAsync(LabSettings settings, Action<string> log)
    {
        for (int quick = 0; quick < QuickEnds;)
        {
            long started = Environment.TickCount64;
            await Exit.Ended.ConfigureAwait(false);
            if (_stopping)
                return;
            quick = Environment.TickCount64 - started < QuickEndMilliseconds ? quick + 1 : 0;
            await Task.Delay(1000).ConfigureAwait(false);
            if (_stopping)
                return;
            log("starting the exit again");
            Exit.Dispose();
            try
            {
                await StartExitAsync(settings, log).ConfigureAwait(false);
            }
            catch (LabException e)
            {
                log(e.Message);
                break;
            }
        }

        _gaveUp.TrySetResult();
    }

    private ChildProcess StartExit(LabSettings settings, Action<string> line, Action<string> log)
    {
        List<string> arguments = ["run", "--data-dir", Directory.ExitDirectory];
        void Set(string assignment)
        {
            arguments.Add("--set");
            arguments.Add(assignment);
        }

        if (settings.Cores.Count > 0)
            Set($"cores.cores=[{string.Join(',', settings.Cores)}]");
        Set(string.Create(CultureInfo.InvariantCulture, $"delivery.mean_hop_delay=\"{settings.MeanHopDelay.TotalMilliseconds}ms\""));
        if (settings.WebPort is not null)
        {
            Set(OpenGuard);
            log("ATTENTION: the exit's address guard is opened for 127.0.0.1 so that the lab's own servers can be reached.");
            log("ATTENTION: this is for the lab alone; never set policy.allowed_local_prefixes on a real exit.");
        }

        if (settings.IpPacketRouter)
            Set("ipr.enabled=true");
        foreach (string assignment in settings.Set)
            Set(assignment.Replace(DirectoryPlaceholder, Api.Url.ToString(), StringComparison.Ordinal));
        return ChildProcess.Start("the exit", settings.ExitBinary, arguments, line);
    }
}
