using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using FastExit.Topology;
using SimpleBase;

namespace FastExit.Bench.Lab;

/// <summary>What <c>fastexit address --json</c> prints: how others reach the exit.</summary>
internal sealed record ExitAddress(string NetworkRequester, string? IpPacketRouter, byte[] Identity, byte[] SphinxKey, IPEndPoint MixAddress)
{
    /// <exception cref="LabException">Not the JSON that is expected.</exception>
    public static ExitAddress Parse(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement root = document.RootElement;
            return new ExitAddress(
                Text(root, "network_requester"),
                root.TryGetProperty("ip_packet_router", out JsonElement router) ? router.GetString() : null,
                Key(root, "identity"),
                Key(root, "sphinx_key"),
                IPEndPoint.Parse(Text(root, "mix_address")));
        }
        catch (Exception e) when (e is JsonException or FormatException or ArgumentException or InvalidOperationException or KeyNotFoundException)
        {
            throw new LabException($"the exit's address is not as expected: {e.Message}");
        }
    }

    private static byte[] Key(JsonElement root, string name)
    {
        string text = Text(root, name);

        // The decoder fails in its own way on other characters.
        return !text.AsSpan().ContainsAnyExcept(TopologyFile.Base58Characters) && Base58.Bitcoin.Decode(text) is { Length: TopologyNode.KeyBytes } key
            ? key
            : throw new FormatException($"{name} is not base58 of {TopologyNode.KeyBytes} bytes");
    }

    private static string Text(JsonElement root, string name) =>
        root.GetProperty(name).GetString() ?? throw new FormatException($"{name} is missing");
}

/// <summary>
/// The lab's folder: <c>topology.json</c>, <c>exit.json</c> (the exit's addresses), <c>mix-1..3.key</c>, <c>entry-1..4.key</c> and the exit's
/// own data directory <c>exit</c>, and what clients need in <c>lab.json</c>. The first entry gateway takes clients by websocket and keeps
/// them in <c>entry-1.clients</c>; the others are for clients that bring their gateway along.
/// </summary>
internal sealed class LabDirectory(string path)
{
    public const int Mixes = NetworkTopology.Layers;
    public const int Entries = 4;
    public const int WebsocketEntry = 1;

    public string Path { get; } = System.IO.Path.GetFullPath(path);

    public string TopologyFile => System.IO.Path.Combine(Path, "topology.json");

    public string ExitFile => System.IO.Path.Combine(Path, "exit.json");

    public string LabFile => System.IO.Path.Combine(Path, "lab.json");

    public string ClientsFile => System.IO.Path.Combine(Path, $"entry-{WebsocketEntry}.clients");

    public string ExitDirectory => System.IO.Path.Combine(Path, "exit");

    public NodeKeys Mix(int number) => NodeKeys.Load(KeyFile($"mix-{number}"));

    public NodeKeys Entry(int number) => NodeKeys.Load(KeyFile($"entry-{number}"));

    public NetworkTopology Topology() => NetworkTopology.Load(TopologyFile);

    /// <exception cref="LabException">No lab was started in this folder.</exception>
    public ExitAddress Exit()
    {
        try
        {
            return ExitAddress.Parse(File.ReadAllText(ExitFile));
        }
        catch (IOException e)
        {
            throw new LabException($"{e.Message} Start `fastexit-bench lab --dir {Path}` first");
        }
    }

    /// <summary>Makes keys that are not there yet; an existing lab keeps its own.</summary>
    public void CreateKeys()
    {
        Directory.CreateDirectory(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        for (int i = 1; i <= Mixes; i++)
            CreateKey($"mix-{i}");
        for (int i = 1; i <= Entries; i++)
            CreateKey($"entry-{i}");
    }

    /// <summary>The topology of a lab: where its mixes, its entries (at most <see cref="Entries"/>) and its exit listen for each other.</summary>
    public NetworkTopology WriteTopology(IReadOnlyList<IPEndPoint> mixes, IReadOnlyList<IPEndPoint> entries, ExitAddress exit)
    {
        var nodes = new List<TopologyNode>();
        for (int i = 1; i <= Mixes; i++)
        {
            NodeKeys keys = Mix(i);
            nodes.Add(new TopologyNode(keys.Identity, keys.SphinxKey, mixes[i - 1], TopologyRole.Mix1 + (i - 1)));
        }

        for (int i = 1; i <= entries.Count; i++)
        {
            NodeKeys keys = Entry(i);
            nodes.Add(new TopologyNode(keys.Identity, keys.SphinxKey, entries[i - 1], TopologyRole.Entry));
        }

        nodes.Add(new TopologyNode(exit.Identity, exit.SphinxKey, exit.MixAddress, TopologyRole.Exit));
        var topology = new NetworkTopology(1, nodes);
        topology.Save(TopologyFile);
        return topology;
    }

    /// <summary>The first entry gateway whose address nobody has taken.</summary>
    /// <exception cref="LabException">All are in use.</exception>
    public EntryGateway OpenEntry(NetworkTopology topology)
    {
        var settings = new LabNodeSettings { Known = Known(topology) };
        for (int i = 1; i <= Entries; i++)
        {
            NodeKeys keys = Entry(i);
            if (!topology.TryGetGateway(keys.Identity, out TopologyNode node))
                throw new LabException($"entry-{i} is not in {TopologyFile}: start the lab anew");
            try
            {
                var gateway = new EntryGateway($"entry-{i}", keys, node.MixAddress, settings);
                gateway.Start();
                return gateway;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // Another client has it.
            }
        }

        throw new LabException($"all {Entries} entry gateways of {Path} are in use: stop another client");
    }

    public static HashSet<IPEndPoint> Known(NetworkTopology topology) => [.. topology.Nodes.Select(node => node.MixAddress)];

    /// <summary>Ports that are free now; they are held together while they are chosen, so all differ.</summary>
    public static IPEndPoint[] FreeAddresses(int count)
    {
        var sockets = new List<Socket>();
        try
        {
            for (int i = 0; i < count; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                sockets.Add(socket);
                socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            }

            return [.. sockets.Select(socket => (IPEndPoint)socket.LocalEndPoint!)];
        }
        finally
        {
            foreach (Socket socket in sockets)
                socket.Dispose();
        }
    }

    private string KeyFile(string name) => System.IO.Path.Combine(Path, name + ".key");

    private void CreateKey(string name)
    {
        if (!File.Exists(KeyFile(name)))
            NodeKeys.Generate().Save(KeyFile(name));
    }
}
