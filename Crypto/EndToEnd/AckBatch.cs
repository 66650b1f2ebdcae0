using FastExit.Crypto.Sphinx;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Builds up to 8 ack prefixes side by side (end-to-end.md §5.2, §5.3): first-hop address (19), then a complete Sphinx
/// packet of the acknowledgement size (386) that leads back to its maker and holds one fragment identifier.
/// A workspace for one thread: Clear, Add…, Build, read the prefixes. Version 259, fresh randomness for each ack.
/// </summary>
public sealed class AckBatch
{
    private const int HeaderOffset = NodeAddress.AckPrefixBytes;
    private const int PayloadOffset = HeaderOffset + SphinxSizes.HeaderBytes;
    private const int PayloadBytes = AckContent.Bytes + SphinxSizes.PayloadOverheadBytes;

    private readonly CpuLevel _level;
    private readonly SphinxHeaderBatch _headers;
    private readonly RandomReserve _random = new();
    private readonly byte[] _prefixes = new byte[SphinxSizes.MaximumLanes * PacketSizes.AckPrefixBytes];
    private readonly PayloadLane[] _lanes = new PayloadLane[SphinxSizes.MaximumLanes];

    /// <summary>A workspace for the level of this process.</summary>
    public AckBatch()
        : this(CpuLevels.Current)
    {
    }

    internal AckBatch(CpuLevel level)
    {
        _level = level;
        _headers = new(level);
    }

    public int Count => _headers.Count;

    public void Clear() => _headers.Clear();

    /// <summary>
    /// Adds an ack for fragment <paramref name="position"/> of set <paramref name="setId"/> and returns its lane,
    /// or -1 if the batch is full or the route not valid. The route ends at the sender's own gateway, its destination is the sender's identity.
    /// </summary>
    public int Add(SphinxRoute route, ReadOnlySpan<byte> ackKey, uint setId, byte position)
    {
        int lane = _headers.Add(route, SphinxVersion.Seeds);
        if (lane < 0)
            return lane;
        Span<byte> payload = Prefix(lane, PayloadOffset);
        Span<byte> iv = stackalloc byte[AckContent.IvBytes];
        _random.Fill(iv);
        AckContent.Write(payload[SphinxPayload.MessageOffset..], ackKey, iv, setId, position);
        return lane;
    }

    public void Build()
    {
        _headers.Build();
        for (int lane = 0; lane < Count; lane++)
        {
            _headers.FirstHop(lane)[..NodeAddress.AckPrefixBytes].CopyTo(Prefix(lane, 0));
            _headers.Header(lane).CopyTo(Prefix(lane, HeaderOffset));
            SphinxPayload.Frame(Prefix(lane, PayloadOffset), AckContent.Bytes);
            _lanes[lane] = new PayloadLane(
                (lane * PacketSizes.AckPrefixBytes) + PayloadOffset,
                PayloadBytes,
                _headers.PayloadKeysOffset(lane),
                _headers.HopsOf(lane));
        }

        SphinxPayload.AddLayers(_level, _prefixes, _lanes.AsSpan(0, Count), _headers.AllPayloadKeys);
    }

    /// <summary>405 bytes, until the next <see cref="Clear"/>.</summary>
    public ReadOnlySpan<byte> Prefix(int lane) => Prefix(lane, 0);

    private Span<byte> Prefix(int lane, int offset) =>
        _prefixes.AsSpan((lane * PacketSizes.AckPrefixBytes) + offset, PacketSizes.AckPrefixBytes - offset);
}
