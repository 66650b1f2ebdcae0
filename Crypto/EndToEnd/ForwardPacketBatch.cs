using System.Security.Cryptography;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Builds up to 8 forward packets to known Recipients side by side (end-to-end.md §4.2, §4.4), each around a fragment
/// that already lies in the region at <see cref="PacketLayout.FragmentOffset"/>: fresh ephemeral key, encryption, ack
/// prefix, Sphinx version 259. A workspace for one thread: Clear, Add…, Build.
/// </summary>
public sealed class ForwardPacketBatch
{
    private const int KeysBytes = SphinxSizes.MaximumHops * Lioness.KeyBytes;

    private readonly SphinxHeaderBatch _headers = new();
    private readonly Lane[] _lanes = new Lane[SphinxSizes.MaximumLanes];
    private readonly byte[] _ephemeral = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _ephemeralPublic = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _recipients = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _shared = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _ackPrefixes = new byte[SphinxSizes.MaximumLanes * PacketSizes.AckPrefixBytes];
    private readonly byte[] _keys = new byte[SphinxSizes.MaximumLanes * KeysBytes];
    private readonly PayloadLane[] _payloads = new PayloadLane[SphinxSizes.MaximumLanes];

    public int Count => _headers.Count;

    public void Clear() => _headers.Clear();

    /// <summary>
    /// Adds a packet at <paramref name="packetOffset"/> of the region and returns its lane, or -1 if the batch is
    /// full or the route not valid. The route ends at the recipient's gateway, its destination is the recipient's identity.
    /// </summary>
    public int Add(
        int packetOffset,
        PacketSize size,
        SphinxRoute route,
        ReadOnlySpan<byte> recipientEncryptionKey,
        ReadOnlySpan<byte> ackPrefix)
    {
        ArgumentOutOfRangeException.ThrowIfZero(PacketSizes.FragmentBytes(size), nameof(size));
        ArgumentOutOfRangeException.ThrowIfNotEqual(ackPrefix.Length, PacketSizes.AckPrefixBytes, nameof(ackPrefix));
        int lane = _headers.Add(route, SphinxVersion.Seeds);
        if (lane < 0)
            return lane;
        NodeAddress.TryRead(route.Addresses, out NodeAddress firstHop, out _);
        _lanes[lane] = new Lane(packetOffset, size, firstHop, false);
        recipientEncryptionKey[..X25519.KeyBytes].CopyTo(_recipients.AsSpan(lane * X25519.KeyBytes));
        ackPrefix.CopyTo(_ackPrefixes.AsSpan(lane * PacketSizes.AckPrefixBytes));
        return lane;
    }

    /// <summary>Completes every packet in place.</summary>
    public void Build(Span<byte> region)
    {
        int count = Count;
        if (count == 0)
            return;
        RandomNumberGenerator.Fill(_ephemeral.AsSpan(0, count * X25519.KeyBytes));
        X25519.MultiplyBaseLanes(_ephemeral, _ephemeralPublic, count);
        X25519.MultiplyLanes(_ephemeral, _recipients, _shared, count);
        _headers.Build();
        int built = 0;
        for (int lane = 0; lane < count; lane++)
        {
            ref Lane at = ref _lanes[lane];
            Span<byte> packet = region.Slice(at.PacketOffset, PacketSizes.PacketBytes(at.Size));
            Span<byte> fragment = packet.Slice(PacketLayout.FragmentOffset, PacketSizes.FragmentBytes(at.Size));
            bool usable = FragmentCipherBatch.TryTransform(
                _shared.AsSpan(lane * X25519.KeyBytes, X25519.KeyBytes), fragment);
            at = at with { IsBuilt = usable };
            if (!usable)
                continue;
            _headers.Header(lane).CopyTo(packet);
            _ackPrefixes.AsSpan(lane * PacketSizes.AckPrefixBytes, PacketSizes.AckPrefixBytes)
                .CopyTo(packet[PacketLayout.AckPrefixOffset..]);
            _ephemeralPublic.AsSpan(lane * X25519.KeyBytes, X25519.KeyBytes)
                .CopyTo(packet[PacketLayout.KeyBlockOffset..]);
            SphinxPayload.Frame(packet[PacketLayout.PayloadOffset..], PacketSizes.PlaintextBytes(at.Size));
            ReadOnlySpan<byte> keys = _headers.PayloadKeys(lane);
            keys.CopyTo(_keys.AsSpan(lane * KeysBytes));
            _payloads[built++] = new PayloadLane(
                at.PacketOffset + PacketLayout.PayloadOffset,
                PacketSizes.PayloadBytes(at.Size),
                lane * KeysBytes,
                keys.Length / Lioness.KeyBytes);
        }

        SphinxPayload.AddLayers(region, _payloads.AsSpan(0, built), _keys);
        CryptographicOperations.ZeroMemory(_keys);
        CryptographicOperations.ZeroMemory(_ephemeral);
        CryptographicOperations.ZeroMemory(_shared);
    }

    /// <summary>
    /// After Build: false if the recipient's encryption key is a low-order point. The fragment then still lies there
    /// in the clear and must not be sent.
    /// </summary>
    public bool IsBuilt(int lane) => _lanes[lane].IsBuilt;

    /// <summary>Where the packet of a lane is to be sent.</summary>
    public NodeAddress FirstHop(int lane) => _lanes[lane].FirstHop;

    private readonly record struct Lane(int PacketOffset, PacketSize Size, NodeAddress FirstHop, bool IsBuilt);
}
