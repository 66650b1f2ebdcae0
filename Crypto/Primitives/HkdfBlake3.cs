using System.Runtime.CompilerServices;
using FastExit.Crypto.Lanes;

namespace FastExit.Crypto.Primitives;

/// <summary>HKDF over HMAC over unkeyed BLAKE3: the key derivation of the end-to-end fragment cipher and of a client's registration.</summary>
/// <remarks>
/// <para>References: RFC 5869, RFC 2104 (HMAC with a 64-byte block), end-to-end.md §4.1, entry-and-directory.md §2.5.</para>
/// <para>Parameters: input 32 bytes, no info; fragment keys have 16 bytes and no salt. Not BLAKE3's own keyed or derive-key mode.</para>
/// <para>Constant time: as <see cref="Blake3"/>.</para>
/// </remarks>
[SkipLocalsInit]
public static class HkdfBlake3
{
    /// <summary>Bytes of a fragment key.</summary>
    public const int KeyBytes = 16;

    /// <summary>key = the 16-byte AES key that belongs to a 32-byte X25519 result.</summary>
    public static void DeriveFragmentKey(ReadOnlySpan<byte> sharedSecret, Span<byte> key) =>
        DeriveFragmentKey(CpuLevels.Current, sharedSecret, key);

    internal static void DeriveFragmentKey(CpuLevel level, ReadOnlySpan<byte> sharedSecret, Span<byte> key)
    {
        if (level != CpuLevel.Portable)
        {
            HkdfBlake3Lanes.DeriveFragmentKeys(level, new(sharedSecret, Blake3.HashBytes), 1, key, KeyBytes);
            return;
        }

        Span<byte> salt = stackalloc byte[Blake3.HashBytes];
        salt.Clear();
        Span<byte> pseudorandomKey = stackalloc byte[Blake3.HashBytes];
        Hmac(salt, sharedSecret[..32], pseudorandomKey);
        Span<byte> output = stackalloc byte[Blake3.HashBytes];
        Hmac(pseudorandomKey, [1], output);
        output[..KeyBytes].CopyTo(key);
    }

    /// <summary>key = the first bytes, 32 at most, of what a 32-byte X25519 result and a salt of at most 32 bytes expand to.</summary>
    public static void DeriveKey(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> sharedSecret, Span<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(salt.Length, Blake3.HashBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, Blake3.HashBytes);
        Span<byte> pseudorandomKey = stackalloc byte[Blake3.HashBytes];
        Hmac(salt, sharedSecret[..32], pseudorandomKey);
        Span<byte> output = stackalloc byte[Blake3.HashBytes];
        Hmac(pseudorandomKey, [1], output);
        output[..key.Length].CopyTo(key);
    }

    // HMAC for a key and a message of at most 32 bytes.
    private static void Hmac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message, Span<byte> mac)
    {
        Span<byte> block = stackalloc byte[Blake3.BlockBytes + Blake3.HashBytes];
        block.Clear();
        key.CopyTo(block);
        for (int i = 0; i < Blake3.BlockBytes; i++)
            block[i] ^= 0x36;
        message.CopyTo(block[Blake3.BlockBytes..]);
        Span<byte> inner = stackalloc byte[Blake3.HashBytes];
        Blake3.Hash(block[..(Blake3.BlockBytes + message.Length)], inner);
        for (int i = 0; i < Blake3.BlockBytes; i++)
            block[i] ^= 0x36 ^ 0x5C;
        inner.CopyTo(block[Blake3.BlockBytes..]);
        Blake3.Hash(block, mac);
    }
}
