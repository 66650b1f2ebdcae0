using System.Security.Cryptography;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Builds up to 8 reply packets side by side from reply SURBs (end-to-end.md §4.3, §4.4), each around a fragment that
/// already lies in the region at <see cref="PacketLayout.FragmentOffset"/>: encrypts it with the reply key, writes
/// digest and ack prefix in front, adds the payload layers and the SURB's header.
/// A workspace for one thread: Clear, Add…, Build. SURBs and prefixes are copied at Add. Each is good for one packet.
/// </summary>
public sealed class ReplyPacketBatch
{
    private const int KeysBytes = SphinxSizes.MaximumHops * Lioness.KeyBytes;

    private readonly Lane[] _lanes = new Lane[SphinxSizes.MaximumLanes];
    private readonly byte[] _replyKeys = new byte[SphinxSizes.MaximumLanes * ReplyKey.KeyBytes];
    private readonly byte[] _headers = new byte[SphinxSizes.MaximumLanes * SphinxSizes.HeaderBytes];
    private readonly byte[] _ackPrefixes = new byte[SphinxSizes.MaximumLanes * PacketSizes.AckPrefixBytes];
    private readonly byte[] _keys = new byte[SphinxSizes.MaximumLanes * KeysBytes];
    private readonly PayloadLane[] _payloads = new PayloadLane[SphinxSizes.MaximumLanes];

    public int Count { get; private set; }

    public void Clear() => Count = 0;

    /// <summary>
    /// Adds a packet at <paramref name="packetOffset"/> of the region and returns its lane, or -1 if the batch is
    /// full or the SURB malformed. <paramref name="replySurb"/> is reply key (16), header, first hop, then seeds or payload keys; seeds
    /// that were expanded to keys beforehand save their expansion here.
    /// </summary>
    public int Add(int packetOffset, PacketSize size, ReadOnlySpan<byte> replySurb, ReadOnlySpan<byte> ackPrefix)
    {
        ArgumentOutOfRangeException.ThrowIfZero(PacketSizes.FragmentBytes(size), nameof(size));
        ArgumentOutOfRangeException.ThrowIfNotEqual(ackPrefix.Length, PacketSizes.AckPrefixBytes, nameof(ackPrefix));
        if (Count == SphinxSizes.MaximumLanes
            || !ReplySurb.TryRead(replySurb, out ReplySurb surb)
            || !Surb.TryMaterial(surb.Material, out int hops, out SurbKeyForm form))
        {
            return -1;
        }

        int lane = Count++;
        NodeAddress.TryRead(surb.FirstHop, out NodeAddress firstHop, out _);
        _lanes[lane] = new Lane(packetOffset, size, firstHop);
        _payloads[lane] = new PayloadLane(
            packetOffset + PacketLayout.PayloadOffset, PacketSizes.PayloadBytes(size), lane * KeysBytes, hops);
        surb.ReplyKey.CopyTo(_replyKeys.AsSpan(lane * ReplyKey.KeyBytes));
        surb.Header.CopyTo(_headers.AsSpan(lane * SphinxSizes.HeaderBytes));
        ackPrefix.CopyTo(_ackPrefixes.AsSpan(lane * PacketSizes.AckPrefixBytes));
        Surb.ExpandKeys(surb.Material, form, _keys.AsSpan(lane * KeysBytes, hops * Lioness.KeyBytes));
        return lane;
    }

    /// <summary>Completes every packet in place.</summary>
    public void Build(Span<byte> region)
    {
        for (int lane = 0; lane < Count; lane++)
        {
            ref readonly Lane at = ref _lanes[lane];
            Span<byte> packet = region.Slice(at.PacketOffset, PacketSizes.PacketBytes(at.Size));
            ReadOnlySpan<byte> replyKey = _replyKeys.AsSpan(lane * ReplyKey.KeyBytes, ReplyKey.KeyBytes);
            _headers.AsSpan(lane * SphinxSizes.HeaderBytes, SphinxSizes.HeaderBytes).CopyTo(packet);
            _ackPrefixes.AsSpan(lane * PacketSizes.AckPrefixBytes, PacketSizes.AckPrefixBytes)
                .CopyTo(packet[PacketLayout.AckPrefixOffset..]);
            ReplyKey.Digest(replyKey, packet[PacketLayout.KeyBlockOffset..]);
            ReplyKey.Transform(replyKey, packet.Slice(PacketLayout.FragmentOffset, PacketSizes.FragmentBytes(at.Size)));
            SphinxPayload.Frame(packet[PacketLayout.PayloadOffset..], PacketSizes.PlaintextBytes(at.Size));
        }

        SphinxPayload.AddLayers(region, _payloads.AsSpan(0, Count), _keys);
        CryptographicOperations.ZeroMemory(_keys);
        CryptographicOperations.ZeroMemory(_replyKeys);
    }

    /// <summary>Where the packet of a lane is to be sent.</summary>
    public NodeAddress FirstHop(int lane) => _lanes[lane].FirstHop;

    private readonly record struct Lane(int PacketOffset, PacketSize Size, NodeAddress FirstHop);
}
