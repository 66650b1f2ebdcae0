using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Row = System.Runtime.Intrinsics.Vector128<uint>;

namespace FastExit.Crypto.Lanes;

// 4 blocks of one ChaCha20 stream at once in vectors of 128 bits, for machines without wider ones: Arm64's AdvSimd above all.
//
// References
//   RFC 8439 §2.3
//
// Layout
//   a vector for each row of a block's state; b, c, d: key, key, counter and nonce
//
// Constant time: additions, rotations, xor and shuffles with constant patterns.
internal static class ChaCha20Rows128
{
    /// <summary>Bytes that the 4 blocks have.</summary>
    public const int Bytes = 4 * 64;

    /// <summary>data = data xor 4 blocks, 256 bytes; d is the first block's row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void XorFourBlocks(Row b, Row c, Row d, ref byte data)
    {
        Row a = Vector128.Create(0x61707865u, 0x3320646E, 0x79622D32, 0x6B206574), one = Vector128.Create(1u, 0, 0, 0);
        Row d1 = d + one, d2 = d1 + one, d3 = d2 + one;
        Row a0 = a, b0 = b, c0 = c, e0 = d, a1 = a, b1 = b, c1 = c, e1 = d1;
        Row a2 = a, b2 = b, c2 = c, e2 = d2, a3 = a, b3 = b, c3 = c, e3 = d3;
        for (int round = 0; round < 20; round += 2)
        {
            DoubleRound(ref a0, ref b0, ref c0, ref e0);
            DoubleRound(ref a1, ref b1, ref c1, ref e1);
            DoubleRound(ref a2, ref b2, ref c2, ref e2);
            DoubleRound(ref a3, ref b3, ref c3, ref e3);
        }

        XorBlock(ref data, a0 + a, b0 + b, c0 + c, e0 + d);
        XorBlock(ref Unsafe.Add(ref data, 64), a1 + a, b1 + b, c1 + c, e1 + d1);
        XorBlock(ref Unsafe.Add(ref data, 128), a2 + a, b2 + b, c2 + c, e2 + d2);
        XorBlock(ref Unsafe.Add(ref data, 192), a3 + a, b3 + b, c3 + c, e3 + d3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void DoubleRound(ref Row a, ref Row b, ref Row c, ref Row d)
    {
        QuarterRounds(ref a, ref b, ref c, ref d);
        b = Vector128.Shuffle(b, Vector128.Create(1u, 2, 3, 0));
        c = Vector128.Shuffle(c, Vector128.Create(2u, 3, 0, 1));
        d = Vector128.Shuffle(d, Vector128.Create(3u, 0, 1, 2));
        QuarterRounds(ref a, ref b, ref c, ref d);
        b = Vector128.Shuffle(b, Vector128.Create(3u, 0, 1, 2));
        c = Vector128.Shuffle(c, Vector128.Create(2u, 3, 0, 1));
        d = Vector128.Shuffle(d, Vector128.Create(1u, 2, 3, 0));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(ref Row a, ref Row b, ref Row c, ref Row d)
    {
        a += b;
        d = RotateLeft(d ^ a, 16);
        c += d;
        b = RotateLeft(b ^ c, 12);
        a += b;
        d = RotateLeft(d ^ a, 8);
        c += d;
        b = RotateLeft(b ^ c, 7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Row RotateLeft(Row x, int bits) => x << bits | x >>> (32 - bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void XorBlock(ref byte data, Row a, Row b, Row c, Row d)
    {
        XorRow(ref data, a);
        XorRow(ref Unsafe.Add(ref data, 16), b);
        XorRow(ref Unsafe.Add(ref data, 32), c);
        XorRow(ref Unsafe.Add(ref data, 48), d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void XorRow(ref byte data, Row row) =>
        (Vector128.LoadUnsafe(ref data) ^ row.AsByte()).StoreUnsafe(ref data);
}
