using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static FastExit.Crypto.Lanes.Limbs512;
using D = System.Runtime.Intrinsics.Vector512<double>;
using V = System.Runtime.Intrinsics.Vector512<ulong>;

namespace FastExit.Crypto.Lanes;

// Eight field elements in AVX-512 for cores with a slow 64-bit multiplication (vpmullq): every product of two limbs is
// split by two double-precision FMAs into an upper and a lower part of 52 bits.
//
// References
//   RFC 7748 §4.1 (the field); Emmart, Zheng, Weems, "Faster modular exponentiation using double precision floating point
//   arithmetic on the GPU", §3 (the two FMAs)
//
// Bounds (limb by limb)
//   reduced : 0 to 2^51 + 2^18           what every product gives
//   loose   : |limb| < 2^51 + 2^25       signed: differences as they are, sums with p taken off
//
// How a product is split. |ab| < (2^51 + 2^25)^2 < 2^102.1. An FMA that rounds toward zero adds it to 1.5 * 2^104, which
// is far enough from 2^104 and 2^105 to stay between them, where the last place counts 2^52: the upper part. (1.5 * 2^104 +
// 2^52) less that is exact, a multiple of 2^52 below 2^104 in size; a second FMA adds ab to it: 2^52 plus what the first
// dropped, 0 to 2^52 - 1, exact, as the last place counts 1. The bit patterns of both are integers on a fixed bias, so they
// are summed as integers, column by column.
//
// Columns. Limbs must stay exact doubles, so no operand can be multiplied by 19: the nine columns stay apart until all
// products are in. An upper part counts twice one column up, as 2^52 = 2 * 2^51. Without their biases, n parts, n at most 5:
//   lower sum  : 0 to n 2^52
//   upper sum  : within n 2^50.1 in size, so twice that one column up
//   folded     : column + 19 * the one five up; most in column 0, 1 + 19 * 4 lower parts and 19 * 5 upper ones: from
//                -95 * 2^51.1 to 77 * 2^52 + 95 * 2^51.1, within 2^59 in size
//   biased     : 256 p added, which is 2^59 a limb: between 0 and 2^60
//   result     : < 2^51 plus the bits from 51 up of the column below, < 2^9, in limb 0 19 times
//
// Constant time: straight-line code.
internal readonly unsafe struct FieldLanes512Split : IFieldLanes
{
    // 1.5 * 2^104, the same and 2^52, and the bit patterns of the first and of 2^52.
    private const double Upper = 30423614405477505635920876929024.0;
    private const double UpperAndUnit = Upper + 4503599627370496.0;
    private const ulong UpperBias = 0x4678000000000000, LowerBias = 0x4330000000000000;

    // 1.5 * 2^103: the multiplication by 121665 is split at 2^51, and only its upper part is wanted.
    private const double SmallUpper = Upper / 2;
    private const ulong SmallBias = UpperBias - (1UL << 52);

    public static int Lanes => Limbs512.Lanes;

    private readonly struct Sum : IOperand
    {
        [MethodImpl(Inline)]
        public static V Load(ulong* a, ulong* b, int limb) =>
            Limbs512.Load(a, limb) - Vector512.Create(limb == 0 ? P0 : P) + Limbs512.Load(b, limb);
    }

    private readonly struct Difference : IOperand
    {
        [MethodImpl(Inline)]
        public static V Load(ulong* a, ulong* b, int limb) => Limbs512.Load(a, limb) - Limbs512.Load(b, limb);
    }

    public static void Read(ulong* r, ulong* integers) => Limbs512.Read(r, integers);

    public static void Write(ulong* integers, ulong* a) => Limbs512.Write(integers, a);

    public static void Replace(ulong* a, ulong* b, ulong* mask) => Limbs512.Replace(a, b, mask);

    public static void Turn(ulong* r, ulong* a, int by) => Limbs512.Turn(r, a, by);

    public static void TakeBit(ulong* change, ulong* last, ulong* scalars, int position) =>
        Limbs512.TakeBit(change, last, scalars, position);

    public static void Look(
        ulong* entry, ulong** tables, ulong* members, int count, ulong* scalars, CombShape shape, int step, int block) =>
        Limbs512.Look(entry, tables, members, count, scalars, shape, step, block, 0, 0);

    [MethodImpl(Kernel)]
    public static void Multiply(ulong* r, ulong* a, ulong* b) => Product<Plain, Plain>(r, a, a, b, b);

    [MethodImpl(Kernel)]
    public static void MultiplyDifference(ulong* r, ulong* a, ulong* a2, ulong* b) =>
        Product<Difference, Plain>(r, a, a2, b, b);

    [MethodImpl(Kernel)]
    public static void MultiplySum(ulong* r, ulong* a, ulong* a2, ulong* b) => Product<Sum, Plain>(r, a, a2, b, b);

    [MethodImpl(Kernel)]
    public static void MultiplyDifferenceBySum(ulong* r, ulong* a, ulong* a2, ulong* b, ulong* b2) =>
        Product<Difference, Sum>(r, a, a2, b, b2);

    [MethodImpl(Kernel)]
    public static void MultiplyDifferences(ulong* r, ulong* a, ulong* a2, ulong* b, ulong* b2) =>
        Product<Difference, Difference>(r, a, a2, b, b2);

    [MethodImpl(Kernel)]
    public static void MultiplySums(ulong* r, ulong* a, ulong* a2, ulong* b, ulong* b2) =>
        Product<Sum, Sum>(r, a, a2, b, b2);

    [MethodImpl(Kernel)]
    public static void SquareSum(ulong* r, ulong* a, ulong* b) => Square<Sum>(r, a, b, 1);

    [MethodImpl(Kernel)]
    public static void SquareDifference(ulong* r, ulong* a, ulong* b) => Square<Difference>(r, a, b, 1);

    [MethodImpl(Kernel)]
    public static void SquareRepeatedly(ulong* r, ulong* a, int times) => Square<Plain>(r, a, a, times);

    [MethodImpl(Kernel)]
    public static void SquareSelected(
        ulong* sum, ulong* difference, ulong* x, ulong* z, ulong* x2, ulong* z2, ulong* mask)
    {
        V m = Vector512.LoadAligned(mask), p0 = Vector512.Create(P0), p = Vector512.Create(P);
        V xa = Select(m, x, x2, 0), xb = Select(m, x, x2, 1), xc = Select(m, x, x2, 2), xd = Select(m, x, x2, 3);
        V xe = Select(m, x, x2, 4);
        V za = Select(m, z, z2, 0), zb = Select(m, z, z2, 1), zc = Select(m, z, z2, 2), zd = Select(m, z, z2, 3);
        V ze = Select(m, z, z2, 4);
        V s0 = xa - p0 + za, s1 = xb - p + zb, s2 = xc - p + zc, s3 = xd - p + zd, s4 = xe - p + ze;
        V d0 = xa - za, d1 = xb - zb, d2 = xc - zc, d3 = xd - zd, d4 = xe - ze;
        Square(ref s0, ref s1, ref s2, ref s3, ref s4);
        Store(sum, s0, s1, s2, s3, s4);
        Square(ref d0, ref d1, ref d2, ref d3, ref d4);
        Store(difference, d0, d1, d2, d3, d4);
    }

    // With |d| < 2^51 + 2^18 the product is below 2^68 in size and its upper part within 2^17.1; a limb of the result is
    // what is dropped, 0 to 2^51, and a, less p, and the upper part of the limb below, in limb 0 19 times: < 2^51 + 2^22.
    [MethodImpl(Kernel)]
    public static void AddCurveMultiple(ulong* r, ulong* a, ulong* b)
    {
        V factor = Vector512.Create(121665UL), p = Vector512.Create(P);
        V d0 = Difference.Load(a, b, 0), d1 = Difference.Load(a, b, 1), d2 = Difference.Load(a, b, 2);
        V d3 = Difference.Load(a, b, 3), d4 = Difference.Load(a, b, 4);
        V u0 = SmallQuotient(d0), u1 = SmallQuotient(d1), u2 = SmallQuotient(d2), u3 = SmallQuotient(d3);
        V u4 = SmallQuotient(d4);
        Store(
            r,
            d0 * factor + Load(a, 0) - Vector512.Create(P0) - (u0 << 51) + TimesNineteen(u4),
            d1 * factor + Load(a, 1) - p - (u1 << 51) + u0,
            d2 * factor + Load(a, 2) - p - (u2 << 51) + u1,
            d3 * factor + Load(a, 3) - p - (u3 << 51) + u2,
            d4 * factor + Load(a, 4) - p - (u4 << 51) + u3);
    }

    [MethodImpl(Kernel)]
    public static void Subtract(ulong* r, ulong* a, ulong* b) =>
        Store(
            r,
            Difference.Load(a, b, 0),
            Difference.Load(a, b, 1),
            Difference.Load(a, b, 2),
            Difference.Load(a, b, 3),
            Difference.Load(a, b, 4));

    [MethodImpl(Inline)]
    private static void Product<TA, TB>(ulong* r, ulong* pa, ulong* pa2, ulong* pb, ulong* pb2)
        where TA : struct, IOperand
        where TB : struct, IOperand
    {
        D b0 = Real(TB.Load(pb, pb2, 0)), b1 = Real(TB.Load(pb, pb2, 1)), b2 = Real(TB.Load(pb, pb2, 2));
        D b3 = Real(TB.Load(pb, pb2, 3)), b4 = Real(TB.Load(pb, pb2, 4));
        V zero = V.Zero;
        V low0 = zero, low1 = zero, low2 = zero, low3 = zero, low4 = zero, low5 = zero, low6 = zero, low7 = zero;
        V low8 = zero;
        V up0 = zero, up1 = zero, up2 = zero, up3 = zero, up4 = zero, up5 = zero, up6 = zero, up7 = zero, up8 = zero;
        D x = Real(TA.Load(pa, pa2, 0));
        Add(x, b0, ref low0, ref up0);
        Add(x, b1, ref low1, ref up1);
        Add(x, b2, ref low2, ref up2);
        Add(x, b3, ref low3, ref up3);
        Add(x, b4, ref low4, ref up4);
        x = Real(TA.Load(pa, pa2, 1));
        Add(x, b0, ref low1, ref up1);
        Add(x, b1, ref low2, ref up2);
        Add(x, b2, ref low3, ref up3);
        Add(x, b3, ref low4, ref up4);
        Add(x, b4, ref low5, ref up5);
        x = Real(TA.Load(pa, pa2, 2));
        Add(x, b0, ref low2, ref up2);
        Add(x, b1, ref low3, ref up3);
        Add(x, b2, ref low4, ref up4);
        Add(x, b3, ref low5, ref up5);
        Add(x, b4, ref low6, ref up6);
        x = Real(TA.Load(pa, pa2, 3));
        Add(x, b0, ref low3, ref up3);
        Add(x, b1, ref low4, ref up4);
        Add(x, b2, ref low5, ref up5);
        Add(x, b3, ref low6, ref up6);
        Add(x, b4, ref low7, ref up7);
        x = Real(TA.Load(pa, pa2, 4));
        Add(x, b0, ref low4, ref up4);
        Add(x, b1, ref low5, ref up5);
        Add(x, b2, ref low6, ref up6);
        Add(x, b3, ref low7, ref up7);
        Add(x, b4, ref low8, ref up8);

        low0 += TimesNineteen(low5 + up4 + up4);
        low1 += up0 + up0 + TimesNineteen(low6 + up5 + up5);
        low2 += up1 + up1 + TimesNineteen(low7 + up6 + up6);
        low3 += up2 + up2 + TimesNineteen(low8 + up7 + up7);
        low4 += up3 + up3 + TimesNineteen(up8 + up8);
        Carry(
            ref low0, ref low1, ref low2, ref low3, ref low4,
            Bias(1 + 19 * 4, 19 * 5), Bias(2 + 19 * 3, 1 + 19 * 4), Bias(3 + 19 * 2, 2 + 19 * 3),
            Bias(4 + 19 * 1, 3 + 19 * 2), Bias(5, 4 + 19 * 1));
        Store(r, low0, low1, low2, low3, low4);
    }

    [MethodImpl(Inline)]
    private static void Square<T>(ulong* r, ulong* a, ulong* b, int times)
        where T : struct, IOperand
    {
        V a0 = T.Load(a, b, 0), a1 = T.Load(a, b, 1), a2 = T.Load(a, b, 2), a3 = T.Load(a, b, 3), a4 = T.Load(a, b, 4);
        do
            Square(ref a0, ref a1, ref a2, ref a3, ref a4);
        while (--times > 0);
        Store(r, a0, a1, a2, a3, a4);
    }

    // Equal products are taken once and their sums doubled, so that limbs keep their bounds.
    [MethodImpl(Inline)]
    private static void Square(ref V a0, ref V a1, ref V a2, ref V a3, ref V a4)
    {
        D e0 = Real(a0), e1 = Real(a1), e2 = Real(a2), e3 = Real(a3), e4 = Real(a4);
        V zero = V.Zero;
        V low1 = zero, low2 = zero, low3 = zero, low4 = zero, low5 = zero, low6 = zero, low7 = zero;
        V up1 = zero, up2 = zero, up3 = zero, up4 = zero, up5 = zero, up6 = zero, up7 = zero;
        Add(e0, e1, ref low1, ref up1);
        Add(e0, e2, ref low2, ref up2);
        Add(e0, e3, ref low3, ref up3);
        Add(e0, e4, ref low4, ref up4);
        Add(e1, e2, ref low3, ref up3);
        Add(e1, e3, ref low4, ref up4);
        Add(e1, e4, ref low5, ref up5);
        Add(e2, e3, ref low5, ref up5);
        Add(e2, e4, ref low6, ref up6);
        Add(e3, e4, ref low7, ref up7);
        low1 += low1;
        low2 += low2;
        low3 += low3;
        low4 += low4;
        low5 += low5;
        low6 += low6;
        low7 += low7;
        up1 += up1;
        up2 += up2;
        up3 += up3;
        up4 += up4;
        up5 += up5;
        up6 += up6;
        up7 += up7;
        V low0 = zero, low8 = zero, up0 = zero, up8 = zero;
        Add(e0, e0, ref low0, ref up0);
        Add(e1, e1, ref low2, ref up2);
        Add(e2, e2, ref low4, ref up4);
        Add(e3, e3, ref low6, ref up6);
        Add(e4, e4, ref low8, ref up8);

        a0 = low0 + TimesNineteen(low5 + up4 + up4);
        a1 = low1 + up0 + up0 + TimesNineteen(low6 + up5 + up5);
        a2 = low2 + up1 + up1 + TimesNineteen(low7 + up6 + up6);
        a3 = low3 + up2 + up2 + TimesNineteen(low8 + up7 + up7);
        a4 = low4 + up3 + up3 + TimesNineteen(up8 + up8);
        Carry(
            ref a0, ref a1, ref a2, ref a3, ref a4,
            Bias(1 + 19 * 4, 19 * 5), Bias(2 + 19 * 3, 1 + 19 * 4), Bias(3 + 19 * 2, 2 + 19 * 3),
            Bias(4 + 19 * 1, 3 + 19 * 2), Bias(5, 4 + 19 * 1));
    }

    // What so many lower parts and twice so many upper parts carry beside their values.
    [MethodImpl(Inline)]
    private static ulong Bias(ulong lowers, ulong uppers) => unchecked(lowers * LowerBias + 2 * uppers * UpperBias);

    [MethodImpl(Inline)]
    private static void Carry(
        ref V a0, ref V a1, ref V a2, ref V a3, ref V a4, ulong bias0, ulong bias1, ulong bias2, ulong bias3, ulong bias4)
    {
        V mask = Vector512.Create(P);
        V c0 = a0 + Vector512.Create(unchecked(256 * P0 - bias0));
        V c1 = a1 + Vector512.Create(unchecked(256 * P - bias1));
        V c2 = a2 + Vector512.Create(unchecked(256 * P - bias2));
        V c3 = a3 + Vector512.Create(unchecked(256 * P - bias3));
        V c4 = a4 + Vector512.Create(unchecked(256 * P - bias4));
        a0 = (c0 & mask) + TimesNineteen(c4 >>> 51);
        a1 = (c1 & mask) + (c0 >>> 51);
        a2 = (c2 & mask) + (c1 >>> 51);
        a3 = (c3 & mask) + (c2 >>> 51);
        a4 = (c4 & mask) + (c3 >>> 51);
    }

    [MethodImpl(Inline)]
    private static void Add(D a, D b, ref V lower, ref V upper)
    {
        D high = Fma(a, b, Vector512.Create(Upper));
        D low = Fma(a, b, Vector512.Create(UpperAndUnit) - high);
        upper += high.AsUInt64();
        lower += low.AsUInt64();
    }

    [MethodImpl(Inline)]
    private static V SmallQuotient(V a) =>
        Fma(Real(a), Vector512.Create(121665.0), Vector512.Create(SmallUpper)).AsUInt64() - Vector512.Create(SmallBias);

    // Without vpmullq, which this kernel has in AddCurveMultiple alone.
    [MethodImpl(Inline)]
    private static V TimesNineteen(V a) => (a << 4) + (a << 1) + a;

    [MethodImpl(Inline)]
    private static D Real(V a) => Avx512DQ.ConvertToVector512Double(a.AsInt64());

    [MethodImpl(Inline)]
    private static D Fma(D a, D b, D c) => Avx512F.FusedMultiplyAdd(a, b, c, FloatRoundingMode.ToZero);
}
