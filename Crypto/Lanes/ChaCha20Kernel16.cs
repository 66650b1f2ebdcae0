using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Word = System.Runtime.Intrinsics.Vector512<uint>;

namespace FastExit.Crypto.Lanes;

// 16 blocks of one ChaCha20 stream at once, AVX-512.
//
// References
//   RFC 8439 §2.3
//
// Layout
//   input: the 16 words of the first block's state
//
// One vector for each of the 16 words, an element for each block, turned about before they meet the data.
//
// Constant time: additions, rotations and xor only.
internal static unsafe class ChaCha20Kernel16
{
    /// <summary>Bytes that the 16 blocks have.</summary>
    public const int Bytes = 16 * 64;

    private const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;

    /// <summary>
    /// data = data xor blocks counter to counter + 15, or the first of their bytes, at least 64; any alignment. stream: memory
    /// for a kilobyte, 64-byte aligned.
    /// </summary>
    [MethodImpl(Kernel)]
    public static void XorBlocks(uint* input, byte* data, int bytes, byte* stream)
    {
        Word counters = Vector512.Create(input[12]) + Vector512.Create(0u, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        Word x0 = Vector512.Create(input[0]), x1 = Vector512.Create(input[1]);
        Word x2 = Vector512.Create(input[2]), x3 = Vector512.Create(input[3]);
        Word x4 = Vector512.Create(input[4]), x5 = Vector512.Create(input[5]);
        Word x6 = Vector512.Create(input[6]), x7 = Vector512.Create(input[7]);
        Word x8 = Vector512.Create(input[8]), x9 = Vector512.Create(input[9]);
        Word x10 = Vector512.Create(input[10]), x11 = Vector512.Create(input[11]);
        Word x12 = counters, x13 = Vector512.Create(input[13]);
        Word x14 = Vector512.Create(input[14]), x15 = Vector512.Create(input[15]);
        for (int round = 0; round < 20; round += 2)
        {
            QuarterRounds(
                ref x0, ref x1, ref x2, ref x3, ref x4, ref x5, ref x6, ref x7,
                ref x8, ref x9, ref x10, ref x11, ref x12, ref x13, ref x14, ref x15);
            QuarterRounds(
                ref x0, ref x1, ref x2, ref x3, ref x5, ref x6, ref x7, ref x4,
                ref x10, ref x11, ref x8, ref x9, ref x15, ref x12, ref x13, ref x14);
        }

        x0 += Vector512.Create(input[0]);
        x1 += Vector512.Create(input[1]);
        x2 += Vector512.Create(input[2]);
        x3 += Vector512.Create(input[3]);
        x4 += Vector512.Create(input[4]);
        x5 += Vector512.Create(input[5]);
        x6 += Vector512.Create(input[6]);
        x7 += Vector512.Create(input[7]);
        x8 += Vector512.Create(input[8]);
        x9 += Vector512.Create(input[9]);
        x10 += Vector512.Create(input[10]);
        x11 += Vector512.Create(input[11]);
        x12 += counters;
        x13 += Vector512.Create(input[13]);
        x14 += Vector512.Create(input[14]);
        x15 += Vector512.Create(input[15]);
        LaneTranspose.InQuarters(ref x0, ref x1, ref x2, ref x3);
        LaneTranspose.InQuarters(ref x4, ref x5, ref x6, ref x7);
        LaneTranspose.InQuarters(ref x8, ref x9, ref x10, ref x11);
        LaneTranspose.InQuarters(ref x12, ref x13, ref x14, ref x15);
        LaneTranspose.OfQuarters(ref x0, ref x4, ref x8, ref x12);
        LaneTranspose.OfQuarters(ref x1, ref x5, ref x9, ref x13);
        LaneTranspose.OfQuarters(ref x2, ref x6, ref x10, ref x14);
        LaneTranspose.OfQuarters(ref x3, ref x7, ref x11, ref x15);
        if (bytes == Bytes)
        {
            XorBlock(x0, data);
            XorBlock(x1, data + 64);
            XorBlock(x2, data + 128);
            XorBlock(x3, data + 192);
            XorBlock(x4, data + 256);
            XorBlock(x5, data + 320);
            XorBlock(x6, data + 384);
            XorBlock(x7, data + 448);
            XorBlock(x8, data + 512);
            XorBlock(x9, data + 576);
            XorBlock(x10, data + 640);
            XorBlock(x11, data + 704);
            XorBlock(x12, data + 768);
            XorBlock(x13, data + 832);
            XorBlock(x14, data + 896);
            XorBlock(x15, data + 960);
            return;
        }

        Vector512.Store(x0, (uint*)stream);
        Vector512.Store(x1, (uint*)(stream + 64));
        Vector512.Store(x2, (uint*)(stream + 128));
        Vector512.Store(x3, (uint*)(stream + 192));
        Vector512.Store(x4, (uint*)(stream + 256));
        Vector512.Store(x5, (uint*)(stream + 320));
        Vector512.Store(x6, (uint*)(stream + 384));
        Vector512.Store(x7, (uint*)(stream + 448));
        Vector512.Store(x8, (uint*)(stream + 512));
        Vector512.Store(x9, (uint*)(stream + 576));
        Vector512.Store(x10, (uint*)(stream + 640));
        Vector512.Store(x11, (uint*)(stream + 704));
        Vector512.Store(x12, (uint*)(stream + 768));
        Vector512.Store(x13, (uint*)(stream + 832));
        Vector512.Store(x14, (uint*)(stream + 896));
        Vector512.Store(x15, (uint*)(stream + 960));

        // The last 64 bytes overlap the whole blocks in front of them: read before those change.
        int last = bytes - 64;
        Word end = Vector512.Load((uint*)(data + last));
        for (int at = 0; at < last; at += 64)
            XorBlock(Vector512.Load((uint*)(stream + at)), data + at);
        Vector512.Store(end ^ Vector512.Load((uint*)(stream + last)), (uint*)(data + last));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void XorBlock(Word stream, byte* data) =>
        Vector512.Store(Vector512.Load((uint*)data) ^ stream, (uint*)data);

    // Four columns or diagonals side by side.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(
        ref Word a0, ref Word a1, ref Word a2, ref Word a3, ref Word b0, ref Word b1, ref Word b2, ref Word b3,
        ref Word c0, ref Word c1, ref Word c2, ref Word c3, ref Word d0, ref Word d1, ref Word d2, ref Word d3)
    {
        Step(ref a0, ref a1, ref a2, ref a3, b0, b1, b2, b3, ref d0, ref d1, ref d2, ref d3, 16);
        Step(ref c0, ref c1, ref c2, ref c3, d0, d1, d2, d3, ref b0, ref b1, ref b2, ref b3, 12);
        Step(ref a0, ref a1, ref a2, ref a3, b0, b1, b2, b3, ref d0, ref d1, ref d2, ref d3, 8);
        Step(ref c0, ref c1, ref c2, ref c3, d0, d1, d2, d3, ref b0, ref b1, ref b2, ref b3, 7);
    }

    // sum += term; turned = (turned xor sum) rotated left.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        ref Word sum0, ref Word sum1, ref Word sum2, ref Word sum3, Word term0, Word term1, Word term2, Word term3,
        ref Word turned0, ref Word turned1, ref Word turned2, ref Word turned3, [ConstantExpected] byte bits)
    {
        sum0 += term0;
        sum1 += term1;
        sum2 += term2;
        sum3 += term3;
        turned0 = Avx512F.RotateLeft(turned0 ^ sum0, bits);
        turned1 = Avx512F.RotateLeft(turned1 ^ sum1, bits);
        turned2 = Avx512F.RotateLeft(turned2 ^ sum2, bits);
        turned3 = Avx512F.RotateLeft(turned3 ^ sum3, bits);
    }
}
