using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FastExit.Crypto.Lanes;

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
/// number, any mix of lengths, each with its own key, not overlapping; 8 of them are hashed side by side.</para>
/// <para>Constant time: as <see cref="ChaCha20"/> and <see cref="Blake2b"/>.</para>
/// </remarks>
[SkipLocalsInit]
public static class Lioness
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyBytes = 192;

    /// <summary>Shortest block in bytes.</summary>
    public const int MinimumBlockBytes = LeftBytes + 1;

    private const int LeftBytes = 32, HashKeyBytes = 64;

    // K1 to K4.
    private const int FirstStream = 0, FirstHash = 32, SecondStream = 96, SecondHash = 128;

    /// <summary>Encrypts a block in place.</summary>
    public static void Encrypt(ReadOnlySpan<byte> key, Span<byte> block) =>
        EncryptLanes(block, [new(0, block.Length)], key);

    /// <summary>Decrypts a block in place.</summary>
    public static void Decrypt(ReadOnlySpan<byte> key, Span<byte> block) =>
        DecryptLanes(block, [new(0, block.Length)], key);

    /// <summary>Encrypts several blocks of a region; lane i uses bytes 192 i to 192 (i + 1) of keys.</summary>
    public static void EncryptLanes(Span<byte> region, ReadOnlySpan<LionessLane> lanes, ReadOnlySpan<byte> keys) =>
        EncryptLanes(CpuLevels.Current, region, lanes, keys);

    /// <summary>Decrypts several blocks of a region; lane i uses bytes 192 i to 192 (i + 1) of keys.</summary>
    public static void DecryptLanes(Span<byte> region, ReadOnlySpan<LionessLane> lanes, ReadOnlySpan<byte> keys) =>
        DecryptLanes(CpuLevels.Current, region, lanes, keys);

    internal static void EncryptLanes(
        CpuLevel level, Span<byte> region, ReadOnlySpan<LionessLane> lanes, ReadOnlySpan<byte> keys)
    {
        Check(region.Length, lanes, keys.Length);
        for (int first = 0; first < lanes.Length; first += Blake2bLanes.MaximumLanes)
        {
            ReadOnlySpan<LionessLane> group = Group(lanes, first);
            ReadOnlySpan<byte> groupKeys = keys[(first * KeyBytes)..];
            StreamPass(level, region, group, groupKeys[FirstStream..]);
            HashPass(level, region, group, groupKeys[FirstHash..]);
            StreamPass(level, region, group, groupKeys[SecondStream..]);
            HashPass(level, region, group, groupKeys[SecondHash..]);
        }
    }

    internal static void DecryptLanes(
        CpuLevel level, Span<byte> region, ReadOnlySpan<LionessLane> lanes, ReadOnlySpan<byte> keys)
    {
        Check(region.Length, lanes, keys.Length);
        for (int first = 0; first < lanes.Length; first += Blake2bLanes.MaximumLanes)
        {
            ReadOnlySpan<LionessLane> group = Group(lanes, first);
            ReadOnlySpan<byte> groupKeys = keys[(first * KeyBytes)..];
            HashPass(level, region, group, groupKeys[SecondHash..]);
            StreamPass(level, region, group, groupKeys[SecondStream..]);
            HashPass(level, region, group, groupKeys[FirstHash..]);
            StreamPass(level, region, group, groupKeys[FirstStream..]);
        }
    }

    private static void Check(int regionBytes, ReadOnlySpan<LionessLane> lanes, int keysBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lanes.Length, keysBytes / KeyBytes);
        foreach (ref readonly LionessLane lane in lanes)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(lane.Length, MinimumBlockBytes);
            ArgumentOutOfRangeException.ThrowIfNegative(lane.Offset);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(lane.Length, regionBytes - lane.Offset);
        }
    }

    private static ReadOnlySpan<LionessLane> Group(ReadOnlySpan<LionessLane> lanes, int first) =>
        lanes.Slice(first, Math.Min(Blake2bLanes.MaximumLanes, lanes.Length - first));

    // Right ^= stream under (left ^ key): lane by lane, where the stream of one alone fills the kernel; lanes of which right
    // is no longer than a block side by side.
    private static void StreamPass(
        CpuLevel level, Span<byte> region, ReadOnlySpan<LionessLane> lanes, ReadOnlySpan<byte> keys)
    {
        int shortLanes = 0;
        Span<byte> streamKey = stackalloc byte[ChaCha20.KeyBytes];
        Span<byte> nonce = stackalloc byte[ChaCha20.NonceBytes];
        nonce.Clear();
        for (int i = 0; i < lanes.Length; i++)
        {
            if (level != CpuLevel.Portable && lanes[i].Length - LeftBytes <= ChaCha20.BlockBytes)
            {
                shortLanes++;
                continue;
            }

            Span<byte> block = region.Slice(lanes[i].Offset, lanes[i].Length);
            (Vector256.Create<byte>(block) ^ Vector256.Create(keys[(i * KeyBytes)..])).CopyTo(streamKey);
            ChaCha20.Xor(level, streamKey, nonce, 0, block[LeftBytes..]);
        }

        if (shortLanes > 0)
            ShortStreamPass(level, region, lanes, keys);
    }

    private static unsafe void ShortStreamPass(
        CpuLevel level, Span<byte> region, ReadOnlySpan<LionessLane> lanes, ReadOnlySpan<byte> keys)
    {
        const int Lanes = Blake2bLanes.MaximumLanes, KeyWords = ChaCha20.KeyBytes / 4, BlockWords = ChaCha20.BlockBytes / 4;
        uint* keyRows = stackalloc uint[Lanes * KeyWords];
        uint* stream = stackalloc uint[Lanes * BlockWords];
        uint* words = stackalloc uint[BlockWords];
        fixed (byte* start = region, key = keys)
        {
            for (int i = 0; i < lanes.Length; i++)
            {
                (Vector256.Load(start + lanes[i].Offset) ^ Vector256.Load(key + i * KeyBytes)).AsUInt32().Store(words);
                for (int word = 0; word < KeyWords; word++)
                    keyRows[Lanes * word + i] = words[word];
            }

            if (level == CpuLevel.Avx512)
                ChaCha20FirstBlocks<Avx512Logic>.Make(keyRows, stream);
            else
                ChaCha20FirstBlocks<Avx2Logic>.Make(keyRows, stream);
            for (int i = 0; i < lanes.Length; i++)
            {
                int bytes = lanes[i].Length - LeftBytes;
                if (bytes > ChaCha20.BlockBytes)
                    continue;
                for (int word = 0; 4 * word < bytes; word++)
                    words[word] = stream[Lanes * word + i];
                byte* right = start + lanes[i].Offset + LeftBytes;
                for (int at = 0; at < bytes; at++)
                    right[at] ^= ((byte*)words)[at];
            }
        }
    }

    // Left ^= hash of right under key, lanes side by side.
    private static unsafe void HashPass(
        CpuLevel level, Span<byte> region, ReadOnlySpan<LionessLane> lanes, ReadOnlySpan<byte> keys)
    {
        const int DigestBytes = Blake2b.MaximumHashBytes;
        byte* digests = stackalloc byte[Blake2bLanes.MaximumLanes * DigestBytes];
        byte** rights = stackalloc byte*[Blake2bLanes.MaximumLanes];
        byte** hashKeys = stackalloc byte*[Blake2bLanes.MaximumLanes];
        int* lengths = stackalloc int[Blake2bLanes.MaximumLanes];
        fixed (byte* start = region, key = keys)
        {
            for (int i = 0; i < lanes.Length; i++)
            {
                rights[i] = start + lanes[i].Offset + LeftBytes;
                hashKeys[i] = key + i * KeyBytes;
                lengths[i] = lanes[i].Length - LeftBytes;
            }

            Blake2bLanes.Hash(level, lanes.Length, hashKeys, HashKeyBytes, rights, lengths, digests, LeftBytes);
            for (int i = 0; i < lanes.Length; i++)
                (Vector256.Load(rights[i] - LeftBytes) ^ Vector256.Load(digests + i * DigestBytes)).Store(rights[i] - LeftBytes);
        }
    }
}
