using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Word = System.Runtime.Intrinsics.Vector256<ulong>;

namespace FastExit.Crypto.Lanes;

// BLAKE2b's compression for 4 lanes, AVX2 or the same with the rotations of AVX-512 VL.
//
// References
//   RFC 7693 §3.1, §3.2
//
// Layout, shape and constant time: as Blake2bKernel8; rows stay 8 lanes long and every pointer may be 4 lanes into a row.
internal static unsafe class Blake2bKernel4<TLogic>
    where TLogic : struct, ILaneLogic
{
    /// <summary>order = word order of the rounds, 12 x 16 entries, each 8 times the word's index.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Compress(ulong* state, ulong* message, ulong* parameters, byte* order)
    {
        Word v0 = Vector256.Load(state), v1 = Vector256.Load(state + 8);
        Word v2 = Vector256.Load(state + 16), v3 = Vector256.Load(state + 24);
        Word v4 = Vector256.Load(state + 32), v5 = Vector256.Load(state + 40);
        Word v6 = Vector256.Load(state + 48), v7 = Vector256.Load(state + 56);
        Word v8 = Vector256.Create(0x6A09E667F3BCC908UL), v9 = Vector256.Create(0xBB67AE8584CAA73BUL);
        Word v10 = Vector256.Create(0x3C6EF372FE94F82BUL), v11 = Vector256.Create(0xA54FF53A5F1D36F1UL);
        Word v12 = Vector256.Create(0x510E527FADE682D1UL) ^ Vector256.Load(parameters);
        Word v13 = Vector256.Create(0x9B05688C2B3E6C1FUL);
        Word v14 = Vector256.Create(0x1F83D9ABFB41BD6BUL) ^ Vector256.Load(parameters + 8);
        Word v15 = Vector256.Create(0x5BE0CD19137E2179UL);
        for (byte* end = order + 12 * 16; order < end; order += 16)
        {
            HalfMix(
                ref v0, ref v1, ref v2, ref v3, ref v4, ref v5, ref v6, ref v7, ref v8, ref v9, ref v10, ref v11,
                ref v12, ref v13, ref v14, ref v15, message, order, 32, 24);
            HalfMix(
                ref v0, ref v1, ref v2, ref v3, ref v4, ref v5, ref v6, ref v7, ref v8, ref v9, ref v10, ref v11,
                ref v12, ref v13, ref v14, ref v15, message, order + 1, 16, 63);
            HalfMix(
                ref v0, ref v1, ref v2, ref v3, ref v5, ref v6, ref v7, ref v4, ref v10, ref v11, ref v8, ref v9,
                ref v15, ref v12, ref v13, ref v14, message, order + 8, 32, 24);
            HalfMix(
                ref v0, ref v1, ref v2, ref v3, ref v5, ref v6, ref v7, ref v4, ref v10, ref v11, ref v8, ref v9,
                ref v15, ref v12, ref v13, ref v14, message, order + 9, 16, 63);
        }

        Word mask = Vector256.Load(parameters + 16);
        Update(state, v0 ^ v8, mask);
        Update(state + 8, v1 ^ v9, mask);
        Update(state + 16, v2 ^ v10, mask);
        Update(state + 24, v3 ^ v11, mask);
        Update(state + 32, v4 ^ v12, mask);
        Update(state + 40, v5 ^ v13, mask);
        Update(state + 48, v6 ^ v14, mask);
        Update(state + 56, v7 ^ v15, mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Update(ulong* state, Word change, Word mask) =>
        Vector256.Store(Vector256.Load(state) ^ (change & mask), state);

    // Half of G for four columns or diagonals side by side; the other half takes the words between.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void HalfMix(
        ref Word a0, ref Word a1, ref Word a2, ref Word a3, ref Word b0, ref Word b1, ref Word b2, ref Word b3,
        ref Word c0, ref Word c1, ref Word c2, ref Word c3, ref Word d0, ref Word d1, ref Word d2, ref Word d3,
        ulong* message, byte* order, [ConstantExpected] byte first, [ConstantExpected] byte second)
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
