using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using FastExit.Sphinx;
using FastExit.Topology;

namespace FastExit.Delivery;

/// <summary>
/// Routes over the known topology (sphinx.md §10): one random node of each mix layer, then a gateway. Keys and addresses lie packed,
/// so that choosing a route copies a few hundred bytes and allocates nothing. One per core thread: it owns scratch memory.
/// </summary>
internal sealed class RouteBook
{
    public const int Hops = 4;
    private const int KeyBytes = 32;
    private const int RandomBytes = 4096;

    // By rotation code: unknown (the primary key), odd, even.
    private const int OwnPlaces = 3;

    private readonly byte[][] _layerKeys = new byte[3][];
    private readonly byte[][] _layerAddresses = new byte[3][];
    private readonly int[] _layerCount = new int[3];
    private readonly byte[] _ownIdentity;
    private readonly NodeAddress _ownAddress;
    private byte[] _gatewayKeys = [];
    private byte[] _gatewayAddresses = [];
    private readonly Dictionary<PeerTag, int> _gateways = [];
    private byte[] _gatewayIdentities = [];
    private int _own;
    private readonly double _meanDelayNanoseconds;

    // Where the tables of these keys appear; all empty without tables.
    private readonly NodeTables? _tables;
    private readonly NodeTables.Entry?[][] _layerTables = new NodeTables.Entry?[3][];
    private NodeTables.Entry?[] _gatewayTables = [];

    private readonly byte[] _keys = new byte[Hops * KeyBytes];
    private readonly X25519Table?[] _routeTables = new X25519Table?[Hops];
    private readonly byte[] _addresses = new byte[Hops * KeyBytes];
    private readonly ulong[] _delays = new ulong[Hops];
    private readonly byte[] _random = GC.AllocateArray<byte>(RandomBytes, pinned: true);
    private int _randomUsed = RandomBytes;

    /// <param name="topology">Mix layers and gateways.</param>
    /// <param name="ownIdentity">This node's identity key: last hop of its own acks.</param>
    /// <param name="ownSphinxKey">This node's current public Sphinx key.</param>
    /// <param name="ownAddress">This node's announced mixnet address.</param>
    /// <param name="meanHopDelay">Mean of the exponential delay per hop.</param>
    /// <param name="tables">Shared by all cores: tables of the keys, mix nodes first, as they get ready.</param>
    public RouteBook(
        NetworkTopology topology,
        ReadOnlySpan<byte> ownIdentity,
        ReadOnlySpan<byte> ownSphinxKey,
        NodeAddress ownAddress,
        TimeSpan meanHopDelay,
        NodeTables? tables = null)
    {
        _tables = tables;
        _meanDelayNanoseconds = meanHopDelay.TotalMilliseconds * 1e6;
        // The last hop of every ack.
        tables?.Of(ownSphinxKey, isLarge: true);
        _ownIdentity = ownIdentity.ToArray();
        _ownAddress = ownAddress;
        _own = -1;
        Use(topology);
        for (int place = OwnPlaces - 1; place >= 0; place--)
            PutGateway(_own + place, ownIdentity, ownSphinxKey, ownAddress);
    }

    /// <summary>Of the keys of all nodes but this one.</summary>
    public KeyRotation Rotation { get; private set; }

    /// <summary>Routes lead over these nodes from now on; this node's own keys stay. Places of gateways that were found before are void. Allocates.</summary>
    public void Use(NetworkTopology topology)
    {
        byte[] ownKeys = _own < 0 ? new byte[OwnPlaces * KeyBytes] : _gatewayKeys[(_own * KeyBytes)..];
        for (int layer = 0; layer < 3; layer++)
        {
            TopologyNode[] nodes = topology.Layer(layer + 1);
            _layerCount[layer] = nodes.Length;
            _layerKeys[layer] = new byte[nodes.Length * KeyBytes];
            _layerAddresses[layer] = new byte[nodes.Length * KeyBytes];
            _layerTables[layer] = [.. nodes.Select(n => _tables?.Of(n.SphinxKey))];
            for (int i = 0; i < nodes.Length; i++)
            {
                nodes[i].SphinxKey.CopyTo(_layerKeys[layer], i * KeyBytes);
                NodeAddress.From(nodes[i].MixAddress).Write(_layerAddresses[layer].AsSpan(i * KeyBytes, KeyBytes));
            }
        }

        List<TopologyNode> gateways =
            [.. topology.Nodes.Where(n => n.Role is TopologyRole.Entry or TopologyRole.Exit)];
        bool isFirst = _own < 0;
        _own = gateways.Count;
        _gateways.Clear();
        int places = gateways.Count + OwnPlaces;
        _gatewayKeys = new byte[places * KeyBytes];
        _gatewayAddresses = new byte[places * KeyBytes];
        _gatewayIdentities = new byte[places * KeyBytes];
        _gatewayTables = new NodeTables.Entry?[places];
        for (int i = 0; i < gateways.Count; i++)
            PutGateway(i, gateways[i].Identity, gateways[i].SphinxKey, NodeAddress.From(gateways[i].MixAddress));
        for (int place = OwnPlaces - 1; place >= 0 && !isFirst; place--)
            PutGateway(_own + place, _ownIdentity, ownKeys.AsSpan(place * KeyBytes, KeyBytes), _ownAddress);
        Rotation = KeyRotation.FromId(topology.RotationId);
    }

