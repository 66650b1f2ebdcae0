using System.Runtime.CompilerServices;

namespace FastExit.Crypto.Primitives;

/// <summary>HMAC-SHA-256.</summary>
/// <remarks>
/// <para>References: RFC 2104, RFC 4231 (vectors).</para>
/// <para>Parameters: key of any length (longer than 64 bytes: hashed first), code 32 bytes; cut it for shorter codes.</para>
/// <para>Constant time: as <see cref="Sha256"/>. Compare codes with
/// <see cref="System.Security.Cryptography.CryptographicOperations.FixedTimeEquals"/>.</para>
/// </remarks>
[SkipLocalsInit]
public static class HmacSha256
{
    /// <summary>Bytes of a code.</summary>
    public const int MacBytes = 32;

    /// <summary>mac = HMAC(key, data), 32 bytes.</summary>
    public static void Compute(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> mac)
    {
        HmacSha256Key prepared = HmacSha256Key.Create(key);
        prepared.Compute(data, mac);
    }
}

/// <summary>
/// An HMAC-SHA-256 key with both padded key blocks already compressed (RFC 2104 §4): saves two of the compressions of
/// every code. 64 bytes, a value.
/// </summary>
[SkipLocalsInit]
public struct HmacSha256Key
{
    private Sha256State _inner, _outer;

    /// <summary>Compresses the padded key blocks.</summary>
    public static HmacSha256Key Create(ReadOnlySpan<byte> key)
    {
        Span<byte> block = stackalloc byte[Sha256.BlockBytes];
        block.Clear();
        if (key.Length > Sha256.BlockBytes)
            Sha256.Hash(key, block);
        else
            key.CopyTo(block);
        HmacSha256Key result = new() { _inner = Sha256State.Initial, _outer = Sha256State.Initial };
        for (int i = 0; i < block.Length; i++)
            block[i] ^= 0x36;
        Sha256.Compress(ref result._inner, block);
        for (int i = 0; i < block.Length; i++)
            block[i] ^= 0x36 ^ 0x5C;
        Sha256.Compress(ref result._outer, block);
        return result;
    }

    /// <summary>mac = HMAC(key, data), 32 bytes; mac may overlay data.</summary>
    public readonly void Compute(ReadOnlySpan<byte> data, Span<byte> mac)
    {
        Span<byte> digest = stackalloc byte[Sha256.HashBytes];
        Sha256State state = _inner;
        Sha256.Finish(ref state, data, Sha256.BlockBytes, digest);
        state = _outer;
        Sha256.Finish(ref state, digest, Sha256.BlockBytes, mac);
    }
}
