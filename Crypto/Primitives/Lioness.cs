using System.Runtime.CompilerServices;

namespace FastExit.Crypto.Primitives;

/// <summary>One block of a region that <see cref="Lioness"/> works on: bytes Offset to Offset + Length.</summary>
/// <param name="Offset">First byte in the region.</param>
/// <param name="Length">Bytes of the block, at least <see cref="Lioness.MinimumBlockBytes"/>.</param>
public readonly record struct LionessLane(int Offset, int Length);

/// <summary>Lioness over ChaCha20 and BLAKE2b: a keyed permutation of blocks of any length above 32 bytes.</summary>
/// <remarks>
/// <para>References: Anderson, Biham, "Two Practical and Provably Secure Block Ciphers: BEAR and LION"; sphinx.md §8.1, §8.2.</para>
/// <para>Parameters: key 192 bytes = K1 32, K2 64, K3 32, K4 64; K1 and K3 key the stream (zero nonce, counter 0), K2 and K4
/// the hash (32 bytes out). Block at least 33 bytes, in place; a shorter one is the caller's mistake and throws. Lanes: any
/// number, any mix of lengths, each with its own key, not overlapping.</para>
/// <para>Constant time: as <see cref="ChaCha20"/> and <see cref="Blake2b"/>.</para>
/// </remarks>
[SkipLocalsInit]
public static class Lioness
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyBytes = 192;

    /// <summary>Shortest block in bytes.</summary>
    public const int MinimumBlockBytes = LeftBytes + 1;

    private const int LeftBytes = 32;

    /// <summary>Encrypts a block in place.</summary>
    public static void Encrypt(ReadOnlySpan<byte> key, Span<byte> block)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(block.Length, MinimumBlockBytes);
        Span<byte> left = block[..LeftBytes], right = block[LeftBytes..];
        StreamPass(left, key[..32], right);
        HashPass(left, key[32..96], right);
        StreamPass(left, key[96..128], right);
        HashPass(left, key[128..192], right);
    }

    /// <summary>Decrypts a block in place.</summary>
    public static void Decrypt(ReadOnlySpan<byte> key, Span<byte> block)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(block.Length, MinimumBlockBytes);
        Span<byte> left = block[..LeftBytes], right = block[LeftBytes..];
        HashPass(left, key[128..192], right);
        StreamPass(left, key[96..128], right);
        HashPass(left, key[32..96], right);
        StreamPass(left, key[..32], right);
    }

    /// <summary>Encrypts several blocks of a region; lane i uses bytes 192 i to 192 (i + 1) of keys.</summary>
    public static void EncryptLanes(Span<byte> region, ReadOnlySpan<LionessLane> lanes, ReadOnlySpan<byte> keys)
    {
        for (int i = 0; i < lanes.Length; i++)
            Encrypt(keys.Slice(i * KeyBytes, KeyBytes), region.Slice(lanes[i].Offset, lanes[i].Length));
    }

    /// <summary>Decrypts several blocks of a region; lane i uses bytes 192 i to 192 (i + 1) of keys.</summary>
    public static void DecryptLanes(Span<byte> region, ReadOnlySpan<LionessLane> lanes, ReadOnlySpan<byte> keys)
    {
        for (int i = 0; i < lanes.Length; i++)
            Decrypt(keys.Slice(i * KeyBytes, KeyBytes), region.Slice(lanes[i].Offset, lanes[i].Length));
    }

    private static void StreamPass(ReadOnlySpan<byte> left, ReadOnlySpan<byte> key, Span<byte> right)
    {
        Span<byte> streamKey = stackalloc byte[ChaCha20.KeyBytes];
        for (int i = 0; i < streamKey.Length; i++)
            streamKey[i] = (byte)(left[i] ^ key[i]);
        ChaCha20.XorZeroNonce(streamKey, right);
    }

    private static void HashPass(Span<byte> left, ReadOnlySpan<byte> key, ReadOnlySpan<byte> right)
    {
        Span<byte> digest = stackalloc byte[LeftBytes];
        Blake2b.KeyedHash(key, right, digest);
        for (int i = 0; i < LeftBytes; i++)
            left[i] ^= digest[i];
    }
}
