using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

// EXPAND of up to 8 shared secrets and PAYLOADKEY of any number of seeds side by side: SharedSecretExpansion on lanes, with
// its sizes and offsets. A workspace for one thread, made once.
//
// Constant time: as HkdfSha256Lanes; how far the secrets are expanded depends on what the packets are used for.
internal sealed class SharedSecretLanes(CpuLevel level)
{
    private static readonly HkdfSha256Info ExpandInfo =
        new(SharedSecretExpansion.ExpandInfo, SharedSecretExpansion.AllBlocks);

    private static readonly HkdfSha256Info PayloadKeyInfo =
        new(SharedSecretExpansion.PayloadKeyInfo, SphinxSizes.PayloadKeyBytes / HkdfSha256.BlockBytes);

    private readonly HkdfSha256Lanes _hkdf = new(level);

    /// <summary>Extracts from secrets of 32 bytes one behind the other; no block of output exists yet.</summary>
    public void Start(ReadOnlySpan<byte> sharedSecrets, int lanes) =>
        _hkdf.Extract(in SharedSecretExpansion.ExpandSalt, new(sharedSecrets, X25519.KeyBytes), lanes);

    /// <summary>Continues every lane's expanded secret until so many blocks of it are there, lane i's at i * stride.</summary>
    public void ExtendTo(int blocks, Span<byte> expanded, int stride) =>
        _hkdf.ExpandTo(ExpandInfo, blocks, expanded, stride);

    /// <summary>
    /// payloadKeys = 192 bytes for each 16-byte seed, both one behind the other. Ends what <see cref="Start"/> began.
    /// </summary>
    public void ExpandSeeds(ReadOnlySpan<byte> seeds, Span<byte> payloadKeys)
    {
        while (!seeds.IsEmpty)
        {
            int lanes = Math.Min(seeds.Length / SphinxSizes.SeedBytes, HkdfSha256Lanes.MaximumLanes);
            _hkdf.Extract(in SharedSecretExpansion.PayloadKeySalt, new(seeds, SphinxSizes.SeedBytes), lanes);
            _hkdf.ExpandTo(PayloadKeyInfo, PayloadKeyInfo.MaximumBlocks, payloadKeys, SphinxSizes.PayloadKeyBytes);
            seeds = seeds[(lanes * SphinxSizes.SeedBytes)..];
            payloadKeys = payloadKeys[(lanes * SphinxSizes.PayloadKeyBytes)..];
        }
    }

    public bool HoldsSecrets => _hkdf.HoldsSecrets;

    /// <summary>Erases what the workspace knows.</summary>
    public void Clear() => _hkdf.Clear();
}
