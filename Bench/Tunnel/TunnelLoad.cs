using System.Globalization;
using FastExit.Bench.Lab;

namespace FastExit.Bench.Tunnel;

/// <summary>Traffic of one iperf3 client through the tunnel.</summary>
/// <param name="Downwards">From the internet to the application.</param>
/// <param name="DatagramsPerSecond">UDP at that rate; null: one TCP connection at whatever rate it finds.</param>
internal sealed record TunnelLoad(bool Downwards, double? DatagramsPerSecond)
{
    /// <summary>UDP payload; with its headers an IPv4 packet of 92 bytes.</summary>
    public const int DatagramBytes = 64;

    private const int ServerPort = 5201;
    private const int Attempts = 3;
    private static readonly TimeSpan s_serverPatience = TimeSpan.FromSeconds(10);

    /// <summary>Until iperf3 has made its connections through the tunnel, and longer than the samples at either end take.</summary>
    private static readonly TimeSpan s_margin = TimeSpan.FromSeconds(1);

    /// <summary>For the last queued packets, and for iperf3 to exchange its results.</summary>
    private static readonly TimeSpan s_endPatience = TimeSpan.FromSeconds(40);

    public string Direction => Downwards ? "down" : "up";

    /// <summary>iperf3's other end, in the internet.</summary>
    public static async Task<SpaceProgram> StartServerAsync(TunnelTools tools, CancellationToken stop)
    {
        SpaceProgram server = SpaceProgram.Start(
            tools.Ip, TunnelNetwork.InternetName, "iperf3 server", "Server listening",
            tools.Iperf, "--server", "--forceflush", "--bind", TunnelNetwork.ServerAddress, "--port", Text(ServerPort));
        try
        {
            await server.ReadyAsync(s_serverPatience, stop).ConfigureAwait(false);
            return server;
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Runs the load and calls <paramref name="during"/> while it is steady.</summary>
    /// <param name="tools">With iperf3; its server runs.</param>
    /// <param name="warmUp">Before that.</param>
    /// <param name="duration">How long <paramref name="during"/> takes.</param>
    /// <param name="during">Measures.</param>
    /// <param name="stop">Ends everything.</param>
    /// <returns>What iperf3 says about the time after the warm-up.</returns>
    /// <exception cref="LabException">iperf3 fails again and again.</exception>
    public async Task<IperfReport> RunAsync(
        TunnelTools tools, TimeSpan warmUp, TimeSpan duration, Func<Task> during, CancellationToken stop)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await TryAsync(tools, warmUp, duration, during, stop).ConfigureAwait(false);
            }
            catch (IperfException e) when (attempt < Attempts)
            {
                // Its first datagram may be lost.
                CommandText.Log($"once more: {e.Message}");
            }
            catch (IperfException e)
            {
                throw new LabException(e.Message);
            }
        }
    }

    private async Task<IperfReport> TryAsync(
        TunnelTools tools, TimeSpan warmUp, TimeSpan duration, Func<Task> during, CancellationToken stop)
    {
        string log = Path.Combine(tools.Folder, "iperf3.json");
        File.Delete(log);

        // The server is busy for a moment with the end of the test before.
        await Task.Delay(s_margin, stop).ConfigureAwait(false);
        SpaceProgram client = SpaceProgram.Start(
            tools.Ip, TunnelNetwork.ApplicationName, "iperf3", null, [tools.Iperf, .. Arguments(log, warmUp, duration)]);
        await using (client.ConfigureAwait(false))
        {
            Task first = await Task.WhenAny(client.Ended, Task.Delay(warmUp + s_margin, stop)).ConfigureAwait(false);
            stop.ThrowIfCancellationRequested();
            if (first == client.Ended)
                throw new IperfException(Complaint(log));
            await during().ConfigureAwait(false);
            first = await Task.WhenAny(client.Ended, Task.Delay(s_endPatience, stop)).ConfigureAwait(false);
            stop.ThrowIfCancellationRequested();
            if (first != client.Ended)
                throw new IperfException($"iperf3 {Direction} did not end: its own connection stalls in the tunnel");
        }

        return IperfReport.TryParse(await File.ReadAllTextAsync(log, stop).ConfigureAwait(false), out IperfReport report) && report.Error is null
            ? report
            : throw new IperfException(Complaint(log));
    }

    private List<string> Arguments(string log, TimeSpan warmUp, TimeSpan duration)
    {
        List<string> arguments =
        [
            "--client", TunnelNetwork.ServerAddress, "--port", Text(ServerPort), "--connect-timeout", "10000", "--json", "--logfile", log,
            "--omit", Text((int)warmUp.TotalSeconds), "--time", Text((int)(duration + (2 * s_margin)).TotalSeconds),
        ];
        if (DatagramsPerSecond is { } rate)
            arguments.AddRange(["--udp", "--length", Text(DatagramBytes), "--bitrate", Text((long)(rate * DatagramBytes * 8))]);
        if (Downwards)
            arguments.Add("--reverse");
        return arguments;
    }

    private string Complaint(string log)
    {
        string text = File.Exists(log) ? File.ReadAllText(log) : "";
        return IperfReport.TryParse(text, out IperfReport report) && report.Error is { } error
            ? $"iperf3 {Direction}: {error}"
            : $"iperf3 {Direction} ended early and says nothing of use";
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>A run that another attempt may mend.</summary>
    private sealed class IperfException(string message) : Exception(message);
}

/// <summary>What every run needs.</summary>
/// <param name="Ip">Path of `ip`.</param>
/// <param name="Iperf">Path of `iperf3`.</param>
/// <param name="Folder">For files of one run.</param>
internal sealed record TunnelTools(string Ip, string Iperf, string Folder);
