using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Word = System.Runtime.Intrinsics.Vector256<uint>;

namespace FastExit.Crypto.Lanes;

// BLAKE3's compression for 8 lanes, AVX2 or the same with the rotations of AVX-512 VL.
//
// References
//   "BLAKE3: one function, fast everywhere", §2.2
//
// Layout, shape and constant time: as Blake3Kernel16; rows stay 16 lanes long and every pointer may be 8 lanes into a row.
internal static unsafe class Blake3Kernel8<TLogic>
    where TLogic : struct, ILaneLogic
{
    /// <summary>order = word order of the rounds, 7 x 16 entries, each 16 times the word's index.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Compress(uint* state, uint* message, uint* parameters, byte* order)
    {
        Word v0 = Vector256.Load(state), v1 = Vector256.Load(state + 16);
        Word v2 = Vector256.Load(state + 32), v3 = Vector256.Load(state + 48);
        Word v4 = Vector256.Load(state + 64), v5 = Vector256.Load(state + 80);
        Word v6 = Vector256.Load(state + 96), v7 = Vector256.Load(state + 112);
        Word v8 = Vector256.Create(0x6A09E667u), v9 = Vector256.Create(0xBB67AE85);
        Word v10 = Vector256.Create(0x3C6EF372u), v11 = Vector256.Create(0xA54FF53A);
        Word v12 = Word.Zero, v13 = Word.Zero;
        Word v14 = Vector256.Load(parameters), v15 = Vector256.Load(parameters + 16);
        for (byte* end = order + 7 * 16; order < end; order += 16)
        {
            HalfMix(
                ref v0, ref v1, ref v2, ref v3, ref v4, ref v5, ref v6, ref v7, ref v8, ref v9, ref v10, ref v11,
                ref v12, ref v13, ref v14, ref v15, message, order, 16, 12);
            HalfMix(
                ref v0, ref v1, ref v2, ref v3, ref v4, ref v5, ref v6, ref v7, ref v8, ref v9, ref v10, ref v11,
                ref v12, ref v13, ref v14, ref v15, message, order + 1, 8, 7);
            HalfMix(
                ref v0, ref v1, ref v2, ref v3, ref v5, ref v6, ref v7, ref v4, ref v10, ref v11, ref v8, ref v9,
                ref v15, ref v12, ref v13, ref v14, message, order + 8, 16, 12);
            HalfMix(
                ref v0, ref v1, ref v2, ref v3, ref v5, ref v6, ref v7, ref v4, ref v10, ref v11, ref v8, ref v9,
                ref v15, ref v12, ref v13, ref v14, message, order + 9, 8, 7);
        }

        Word mask = Vector256.Load(parameters + 32);
        Update(state, v0 ^ v8, mask);
        Update(state + 16, v1 ^ v9, mask);
        Update(state + 32, v2 ^ v10, mask);
        Update(state + 48, v3 ^ v11, mask);
        Update(state + 64, v4 ^ v12, mask);
        Update(state + 80, v5 ^ v13, mask);
        Update(state + 96, v6 ^ v14, mask);
        Update(state + 112, v7 ^ v15, mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Update(uint* state, Word change, Word mask) =>
        Vector256.Store(Vector256.ConditionalSelect(mask, change, Vector256.Load(state)), state);

    // Half of G for four columns or diagonals side by side; the other half takes the words between.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void HalfMix(
        ref Word a0, ref Word a1, ref Word a2, ref Word a3, ref Word b0, ref Word b1, ref Word b2, ref Word b3,
        ref Word c0, ref Word c1, ref Word c2, ref Word c3, ref Word d0, ref Word d1, ref Word d2, ref Word d3,
        uint* message, byte* order, [ConstantExpected] byte first, [ConstantExpected] byte second)
    {
        a0 = a0 + b0 + Vector256.Load(message + order[0]);
        a1 = a1 + b1 + Vector256.Load(message + order[2]);
        a2 = a2 + b2 + Vector256.Load(message + order[4]);
        a3 = a3 + b3 + Vector256.Load(message + order[6]);
        d0 = TLogic.RotateRight(d0 ^ a0, first);
        d1 = TLogic.RotateRight(d1 ^ a1, first);
        d2 = TLogic.RotateRight(d2 ^ a2, first);
        d3 = TLogic.RotateRight(d3 ^ a3, first);
        c0 += d0;
        c1 += d1;
        c2 += d2;
        c3 += d3;
        b0 = TLogic.RotateRight(b0 ^ c0, second);
        b1 = TLogic.RotateRight(b1 ^ c1, second);
        b2 = TLogic.RotateRight(b2 ^ c2, second);
        b3 = TLogic.RotateRight(b3 ^ c3, second);
    }
}
