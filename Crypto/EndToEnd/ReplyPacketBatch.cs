using System.Security.Cryptography;
using FastExit.Crypto.Lanes;
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

    // Keys that come out of seeds, one behind the other as the seeds are; behind them a place a lane for keys that came as keys.
    private const int GivenKeysOffset = SphinxSizes.MaximumLanes * KeysBytes;

    private readonly CpuLevel _level;
    private readonly SharedSecretLanes _expansion;
    private readonly Lane[] _lanes = new Lane[SphinxSizes.MaximumLanes];
    private readonly byte[] _replyKeys = new byte[SphinxSizes.MaximumLanes * ReplyKey.KeyBytes];
    private readonly byte[] _headers = new byte[SphinxSizes.MaximumLanes * SphinxSizes.HeaderBytes];
    private readonly byte[] _ackPrefixes = new byte[SphinxSizes.MaximumLanes * PacketSizes.AckPrefixBytes];
    private readonly byte[] _seeds = new byte[SphinxSizes.MaximumLanes * SphinxSizes.MaximumHops * SphinxSizes.SeedBytes];
    private readonly byte[] _keys = new byte[GivenKeysOffset + (SphinxSizes.MaximumLanes * KeysBytes)];
    private readonly byte[] _digests = new byte[SphinxSizes.MaximumLanes * ReplyKey.DigestBytes];
    private readonly LaneRange[] _replyKeyRanges = new LaneRange[SphinxSizes.MaximumLanes];
    private readonly LaneRange[] _fragments = new LaneRange[SphinxSizes.MaximumLanes];
    private readonly PayloadLane[] _payloads = new PayloadLane[SphinxSizes.MaximumLanes];
    private int _seedBytes;

    /// <summary>A workspace for the level of this process.</summary>
    public ReplyPacketBatch()
        : this(CpuLevels.Current)
    {
    }

    internal ReplyPacketBatch(CpuLevel level)
    {
        _level = level;
        _expansion = new(level);
        for (int lane = 0; lane < SphinxSizes.MaximumLanes; lane++)
            _replyKeyRanges[lane] = new(lane * ReplyKey.KeyBytes, ReplyKey.KeyBytes);
    }

    public int Count { get; private set; }

    public void Clear()
    {
        Count = 0;
        _seedBytes = 0;
    }

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
        int keysOffset = form == SurbKeyForm.Keys
            ? GivenKeysOffset + (lane * KeysBytes)
            : _seedBytes / SphinxSizes.SeedBytes * Lioness.KeyBytes;
        _payloads[lane] = new PayloadLane(
            packetOffset + PacketLayout.PayloadOffset, PacketSizes.PayloadBytes(size), keysOffset, hops);
        if (form == SurbKeyForm.Keys)
        {
            surb.Material.CopyTo(_keys.AsSpan(keysOffset));
        }
        else
        {
            surb.Material.CopyTo(_seeds.AsSpan(_seedBytes));
            _seedBytes += surb.Material.Length;
        }

        surb.ReplyKey.CopyTo(_replyKeys.AsSpan(lane * ReplyKey.KeyBytes));
        surb.Header.CopyTo(_headers.AsSpan(lane * SphinxSizes.HeaderBytes));
        ackPrefix.CopyTo(_ackPrefixes.AsSpan(lane * PacketSizes.AckPrefixBytes));
        return lane;
    }

    /// <summary>Completes every packet in place.</summary>
    public void Build(Span<byte> region)
    {
        Blake3Lanes.Hash(_level, _replyKeys, _replyKeyRanges.AsSpan(0, Count), _digests);
        for (int lane = 0; lane < Count; lane++)
        {
            ref readonly Lane at = ref _lanes[lane];
            Span<byte> packet = region.Slice(at.PacketOffset, PacketSizes.PacketBytes(at.Size));
            _headers.AsSpan(lane * SphinxSizes.HeaderBytes, SphinxSizes.HeaderBytes).CopyTo(packet);
            _ackPrefixes.AsSpan(lane * PacketSizes.AckPrefixBytes, PacketSizes.AckPrefixBytes)
                .CopyTo(packet[PacketLayout.AckPrefixOffset..]);
            _digests.AsSpan(lane * ReplyKey.DigestBytes, ReplyKey.DigestBytes)
                .CopyTo(packet[PacketLayout.KeyBlockOffset..]);
            _fragments[lane] = new(at.PacketOffset + PacketLayout.FragmentOffset, PacketSizes.FragmentBytes(at.Size));
            SphinxPayload.Frame(packet[PacketLayout.PayloadOffset..], PacketSizes.PlaintextBytes(at.Size));
        }

        AesCtr.TransformZeroIvLanes(_level, new(_replyKeys, ReplyKey.KeyBytes), region, _fragments.AsSpan(0, Count));
        _expansion.ExpandSeeds(_seeds.AsSpan(0, _seedBytes), _keys);
        SphinxPayload.AddLayers(_level, region, _payloads.AsSpan(0, Count), _keys);
        _expansion.Clear();
        CryptographicOperations.ZeroMemory(_seeds);
        CryptographicOperations.ZeroMemory(_keys);
        CryptographicOperations.ZeroMemory(_replyKeys);
    }

    /// <summary>Where the packet of a lane is to be sent.</summary>
    public NodeAddress FirstHop(int lane) => _lanes[lane].FirstHop;

    private readonly record struct Lane(int PacketOffset, PacketSize Size, NodeAddress FirstHop);
}
