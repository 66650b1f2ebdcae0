using System.CommandLine;
using System.Globalization;
using System.Net;
using FastExit.Bench.Client;
using FastExit.Bench.Lab.Api;
using FastExit.Bench.Lab.Entry;
using FastExit.Bench.Socks;
using Spectre.Console;

namespace FastExit.Bench.Lab;

/// <summary><c>fastexit-bench lab</c>: a local mixnet around a real exit.</summary>
internal static class LabCommand
{
    private const int DefaultWebPort = 8080;

    public static Command Create()
    {
        var directory = new Option<string>("--dir")
        {
            Description = "Folder of keys, topology and the exit's data",
            DefaultValueFactory = _ => Path.Combine(Path.GetTempPath(), "fastexit-lab"),
        };
        var socks = new Option<IPEndPoint?>("--socks")
        {
            Description = "Also run a SOCKS client in this process, for example 127.0.0.1:1080",
            CustomParser = CommandText.ParseEndPoint,
        };
        var optimistic = new Option<bool>("--optimistic") { Description = "With --socks: report success before the exit has answered" };
        var web = new Option<int>("--web")
        {
            Description = "Port of the local web server; the default is one that the default policy allows",
            DefaultValueFactory = _ => DefaultWebPort,
        };
        var echo = new Option<int>("--echo")
        {
            Description = "Port of the local echo server; 0 takes any free one that the default policy allows, and prints it",
            DefaultValueFactory = _ => EchoServer.DefaultPort,
            CustomParser = CommandText.NumberBetween(0, IPEndPoint.MaxPort),
        };
        var noWeb = new Option<bool>("--no-web") { Description = "No local servers; the exit's address guard stays closed" };
        var delay = new Option<TimeSpan>("--delay")
        {
            Description = "Mean delay at each hop, for example 10ms; 0ms also passes on at once what clients want held",
            DefaultValueFactory = _ => TimeSpan.FromMilliseconds(10),
            CustomParser = CommandText.ParseDuration,
        };
        var cores = new Option<int[]>("--cores")
        {
            Description = "The exit's cores, for example 0,1",
            DefaultValueFactory = _ => [],
            CustomParser = CommandText.ParseCores,
        };
        var loss = new Option<double>("--loss") { Description = "Share of packets each mix loses on purpose, 0 to 0.5" };
        var ipr = new Option<bool>("--ipr") { Description = "The exit also routes IP packets; it needs CAP_NET_ADMIN" };
        var set = new Option<string[]>("--set") { Description = "A setting of the exit, section.key=value; {directory} stands for the directory's URL; may be repeated" };
        var binary = new Option<string>("--exit-binary")
        {
            Description = "The exit's program",
            DefaultValueFactory = _ => Path.Combine(AppContext.BaseDirectory, "fastexit"),
        };
        var api = new DirectoryOptions();
        var entry = new EntryOptions();
        var command = new Command("lab", "A mixnet on this machine: three mixes, an entry gateway and a real exit")
        {
            directory, socks, optimistic, web, echo, noWeb, delay, cores, loss, ipr, set, binary,
        };
        api.AddTo(command);
        entry.AddTo(command);
        command.SetAction((result, stop) => RunAsync(
            new LabSettings
            {
                Directory = result.GetValue(directory)!,
                ExitBinary = result.GetValue(binary)!,
                Set = result.GetValue(set) ?? [],
                Cores = result.GetValue(cores) ?? [],
                WebPort = result.GetValue(noWeb) ? null : result.GetValue(web),
                EchoPort = result.GetValue(echo),
                MeanHopDelay = result.GetValue(delay),
                IpPacketRouter = result.GetValue(ipr),
                Loss = Math.Clamp(result.GetValue(loss), 0, 0.5),
                EntryWebsocket = entry.Listen(result),
                Entry = entry.Read(result),
                Api = api.Read(result),
            },
            result.GetValue(socks),
            result.GetValue(optimistic),
            stop));
        return command;
    }

    private static async Task<int> RunAsync(LabSettings settings, IPEndPoint? socks, bool optimistic, CancellationToken stop)
    {
        try
        {
            await using LabNetwork lab = await LabNetwork.StartAsync(settings, CommandText.Log).ConfigureAwait(false);
            using SocksSession? session = socks is null
                ? null
                : SocksSession.Start(ClientTarget.Of(lab.Directory), settings.MeanHopDelay, new SocksSettings { Listen = socks, Optimistic = optimistic });
            Describe(lab, session);
            await RateLine.RunAsync(lab.Mixes, session, lab.GaveUp, stop).ConfigureAwait(false);
            if (!stop.IsCancellationRequested)
                return 1;
            CommandText.Log("stopping");
            return 0;
        }
        catch (LabException e)
        {
            CommandText.Log(e.Message);
            return 1;
        }
    }

    private static void Describe(LabNetwork lab, SocksSession? session)
    {
        var table = new Table().AddColumn("what").AddColumn("where").Border(TableBorder.Rounded);
        table.AddRow("folder", Markup.Escape(lab.Directory.Path));
        table.AddRow("exit", string.Create(CultureInfo.InvariantCulture, $"{lab.ExitAddress.MixAddress} (process {lab.Exit.Id})"));
        if (session is not null)
            table.AddRow("SOCKS", Markup.Escape(session.Address.ToString()));
        AnsiConsole.Write(table);

        // Not in the table: it is to be copied in one piece.
        Console.WriteLine($"directory: {lab.File.Directory}");
        Console.WriteLine($"entry gateway: {lab.File.Entry!.Identity} {lab.File.Entry.Websocket}");
        Console.WriteLine($"network requester: {lab.ExitAddress.NetworkRequester}");
        if (lab.ExitAddress.IpPacketRouter is { } router)
            Console.WriteLine($"ip packet router: {router}");
    }
}
