using FastExit.Bench.Lab;

namespace FastExit.Bench.Tunnel;

/// <summary>All measurements of `fastexit-bench tunnel`, one after the other; whatever they made is gone at the end.</summary>
internal sealed class TunnelRun(string exitBinary, TimeSpan duration, bool withPerf)
{
    /// <summary>Of UDP, that counts as carried.</summary>
    private const double Tolerated = 0.01;

    private const int SustainedAttempts = 4;
    private const double SustainedStep = 0.8;

    private static readonly RateSearch s_search = new(Lowest: 2000, Highest: 256_000, Tolerated, Steps: 2);
    private static readonly TimeSpan s_compiling = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan s_trial = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_profile = TimeSpan.FromSeconds(10);

    /// <exception cref="LabException">Something is missing or failed; says what to do.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        string ip = HostProgram.Require("ip", "iproute2");
        string iperf = HostProgram.Require("iperf3", "iperf3");
        string? perf = withPerf ? HostProgram.Find("perf") : null;
        if (!File.Exists(exitBinary))
            throw new LabException($"{exitBinary} is not there: name the exit's program with --exit-binary");
        string machine = Machine();
        string folder = Directory.CreateTempSubdirectory("fastexit-tunnel-").FullName;
        try
        {
            var tools = new TunnelTools(ip, iperf, folder);
            TunnelNetwork network = await TunnelNetwork.CreateAsync(ip).ConfigureAwait(false);
            await using (network.ConfigureAwait(false))
            {
                SpaceProgram server = await TunnelLoad.StartServerAsync(tools, stop).ConfigureAwait(false);
                await using (server.ConfigureAwait(false))
                {
                    await MeasureAsync(network, tools, machine, stop).ConfigureAwait(false);
                    if (perf is not null)
                        await ProfileAsync(network, tools, perf, stop).ConfigureAwait(false);
                    else if (withPerf)
                        CommandText.Log("no shares per stage: `perf` is not installed: apt install linux-perf");
                }
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task MeasureAsync(TunnelNetwork network, TunnelTools tools, string machine, CancellationToken stop)
    {
        CommandText.Log(TunnelTables.Text($"starting mixnet, exit and client; all takes about {(4 * 60 + 8 * duration.TotalSeconds) / 60:0} minutes"));
        RunningTunnel tunnel = await RunningTunnel.StartAsync(network, tools.Ip, Path.Combine(tools.Folder, "lab"), exitBinary, [], stop)
            .ConfigureAwait(false);
        await using (tunnel.ConfigureAwait(false))
        {
            TunnelLoad[] directions = [new(Downwards: true, null), new(Downwards: false, null)];

            // Compilers, tables and congestion windows settle; the figures are of the steady state after that.
            foreach (TunnelLoad load in directions)
                await FiguresAsync(tunnel, tools, load, "warming up, TCP", s_compiling, stop).ConfigureAwait(false);
            var streams = new List<LoadFigures>();
            foreach (TunnelLoad load in directions)
                streams.Add(await FiguresAsync(tunnel, tools, load, "TCP", duration, stop).ConfigureAwait(false));
            var carried = new List<LoadFigures>();
            var overload = new List<LoadFigures>();
            foreach (TunnelLoad direction in directions)
            {
                double rate = await s_search.RunAsync(tried => LossAsync(tunnel, tools, direction with { DatagramsPerSecond = tried }, stop))
                    .ConfigureAwait(false);
                rate = Math.Max(rate, s_search.Lowest);
                LoadFigures figures;
                for (int attempt = 1; ; attempt++)
                {
                    figures = await FiguresAsync(tunnel, tools, direction with { DatagramsPerSecond = rate }, "UDP", duration, stop)
                        .ConfigureAwait(false);
                    if (figures.Lost <= Tolerated || attempt == SustainedAttempts)
                        break;

                    // What a short trial carried is not always carried for longer.
                    rate *= SustainedStep;
                }

                carried.Add(figures);
                overload.Add(await FiguresAsync(tunnel, tools, direction with { DatagramsPerSecond = 2 * rate }, "UDP", duration, stop)
                    .ConfigureAwait(false));
            }

            TunnelTables.WriteStreams(machine, streams);
            TunnelTables.WriteDatagrams(machine, [.. carried, .. overload]);
        }
    }

    private async Task ProfileAsync(TunnelNetwork network, TunnelTools tools, string perf, CancellationToken stop)
    {
        CommandText.Log("starting mixnet, exit and client again, for perf");
        string folder = Directory.CreateDirectory(Path.Combine(tools.Folder, "perf")).FullName;
        RunningTunnel tunnel = await RunningTunnel.StartAsync(
            network, tools.Ip, Path.Combine(tools.Folder, "perf-lab"), exitBinary, StageProfile.Environment(folder), stop).ConfigureAwait(false);
        await using (tunnel.ConfigureAwait(false))
        {
            var profile = new StageProfile(perf, folder);
            var shares = new List<StageShares>();
            foreach (TunnelLoad load in new TunnelLoad[] { new(Downwards: true, null), new(Downwards: false, null) })
            {
                CommandText.Log($"perf, TCP {load.Direction}: {s_profile.TotalSeconds:0} s");
                shares.Add(await profile.RunAsync(tunnel, tools, load, s_profile, stop).ConfigureAwait(false));
            }

            TunnelTables.WriteStages(shares);
        }
    }

    private static async Task<double> LossAsync(RunningTunnel tunnel, TunnelTools tools, TunnelLoad load, CancellationToken stop)
    {
        LoadFigures figures = await FiguresAsync(tunnel, tools, load, "looking for the most UDP", s_trial, stop).ConfigureAwait(false);
        string drops = figures.Drops.Length > 0 ? $" (exit: {figures.Drops})" : "";
        CommandText.Log(TunnelTables.Text($"  {figures.DatagramsSent:N0}/s sent, {figures.Lost * 100:F1} % lost{drops}"));

        // A sender that cannot go on faster is an end as well.
        return figures.DatagramsSent < 0.8 * load.DatagramsPerSecond ? 1 : figures.Lost;
    }

    private static async Task<LoadFigures> FiguresAsync(
        RunningTunnel tunnel, TunnelTools tools, TunnelLoad load, string what, TimeSpan duration, CancellationToken stop)
    {
        CommandText.Log(TunnelTables.Text(
            $"{what} {load.Direction}{(load.DatagramsPerSecond is { } rate ? $", {rate:0} datagrams/s" : "")}: {duration.TotalSeconds:0} s"));
        TunnelSample? before = null, after = null;
        IperfReport report = await load.RunAsync(
            tools,
            load.DatagramsPerSecond is null ? s_warmUp : s_trial,
            duration,
            async () =>
            {
                before = await tunnel.SampleAsync().ConfigureAwait(false);
                await Task.Delay(duration, stop).ConfigureAwait(false);
                after = await tunnel.SampleAsync().ConfigureAwait(false);
            },
            stop).ConfigureAwait(false);
        return new LoadFigures(load, before!, after!, report);
    }

    private static string Machine()
    {
        string load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
        return TunnelTables.Text($"{Environment.ProcessorCount} processors, load {load} at the start");
    }
}
