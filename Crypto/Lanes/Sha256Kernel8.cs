using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Word = System.Runtime.Intrinsics.Vector256<uint>;

namespace FastExit.Crypto.Lanes;

// SHA-256's compression for 8 lanes, AVX2 or the same with the rotations of AVX-512 VL.
//
// References
//   FIPS 180-4 §4.1.2, §6.2.2
//
// Layout, shape and constant time: as Sha256Kernel16; rows stay 16 lanes long and every pointer may be 8 lanes into a row.
internal static unsafe class Sha256Kernel8<TLogic>
    where TLogic : struct, ILaneLogic
{
    private const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;

    /// <summary>Words 16 to 63 of the schedule.</summary>
    [MethodImpl(Kernel)]
    public static void Expand(uint* words)
    {
        Word even = Vector256.Load(words + 14 * 16), odd = Vector256.Load(words + 15 * 16);
        Word next = Vector256.Load(words);
        for (uint* w = words; w < words + 48 * 16; w += 4 * 16)
        {
            Word w1 = Vector256.Load(w + 16), w2 = Vector256.Load(w + 32), w3 = Vector256.Load(w + 48), w4 = Vector256.Load(w + 64);
            even = next + Small0(w1) + Vector256.Load(w + 9 * 16) + Small1(even);
            odd = w1 + Small0(w2) + Vector256.Load(w + 10 * 16) + Small1(odd);
            Vector256.Store(even, w + 16 * 16);
            Vector256.Store(odd, w + 17 * 16);
            even = w2 + Small0(w3) + Vector256.Load(w + 11 * 16) + Small1(even);
            odd = w3 + Small0(w4) + Vector256.Load(w + 12 * 16) + Small1(odd);
            Vector256.Store(even, w + 18 * 16);
            Vector256.Store(odd, w + 19 * 16);
            next = w4;
        }
    }

    /// <summary>The 64 rounds over a schedule of the lane's own.</summary>
    [MethodImpl(Kernel)]
    public static void Rounds(uint* state, uint* words, uint* constants, uint* active)
    {
        Word a = Vector256.Load(state), b = Vector256.Load(state + 16);
        Word c = Vector256.Load(state + 32), d = Vector256.Load(state + 48);
        Word e = Vector256.Load(state + 64), f = Vector256.Load(state + 80);
        Word g = Vector256.Load(state + 96), h = Vector256.Load(state + 112);
        for (uint* end = constants + 64; constants < end; constants += 8, words += 8 * 16)
        {
            Round(a, b, c, ref d, e, f, g, ref h, Vector256.Load(words) + Vector256.Create(constants[0]));
            Round(h, a, b, ref c, d, e, f, ref g, Vector256.Load(words + 16) + Vector256.Create(constants[1]));
            Round(g, h, a, ref b, c, d, e, ref f, Vector256.Load(words + 32) + Vector256.Create(constants[2]));
            Round(f, g, h, ref a, b, c, d, ref e, Vector256.Load(words + 48) + Vector256.Create(constants[3]));
            Round(e, f, g, ref h, a, b, c, ref d, Vector256.Load(words + 64) + Vector256.Create(constants[4]));
            Round(d, e, f, ref g, h, a, b, ref c, Vector256.Load(words + 80) + Vector256.Create(constants[5]));
            Round(c, d, e, ref f, g, h, a, ref b, Vector256.Load(words + 96) + Vector256.Create(constants[6]));
            Round(b, c, d, ref e, f, g, h, ref a, Vector256.Load(words + 112) + Vector256.Create(constants[7]));
        }

        Add(state, active, a, b, c, d, e, f, g, h);
    }

    /// <summary>The 64 rounds over one schedule for all lanes: 64 words, round constants added.</summary>
    [MethodImpl(Kernel)]
    public static void RoundsOfOne(uint* state, uint* schedule, uint* active)
    {
        Word a = Vector256.Load(state), b = Vector256.Load(state + 16);
        Word c = Vector256.Load(state + 32), d = Vector256.Load(state + 48);
        Word e = Vector256.Load(state + 64), f = Vector256.Load(state + 80);
        Word g = Vector256.Load(state + 96), h = Vector256.Load(state + 112);
        for (uint* end = schedule + 64; schedule < end; schedule += 8)
        {
            Round(a, b, c, ref d, e, f, g, ref h, Vector256.Create(schedule[0]));
            Round(h, a, b, ref c, d, e, f, ref g, Vector256.Create(schedule[1]));
            Round(g, h, a, ref b, c, d, e, ref f, Vector256.Create(schedule[2]));
            Round(f, g, h, ref a, b, c, d, ref e, Vector256.Create(schedule[3]));
            Round(e, f, g, ref h, a, b, c, ref d, Vector256.Create(schedule[4]));
            Round(d, e, f, ref g, h, a, b, ref c, Vector256.Create(schedule[5]));
            Round(c, d, e, ref f, g, h, a, ref b, Vector256.Create(schedule[6]));
            Round(b, c, d, ref e, f, g, h, ref a, Vector256.Create(schedule[7]));
        }

        Add(state, active, a, b, c, d, e, f, g, h);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(uint* state, uint* active, Word a, Word b, Word c, Word d, Word e, Word f, Word g, Word h)
    {
        Word mask = Vector256.Load(active);
        Vector256.Store(Vector256.Load(state) + (a & mask), state);
        Vector256.Store(Vector256.Load(state + 16) + (b & mask), state + 16);
        Vector256.Store(Vector256.Load(state + 32) + (c & mask), state + 32);
        Vector256.Store(Vector256.Load(state + 48) + (d & mask), state + 48);
        Vector256.Store(Vector256.Load(state + 64) + (e & mask), state + 64);
        Vector256.Store(Vector256.Load(state + 80) + (f & mask), state + 80);
        Vector256.Store(Vector256.Load(state + 96) + (g & mask), state + 96);
        Vector256.Store(Vector256.Load(state + 112) + (h & mask), state + 112);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(Word a, Word b, Word c, ref Word d, Word e, Word f, Word g, ref Word h, Word kw)
    {
        h += kw;
        h += TLogic.Choose(e, f, g);
        h += TLogic.Xor(
            TLogic.RotateRight(e, 6), TLogic.RotateRight(e, 11), TLogic.RotateRight(e, 25));
        d += h;
        h += TLogic.Majority(a, b, c);
        h += TLogic.Xor(
            TLogic.RotateRight(a, 2), TLogic.RotateRight(a, 13), TLogic.RotateRight(a, 22));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Word Small0(Word x) =>
        TLogic.Xor(TLogic.RotateRight(x, 7), TLogic.RotateRight(x, 18), x >>> 3);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Word Small1(Word x) =>
        TLogic.Xor(TLogic.RotateRight(x, 17), TLogic.RotateRight(x, 19), x >>> 10);
}
