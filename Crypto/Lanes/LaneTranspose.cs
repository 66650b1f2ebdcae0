using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FastExit.Crypto.Lanes;

// Brings the words of several messages side by side: in, 64 or 128 bytes at a pointer of each lane; out, one vector for
// each word, lane i in element i.
//
// Layout of the output
//   32-bit words: words[16 * word + lane], 16 words; the kernels for 8 lanes fill the lower or upper half of each row
//   64-bit words: words[8 * word + lane], 16 words; the kernels for 4 lanes likewise
//
// Constant time: shuffles with constant patterns; addresses depend on the pointers alone.
internal static unsafe class LaneTranspose
{
    private const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;

    /// <summary>For big-endian words of 32 bits.</summary>
    public static Vector128<byte> BigEndian => Vector128.Create((byte)3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);

    /// <summary>For little-endian words.</summary>
    public static Vector128<byte> LittleEndian => Vector128.Create((byte)0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    /// <summary>16 lanes, 64 bytes each; order says how the bytes of each 16 are moved first.</summary>
    [MethodImpl(Kernel)]
    public static void Load16(ulong* pointers, Vector128<byte> order, uint* words)
    {
        Vector512<byte> o = Vector512.Create(Vector256.Create(order, order), Vector256.Create(order, order));
        Vector512<uint> r0 = Row(pointers[0], o), r1 = Row(pointers[1], o), r2 = Row(pointers[2], o), r3 = Row(pointers[3], o);
        Vector512<uint> r4 = Row(pointers[4], o), r5 = Row(pointers[5], o), r6 = Row(pointers[6], o), r7 = Row(pointers[7], o);
        Vector512<uint> r8 = Row(pointers[8], o), r9 = Row(pointers[9], o), r10 = Row(pointers[10], o), r11 = Row(pointers[11], o);
        Vector512<uint> r12 = Row(pointers[12], o), r13 = Row(pointers[13], o), r14 = Row(pointers[14], o), r15 = Row(pointers[15], o);
        InQuarters(ref r0, ref r1, ref r2, ref r3);
        InQuarters(ref r4, ref r5, ref r6, ref r7);
        InQuarters(ref r8, ref r9, ref r10, ref r11);
        InQuarters(ref r12, ref r13, ref r14, ref r15);
        OfQuarters(ref r0, ref r4, ref r8, ref r12);
        OfQuarters(ref r1, ref r5, ref r9, ref r13);
        OfQuarters(ref r2, ref r6, ref r10, ref r14);
        OfQuarters(ref r3, ref r7, ref r11, ref r15);
        // Quarter q of rows 4g to 4g + 3 held columns 4q to 4q + 3: now row 4q + c is column 4q + c.
        Vector512.Store(r0, words);
        Vector512.Store(r1, words + 16);
        Vector512.Store(r2, words + 32);
        Vector512.Store(r3, words + 48);
        Vector512.Store(r4, words + 64);
        Vector512.Store(r5, words + 80);
        Vector512.Store(r6, words + 96);
        Vector512.Store(r7, words + 112);
        Vector512.Store(r8, words + 128);
        Vector512.Store(r9, words + 144);
        Vector512.Store(r10, words + 160);
        Vector512.Store(r11, words + 176);
        Vector512.Store(r12, words + 192);
        Vector512.Store(r13, words + 208);
        Vector512.Store(r14, words + 224);
        Vector512.Store(r15, words + 240);
    }

    /// <summary>8 lanes, 64 bytes each: half a row of 16.</summary>
    [MethodImpl(Kernel)]
    public static void Load8(ulong* pointers, Vector128<byte> order, uint* words)
    {
        Vector256<byte> o = Vector256.Create(order, order);
        for (int half = 0; half < 2; half++, words += 8 * 16)
        {
            Vector256<uint> r0 = Row(pointers[0], half, o), r1 = Row(pointers[1], half, o);
            Vector256<uint> r2 = Row(pointers[2], half, o), r3 = Row(pointers[3], half, o);
            Vector256<uint> r4 = Row(pointers[4], half, o), r5 = Row(pointers[5], half, o);
            Vector256<uint> r6 = Row(pointers[6], half, o), r7 = Row(pointers[7], half, o);
            Eight(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
            Vector256.Store(r0, words);
            Vector256.Store(r1, words + 16);
            Vector256.Store(r2, words + 32);
            Vector256.Store(r3, words + 48);
            Vector256.Store(r4, words + 64);
            Vector256.Store(r5, words + 80);
            Vector256.Store(r6, words + 96);
            Vector256.Store(r7, words + 112);
        }
    }

    /// <summary>The way back for 8 words of 8 lanes: 32 bytes to each pointer. words is half a row of 16.</summary>
    [MethodImpl(Kernel)]
    public static void Store8(uint* words, Vector128<byte> order, ulong* pointers)
    {
        Vector256<byte> o = Vector256.Create(order, order);
        Vector256<uint> r0 = Vector256.Load(words), r1 = Vector256.Load(words + 16);
        Vector256<uint> r2 = Vector256.Load(words + 32), r3 = Vector256.Load(words + 48);
        Vector256<uint> r4 = Vector256.Load(words + 64), r5 = Vector256.Load(words + 80);
        Vector256<uint> r6 = Vector256.Load(words + 96), r7 = Vector256.Load(words + 112);
        Eight(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
        Avx2.Shuffle(r0.AsByte(), o).Store((byte*)pointers[0]);
        Avx2.Shuffle(r1.AsByte(), o).Store((byte*)pointers[1]);
        Avx2.Shuffle(r2.AsByte(), o).Store((byte*)pointers[2]);
        Avx2.Shuffle(r3.AsByte(), o).Store((byte*)pointers[3]);
        Avx2.Shuffle(r4.AsByte(), o).Store((byte*)pointers[4]);
        Avx2.Shuffle(r5.AsByte(), o).Store((byte*)pointers[5]);
        Avx2.Shuffle(r6.AsByte(), o).Store((byte*)pointers[6]);
        Avx2.Shuffle(r7.AsByte(), o).Store((byte*)pointers[7]);
    }

    /// <summary>8 lanes, 128 bytes each, words of 64 bits.</summary>
    [MethodImpl(Kernel)]
    public static void LoadWide8(ulong* pointers, ulong* words)
    {
        for (int half = 0; half < 2; half++, words += 8 * 8)
        {
            Vector512<ulong> r0 = Wide(pointers[0], half), r1 = Wide(pointers[1], half);
            Vector512<ulong> r2 = Wide(pointers[2], half), r3 = Wide(pointers[3], half);
            Vector512<ulong> r4 = Wide(pointers[4], half), r5 = Wide(pointers[5], half);
            Vector512<ulong> r6 = Wide(pointers[6], half), r7 = Wide(pointers[7], half);
            Vector512<uint> even0 = Avx512F.UnpackLow(r0, r1).AsUInt32(), odd0 = Avx512F.UnpackHigh(r0, r1).AsUInt32();
            Vector512<uint> even1 = Avx512F.UnpackLow(r2, r3).AsUInt32(), odd1 = Avx512F.UnpackHigh(r2, r3).AsUInt32();
            Vector512<uint> even2 = Avx512F.UnpackLow(r4, r5).AsUInt32(), odd2 = Avx512F.UnpackHigh(r4, r5).AsUInt32();
            Vector512<uint> even3 = Avx512F.UnpackLow(r6, r7).AsUInt32(), odd3 = Avx512F.UnpackHigh(r6, r7).AsUInt32();
            OfQuarters(ref even0, ref even1, ref even2, ref even3);
            OfQuarters(ref odd0, ref odd1, ref odd2, ref odd3);
            Vector512.Store(even0.AsUInt64(), words);
            Vector512.Store(odd0.AsUInt64(), words + 8);
            Vector512.Store(even1.AsUInt64(), words + 16);
            Vector512.Store(odd1.AsUInt64(), words + 24);
            Vector512.Store(even2.AsUInt64(), words + 32);
            Vector512.Store(odd2.AsUInt64(), words + 40);
            Vector512.Store(even3.AsUInt64(), words + 48);
            Vector512.Store(odd3.AsUInt64(), words + 56);
        }
    }

    /// <summary>4 lanes, 128 bytes each, words of 64 bits: half a row of 8.</summary>
    [MethodImpl(Kernel)]
    public static void LoadWide4(ulong* pointers, ulong* words)
    {
        for (int i = 0; i < 4; i++, words += 4 * 8)
        {
            Vector256<ulong> r0 = Vector256.Load((ulong*)pointers[0] + 4 * i), r1 = Vector256.Load((ulong*)pointers[1] + 4 * i);
            Vector256<ulong> r2 = Vector256.Load((ulong*)pointers[2] + 4 * i), r3 = Vector256.Load((ulong*)pointers[3] + 4 * i);
            Vector256<ulong> even0 = Avx2.UnpackLow(r0, r1), odd0 = Avx2.UnpackHigh(r0, r1);
            Vector256<ulong> even1 = Avx2.UnpackLow(r2, r3), odd1 = Avx2.UnpackHigh(r2, r3);
            Vector256.Store(Avx2.Permute2x128(even0, even1, 0x20), words);
            Vector256.Store(Avx2.Permute2x128(odd0, odd1, 0x20), words + 8);
            Vector256.Store(Avx2.Permute2x128(even0, even1, 0x31), words + 16);
            Vector256.Store(Avx2.Permute2x128(odd0, odd1, 0x31), words + 24);
        }
    }

    /// <summary>4 x 4 words about the diagonal in each 128-bit quarter.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void InQuarters(ref Vector512<uint> a, ref Vector512<uint> b, ref Vector512<uint> c, ref Vector512<uint> d)
    {
        Vector512<ulong> low0 = Avx512F.UnpackLow(a, b).AsUInt64(), high0 = Avx512F.UnpackHigh(a, b).AsUInt64();
        Vector512<ulong> low1 = Avx512F.UnpackLow(c, d).AsUInt64(), high1 = Avx512F.UnpackHigh(c, d).AsUInt64();
        a = Avx512F.UnpackLow(low0, low1).AsUInt32();
        b = Avx512F.UnpackHigh(low0, low1).AsUInt32();
        c = Avx512F.UnpackLow(high0, high1).AsUInt32();
        d = Avx512F.UnpackHigh(high0, high1).AsUInt32();
    }

    /// <summary>4 x 4 quarters of 128 bits about the diagonal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void OfQuarters(ref Vector512<uint> a, ref Vector512<uint> b, ref Vector512<uint> c, ref Vector512<uint> d)
    {
        Vector512<uint> low0 = Avx512F.Shuffle4x128(a, b, 0x44), high0 = Avx512F.Shuffle4x128(a, b, 0xEE);
        Vector512<uint> low1 = Avx512F.Shuffle4x128(c, d, 0x44), high1 = Avx512F.Shuffle4x128(c, d, 0xEE);
        a = Avx512F.Shuffle4x128(low0, low1, 0x88);
        b = Avx512F.Shuffle4x128(low0, low1, 0xDD);
        c = Avx512F.Shuffle4x128(high0, high1, 0x88);
        d = Avx512F.Shuffle4x128(high0, high1, 0xDD);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void InHalves(ref Vector256<uint> a, ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d)
    {
        Vector256<ulong> low0 = Avx2.UnpackLow(a, b).AsUInt64(), high0 = Avx2.UnpackHigh(a, b).AsUInt64();
        Vector256<ulong> low1 = Avx2.UnpackLow(c, d).AsUInt64(), high1 = Avx2.UnpackHigh(c, d).AsUInt64();
        a = Avx2.UnpackLow(low0, low1).AsUInt32();
        b = Avx2.UnpackHigh(low0, low1).AsUInt32();
        c = Avx2.UnpackLow(high0, high1).AsUInt32();
        d = Avx2.UnpackHigh(high0, high1).AsUInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void OfHalves(ref Vector256<uint> a, ref Vector256<uint> b)
    {
        Vector256<uint> low = Avx2.Permute2x128(a, b, 0x20);
        b = Avx2.Permute2x128(a, b, 0x31);
        a = low;
    }

    // 8 x 8 words about the diagonal.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Eight(
        ref Vector256<uint> r0, ref Vector256<uint> r1, ref Vector256<uint> r2, ref Vector256<uint> r3,
        ref Vector256<uint> r4, ref Vector256<uint> r5, ref Vector256<uint> r6, ref Vector256<uint> r7)
    {
        InHalves(ref r0, ref r1, ref r2, ref r3);
        InHalves(ref r4, ref r5, ref r6, ref r7);
        OfHalves(ref r0, ref r4);
        OfHalves(ref r1, ref r5);
        OfHalves(ref r2, ref r6);
        OfHalves(ref r3, ref r7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Row(ulong pointer, Vector512<byte> order) =>
        Avx512BW.Shuffle(Vector512.Load((byte*)pointer), order).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Row(ulong pointer, int half, Vector256<byte> order) =>
        Avx2.Shuffle(Vector256.Load((byte*)pointer + 32 * half), order).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Wide(ulong pointer, int half) => Vector512.Load((ulong*)pointer + 8 * half);
}
