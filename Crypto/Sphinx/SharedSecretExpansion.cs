using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

// The two key derivations of Sphinx: EXPAND of a shared secret and PAYLOADKEY of a seed.
//
// References
//   sphinx.md §3 (salts and infos), §4.3 (fields and block borders), RFC 5869
//
// Parameters
//   secret 32 bytes; expanded secret 288 bytes: stream key 16, MAC key 16, payload key 192 (its first 16 are the seed),
//   blinding factor 32, replay tag 32, produced in blocks of 32 and only as far as asked; seed 16, payload key 192 bytes
//
// Constant time: as Sha256; how far a secret is expanded depends on what the packet is used for, not on key material.
internal struct SharedSecretExpansion
{
    public const int Bytes = 288;
    public const int StreamKeyOffset = 0, MacKeyOffset = 16, PayloadKeyOffset = 32;
    public const int BlindingFactorOffset = 224, ReplayTagOffset = 256;

    // Behind the seed: part of the payload key where that is explicit, nothing where it comes from the seed.
    public const int SpareOffset = PayloadKeyOffset + SphinxSizes.SeedBytes, SpareBytes = 16;

    // Blocks needed for stream and MAC key; also the seed; also the payload key; also the blinding factor; also the tag.
    public const int HeaderKeyBlocks = 1, SeedBlocks = 2, PayloadKeyBlocks = 7, BlindingFactorBlocks = 8;
    public const int AllBlocks = 9;

    internal static readonly HmacSha256Key ExpandSalt = HmacSha256Key.Create([]);

    internal static readonly HmacSha256Key PayloadKeySalt =
        HmacSha256Key.Create("sphinx-payload-key-V01-CS01-HKDF:SHA256-SALT"u8);

    private HmacSha256Key _key;
    private int _blocks;

    internal static ReadOnlySpan<byte> ExpandInfo =>
        "Dwste mou enan moxlo arketa makru kai ena upomoxlio gia na ton topothetisw kai tha kinisw thn gh."u8;

    internal static ReadOnlySpan<byte> PayloadKeyInfo => "sphinx-payload-key-V01-CS01-HKDF:SHA256-INFO"u8;

    /// <summary>Extracts; no block of output exists yet.</summary>
    public static SharedSecretExpansion Start(ReadOnlySpan<byte> sharedSecret)
    {
        Span<byte> pseudorandomKey = stackalloc byte[HkdfSha256.BlockBytes];
        ExpandSalt.Compute(sharedSecret, pseudorandomKey);
        return new() { _key = HmacSha256Key.Create(pseudorandomKey) };
    }

    /// <summary>Continues the 288-byte expanded secret until so many blocks of it are there.</summary>
    public void ExtendTo(int blocks, Span<byte> expanded)
    {
        if (blocks <= _blocks)
            return;
        int start = _blocks * HkdfSha256.BlockBytes, end = blocks * HkdfSha256.BlockBytes;
        ReadOnlySpan<byte> previous =
            _blocks == 0 ? default : expanded.Slice(start - HkdfSha256.BlockBytes, HkdfSha256.BlockBytes);
        HkdfSha256.Expand(in _key, ExpandInfo, expanded[start..end], _blocks, previous);
        _blocks = blocks;
    }

    /// <summary>payloadKey = the 192 bytes that belong to a 16-byte seed.</summary>
    public static void ExpandSeed(ReadOnlySpan<byte> seed, Span<byte> payloadKey)
    {
        Span<byte> pseudorandomKey = stackalloc byte[HkdfSha256.BlockBytes];
        PayloadKeySalt.Compute(seed, pseudorandomKey);
        HmacSha256Key key = HmacSha256Key.Create(pseudorandomKey);
        HkdfSha256.Expand(in key, PayloadKeyInfo, payloadKey[..SphinxSizes.PayloadKeyBytes], 0);
    }
}
