using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static FastExit.Crypto.Lanes.Limbs512;
using D = System.Runtime.Intrinsics.Vector512<double>;
using V = System.Runtime.Intrinsics.Vector512<ulong>;

namespace FastExit.Crypto.Lanes;

// Eight field elements in AVX-512 for cores with a fast 64-bit multiplication (vpmullq): the upper part of a column comes
// from one chain of double-precision FMAs, the lower part from integer products.
//
// References
//   RFC 7748 §4.1 (the field); Bernstein, "Curve25519: new Diffie-Hellman speed records", §4 (limbs in doubles)
//
// Bounds (limb by limb)
//   reduced : < 2^51 + 2^18      what every product gives
//   loose   : < 2^53             sums, and differences with 2p added: less than 2^51 + 2^18 + 2^52
//
// How a column of five products becomes 64 bits. A chain of FMAs that round toward zero adds them to 2^113; as long as it
// stays below 2^114 its last place counts 2^61 and every step drops less than 2^61. The same column in integers gives the
// sum S mod 2^64. With Q the chain's quotient (its distance from 2^113, divided by 2^61), S - 2^61 Q lies in [0, 2^64), so
// its lower 64 bits are all of it. 2^61 = 2^10 * 2^51: the next column gets 2^10 Q. The chain's bit pattern serves as Q:
// above it stands the exponent field of 2^113, 0x470, four zeros at its end, so that it is gone from 64 bits when shifted
// left by 10 or more, also when multiplied by 19.
//
//   S       : < 2^106 (1 + 4 * 19) < 2^112.3 in column 0, the largest: the chain stays below 2^114
//   19b     : < 2^57.3, too wide for a double; cutting it off drops less than 2^5 from it, 2^58 from each product: with the
//             steps less than 5 * 2^61 + 4 * 2^58 < 2^63.5 is dropped
//   upward  : 2^10 Q < 2^(112.3 - 51) = 2^61.3; column 4, which wraps around, has no 19 in it:
//             19 * 5 * 2^106 / 2^51 < 2^61.6
//   column  : < 2^63.5 + 2^61.6 < 2^64
//   result  : < 2^51 plus the bits from 51 up of the column below, < 2^13, in limb 0 19 times: < 2^51 + 2^18
//
// Constant time: straight-line code.
internal readonly unsafe struct FieldLanes512Quotient : IFieldLanes
{
    // 2^113, and 2^103 for the multiplication by 121665, whose chain counts in 2^51.
    private const double Start = 10384593717069655257060992658440192.0;
    private const double SmallStart = 10141204801825835211973625643008.0;

    public static int Lanes => Limbs512.Lanes;

    private readonly struct Sum : IOperand
    {
        [MethodImpl(Inline)]
        public static V Load(ulong* a, ulong* b, int limb) => Limbs512.Load(a, limb) + Limbs512.Load(b, limb);
    }

    private readonly struct Difference : IOperand
    {
        [MethodImpl(Inline)]
        public static V Load(ulong* a, ulong* b, int limb) =>
            Limbs512.Load(a, limb) + Vector512.Create(limb == 0 ? 2 * P0 : 2 * P) - Limbs512.Load(b, limb);
    }

    public static void Read(ulong* r, ulong* integers) => Limbs512.Read(r, integers);

    public static void Write(ulong* integers, ulong* a) => Limbs512.Write(integers, a);

    public static void Replace(ulong* a, ulong* b, ulong* mask) => Limbs512.Replace(a, b, mask);

    public static void Turn(ulong* r, ulong* a, int by) => Limbs512.Turn(r, a, by);

    public static void TakeBit(ulong* change, ulong* last, ulong* scalars, int position) =>
        Limbs512.TakeBit(change, last, scalars, position);

    public static void Look(
        ulong* entry, ulong** tables, ulong* members, int count, ulong* scalars, CombShape shape, int step, int block) =>
        Limbs512.Look(entry, tables, members, count, scalars, shape, step, block, 2 * P0, 2 * P);

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
        V m = Vector512.LoadAligned(mask), p0 = Vector512.Create(2 * P0), p = Vector512.Create(2 * P);
        V xa = Select(m, x, x2, 0), xb = Select(m, x, x2, 1), xc = Select(m, x, x2, 2), xd = Select(m, x, x2, 3);
        V xe = Select(m, x, x2, 4);
        V za = Select(m, z, z2, 0), zb = Select(m, z, z2, 1), zc = Select(m, z, z2, 2), zd = Select(m, z, z2, 3);
        V ze = Select(m, z, z2, 4);
        V s0 = xa + za, s1 = xb + zb, s2 = xc + zc, s3 = xd + zd, s4 = xe + ze;
        V d0 = xa + p0 - za, d1 = xb + p - zb, d2 = xc + p - zc, d3 = xd + p - zd, d4 = xe + p - ze;
        Square(ref s0, ref s1, ref s2, ref s3, ref s4);
        Store(sum, s0, s1, s2, s3, s4);
        Square(ref d0, ref d1, ref d2, ref d3, ref d4);
        Store(difference, d0, d1, d2, d3, d4);
    }

    // The chain is one step here and drops less than 2^51; what it counts is below 2^53 * 2^17 / 2^51 = 2^19, so a limb of
    // the result is below 2^51 + (2^51 + 2^18) + 19 * 2^19 < 2^53.
    [MethodImpl(Kernel)]
    public static void AddCurveMultiple(ulong* r, ulong* a, ulong* b)
    {
        V factor = Vector512.Create(121665UL), word = Vector512.Create(0xFFFFFFFFUL);
        V d0 = Difference.Load(a, b, 0), d1 = Difference.Load(a, b, 1), d2 = Difference.Load(a, b, 2);
        V d3 = Difference.Load(a, b, 3), d4 = Difference.Load(a, b, 4);
        V q0 = SmallQuotient(d0), q1 = SmallQuotient(d1), q2 = SmallQuotient(d2), q3 = SmallQuotient(d3);
        V q4 = SmallQuotient(d4);
        V wrapped = Avx512F.Multiply(q4.AsUInt32(), Vector512.Create(19UL).AsUInt32());
        Store(
            r,
            d0 * factor + Load(a, 0) - (q0 << 51) + wrapped,
            d1 * factor + Load(a, 1) - (q1 << 51) + (q0 & word),
            d2 * factor + Load(a, 2) - (q2 << 51) + (q1 & word),
            d3 * factor + Load(a, 3) - (q3 << 51) + (q2 & word),
            d4 * factor + Load(a, 4) - (q4 << 51) + (q3 & word));
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

    // Row by row, so that one limb of the first operand is live at a time: everything else fits 32 registers.
    [MethodImpl(Inline)]
    private static void Product<TA, TB>(ulong* r, ulong* pa, ulong* pa2, ulong* pb, ulong* pb2)
        where TA : struct, IOperand
        where TB : struct, IOperand
    {
        V nineteen = Vector512.Create(19UL);
        D start = Vector512.Create(Start);
        V b0 = TB.Load(pb, pb2, 0), b1 = TB.Load(pb, pb2, 1), b2 = TB.Load(pb, pb2, 2), b3 = TB.Load(pb, pb2, 3);
        V b4 = TB.Load(pb, pb2, 4);
        D e0 = Real(b0), e1 = Real(b1), e2 = Real(b2), e3 = Real(b3), e4 = Real(b4);

        V x = TA.Load(pa, pa2, 0);
        D y = Real(x);
        V low0 = x * b0, low1 = x * b1, low2 = x * b2, low3 = x * b3, low4 = x * b4;
        D high0 = Chain(y, e0, start), high1 = Chain(y, e1, start), high2 = Chain(y, e2, start);
        D high3 = Chain(y, e3, start), high4 = Chain(y, e4, start);

        b4 *= nineteen;
        e4 = Real(b4);
        AddRow(
            TA.Load(pa, pa2, 1), b4, b0, b1, b2, b3, e4, e0, e1, e2, e3, ref low0, ref low1, ref low2, ref low3, ref low4,
            ref high0, ref high1, ref high2, ref high3, ref high4);
        b3 *= nineteen;
        e3 = Real(b3);
        AddRow(
            TA.Load(pa, pa2, 2), b3, b4, b0, b1, b2, e3, e4, e0, e1, e2, ref low0, ref low1, ref low2, ref low3, ref low4,
            ref high0, ref high1, ref high2, ref high3, ref high4);
        b2 *= nineteen;
        e2 = Real(b2);
        AddRow(
            TA.Load(pa, pa2, 3), b2, b3, b4, b0, b1, e2, e3, e4, e0, e1, ref low0, ref low1, ref low2, ref low3, ref low4,
            ref high0, ref high1, ref high2, ref high3, ref high4);
        b1 *= nineteen;
        e1 = Real(b1);
        AddRow(
            TA.Load(pa, pa2, 4), b1, b2, b3, b4, b0, e1, e2, e3, e4, e0, ref low0, ref low1, ref low2, ref low3, ref low4,
            ref high0, ref high1, ref high2, ref high3, ref high4);

        Carry(ref low0, ref low1, ref low2, ref low3, ref low4, high0, high1, high2, high3, high4);
        Store(r, low0, low1, low2, low3, low4);
    }

    [MethodImpl(Inline)]
    private static void AddRow(
        V x, V b0, V b1, V b2, V b3, V b4, D e0, D e1, D e2, D e3, D e4,
        ref V low0, ref V low1, ref V low2, ref V low3, ref V low4,
        ref D high0, ref D high1, ref D high2, ref D high3, ref D high4)
    {
        low0 += x * b0;
        low1 += x * b1;
        low2 += x * b2;
        low3 += x * b3;
        low4 += x * b4;
        D y = Real(x);
        high0 = Chain(y, e0, high0);
        high1 = Chain(y, e1, high1);
        high2 = Chain(y, e2, high2);
        high3 = Chain(y, e3, high3);
        high4 = Chain(y, e4, high4);
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

    // Doubled operands take the place of equal products; a doubled loose limb is below 2^54 and even, so its double is
    // exact, and the columns are those of a product.
    [MethodImpl(Inline)]
    private static void Square(ref V a0, ref V a1, ref V a2, ref V a3, ref V a4)
    {
        V nineteen = Vector512.Create(19UL);
        D start = Vector512.Create(Start);
        D e0 = Real(a0), e1 = Real(a1), e2 = Real(a2), e3 = Real(a3), e4 = Real(a4);
        V n3 = a3 * nineteen, n4 = a4 * nineteen;
        D f3 = Real(n3), f4 = Real(n4);

        V low0 = a0 * a0;
        D high0 = Chain(e0, e0, start);
        V twice = a0 + a0;
        D twiceReal = e0 + e0;
        V low1 = twice * a1, low2 = twice * a2, low3 = twice * a3, low4 = twice * a4;
        D high1 = Chain(twiceReal, e1, start), high2 = Chain(twiceReal, e2, start);
        D high3 = Chain(twiceReal, e3, start), high4 = Chain(twiceReal, e4, start);

        low2 += a1 * a1;
        high2 = Chain(e1, e1, high2);
        twice = a1 + a1;
        twiceReal = e1 + e1;
        low3 += twice * a2;
        low4 += twice * a3;
        low0 += twice * n4;
        high3 = Chain(twiceReal, e2, high3);
        high4 = Chain(twiceReal, e3, high4);
        high0 = Chain(twiceReal, f4, high0);

        low4 += a2 * a2;
        high4 = Chain(e2, e2, high4);
        twice = a2 + a2;
        twiceReal = e2 + e2;
        low0 += twice * n3;
        low1 += twice * n4;
        high0 = Chain(twiceReal, f3, high0);
        high1 = Chain(twiceReal, f4, high1);

        low1 += a3 * n3;
        high1 = Chain(e3, f3, high1);
        low2 += (a3 + a3) * n4;
        high2 = Chain(e3 + e3, f4, high2);

        low3 += a4 * n4;
        high3 = Chain(e4, f4, high3);

        Carry(ref low0, ref low1, ref low2, ref low3, ref low4, high0, high1, high2, high3, high4);
        a0 = low0;
        a1 = low1;
        a2 = low2;
        a3 = low3;
        a4 = low4;
    }

    // Column sums to reduced limbs: what the quotients have is taken off and moves one column up, then every column hands
    // its upper bits to the next, all five at the same time.
    [MethodImpl(Inline)]
    private static void Carry(
        ref V low0, ref V low1, ref V low2, ref V low3, ref V low4, D high0, D high1, D high2, D high3, D high4)
    {
        V nineteen = Vector512.Create(19UL), mask = Vector512.Create(P);
        V q0 = high0.AsUInt64(), q1 = high1.AsUInt64(), q2 = high2.AsUInt64(), q3 = high3.AsUInt64();
        V q4 = high4.AsUInt64();
        V c0 = low0 - (q0 << 61) + q4 * Vector512.Create(19UL << 10);
        V c1 = low1 - (q1 << 61) + (q0 << 10);
        V c2 = low2 - (q2 << 61) + (q1 << 10);
        V c3 = low3 - (q3 << 61) + (q2 << 10);
        V c4 = low4 - (q4 << 61) + (q3 << 10);
        low0 = (c0 & mask) + (c4 >>> 51) * nineteen;
        low1 = (c1 & mask) + (c0 >>> 51);
        low2 = (c2 & mask) + (c1 >>> 51);
        low3 = (c3 & mask) + (c2 >>> 51);
        low4 = (c4 & mask) + (c3 >>> 51);
    }

    [MethodImpl(Inline)]
    private static V SmallQuotient(V a) =>
        Chain(Real(a), Vector512.Create(121665.0), Vector512.Create(SmallStart)).AsUInt64();

    [MethodImpl(Inline)]
    private static D Real(V a) => Avx512DQ.ConvertToVector512Double(a.AsInt64(), FloatRoundingMode.ToZero);

    [MethodImpl(Inline)]
    private static D Chain(D a, D b, D sum) => Avx512F.FusedMultiplyAdd(a, b, sum, FloatRoundingMode.ToZero);
}
