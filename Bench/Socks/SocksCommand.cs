using System.CommandLine;
using System.Net;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;

namespace FastExit.Bench.Socks;

/// <summary><c>fastexit-bench socks</c>: a SOCKS client for a running lab, in a process of its own.</summary>
internal static class SocksCommand
{
    public static Command Create()
    {
        var listen = new Option<IPEndPoint?>("--listen")
        {
            Description = "Where applications connect",
            DefaultValueFactory = _ => new IPEndPoint(IPAddress.Loopback, 1080),
            CustomParser = CommandText.ParseEndPoint,
        };
        var network = new NetworkOptions();
        var optimistic = new Option<bool>("--optimistic") { Description = "Report success before the exit has answered" };
        var user = new Option<string?>("--user") { Description = "NAME:PASSWORD that SOCKS5 applications must show" };
        var delay = new Option<TimeSpan>("--delay")
        {
            Description = "Mean delay at each hop",
            DefaultValueFactory = _ => TimeSpan.FromMilliseconds(10),
            CustomParser = CommandText.ParseDuration,
        };
        var command = new Command("socks", "SOCKS4, 4a and 5 through the lab's exit, answered by reply SURBs only")
        {
            listen, optimistic, user, delay,
        };
        network.AddTo(command);
        command.SetAction((result, stop) => RunAsync(
            network.Read(result),
            result.GetValue(delay),
            new SocksSettings
            {
                Listen = result.GetValue(listen)!,
                Optimistic = result.GetValue(optimistic),
                Credentials = Credentials(result.GetValue(user)),
            },
            stop));
        return command;
    }

    private static SocksCredentials? Credentials(string? text)
    {
        int colon = text?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        return colon < 0 ? null : new SocksCredentials(text![..colon], text[(colon + 1)..]);
    }

    private static async Task<int> RunAsync(
        ClientTarget target, TimeSpan delay, SocksSettings settings, CancellationToken stop)
    {
        try
        {
            using SocksSession session = SocksSession.Start(target, delay, settings);
            CommandText.Log($"SOCKS on {session.Address}");
            await RateLine.RunAsync([], session, Task.Delay(Timeout.Infinite, stop), stop).ConfigureAwait(false);
            return 0;
        }
        catch (LabException e)
        {
            CommandText.Log(e.Message);
            return 1;
        }
    }
}