    /// <summary>This node as the last hop of what will come framed with <paramref name="rotation"/>.</summary>
    public int OwnGatewayOf(KeyRotation rotation) => _own + (int)rotation;

    public bool TryFindGateway(ReadOnlySpan<byte> identity, out int gateway) =>
        _gateways.TryGetValue(PeerTag.Read(identity), out gateway)
        && identity.SequenceEqual(_gatewayIdentities.AsSpan(gateway * KeyBytes, KeyBytes));

    /// <summary>Acks are built for these keys from now on; a rotation that has none gets the primary one.</summary>
    public void UseOwnKeys(SphinxKeySet keys)
    {
        for (int place = 0; place < OwnPlaces; place++)
        {
            int key = Math.Max(0, keys.KeyFor((KeyRotation)place));
            Span<byte> publicKey = _gatewayKeys.AsSpan((_own + place) * KeyBytes, KeyBytes);
            X25519.MultiplyBase(keys.PrivateKeys.Slice(key * KeyBytes, KeyBytes), publicKey);
            _gatewayTables[_own + place] = _tables?.Of(publicKey, isLarge: true);
        }
    }

    /// <summary>A fresh route; its spans are valid until the next call.</summary>
    public SphinxRoute Draw(int gateway, ReadOnlySpan<byte> destination, ReadOnlySpan<byte> identifier)
    {
        for (int layer = 0; layer < 3; layer++)
        {
            int node = (int)(((ulong)NextUInt32() * (ulong)_layerCount[layer]) >> 32);
            _layerKeys[layer].AsSpan(node * KeyBytes, KeyBytes).CopyTo(_keys.AsSpan(layer * KeyBytes));
            _layerAddresses[layer].AsSpan(node * KeyBytes, KeyBytes).CopyTo(_addresses.AsSpan(layer * KeyBytes));
            _routeTables[layer] = _layerTables[layer][node]?.Table;
            _delays[layer] = NextDelay();
        }

        _gatewayKeys.AsSpan(gateway * KeyBytes, KeyBytes).CopyTo(_keys.AsSpan(3 * KeyBytes));
        _gatewayAddresses.AsSpan(gateway * KeyBytes, KeyBytes).CopyTo(_addresses.AsSpan(3 * KeyBytes));
        _routeTables[3] = _gatewayTables[gateway]?.Table;
        _delays[3] = NextDelay();
        return new SphinxRoute(_keys, _addresses, _delays, destination, identifier, _routeTables);
    }

    /// <summary>First hop of the last route.</summary>
    public bool TryFirstHop(out NodeAddress firstHop) => NodeAddress.TryRead(_addresses, out firstHop, out _);

    private void PutGateway(
        int index, ReadOnlySpan<byte> identity, ReadOnlySpan<byte> sphinxKey, NodeAddress address)
    {
        identity.CopyTo(_gatewayIdentities.AsSpan(index * KeyBytes));
        sphinxKey.CopyTo(_gatewayKeys.AsSpan(index * KeyBytes));
        _gatewayTables[index] = _tables?.Of(sphinxKey);
        address.Write(_gatewayAddresses.AsSpan(index * KeyBytes, KeyBytes));
        _gateways[PeerTag.Read(identity)] = index;
    }

    private ulong NextDelay()
    {
        if (_meanDelayNanoseconds <= 0)
            return 0;
        double uniform = (NextUInt32() + 1.0) / 4294967296.0;
        return (ulong)Math.Round(-Math.Log(uniform) * _meanDelayNanoseconds);
    }

    private uint NextUInt32()
    {
        if (_randomUsed == RandomBytes)
        {
            RandomNumberGenerator.Fill(_random);
            _randomUsed = 0;
        }

        Span<byte> word = _random.AsSpan(_randomUsed, sizeof(uint));
        uint value = BitConverter.ToUInt32(word);
        word.Clear();
        _randomUsed += sizeof(uint);
        return value;
    }
}
