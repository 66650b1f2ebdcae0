using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Word = System.Runtime.Intrinsics.Vector512<ulong>;

namespace FastExit.Crypto.Lanes;

// BLAKE2b's compression for 8 lanes, AVX-512.
//
// References
//   RFC 7693 §3.1, §3.2
//
// Layout
//   state[8 * word + lane], 8 words; message[8 * word + lane], 16 words; parameters: 3 rows of 8 words, the lanes' byte
//   counters, then all ones where the block is the lane's last, then all ones where the lane takes part (others keep their
//   state). All 64-byte aligned. order: for each round where its 16 words stand, as multiples of 8 words.
//
// 16 working vectors of the 32 registers; message words are added from memory. A loop over the rounds, since all 12 written
// out make the JIT give up on registers.
//
// Constant time: additions, rotations and xor only; order is public.
internal static unsafe class Blake2bKernel8
{
    /// <summary>order = word order of the rounds, 12 x 16 entries, each 8 times the word's index.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Compress(ulong* state, ulong* message, ulong* parameters, byte* order)
    {
        Word v0 = Vector512.Load(state), v1 = Vector512.Load(state + 8);
        Word v2 = Vector512.Load(state + 16), v3 = Vector512.Load(state + 24);
        Word v4 = Vector512.Load(state + 32), v5 = Vector512.Load(state + 40);
        Word v6 = Vector512.Load(state + 48), v7 = Vector512.Load(state + 56);
        Word v8 = Vector512.Create(0x6A09E667F3BCC908UL), v9 = Vector512.Create(0xBB67AE8584CAA73BUL);
        Word v10 = Vector512.Create(0x3C6EF372FE94F82BUL), v11 = Vector512.Create(0xA54FF53A5F1D36F1UL);
        Word v12 = Vector512.Create(0x510E527FADE682D1UL) ^ Vector512.Load(parameters);
        Word v13 = Vector512.Create(0x9B05688C2B3E6C1FUL);
        Word v14 = Vector512.Create(0x1F83D9ABFB41BD6BUL) ^ Vector512.Load(parameters + 8);
        Word v15 = Vector512.Create(0x5BE0CD19137E2179UL);
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

        Word mask = Vector512.Load(parameters + 16);
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
        Vector512.Store(Vector512.Load(state) ^ (change & mask), state);

    // Half of G for four columns or diagonals side by side; the other half takes the words between.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void HalfMix(
        ref Word a0, ref Word a1, ref Word a2, ref Word a3, ref Word b0, ref Word b1, ref Word b2, ref Word b3,
        ref Word c0, ref Word c1, ref Word c2, ref Word c3, ref Word d0, ref Word d1, ref Word d2, ref Word d3,
        ulong* message, byte* order, [ConstantExpected] byte first, [ConstantExpected] byte second)
    {
        a0 = a0 + Vector512.Load(message + order[0]) + b0;
        a1 = a1 + Vector512.Load(message + order[2]) + b1;
        a2 = a2 + Vector512.Load(message + order[4]) + b2;
        a3 = a3 + Vector512.Load(message + order[6]) + b3;
        d0 = Avx512F.RotateRight(d0 ^ a0, first);
        d1 = Avx512F.RotateRight(d1 ^ a1, first);
        d2 = Avx512F.RotateRight(d2 ^ a2, first);
        d3 = Avx512F.RotateRight(d3 ^ a3, first);
        c0 += d0;
        c1 += d1;
        c2 += d2;
        c3 += d3;
        b0 = Avx512F.RotateRight(b0 ^ c0, second);
        b1 = Avx512F.RotateRight(b1 ^ c1, second);
        b2 = Avx512F.RotateRight(b2 ^ c2, second);
        b3 = Avx512F.RotateRight(b3 ^ c3, second);
    }
}
