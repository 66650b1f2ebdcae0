using System.Net;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using FastExit.Identity;
using FastExit.Tests.MixLink;
using FastExit.Topology;

namespace FastExit.Tests.Delivery;

/// <summary>Where a packet came out, or waits to be unwrapped.</summary>
internal sealed record Arrival(MixLab.Node Node, byte[] Packet, byte[]? Plaintext, byte[]? Destination);

/// <summary>
/// A network in memory: three layers of two mix nodes, an entry gateway and the exit under test. Layer 1 listens on loopback, since the
/// exit sends there; the way through the other layers is walked with the nodes' keys.
/// </summary>
internal sealed class MixLab : IDisposable
{
    private readonly Dictionary<NodeAddress, Node> _byAddress = [];
    private readonly SphinxHopBatch _hops = new();

    /// <param name="exit">Keys of an exit that runs for real; without them the exit is one of the lab's own.</param>
    public MixLab(NodeKeys? exit = null)
    {
        var nodes = new List<TopologyNode>();
        for (int layer = 0; layer < 3; layer++)
        {
            for (int i = 0; i < 2; i++)
            {
                FrameCollector? collector = layer == 0 ? new FrameCollector() : null;
                IPEndPoint address = collector?.EndPoint ?? new IPEndPoint(IPAddress.Parse($"10.0.{layer}.{i + 1}"), 1789);
                nodes.Add(Add(new Node(address, collector)).InTopology((TopologyRole)layer));
            }
        }

        Entry = Add(new Node(new IPEndPoint(IPAddress.Parse("10.0.8.1"), 1789), null));
        var exitAddress = new IPEndPoint(IPAddress.Parse("10.0.9.1"), 1789);
        Exit = Add(exit is null
            ? new Node(exitAddress, null)
            : new Node(exitAddress, null, exit.Identity.ToArray(), exit.CurrentSphinxKey.PrivateKey.ToArray()));
        nodes.Add(Entry.InTopology(TopologyRole.Entry));
        nodes.Add(Exit.InTopology(TopologyRole.Exit));
        Topology = new NetworkTopology(1, nodes);
        Service = exit?.NetworkRequester.Address ?? Recipient(ServiceIdentitySeed, ServiceKey, Exit);
        Second = Recipient(Ed25519.GenerateSeed(), SecondKey, Exit);
    }

    public Node Entry { get; }

    public Node Exit { get; }

    public NetworkTopology Topology { get; }

    public byte[] ServiceIdentitySeed { get; } = Ed25519.GenerateSeed();

    public byte[] ServiceKey { get; } = Random.Shared.GetItems(Enumerable.Range(0, 256).Select(i => (byte)i).ToArray(), 32);

    public byte[] AckKey { get; } = Ed25519.GenerateSeed()[..16];

    public Recipient Service { get; }

    public byte[] SecondKey { get; } = Ed25519.GenerateSeed();

    public byte[] SecondAckKey { get; } = Ed25519.GenerateSeed()[..16];

    /// <summary>Another service behind the same exit.</summary>
    public Recipient Second { get; }

    public IEnumerable<FrameCollector> Collectors => _byAddress.Values.Select(n => n.Collector).OfType<FrameCollector>();

    public static Recipient Recipient(byte[] identitySeed, byte[] privateKey, Node gateway)
    {
        byte[] bytes = [.. Ed25519.PublicKey(identitySeed), .. PublicKey(privateKey), .. gateway.Identity];
        if (!FastExit.Crypto.EndToEnd.Recipient.TryRead(bytes, out Recipient recipient))
            throw new InvalidOperationException("no recipient");
        return recipient;
    }

    public static byte[] PublicKey(byte[] privateKey)
    {
        byte[] key = new byte[32];
        X25519.MultiplyBase(privateKey, key);
        return key;
    }

    public Node At(NodeAddress address) => _byAddress[address];

    /// <summary>From a first hop until the exit (before it is unwrapped) or a final hop; null if some hop refuses the packet.</summary>
    public Arrival? Walk(NodeAddress firstHop, byte[] packet)
    {
        packet = [.. packet];
        Node node = At(firstHop);
        while (true)
        {
            if (ReferenceEquals(node, Exit))
                return new Arrival(node, packet, null, null);
            var lanes = new SphinxLane[] { new() { Offset = 0, Length = packet.Length, Key = 0 } };
            _hops.OpenHeaders(packet, lanes, node.PrivateKey);
            _hops.OpenPayloads(packet, lanes);
            ref SphinxLane lane = ref lanes[0];
            if (lane.Status == SphinxStatus.Final)
            {
                return new Arrival(
                    node, packet, packet[lane.PlaintextOffset..(lane.PlaintextOffset + lane.PlaintextBytes)],
                    lane.Destination.AsReadOnlySpan().ToArray());
            }

            if (lane.Status != SphinxStatus.Forward || !NodeAddress.TryRead(lane.NextHop.AsReadOnlySpan(), out NodeAddress next, out _))
                return null;
            node = At(next);
        }
    }

    public void Dispose()
    {
        foreach (FrameCollector collector in Collectors)
            collector.Dispose();
    }

    private Node Add(Node node)
    {
        _byAddress.Add(NodeAddress.From(node.Address), node);
        return node;
    }

    internal sealed class Node(IPEndPoint address, FrameCollector? collector, byte[]? identity = null, byte[]? privateKey = null)
    {
        public IPEndPoint Address { get; } = address;

        public FrameCollector? Collector { get; } = collector;

        public byte[] Identity { get; } = identity ?? Ed25519.PublicKey(Ed25519.GenerateSeed());

        public byte[] PrivateKey { get; } = privateKey ?? Ed25519.GenerateSeed();

        public byte[] SphinxKey => PublicKey(PrivateKey);

        public TopologyNode InTopology(TopologyRole role) => new(Identity, SphinxKey, Address, role);
    }
}
