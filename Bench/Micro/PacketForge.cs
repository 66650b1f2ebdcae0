using System.Net;
using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using FastExit.Delivery;
using FastExit.Topology;

namespace FastExit.Bench.Micro;

/// <summary>
/// A four-hop network in memory (no sockets) that makes real packets for the benchmarks: each packet has its own keys, its own ack
/// and a valid end-to-end layer, and is given as its last hop, the exit, receives it.
/// </summary>
internal sealed class PacketForge
{
    private const int KeyBytes = 32;
    private readonly byte[][] _mixPrivate = [.. Enumerable.Range(0, 3).Select(_ => RandomNumberGenerator.GetBytes(KeyBytes))];
    private readonly RouteBook _routes;
    private readonly RouteBook _creatorRoutes;
    private readonly byte[] _clientIdentity;
    private readonly AckBatch _acks = new();
    private readonly ForwardPacketBatch _packets = new();
    private readonly ReplySurbBatch _surbs = new();
    private readonly SphinxHopBatch _hops = new();
    private readonly byte[] _identifier = new byte[16];
    private readonly byte[] _region = new byte[4096];
    private readonly (byte[] Identity, NodeAddress Address) _own;

    public PacketForge()
    {
        SphinxPrivateKey = RandomNumberGenerator.GetBytes(KeyBytes);
        EncryptionPrivateKey = RandomNumberGenerator.GetBytes(KeyBytes);
        AckKey = RandomNumberGenerator.GetBytes(16);
        byte[] gateway = Identity();
        byte[] service = Identity();
        _clientIdentity = Identity();
        byte[] address = [.. service, .. PublicOf(EncryptionPrivateKey), .. gateway];
        Recipient.TryRead(address, out Recipient recipient);
        Address = recipient;
        var nodes = new List<TopologyNode>();
        for (int i = 0; i < 3; i++)
        {
            nodes.Add(new TopologyNode(
                Identity(), PublicOf(_mixPrivate[i]), new IPEndPoint(IPAddress.Loopback, 20001 + i), (TopologyRole)i));
        }

        var topology = new NetworkTopology(1, nodes);
        var own = NodeAddress.From(new IPEndPoint(IPAddress.Loopback, 20010));
        _routes = new RouteBook(topology, gateway, PublicOf(SphinxPrivateKey), own, TimeSpan.Zero);

        // As in the exit: its own routes go by tables. They live as long as the process.
        var tables = new NodeTables(64L << 20);
        Routes = new RouteBook(topology, gateway, PublicOf(SphinxPrivateKey), own, TimeSpan.FromMilliseconds(15), tables);
        tables.Build(CancellationToken.None);
        _own = (gateway, own);
        _creatorRoutes = new RouteBook(
            topology, Identity(), PublicOf(RandomNumberGenerator.GetBytes(KeyBytes)),
            NodeAddress.From(new IPEndPoint(IPAddress.Loopback, 20011)), TimeSpan.Zero);
    }

    public byte[] SphinxPrivateKey { get; }

    public byte[] EncryptionPrivateKey { get; }

    public byte[] AckKey { get; }

    public Recipient Address { get; }

    /// <summary>Routes as the exit draws them.</summary>
    public RouteBook Routes { get; }

    /// <summary>The exit's routes where every layer has so many nodes, all with tables; packets by them go nowhere.</summary>
    public RouteBook RoutesAmong(int nodesPerLayer)
    {
        var nodes = new List<TopologyNode>();
        for (int i = 0; i < 3 * nodesPerLayer; i++)
        {
            nodes.Add(new TopologyNode(
                Identity(), PublicOf(RandomNumberGenerator.GetBytes(KeyBytes)), new IPEndPoint(IPAddress.Loopback, 20020 + i), (TopologyRole)(i % 3)));
        }

        var tables = new NodeTables(64L << 20);
        var routes = new RouteBook(
            new NetworkTopology(1, nodes), _own.Identity, PublicOf(SphinxPrivateKey), _own.Address, TimeSpan.FromMilliseconds(15), tables);
        tables.Build(CancellationToken.None);
        return routes;
    }

    /// <summary>One regular packet with a single-fragment Plain message of <paramref name="messageBytes"/>, three layers removed.</summary>
    public byte[] AtExit(int messageBytes)
    {
        int fragmentBytes = PacketSizes.FragmentBytes(PacketSize.Regular);
        byte[] message = new byte[messageBytes + MessageWriter.PlainHeaderBytes];
        MessageWriter.WritePlainHeader(message);
        FragmentPlan.For(message.Length, fragmentBytes).WriteFragment(
            message, 0, [SetId.Next()], _region.AsSpan(801, fragmentBytes));
        _acks.Clear();
        _acks.Add(_creatorRoutes.Draw(_creatorRoutes.OwnGatewayOf(KeyRotation.Unknown), _clientIdentity, _identifier), AckKey, 1, 1);
        _acks.Build();
        _packets.Clear();
        _packets.Add(
            0, PacketSize.Regular, _routes.Draw(_routes.OwnGatewayOf(KeyRotation.Unknown), Address.Identity, _identifier),
            Address.EncryptionKey, _acks.Prefix(0));
        _packets.Build(_region);
        Span<SphinxLane> lane = [new SphinxLane { Offset = 0, Length = PacketSizes.PacketBytes(PacketSize.Regular) }];
        foreach (byte[] key in _mixPrivate)
        {
            lane[0].Status = SphinxStatus.None;
            _hops.OpenHeaders(_region, lane, key);
            _hops.OpenPayloads(_region, lane);
            if (lane[0].Status != SphinxStatus.Forward)
                throw new InvalidOperationException($"a forged packet failed at a mix hop: {lane[0].Status}");
        }

        return _region[..PacketSizes.PacketBytes(PacketSize.Regular)];
    }

    /// <summary>A reply SURB (460 bytes) that leads to a client behind another gateway.</summary>
    public byte[] ReplySurb()
    {
        _surbs.Clear();
        _surbs.Add(_creatorRoutes.Draw(_creatorRoutes.OwnGatewayOf(KeyRotation.Unknown), _clientIdentity, _identifier));
        _surbs.Build();
        return _surbs.Surb(0).ToArray();
    }

    /// <summary>A client's return address behind this gateway, with an encryption key of its own.</summary>
    public Recipient Stranger()
    {
        byte[] address = [.. Identity(), .. PublicOf(RandomNumberGenerator.GetBytes(KeyBytes)), .. Address.Gateway];
        Recipient.TryRead(address, out Recipient recipient);
        return recipient;
    }

    private static byte[] PublicOf(byte[] privateKey)
    {
        byte[] result = new byte[KeyBytes];
        X25519.MultiplyBase(privateKey, result);
        return result;
    }

    private static byte[] Identity() => Ed25519.PublicKey(Ed25519.GenerateSeed());
}
