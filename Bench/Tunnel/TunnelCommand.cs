using System.CommandLine;
using FastExit.Bench.Lab;
using FastExit.Native.Sockets;

namespace FastExit.Bench.Tunnel;

/// <summary>
/// `fastexit-bench tunnel`: what one core of a real exit carries as IP packets for one client through five hops, between namespaces of
/// this machine, and where its time goes. Client, entry and mix nodes share the machine, so the rates are those of the whole path.
/// </summary>
internal static class TunnelCommand
{
    private const int ShortestSeconds = 2;
    private const int LongestSeconds = 600;

    public static Command Create()
    {
        var seconds = new Option<int>("--seconds")
        {
            Description = $"Time of each measurement, {ShortestSeconds} to {LongestSeconds}",
            DefaultValueFactory = _ => 20,
            CustomParser = CommandText.NumberBetween(ShortestSeconds, LongestSeconds),
        };
        var noPerf = new Option<bool>("--no-perf") { Description = "Leave out the processor's share per stage" };
        var binary = new Option<string>("--exit-binary")
        {
            Description = "The exit's program",
            DefaultValueFactory = _ => Path.Combine(AppContext.BaseDirectory, "fastexit"),
        };
        var command = new Command("tunnel", "Measures the IP packet router through all five hops: TCP, small UDP, time per stage; needs root")
        {
            seconds, noPerf, binary,
        };
        command.SetAction((result, stop) => RunAsync(
            new TunnelRun(result.GetValue(binary)!, TimeSpan.FromSeconds(result.GetValue(seconds)), !result.GetValue(noPerf)), stop));
        return command;
    }

    private static async Task<int> RunAsync(TunnelRun run, CancellationToken stop)
    {
        try
        {
            if (!Environment.IsPrivilegedProcess)
                throw new LabException("network namespaces and tunnel devices need root: start it with sudo");
            await run.RunAsync(stop).ConfigureAwait(false);
            return 0;
        }
        catch (Exception e) when (stop.IsCancellationRequested && e is OperationCanceledException or LabException)
        {
            CommandText.Log("stopped; nothing is left behind");
            return 1;
        }
        catch (Exception e) when (e is LabException or NativeException or HttpRequestException or IOException)
        {
            CommandText.Log(e.Message);
            return 1;
        }
    }
}
