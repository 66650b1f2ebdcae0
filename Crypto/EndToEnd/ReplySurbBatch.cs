using FastExit.Crypto.Lanes;
using FastExit.Crypto.Sphinx;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Makes up to 8 reply SURBs side by side (end-to-end.md §2.3, §8.5), version 259: random reply key (16), Sphinx header
/// (348), first hop (32), payload key seeds (16 for each hop); 460 bytes for 4 hops. The maker keeps digest and reply
/// key until the reply arrives. A workspace for one thread: Clear, Add…, Build, read the results.
/// </summary>
public sealed class ReplySurbBatch
{
    private const int LargestSurbBytes = ReplySurb.MaterialOffset + (SphinxSizes.MaximumHops * SphinxSizes.SeedBytes);

    private readonly CpuLevel _level;
    private readonly SphinxHeaderBatch _headers;
    private readonly RandomReserve _random = new();
    private readonly byte[] _surbs = new byte[SphinxSizes.MaximumLanes * LargestSurbBytes];
    private readonly LaneRange[] _keys = new LaneRange[SphinxSizes.MaximumLanes];
    private readonly int[] _lengths = new int[SphinxSizes.MaximumLanes];
    private readonly byte[] _digests = new byte[SphinxSizes.MaximumLanes * EndToEnd.ReplyKey.DigestBytes];

    /// <summary>A workspace for the level of this process.</summary>
    public ReplySurbBatch()
        : this(CpuLevels.Current)
    {
    }

    internal ReplySurbBatch(CpuLevel level)
    {
        _level = level;
        _headers = new(level);
        for (int lane = 0; lane < SphinxSizes.MaximumLanes; lane++)
            _keys[lane] = new(lane * LargestSurbBytes, EndToEnd.ReplyKey.KeyBytes);
    }

    public int Count => _headers.Count;

    public void Clear() => _headers.Clear();

    /// <summary>Adds a SURB and returns its lane, or -1 if the batch is full or the route not valid. The route ends at the maker's gateway and identity.</summary>
    public int Add(SphinxRoute route) => _headers.Add(route, SphinxVersion.Seeds);

    public void Build()
    {
        _headers.Build(derivePayloadKeys: false);
        for (int lane = 0; lane < Count; lane++)
        {
            Span<byte> surb = _surbs.AsSpan(lane * LargestSurbBytes, LargestSurbBytes);
            _random.Fill(surb[..EndToEnd.ReplyKey.KeyBytes]);
            _lengths[lane] = ReplySurb.HeaderOffset
                + Sphinx.Surb.Write(_headers, lane, surb[ReplySurb.HeaderOffset..]);
        }

        Blake3Lanes.Hash(_level, _surbs, _keys.AsSpan(0, Count), _digests);
    }

    /// <summary>The whole reply SURB as it goes into a message.</summary>
    public ReadOnlySpan<byte> Surb(int lane) => _surbs.AsSpan(lane * LargestSurbBytes, _lengths[lane]);

    /// <summary>16 bytes: decrypts the reply's fragment.</summary>
    public ReadOnlySpan<byte> ReplyKey(int lane) => Surb(lane)[..EndToEnd.ReplyKey.KeyBytes];

    /// <summary>32 bytes: the first bytes of the reply, by which its key is found.</summary>
    public ReadOnlySpan<byte> Digest(int lane) =>
        _digests.AsSpan(lane * EndToEnd.ReplyKey.DigestBytes, EndToEnd.ReplyKey.DigestBytes);
}
