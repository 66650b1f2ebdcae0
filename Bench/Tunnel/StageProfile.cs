using System.Globalization;
using FastExit.Bench.Lab;

namespace FastExit.Bench.Tunnel;

/// <summary>
/// Where the exit's core thread spends its time under a load, by perf. It wants an exit that writes down what its compiler makes
/// (<see cref="Environment"/>), so it is not the one whose rates are measured.
/// </summary>
internal sealed class StageProfile(string perf, string folder)
{
    private const int SamplesPerSecond = 499;
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan s_readPatience = TimeSpan.FromMinutes(2);

    /// <summary>The map of compiled methods goes to <paramref name="folder"/>; code lies where perf can tell it from a file.</summary>
    public static IReadOnlyList<string> Environment(string folder) =>
        ["DOTNET_PerfMapEnabled=3", $"DOTNET_PerfMapJitDumpPath={folder}", "DOTNET_EnableWriteXorExecute=0"];

    /// <exception cref="LabException">perf refuses; the message has its own words.</exception>
    public async Task<StageShares> RunAsync(
        RunningTunnel tunnel, TunnelTools tools, TunnelLoad load, TimeSpan duration, CancellationToken stop)
    {
        string data = Path.Combine(folder, "perf.data");
        File.Delete(data);
        await load.RunAsync(tools, s_warmUp, duration, () => RecordAsync(tunnel, data, duration, stop), stop).ConfigureAwait(false);

        // perf looks for it there alone.
        string map = $"perf-{tunnel.ExitId}.map";
        string link = Path.Combine("/tmp", map);
        File.Delete(link);
        File.CreateSymbolicLink(link, Path.Combine(folder, map));
        try
        {
            return await ReadAsync(data, stop).ConfigureAwait(false);
        }
        finally
        {
            File.Delete(link);
        }
    }

    private async Task RecordAsync(RunningTunnel tunnel, string data, TimeSpan duration, CancellationToken stop)
    {
        var lines = new List<string>();
        string[] arguments =
        [
            "record", "--quiet", "--freq", Text(SamplesPerSecond), "-g", "--tid", Text(tunnel.CoreThreadId), "--output", data,
            "--", "sleep", Text((int)duration.TotalSeconds),
        ];
        int code = await RunAsync(arguments, lines.Add, duration + s_readPatience, stop).ConfigureAwait(false);
        if (code != 0)
            throw new LabException($"perf record failed ({code}): {string.Join(' ', lines)}");
    }

    private async Task<StageShares> ReadAsync(string data, CancellationToken stop)
    {
        var shares = new StageShares();
        int code = await RunAsync(
            ["script", "--input", data, "--fields", "ip,sym,dso", "--no-inline"], line => shares.Add(line), s_readPatience, stop)
            .ConfigureAwait(false);
        shares.End();
        if (code != 0 || shares.Samples == 0)
            throw new LabException($"perf script found nothing ({code}): try `perf record -g sleep 1` and `perf script`");
        return shares;
    }

    private async Task<int> RunAsync(string[] arguments, Action<string> line, TimeSpan patience, CancellationToken stop)
    {
        var serial = new object();
        using ChildProcess process = ChildProcess.Start("perf", perf, arguments, text =>
        {
            lock (serial)
                line(text);
        });
        try
        {
            return await process.Ended.WaitAsync(patience, stop).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new LabException($"perf {arguments[0]} did not end within {patience.TotalSeconds:0} s");
        }
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
