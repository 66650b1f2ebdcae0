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

    /// <summary>
    /// to = from after the block whose 16 words are given, which the schedule's later words replace; from and to may be the
    /// same, and to may take the place of words.
    /// </summary>
    [MethodImpl(Kernel)]
    public static void Compress(uint* from, uint* to, uint* words, uint* constants, uint* active)
    {
        Word a = Vector256.Load(from), b = Vector256.Load(from + 16);
        Word c = Vector256.Load(from + 32), d = Vector256.Load(from + 48);
        Word e = Vector256.Load(from + 64), f = Vector256.Load(from + 80);
        Word g = Vector256.Load(from + 96), h = Vector256.Load(from + 112);
        uint* lower = words, upper = words + 8 * 16;
        Word even = Vector256.Load(upper + 96), odd = Vector256.Load(upper + 112), w0 = Vector256.Load(lower), w1;
        for (uint* end = constants + 48; constants < end; constants += 8)
        {
            w1 = Vector256.Load(lower + 16);
            Round(a, b, c, ref d, e, f, g, ref h, w0 + Vector256.Create(constants[0]));
            even = Next(w0, w1, Vector256.Load(upper + 16), even);
            Vector256.Store(even, lower);
            w0 = Vector256.Load(lower + 32);
            Round(h, a, b, ref c, d, e, f, ref g, w1 + Vector256.Create(constants[1]));
            odd = Next(w1, w0, Vector256.Load(upper + 32), odd);
            Vector256.Store(odd, lower + 16);
            w1 = Vector256.Load(lower + 48);
            Round(g, h, a, ref b, c, d, e, ref f, w0 + Vector256.Create(constants[2]));
            even = Next(w0, w1, Vector256.Load(upper + 48), even);
            Vector256.Store(even, lower + 32);
            w0 = Vector256.Load(lower + 64);
            Round(f, g, h, ref a, b, c, d, ref e, w1 + Vector256.Create(constants[3]));
            odd = Next(w1, w0, Vector256.Load(upper + 64), odd);
            Vector256.Store(odd, lower + 48);
            w1 = Vector256.Load(lower + 80);
            Round(e, f, g, ref h, a, b, c, ref d, w0 + Vector256.Create(constants[4]));
            even = Next(w0, w1, Vector256.Load(upper + 80), even);
            Vector256.Store(even, lower + 64);
            w0 = Vector256.Load(lower + 96);
            Round(d, e, f, ref g, h, a, b, ref c, w1 + Vector256.Create(constants[5]));
            odd = Next(w1, w0, Vector256.Load(upper + 96), odd);
            Vector256.Store(odd, lower + 80);
            w1 = Vector256.Load(lower + 112);
            Round(c, d, e, ref f, g, h, a, ref b, w0 + Vector256.Create(constants[6]));
            even = Next(w0, w1, Vector256.Load(upper + 112), even);
            Vector256.Store(even, lower + 96);
            w0 = Vector256.Load(upper);
            Round(b, c, d, ref e, f, g, h, ref a, w1 + Vector256.Create(constants[7]));
            odd = Next(w1, w0, Vector256.Load(lower), odd);
            Vector256.Store(odd, lower + 112);
            uint* filled = lower;
            lower = upper;
            upper = filled;
        }

        for (uint* end = constants + 16; constants < end; constants += 8, words += 8 * 16)
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

        Add(from, to, active, a, b, c, d, e, f, g, h);
    }

    /// <summary>to = from after one block for all lanes: its schedule of 64 words, round constants added.</summary>
    [MethodImpl(Kernel)]
    public static void CompressOfOne(uint* from, uint* to, uint* schedule, uint* active)
    {
        Word a = Vector256.Load(from), b = Vector256.Load(from + 16);
        Word c = Vector256.Load(from + 32), d = Vector256.Load(from + 48);
        Word e = Vector256.Load(from + 64), f = Vector256.Load(from + 80);
        Word g = Vector256.Load(from + 96), h = Vector256.Load(from + 112);
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

        Add(from, to, active, a, b, c, d, e, f, g, h);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        uint* from, uint* to, uint* active, Word a, Word b, Word c, Word d, Word e, Word f, Word g, Word h)
    {
        Word mask = Vector256.Load(active);
        Vector256.Store(Vector256.Load(from) + (a & mask), to);
        Vector256.Store(Vector256.Load(from + 16) + (b & mask), to + 16);
        Vector256.Store(Vector256.Load(from + 32) + (c & mask), to + 32);
        Vector256.Store(Vector256.Load(from + 48) + (d & mask), to + 48);
        Vector256.Store(Vector256.Load(from + 64) + (e & mask), to + 64);
        Vector256.Store(Vector256.Load(from + 80) + (f & mask), to + 80);
        Vector256.Store(Vector256.Load(from + 96) + (g & mask), to + 96);
        Vector256.Store(Vector256.Load(from + 112) + (h & mask), to + 112);
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

    // Word t of the schedule from words t - 16, t - 15, t - 7 and t - 2.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Word Next(Word w16, Word w15, Word w7, Word w2) =>
        w16
        + TLogic.Xor(TLogic.RotateRight(w15, 7), TLogic.RotateRight(w15, 18), w15 >>> 3)
        + w7
        + TLogic.Xor(TLogic.RotateRight(w2, 17), TLogic.RotateRight(w2, 19), w2 >>> 10);
}
