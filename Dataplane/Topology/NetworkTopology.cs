using System.Buffers.Binary;
using System.Net;

namespace FastExit.Topology;

/// <summary>
/// The known nodes of one key rotation; immutable, so any thread may read it. Its mix addresses are the only next hops that packets are
/// sent to. File format: see <see cref="TopologyFile"/>.
/// </summary>
public sealed class NetworkTopology
{
    public const int Layers = 3;

    private readonly TopologyNode[][] _layers;
    private readonly Dictionary<NodeKey, TopologyNode> _gateways = [];
    private readonly HashSet<IPEndPoint> _addresses = [];
    private readonly Dictionary<IPEndPoint, byte[]> _noiseKeys = [];
    private readonly HashSet<IPAddress> _noiseAddresses = [];

    /// <exception cref="ArgumentException">Two nodes share an identity or an address, or a key is not 32 bytes long.</exception>
    public NetworkTopology(uint rotationId, IReadOnlyList<TopologyNode> nodes)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        RotationId = rotationId;
        Nodes = [.. nodes];
        var identities = new HashSet<NodeKey>();
        foreach (var node in Nodes)
        {
            if (node.Identity.Length != TopologyNode.KeyBytes || node.SphinxKey.Length != TopologyNode.KeyBytes)
                throw new ArgumentException("a node's keys have 32 bytes each", nameof(nodes));
            if (!identities.Add(NodeKey.From(node.Identity)))
                throw new ArgumentException("two nodes have the same identity", nameof(nodes));
            if (!_addresses.Add(Normalize(node.MixAddress)))
                throw new ArgumentException($"two nodes have the mix address {node.MixAddress}", nameof(nodes));
            if (node.NoiseKey is not null)
                AddNoise(node);
            if (node.Role is TopologyRole.Entry or TopologyRole.Exit)
                _gateways.Add(NodeKey.From(node.Identity), node);
        }

        _layers = [LayerOf(TopologyRole.Mix1), LayerOf(TopologyRole.Mix2), LayerOf(TopologyRole.Mix3)];
    }

    /// <summary>
    /// Nodes of a source that nobody vouches for: one with the identity or mix address of a node before it, or with keys of another length,
    /// is left out and counted in <paramref name="skipped"/>.
    /// </summary>
    public static NetworkTopology FromUnchecked(uint rotationId, IEnumerable<TopologyNode> nodes, out int skipped)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        var kept = new List<TopologyNode>();
        var identities = new HashSet<NodeKey>();
        var addresses = new HashSet<IPEndPoint>();
        skipped = 0;
        foreach (TopologyNode node in nodes)
        {
            if (node.Identity.Length == TopologyNode.KeyBytes && node.SphinxKey.Length == TopologyNode.KeyBytes
                && node.NoiseKey is null or { Length: TopologyNode.KeyBytes }
                && !identities.Contains(NodeKey.From(node.Identity)) && addresses.Add(Normalize(node.MixAddress)))
            {
                identities.Add(NodeKey.From(node.Identity));
                kept.Add(node);
            }
            else
            {
                skipped++;
            }
        }

        return new NetworkTopology(rotationId, kept);
    }

    public IReadOnlyList<TopologyNode> Nodes { get; }

    /// <summary>Rotation of every node's Sphinx key; its parity goes into frame headers (mix-link.md §5).</summary>
    public uint RotationId { get; }

    /// <summary>The mix nodes of layer 1, 2 or 3. Not a copy: do not write to it.</summary>
    public TopologyNode[] Layer(int oneToThree)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(oneToThree, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(oneToThree, Layers);
        return _layers[oneToThree - 1];
    }

    /// <summary>Finds an entry or exit by its ed25519 identity (32 bytes). Allocates nothing.</summary>
    public bool TryGetGateway(ReadOnlySpan<byte> identity, out TopologyNode node)
    {
        node = null!;
        return identity.Length == TopologyNode.KeyBytes && _gateways.TryGetValue(NodeKey.From(identity), out node!);
    }

    /// <summary>Whether some node's mix link is there. IPv4 addresses mapped into IPv6 count as IPv4.</summary>
    public bool IsKnownMixAddress(IPEndPoint address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return _addresses.Contains(Normalize(address));
    }

    /// <summary>The Noise key of the node whose mix link is there, whichever of its addresses that is; false: that link is plain, or unknown.</summary>
    public bool TryGetNoiseKey(IPEndPoint address, out byte[] key)
    {
        ArgumentNullException.ThrowIfNull(address);
        return _noiseKeys.TryGetValue(Normalize(address), out key!);
    }

    /// <summary>Whether a node that announces this address has a Noise key.</summary>
    public bool SupportsNoise(IPAddress address) => _noiseAddresses.Contains(Normalize(address));

    /// <exception cref="TopologyException">Missing, unreadable or wrong; the message names file, line and mend.</exception>
    public static NetworkTopology Load(string path) => TopologyFile.Read(path);

    /// <summary>Replaces the file in one step: a reader sees the old one or the new one.</summary>
    /// <exception cref="TopologyException">The file could not be written; an older one is untouched.</exception>
    public void Save(string path) => TopologyFile.Write(path, this);

    internal static IPEndPoint Normalize(IPEndPoint address) =>
        address.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(address.Address.MapToIPv4(), address.Port) : address;

    internal static IPAddress Normalize(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    private void AddNoise(TopologyNode node)
    {
        if (node.NoiseKey!.Length != TopologyNode.KeyBytes)
            throw new ArgumentException("a node's keys have 32 bytes each", nameof(node));
        foreach (IPAddress address in node.OtherAddresses.Prepend(node.MixAddress.Address))
        {
            IPAddress normal = Normalize(address);
            _noiseAddresses.Add(normal);
            _noiseKeys.TryAdd(new IPEndPoint(normal, node.MixAddress.Port), node.NoiseKey);
        }
    }

    private TopologyNode[] LayerOf(TopologyRole role) => [.. Nodes.Where(node => node.Role == role)];

    internal readonly record struct NodeKey(ulong A, ulong B, ulong C, ulong D)
    {
        public static NodeKey From(ReadOnlySpan<byte> key) => new(
            BinaryPrimitives.ReadUInt64LittleEndian(key),
            BinaryPrimitives.ReadUInt64LittleEndian(key[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(key[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(key[24..]));
    }
}
