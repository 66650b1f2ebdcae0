using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

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

    // Longest message that is copied behind its padded key for the system's function.
    private const int SystemBytes = 1024;

    /// <summary>mac = HMAC(key, data), 32 bytes.</summary>
    public static void Compute(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> mac) =>
        Compute(CpuLevels.Current, key, data, mac);

    internal static void Compute(CpuLevel level, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> mac)
    {
        if (level != CpuLevel.Portable && key.Length <= Sha256.BlockBytes && data.Length <= SystemBytes)
        {
            ComputeBySystem(key, data, mac);
            return;
        }

        HmacSha256Key prepared = HmacSha256Key.Create(key);
        prepared.Compute(data, mac);
    }

    // Two hashes of the system cost less than its HMAC, which makes an object for it.
    private static void ComputeBySystem(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> mac)
    {
        Span<byte> message = stackalloc byte[Sha256.BlockBytes + SystemBytes];
        Span<byte> block = message[..Sha256.BlockBytes];
        block.Fill(0x36);
        for (int i = 0; i < key.Length; i++)
            block[i] ^= key[i];
        data.CopyTo(message[Sha256.BlockBytes..]);
        Span<byte> inner = stackalloc byte[Sha256.HashBytes];
        SHA256.HashData(message[..(Sha256.BlockBytes + data.Length)], inner);
        for (int i = 0; i < block.Length; i++)
            block[i] ^= 0x36 ^ 0x5C;
        inner.CopyTo(message[Sha256.BlockBytes..]);
        SHA256.HashData(message[..(Sha256.BlockBytes + Sha256.HashBytes)], mac);
        block.Clear();
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

    /// <summary>After the first, after the second padded key block.</summary>
    [UnscopedRef]
    internal readonly ref readonly Sha256State Inner => ref _inner;

    /// <inheritdoc cref="Inner"/>
    [UnscopedRef]
    internal readonly ref readonly Sha256State Outer => ref _outer;

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
