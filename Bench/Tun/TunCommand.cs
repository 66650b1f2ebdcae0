using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;

namespace FastExit.Bench.Tun;

/// <summary><c>fastexit-bench tun</c>: a TUN device whose packets leave through a lab's exit.</summary>
internal static class TunCommand
{
    private const int SmallestMtu = 1280;
    private const int LargestMtu = 1500;

    public static Command Create()
    {
        var network = new NetworkOptions();
        var name = new Option<string>("--name")
        {
            Description = "Name of the device; %d becomes a number",
            DefaultValueFactory = _ => "nym%d",
        };
        var mtu = new Option<int?>("--mtu")
        {
            Description = $"Largest packet, {SmallestMtu} to {LargestMtu}; default: what the exit reports, else 1420",
            CustomParser = result => CommandText.NumberBetween(SmallestMtu, LargestMtu)(result),
        };
        var version = new Option<int?>("--version")
        {
            Description = "8, 9 or 10 alone; default: 10, then 9, then 8",
            CustomParser = result => CommandText.NumberBetween(8, 10)(result),
        };
        var space = new Option<string?>("--netns") { Description = "Put the device into this namespace (`ip netns add NAME`), as its only way out" };
        var path = new Option<string?>("--netns-path") { Description = "The same by path, for example /proc/PID/ns/net" };
        var routes = new Option<IPNetwork[]>("--route")
        {
            Description = "A network behind the tunnel, for example 192.0.2.0/24; may be repeated",
            DefaultValueFactory = _ => [],
            CustomParser = ParseNetworks,
        };
        var delay = new Option<TimeSpan>("--delay")
        {
            Description = "Mean delay at each hop",
            DefaultValueFactory = _ => TimeSpan.FromMilliseconds(10),
            CustomParser = CommandText.ParseDuration,
        };
        var command = new Command("tun", "A TUN device whose packets leave through the lab's exit, answered by reply SURBs only")
        {
            name, mtu, version, space, path, routes, delay,
        };
        network.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(space) is not null && result.GetValue(path) is not null)
                result.AddError("--netns and --netns-path name the same thing: give one");
        });
        command.SetAction((result, stop) =>
        {
            var settings = new TunnelSettings { MeanHopDelay = result.GetValue(delay), Mtu = result.GetValue(mtu) };
            if (result.GetValue(version) is { } only)
                settings = settings with { Versions = [.. settings.Versions.Where(attempt => attempt.Version == only)] };
            return RunAsync(
                new TunnelOptions
                {
                    Target = network.Read(result),
                    Name = result.GetValue(name)!,
                    Namespace = result.GetValue(space),
                    NamespacePath = result.GetValue(path),
                    Routes = result.GetValue(routes) ?? [],
                    Settings = settings,
                },
                stop);
        });
        return command;
    }

    private static IPNetwork[] ParseNetworks(ArgumentResult result)
    {
        var networks = new List<IPNetwork>();
        foreach (Token token in result.Tokens)
        {
            if (IPNetwork.TryParse(token.Value, out IPNetwork network))
                networks.Add(network);
            else
                result.AddError($"'{token.Value}' is no network: 192.0.2.0/24, 2001:db8::/32");
        }

        return [.. networks];
    }

    private static async Task<int> RunAsync(TunnelOptions options, CancellationToken stop)
    {
        try
        {
            TunnelLine? line = null;
            using TunSession session = TunSession.Start(options, text => Log(line, text));
            line = new TunnelLine(session.Engine);
            using var ended = new CancellationTokenSource();
            Task showing = line.RunAsync(ended.Token);
            try
            {
                using CancellationTokenRegistration closing = stop.Register(() => _ = session.Engine.CloseAsync());
                if (await session.RunAsync().ConfigureAwait(false) is not { } failure)
                    return 0;
                throw new LabException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"no tunnel: {failure}; the log of the lab in {options.Target.Name} may tell why"));
            }
            finally
            {
                await ended.CancelAsync().ConfigureAwait(false);
                await showing.ConfigureAwait(false);
            }
        }
        catch (LabException e)
        {
            CommandText.Log(e.Message);
            return 1;
        }
    }

    private static void Log(TunnelLine? line, string text)
    {
        if (line is null)
            CommandText.Log(text);
        else
            line.Log(text);
    }
}
