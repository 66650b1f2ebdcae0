using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Word = System.Runtime.Intrinsics.Vector256<uint>;

namespace FastExit.Crypto.Lanes;

// The first block of 8 ChaCha20 streams, each with its own key, nonce and counter zero: for data of at most a block, where one
// stream cannot fill a kernel. AVX2, or the same with the rotations of AVX-512 VL.
//
// References
//   RFC 8439 §2.3
//
// Layout
//   keys: 8 rows of 8 lanes; stream: 16 rows of 8 lanes; a row is one word of all lanes. 32-byte aligned scratch
//
// Constant time: additions, rotations and xor only.
internal static unsafe class ChaCha20FirstBlocks<TLogic>
    where TLogic : struct, ILaneLogic
{
    /// <summary>stream = the 16 words of each lane's first block.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Make(uint* keys, uint* stream)
    {
        Word x0 = Vector256.Create(0x61707865u), x1 = Vector256.Create(0x3320646Eu);
        Word x2 = Vector256.Create(0x79622D32u), x3 = Vector256.Create(0x6B206574u);
        Word x4 = Vector256.Load(keys), x5 = Vector256.Load(keys + 8);
        Word x6 = Vector256.Load(keys + 16), x7 = Vector256.Load(keys + 24);
        Word x8 = Vector256.Load(keys + 32), x9 = Vector256.Load(keys + 40);
        Word x10 = Vector256.Load(keys + 48), x11 = Vector256.Load(keys + 56);
        Word x12 = Word.Zero, x13 = Word.Zero, x14 = Word.Zero, x15 = Word.Zero;
        for (int round = 0; round < 20; round += 2)
        {
            QuarterRounds(
                ref x0, ref x1, ref x2, ref x3, ref x4, ref x5, ref x6, ref x7,
                ref x8, ref x9, ref x10, ref x11, ref x12, ref x13, ref x14, ref x15);
            QuarterRounds(
                ref x0, ref x1, ref x2, ref x3, ref x5, ref x6, ref x7, ref x4,
                ref x10, ref x11, ref x8, ref x9, ref x15, ref x12, ref x13, ref x14);
        }

        Vector256.Store(x0 + Vector256.Create(0x61707865u), stream);
        Vector256.Store(x1 + Vector256.Create(0x3320646Eu), stream + 8);
        Vector256.Store(x2 + Vector256.Create(0x79622D32u), stream + 16);
        Vector256.Store(x3 + Vector256.Create(0x6B206574u), stream + 24);
        Vector256.Store(x4 + Vector256.Load(keys), stream + 32);
        Vector256.Store(x5 + Vector256.Load(keys + 8), stream + 40);
        Vector256.Store(x6 + Vector256.Load(keys + 16), stream + 48);
        Vector256.Store(x7 + Vector256.Load(keys + 24), stream + 56);
        Vector256.Store(x8 + Vector256.Load(keys + 32), stream + 64);
        Vector256.Store(x9 + Vector256.Load(keys + 40), stream + 72);
        Vector256.Store(x10 + Vector256.Load(keys + 48), stream + 80);
        Vector256.Store(x11 + Vector256.Load(keys + 56), stream + 88);
        Vector256.Store(x12, stream + 96);
        Vector256.Store(x13, stream + 104);
        Vector256.Store(x14, stream + 112);
        Vector256.Store(x15, stream + 120);
    }

    // Four columns or diagonals, step by step together.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(
        ref Word a0, ref Word a1, ref Word a2, ref Word a3, ref Word b0, ref Word b1, ref Word b2, ref Word b3,
        ref Word c0, ref Word c1, ref Word c2, ref Word c3, ref Word d0, ref Word d1, ref Word d2, ref Word d3)
    {
        Step(ref a0, ref a1, ref a2, ref a3, b0, b1, b2, b3, ref d0, ref d1, ref d2, ref d3, 16);
        Step(ref c0, ref c1, ref c2, ref c3, d0, d1, d2, d3, ref b0, ref b1, ref b2, ref b3, 20);
        Step(ref a0, ref a1, ref a2, ref a3, b0, b1, b2, b3, ref d0, ref d1, ref d2, ref d3, 24);
        Step(ref c0, ref c1, ref c2, ref c3, d0, d1, d2, d3, ref b0, ref b1, ref b2, ref b3, 25);
    }

    // x += y; z = (z xor x), rotated right by so many bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        ref Word x0, ref Word x1, ref Word x2, ref Word x3, Word y0, Word y1, Word y2, Word y3,
        ref Word z0, ref Word z1, ref Word z2, ref Word z3, [ConstantExpected] byte bits)
    {
        x0 += y0;
        x1 += y1;
        x2 += y2;
        x3 += y3;
        z0 = TLogic.RotateRight(z0 ^ x0, bits);
        z1 = TLogic.RotateRight(z1 ^ x1, bits);
        z2 = TLogic.RotateRight(z2 ^ x2, bits);
        z3 = TLogic.RotateRight(z3 ^ x3, bits);
    }
}
