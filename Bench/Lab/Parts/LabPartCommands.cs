using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using System.Net.Sockets;
using FastExit.Bench.Lab.Api;
using FastExit.Bench.Lab.Entry;
using FastExit.Topology;
using SimpleBase;

namespace FastExit.Bench.Lab.Parts;

/// <summary>
/// A lab in pieces, each a process of its own that may live in its own namespace: <c>lab-plan</c> writes who is who into a folder, then
/// <c>lab-mix</c>, <c>lab-entry</c> and <c>lab-directory</c> read it, and <c>fastexit run</c> is the exit.
/// </summary>
internal static class LabPartCommands
{
    private const int Ready = 0;
    private const int Failed = 1;

    public static IEnumerable<Command> Create() => [Plan(), Mix(), EntryNode(), DirectoryNode()];

    private static Option<string> Folder() => new("--dir") { Description = "Folder of the lab", Required = true };

    private static Option<IPEndPoint?> Address(string name, string description) =>
        new(name) { Description = description, Required = true, CustomParser = CommandText.ParseEndPoint };

    private static Command Plan()
    {
        Option<string> folder = Folder();
        var mixes = new Option<IPEndPoint[]>("--mix")
        {
            Description = "Address of a mix, layer 1 first; three times",
            Required = true,
            CustomParser = ParseEndPoints,
        };
        Option<IPEndPoint?> entry = Address("--entry", "Address of the entry gateway's mix link"), exit = Address("--exit", "Address of the exit's mix link");
        var binary = new Option<string>("--exit-binary")
        {
            Description = "The exit's program",
            DefaultValueFactory = _ => Path.Combine(AppContext.BaseDirectory, "fastexit"),
        };
        var command = new Command("lab-plan", "Writes the folder of a lab whose pieces are started one by one") { folder, mixes, entry, exit, binary };
        command.SetAction((result, stop) => GuardAsync(async () =>
        {
            IPEndPoint[] addresses = result.GetValue(mixes) ?? [];
            if (addresses.Length != NetworkTopology.Layers)
                throw new LabException($"--mix is needed {NetworkTopology.Layers} times, once for each layer");
            var lab = new LabDirectory(result.GetValue(folder)!);
            (_, ExitAddress described) = await LabPlan.PrepareAsync(
                lab, result.GetValue(binary)!, addresses, [result.GetValue(entry)!], result.GetValue(exit)!).ConfigureAwait(false);
            Console.WriteLine($"entry gateway: {Base58.Bitcoin.Encode(lab.Entry(LabDirectory.WebsocketEntry).Identity)}");
            Console.WriteLine($"network requester: {described.NetworkRequester}");
            Console.WriteLine($"exit: fastexit run --data-dir {lab.ExitDirectory}");
        }));
        return command;
    }

    private static Command Mix()
    {
        Option<string> folder = Folder();
        var number = new Option<int>("--number")
        {
            Description = "Which mix: 1, 2 or 3",
            Required = true,
            CustomParser = CommandText.NumberBetween(1, LabDirectory.Mixes),
        };
        var loss = new Option<double>("--loss") { Description = "Share of packets it loses on purpose, 0 to 0.5" };
        var command = new Command("lab-mix", "One mix of a planned lab") { folder, number, loss };
        command.SetAction((result, stop) => GuardAsync(async () =>
        {
            var lab = new LabDirectory(result.GetValue(folder)!);
            NodeKeys keys = lab.Mix(result.GetValue(number));
            TopologyNode node = Own(lab, keys, out LabNodeSettings settings);
            settings = settings with { Loss = Math.Clamp(result.GetValue(loss), 0, 0.5) };
            using var mix = new MixNode($"mix-{result.GetValue(number)}", keys, node.MixAddress, settings);
            mix.Start();
            await UntilAsync($"{mix.Name} listens on {mix.Address}", stop).ConfigureAwait(false);
        }));
        return command;
    }

    private static Command EntryNode()
    {
        Option<string> folder = Folder();
        var options = new EntryOptions();
        var command = new Command("lab-entry", "The entry gateway of a planned lab") { folder };
        options.AddTo(command);
        command.SetAction((result, stop) => GuardAsync(async () =>
        {
            var lab = new LabDirectory(result.GetValue(folder)!);
            NodeKeys keys = lab.Entry(LabDirectory.WebsocketEntry);
            TopologyNode node = Own(lab, keys, out LabNodeSettings settings);
            using var gateway = new EntryGateway($"entry-{LabDirectory.WebsocketEntry}", keys, node.MixAddress, settings);
            gateway.Start();
            EntryListener listener = await EntryListener.StartAsync(
                gateway, keys, options.Listen(result), lab.ClientsFile, options.Read(result)).ConfigureAwait(false);
            await using (listener.ConfigureAwait(false))
                await UntilAsync($"{gateway.Name} takes clients on ws://{listener.Address}", stop).ConfigureAwait(false);
        }));
        return command;
    }

    private static Command DirectoryNode()
    {
        Option<string> folder = Folder();
        Option<IPEndPoint?> websocket = Address("--entry-ws", "Where the entry gateway takes clients, as they reach it");
        var options = new DirectoryOptions();
        var command = new Command("lab-directory", "The directory of a planned lab; writes lab.json") { folder, websocket };
        options.AddTo(command);
        command.SetAction((result, stop) => GuardAsync(async () =>
        {
            var lab = new LabDirectory(result.GetValue(folder)!);
            string entry = Base58.Bitcoin.Encode(lab.Entry(LabDirectory.WebsocketEntry).Identity);
            IPEndPoint address = result.GetValue(websocket)!;
            DirectorySettings settings = options.Read(result) with { Websockets = new Dictionary<string, int> { [entry] = address.Port } };
            DirectoryService service = await DirectoryService.StartAsync(lab, settings).ConfigureAwait(false);
            await using (service.ConfigureAwait(false))
            {
                ExitAddress exit = lab.Exit();
                new LabFile(
                    service.Url.ToString(), service.SecureUrl?.ToString(), new LabEntry(entry, $"ws://{address}"),
                    exit.NetworkRequester, exit.IpPacketRouter, null).Write(lab.LabFile);
                await UntilAsync($"the directory is {service.Url}", stop).ConfigureAwait(false);
            }
        }));
        return command;
    }

    private static TopologyNode Own(LabDirectory lab, NodeKeys keys, out LabNodeSettings settings)
    {
        NetworkTopology topology = lab.Topology();
        settings = new LabNodeSettings { Known = LabDirectory.Known(topology) };
        return topology.Nodes.FirstOrDefault(node => node.Identity.AsSpan().SequenceEqual(keys.Identity))
            ?? throw new LabException($"this node is not in {lab.TopologyFile}: run `fastexit-bench lab-plan` anew");
    }

    private static async Task UntilAsync(string ready, CancellationToken stop)
    {
        CommandText.Log(ready);
        await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static async Task<int> GuardAsync(Func<Task> run)
    {
        try
        {
            await run().ConfigureAwait(false);
            return Ready;
        }
        catch (Exception e) when (e is LabException or TopologyException or SocketException)
        {
            CommandText.Log(e.Message);
            return Failed;
        }
    }

    private static IPEndPoint[] ParseEndPoints(ArgumentResult result)
    {
        var addresses = new List<IPEndPoint>();
        foreach (Token token in result.Tokens)
        {
            if (IPEndPoint.TryParse(token.Value, out IPEndPoint? address) && address.Port != 0)
                addresses.Add(address);
            else
                result.AddError($"'{token.Value}' is not address:port");
        }

        return [.. addresses];
    }
}
