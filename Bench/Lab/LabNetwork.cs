using System.Globalization;
using System.Net;
using FastExit.Topology;

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

    public double Loss { get; init; }
}

/// <summary>Three mixes, a real exit as a child process, and destinations, all on loopback.</summary>
internal sealed class LabNetwork : IAsyncDisposable
{
    /// <summary>Lets the exit connect to this machine's loopback; the guard stands in every other set-up.</summary>
    private const string OpenGuard = "policy.allowed_local_prefixes=[\"127.0.0.1/32\"]";

    private const int QuickEnds = 3;
    private const int QuickEndMilliseconds = 5000;
    private static readonly TimeSpan s_exitPatience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_startPatience = TimeSpan.FromSeconds(60);
    private readonly List<MixNode> _mixes = [];
    private LabWeb? _web;
    private EchoServer? _echo;
    private readonly TaskCompletionSource _gaveUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stopping;

    private LabNetwork(LabDirectory directory) => Directory = directory;

    public LabDirectory Directory { get; }

    public IReadOnlyList<MixNode> Mixes => _mixes;

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
        if (Exit is not null)
        {
            await Exit.StopAsync(s_exitPatience).ConfigureAwait(false);
            Exit.Dispose();
        }

        foreach (MixNode mix in _mixes)
            mix.Dispose();
        _echo?.Dispose();
        if (_web is not null)
            await _web.DisposeAsync().ConfigureAwait(false);
    }

    private async Task SetUpAsync(LabSettings settings, Action<string> log)
    {
        Directory.CreateKeys();
        IPEndPoint[] addresses = LabDirectory.FreeAddresses(LabDirectory.Mixes + LabDirectory.Entries + 1);
        IPEndPoint[] mixes = addresses[..LabDirectory.Mixes];
        IPEndPoint exit = addresses[^1];
        await InitialiseExitAsync(settings, exit).ConfigureAwait(false);
        Topology = Directory.WriteTopology(mixes, addresses[LabDirectory.Mixes..^1], ExitAddress);
        var nodeSettings = new LabNodeSettings { Known = LabDirectory.Known(Topology), Loss = settings.Loss };
        for (int i = 0; i < mixes.Length; i++)
        {
            var mix = new MixNode($"mix-{i + 1}", Directory.Mix(i + 1), mixes[i], nodeSettings);
            _mixes.Add(mix);
            mix.Start();
            log($"mix-{i + 1} listens on {mix.Address}");
        }

        if (settings.WebPort is { } port)
        {
            _web = await LabWeb.StartAsync(new IPEndPoint(IPAddress.Loopback, port)).ConfigureAwait(false);
            _echo = EchoServer.Open(settings.EchoPort);
            log($"web server on http://127.0.0.1:{port}/, echo on {_echo.Address}");
        }

        await StartExitAsync(settings, log).ConfigureAwait(false);
        _ = SuperviseAsync(settings, log);
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

    private async Task InitialiseExitAsync(LabSettings settings, IPEndPoint exit)
    {
        string address = exit.ToString();
        await ChildProcess.RunAsync(
            settings.ExitBinary,
            ["init", "--data-dir", Directory.ExitDirectory, "--announce", address, "--listen", address, "--topology", Directory.TopologyFile, "--rotation", "1", "--force"])
            .ConfigureAwait(false);
        string json = await ChildProcess.RunAsync(
            settings.ExitBinary, ["address", "--data-dir", Directory.ExitDirectory, "--json"]).ConfigureAwait(false);
        ExitAddress = ExitAddress.Parse(json);
        await File.WriteAllTextAsync(Directory.ExitFile, json).ConfigureAwait(false);
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
            Set(assignment);
        return ChildProcess.Start("the exit", settings.ExitBinary, arguments, line);
    }
}
