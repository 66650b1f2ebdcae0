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
//   input: the 16 words of the first block's state; words[16 * word + block], 64-byte aligned scratch
//
// One vector for each of the 16 words, an element for each block. The blocks leave by way of memory, because the rounds and
// the transposition together have more variables than the JIT keeps in registers.
//
// Constant time: additions, rotations and xor only.
internal static unsafe class ChaCha20Kernel16
{
    /// <summary>Bytes that the 16 blocks have.</summary>
    public const int Bytes = 16 * 64;

    private const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;

    /// <summary>The key stream of blocks counter to counter + 15, word by word.</summary>
    [MethodImpl(Kernel)]
    public static void Blocks(uint* input, uint* words)
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

        Vector512.Store(x0 + Vector512.Create(input[0]), words);
        Vector512.Store(x1 + Vector512.Create(input[1]), words + 16);
        Vector512.Store(x2 + Vector512.Create(input[2]), words + 32);
        Vector512.Store(x3 + Vector512.Create(input[3]), words + 48);
        Vector512.Store(x4 + Vector512.Create(input[4]), words + 64);
        Vector512.Store(x5 + Vector512.Create(input[5]), words + 80);
        Vector512.Store(x6 + Vector512.Create(input[6]), words + 96);
        Vector512.Store(x7 + Vector512.Create(input[7]), words + 112);
        Vector512.Store(x8 + Vector512.Create(input[8]), words + 128);
        Vector512.Store(x9 + Vector512.Create(input[9]), words + 144);
        Vector512.Store(x10 + Vector512.Create(input[10]), words + 160);
        Vector512.Store(x11 + Vector512.Create(input[11]), words + 176);
        Vector512.Store(x12 + counters, words + 192);
        Vector512.Store(x13 + Vector512.Create(input[13]), words + 208);
        Vector512.Store(x14 + Vector512.Create(input[14]), words + 224);
        Vector512.Store(x15 + Vector512.Create(input[15]), words + 240);
    }

    /// <summary>data = data xor the stream in words: 1024 bytes, any alignment.</summary>
    [MethodImpl(Kernel)]
    public static void Xor(uint* words, byte* data)
    {
        Word r0 = Vector512.Load(words), r1 = Vector512.Load(words + 16);
        Word r2 = Vector512.Load(words + 32), r3 = Vector512.Load(words + 48);
        Word r4 = Vector512.Load(words + 64), r5 = Vector512.Load(words + 80);
        Word r6 = Vector512.Load(words + 96), r7 = Vector512.Load(words + 112);
        Word r8 = Vector512.Load(words + 128), r9 = Vector512.Load(words + 144);
        Word r10 = Vector512.Load(words + 160), r11 = Vector512.Load(words + 176);
        Word r12 = Vector512.Load(words + 192), r13 = Vector512.Load(words + 208);
        Word r14 = Vector512.Load(words + 224), r15 = Vector512.Load(words + 240);
        LaneTranspose.InQuarters(ref r0, ref r1, ref r2, ref r3);
        LaneTranspose.InQuarters(ref r4, ref r5, ref r6, ref r7);
        LaneTranspose.InQuarters(ref r8, ref r9, ref r10, ref r11);
        LaneTranspose.InQuarters(ref r12, ref r13, ref r14, ref r15);
        LaneTranspose.OfQuarters(ref r0, ref r4, ref r8, ref r12);
        LaneTranspose.OfQuarters(ref r1, ref r5, ref r9, ref r13);
        LaneTranspose.OfQuarters(ref r2, ref r6, ref r10, ref r14);
        LaneTranspose.OfQuarters(ref r3, ref r7, ref r11, ref r15);
        XorBlock(r0, data);
        XorBlock(r1, data + 64);
        XorBlock(r2, data + 128);
        XorBlock(r3, data + 192);
        XorBlock(r4, data + 256);
        XorBlock(r5, data + 320);
        XorBlock(r6, data + 384);
        XorBlock(r7, data + 448);
        XorBlock(r8, data + 512);
        XorBlock(r9, data + 576);
        XorBlock(r10, data + 640);
        XorBlock(r11, data + 704);
        XorBlock(r12, data + 768);
        XorBlock(r13, data + 832);
        XorBlock(r14, data + 896);
        XorBlock(r15, data + 960);
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
