using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Word = System.Runtime.Intrinsics.Vector512<uint>;

namespace FastExit.Crypto.Lanes;

// SHA-256's compression for 16 lanes, AVX-512.
//
// References
//   FIPS 180-4 §4.1.2, §6.2.2
//
// Layout
//   state[16 * word + lane], 8 words; words[16 * t + lane], 64 words of the message schedule, the first 16 given;
//   active[lane]: all ones or zero, a lane of zeros keeps its state. All 64-byte aligned.
//
// The schedule is written to memory whole and the rounds come in groups of 8, after which the names of the working
// variables are back in place: unrolled further, the JIT stops tracking locals and keeps them on the stack.
//
// Constant time: additions, rotations and logic only.
internal static unsafe class Sha256Kernel16
{
    private const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;

    /// <summary>Words 16 to 63 of the schedule.</summary>
    [MethodImpl(Kernel)]
    public static void Expand(uint* words)
    {
        Word even = Vector512.Load(words + 14 * 16), odd = Vector512.Load(words + 15 * 16);
        Word next = Vector512.Load(words);
        for (uint* w = words; w < words + 48 * 16; w += 4 * 16)
        {
            Word w1 = Vector512.Load(w + 16), w2 = Vector512.Load(w + 32), w3 = Vector512.Load(w + 48), w4 = Vector512.Load(w + 64);
            even = next + Small0(w1) + Vector512.Load(w + 9 * 16) + Small1(even);
            odd = w1 + Small0(w2) + Vector512.Load(w + 10 * 16) + Small1(odd);
            Vector512.Store(even, w + 16 * 16);
            Vector512.Store(odd, w + 17 * 16);
            even = w2 + Small0(w3) + Vector512.Load(w + 11 * 16) + Small1(even);
            odd = w3 + Small0(w4) + Vector512.Load(w + 12 * 16) + Small1(odd);
            Vector512.Store(even, w + 18 * 16);
            Vector512.Store(odd, w + 19 * 16);
            next = w4;
        }
    }

    /// <summary>The 64 rounds over a schedule of the lane's own.</summary>
    [MethodImpl(Kernel)]
    public static void Rounds(uint* state, uint* words, uint* constants, uint* active)
    {
        Word a = Vector512.Load(state), b = Vector512.Load(state + 16);
        Word c = Vector512.Load(state + 32), d = Vector512.Load(state + 48);
        Word e = Vector512.Load(state + 64), f = Vector512.Load(state + 80);
        Word g = Vector512.Load(state + 96), h = Vector512.Load(state + 112);
        for (uint* end = constants + 64; constants < end; constants += 8, words += 8 * 16)
        {
            Round(a, b, c, ref d, e, f, g, ref h, Vector512.Load(words) + Vector512.Create(constants[0]));
            Round(h, a, b, ref c, d, e, f, ref g, Vector512.Load(words + 16) + Vector512.Create(constants[1]));
            Round(g, h, a, ref b, c, d, e, ref f, Vector512.Load(words + 32) + Vector512.Create(constants[2]));
            Round(f, g, h, ref a, b, c, d, ref e, Vector512.Load(words + 48) + Vector512.Create(constants[3]));
            Round(e, f, g, ref h, a, b, c, ref d, Vector512.Load(words + 64) + Vector512.Create(constants[4]));
            Round(d, e, f, ref g, h, a, b, ref c, Vector512.Load(words + 80) + Vector512.Create(constants[5]));
            Round(c, d, e, ref f, g, h, a, ref b, Vector512.Load(words + 96) + Vector512.Create(constants[6]));
            Round(b, c, d, ref e, f, g, h, ref a, Vector512.Load(words + 112) + Vector512.Create(constants[7]));
        }

        Add(state, active, a, b, c, d, e, f, g, h);
    }

    /// <summary>The 64 rounds over one schedule for all lanes: 64 words, round constants added.</summary>
    [MethodImpl(Kernel)]
    public static void RoundsOfOne(uint* state, uint* schedule, uint* active)
    {
        Word a = Vector512.Load(state), b = Vector512.Load(state + 16);
        Word c = Vector512.Load(state + 32), d = Vector512.Load(state + 48);
        Word e = Vector512.Load(state + 64), f = Vector512.Load(state + 80);
        Word g = Vector512.Load(state + 96), h = Vector512.Load(state + 112);
        for (uint* end = schedule + 64; schedule < end; schedule += 8)
        {
            Round(a, b, c, ref d, e, f, g, ref h, Vector512.Create(schedule[0]));
            Round(h, a, b, ref c, d, e, f, ref g, Vector512.Create(schedule[1]));
            Round(g, h, a, ref b, c, d, e, ref f, Vector512.Create(schedule[2]));
            Round(f, g, h, ref a, b, c, d, ref e, Vector512.Create(schedule[3]));
            Round(e, f, g, ref h, a, b, c, ref d, Vector512.Create(schedule[4]));
            Round(d, e, f, ref g, h, a, b, ref c, Vector512.Create(schedule[5]));
            Round(c, d, e, ref f, g, h, a, ref b, Vector512.Create(schedule[6]));
            Round(b, c, d, ref e, f, g, h, ref a, Vector512.Create(schedule[7]));
        }

        Add(state, active, a, b, c, d, e, f, g, h);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(uint* state, uint* active, Word a, Word b, Word c, Word d, Word e, Word f, Word g, Word h)
    {
        Word mask = Vector512.Load(active);
        Vector512.Store(Vector512.Load(state) + (a & mask), state);
        Vector512.Store(Vector512.Load(state + 16) + (b & mask), state + 16);
        Vector512.Store(Vector512.Load(state + 32) + (c & mask), state + 32);
        Vector512.Store(Vector512.Load(state + 48) + (d & mask), state + 48);
        Vector512.Store(Vector512.Load(state + 64) + (e & mask), state + 64);
        Vector512.Store(Vector512.Load(state + 80) + (f & mask), state + 80);
        Vector512.Store(Vector512.Load(state + 96) + (g & mask), state + 96);
        Vector512.Store(Vector512.Load(state + 112) + (h & mask), state + 112);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(Word a, Word b, Word c, ref Word d, Word e, Word f, Word g, ref Word h, Word kw)
    {
        h += kw;
        h += Avx512F.TernaryLogic(e, f, g, 0xCA);
        h += Avx512F.TernaryLogic(
            Avx512F.RotateRight(e, 6), Avx512F.RotateRight(e, 11), Avx512F.RotateRight(e, 25), 0x96);
        d += h;
        h += Avx512F.TernaryLogic(a, b, c, 0xE8);
        h += Avx512F.TernaryLogic(
            Avx512F.RotateRight(a, 2), Avx512F.RotateRight(a, 13), Avx512F.RotateRight(a, 22), 0x96);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Word Small0(Word x) =>
        Avx512F.TernaryLogic(Avx512F.RotateRight(x, 7), Avx512F.RotateRight(x, 18), x >>> 3, 0x96);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Word Small1(Word x) =>
        Avx512F.TernaryLogic(Avx512F.RotateRight(x, 17), Avx512F.RotateRight(x, 19), x >>> 10, 0x96);
}
