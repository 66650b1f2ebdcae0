using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using FastExit.Crypto.Lanes;

namespace FastExit.Crypto.Primitives;

/// <summary>BLAKE2b, keyed or plain, digest of 1 to 64 bytes.</summary>
/// <remarks>
/// <para>References: RFC 7693 §3.</para>
/// <para>Parameters: key 0 to 64 bytes, block 128 bytes, any message length; the digest length is part of the hash (it is
/// not a longer digest cut), fanout and depth 1, no salt, no personalisation.</para>
/// <para>Constant time: additions, rotations and xor only; time depends on lengths alone.</para>
/// </remarks>
[SkipLocalsInit]
public static class Blake2b
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 128;

    /// <summary>Longest key and longest digest in bytes.</summary>
    public const int MaximumKeyBytes = 64, MaximumHashBytes = 64;

    private const int Rounds = 12;

    internal static readonly ulong[] InitialValue =
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ];

    internal static ReadOnlySpan<byte> Sigma =>
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
        11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
        7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
        9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
        2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
        12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
        13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
        6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
        10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
    ];

    /// <summary>digest = BLAKE2b(data) under key, as many bytes as digest has.</summary>
    public static void KeyedHash(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> digest) =>
        KeyedHash(CpuLevels.Current, key, data, digest);

    internal static unsafe void KeyedHash(
        CpuLevel level, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> digest)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, MaximumKeyBytes);
        ArgumentOutOfRangeException.ThrowIfZero(digest.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(digest.Length, MaximumHashBytes);
        if (level == CpuLevel.Portable)
        {
            HashPortable(key, data, digest);
            return;
        }

        Span<byte> wide = stackalloc byte[MaximumHashBytes];
        fixed (byte* k = key, d = data, output = wide)
        {
            int length = data.Length;
            Blake2bLanes.Hash(level, 1, &k, key.Length, &d, &length, output, digest.Length);
        }

        wide[..digest.Length].CopyTo(digest);
    }

    private static void HashPortable(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> digest)
    {
        Span<ulong> h = stackalloc ulong[8];
        InitialValue.CopyTo(h);
        h[0] ^= 0x01010000UL ^ (ulong)key.Length << 8 ^ (ulong)digest.Length;
        Span<byte> block = stackalloc byte[BlockBytes];
        ulong count = 0;
        if (!key.IsEmpty)
        {
            block.Clear();
            key.CopyTo(block);
            count = BlockBytes;
            Compress(h, block, count, data.IsEmpty);
        }

        while (data.Length > BlockBytes)
        {
            count += BlockBytes;
            Compress(h, data, count, false);
            data = data[BlockBytes..];
        }

        // A keyed hash of nothing ends with the key block.
        if (!data.IsEmpty || key.IsEmpty)
        {
            block.Clear();
            data.CopyTo(block);
            Compress(h, block, count + (ulong)data.Length, true);
        }

        for (int i = 0; i < 8; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(block[(8 * i)..], h[i]);
        block[..digest.Length].CopyTo(digest);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Compress(Span<ulong> h, ReadOnlySpan<byte> block, ulong count, bool last)
    {
        ulong* m = stackalloc ulong[16];
        for (int i = 0; i < 16; i++)
            m[i] = BinaryPrimitives.ReadUInt64LittleEndian(block.Slice(8 * i, 8));
        ulong v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        ulong v8 = InitialValue[0], v9 = InitialValue[1], v10 = InitialValue[2], v11 = InitialValue[3];
        ulong v12 = InitialValue[4] ^ count, v13 = InitialValue[5];
        ulong v14 = last ? ~InitialValue[6] : InitialValue[6], v15 = InitialValue[7];
        fixed (byte* sigma = Sigma)
        {
            for (byte* s = sigma; s < sigma + 16 * Rounds; s += 16)
            {
                Mix(ref v0, ref v4, ref v8, ref v12, m[s[0]], m[s[1]]);
                Mix(ref v1, ref v5, ref v9, ref v13, m[s[2]], m[s[3]]);
                Mix(ref v2, ref v6, ref v10, ref v14, m[s[4]], m[s[5]]);
                Mix(ref v3, ref v7, ref v11, ref v15, m[s[6]], m[s[7]]);
                Mix(ref v0, ref v5, ref v10, ref v15, m[s[8]], m[s[9]]);
                Mix(ref v1, ref v6, ref v11, ref v12, m[s[10]], m[s[11]]);
                Mix(ref v2, ref v7, ref v8, ref v13, m[s[12]], m[s[13]]);
                Mix(ref v3, ref v4, ref v9, ref v14, m[s[14]], m[s[15]]);
            }
        }

        h[0] ^= v0 ^ v8;
        h[1] ^= v1 ^ v9;
        h[2] ^= v2 ^ v10;
        h[3] ^= v3 ^ v11;
        h[4] ^= v4 ^ v12;
        h[5] ^= v5 ^ v13;
        h[6] ^= v6 ^ v14;
        h[7] ^= v7 ^ v15;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(ref ulong a, ref ulong b, ref ulong c, ref ulong d, ulong x, ulong y)
    {
        a += b + x;
        d = BitOperations.RotateRight(d ^ a, 32);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 24);
        a += b + y;
        d = BitOperations.RotateRight(d ^ a, 16);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 63);
    }
}
