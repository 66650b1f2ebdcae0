using System.Diagnostics;
using System.Globalization;
using FastExit.Bench.Figures;
using FastExit.Bench.Lab;
using FastExit.Native.Netlink;

namespace FastExit.Bench.Tunnel;

/// <summary>A lab whose exit routes IP packets on one core, and one client whose device is the application's only way out.</summary>
internal sealed class RunningTunnel : IAsyncDisposable
{
    private const string HopDelay = "1ms";
    private const string CoreThread = "core 0";
    private const string ExitDevice = "nymtun0";
    private const string ClientDevice = "nym0";
    private static readonly Uri s_metrics = new("http://127.0.0.1:9184/metrics");
    private static readonly TimeSpan s_startPatience = TimeSpan.FromSeconds(90);
    private readonly TunnelNetwork _network;
    private SpaceProgram? _lab;
    private SpaceProgram? _client;
    private ExitProbe? _probe;

    private RunningTunnel(TunnelNetwork network) => _network = network;

    public int ExitId { get; private set; }

    /// <summary>The thread that does all the work for packets.</summary>
    public int CoreThreadId { get; private set; }

    /// <param name="network">Without another tunnel at this time.</param>
    /// <param name="ip">The program `ip`.</param>
    /// <param name="folder">For the lab; made.</param>
    /// <param name="exitBinary">The exit's program.</param>
    /// <param name="environment">NAME=value, for the lab and its exit.</param>
    /// <param name="stop">Ends the start.</param>
    /// <exception cref="LabException">Exit or client did not come up.</exception>
    public static async Task<RunningTunnel> StartAsync(
        TunnelNetwork network, string ip, string folder, string exitBinary, IReadOnlyList<string> environment, CancellationToken stop)
    {
        var tunnel = new RunningTunnel(network);
        try
        {
            await tunnel.SetUpAsync(ip, folder, exitBinary, environment, stop).ConfigureAwait(false);
            return tunnel;
        }
        catch
        {
            await tunnel.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async Task<TunnelSample> SampleAsync() => new(
        Stopwatch.GetTimestamp(),
        await _probe!.ReadAsync().ConfigureAwait(false),
        ProcessorTime.OfProcess(ExitId),
        ProcessorTime.OfThread(ExitId, CoreThreadId),
        ProcessorTime.OfProcess(_lab!.Id),
        ProcessorTime.OfProcess(_client!.Id),
        DatagramCount.Of(_network.Application),
        DatagramCount.Of(_network.Internet),
        DeviceDrops.Of(_network.Gateway, ExitDevice),
        DeviceDrops.Of(_network.Application, ClientDevice));

    public async ValueTask DisposeAsync()
    {
        _probe?.Dispose();
        if (_client is not null)
            await _client.DisposeAsync().ConfigureAwait(false);
        if (_lab is not null)
            await _lab.DisposeAsync().ConfigureAwait(false);
    }

    private async Task SetUpAsync(
        string ip, string folder, string exitBinary, IReadOnlyList<string> environment, CancellationToken stop)
    {
        string bench = Path.Combine(AppContext.BaseDirectory, "fastexit-bench");
        string[] prefix = environment.Count > 0 ? ["env", .. environment] : [];
        _lab = SpaceProgram.Start(
            ip, TunnelNetwork.GatewayName, "lab", "ip packet router: ",
            [
                .. prefix, bench, "lab", "--ipr", "--no-web", "--dir", folder, "--delay", HopDelay, "--cores", "0",
                // iperf3's port is its own, and every datagram has another one.
                "--set", "policy.open_proxy=true", "--exit-binary", exitBinary,
            ]);
        await _lab.ReadyAsync(s_startPatience, stop).ConfigureAwait(false);
        ExitId = FindExit(_lab.Id) ?? throw new LabException("the exit ended right after its start");
        CoreThreadId = FindThread(ExitId, CoreThread) ?? throw new LabException($"the exit has no thread '{CoreThread}'");
        _probe = new ExitProbe(s_metrics, ExitId, _network.Gateway);
        _client = SpaceProgram.Start(
            ip, TunnelNetwork.GatewayName, "client", " is up: ",
            bench, "tun", "--lab", folder, "--netns", TunnelNetwork.ApplicationName, "--name", ClientDevice, "--delay", HopDelay);
        await _client.ReadyAsync(s_startPatience, stop).ConfigureAwait(false);
    }

    private static int? FindExit(int labId)
    {
        foreach (string path in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                && Read($"{path}/status") is { } status
                && status.StartsWith("Name:\tfastexit\n", StringComparison.Ordinal)
                && status.Contains($"\nPPid:\t{labId}\n", StringComparison.Ordinal))
                return id;
        }

        return null;
    }

    private static int? FindThread(int processId, string name)
    {
        foreach (string path in Directory.EnumerateDirectories($"/proc/{processId}/task"))
        {
            if (Read($"{path}/comm") == name + "\n")
                return int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture);
        }

        return null;
    }

    private static string? Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            // It has ended meanwhile.
            return null;
        }
    }
}
