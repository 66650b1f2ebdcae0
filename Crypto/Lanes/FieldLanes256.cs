using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static FastExit.Crypto.Lanes.Limbs256;
using V = System.Runtime.Intrinsics.Vector256<ulong>;

namespace FastExit.Crypto.Lanes;

// Four field elements in AVX2: ten limbs of 26 and 25 bits in turn, products by the 32 by 32 bit multiplication.
//
// References
//   RFC 7748 §4.1 (the field); Bernstein, "Curve25519: new Diffie-Hellman speed records", §4 (radix 2^25.5)
//
// Bounds (even limbs; odd limbs)
//   reduced : < 2^26 + 2^13; < 2^25 + 2^13    what every product gives
//   loose   : < 3.01 * 2^26; < 3.01 * 2^25    sums, and differences with 2p added; any operand of a product may be loose
//
// Limb i stands for 2^ceil(25.5 i): a product of two odd limbs counts twice, one of limbs i + j >= 10 counts 19 times, ten
// limbs lower. Operands stay below 2^32: 19 * 3.01 * 2^26 < 2^31.9, 4 * 3.01 * 2^25 < 2^28.6.
//
//   column 0, the largest : (1 + 4 * 19) even * even + 5 * 2 * 19 odd * odd
//                           < 9.07 * (77 * 2^52 + 190 * 2^50) < 2^62.2
//   carries               : two chains at once, 0 to 5 and 5 to 0, each < 2^37 but the one out of 9. That column has no
//                           19 and no 2 in it, 10 * 9.07 * 2^51 < 2^57.6: < 2^32.6 leaves it, 19 times into limb 0
//   result                : limb 5 had been carried when 4 reached it with less than 2^37, limb 0 when 9 did with less
//                           than 2^37: one more carry each leaves less than 2^12 above the 26 and 25 bits of 6 and 1
//
// Constant time: straight-line code.
internal readonly unsafe struct FieldLanes256 : IFieldLanes
{
    public static int Lanes => Limbs256.Lanes;

    private interface IOperand
    {
        static abstract V Load(ulong* a, ulong* b, int limb);
    }

    private readonly struct Plain : IOperand
    {
        [MethodImpl(Inline)]
        public static V Load(ulong* a, ulong* b, int limb) => Limbs256.Load(a, limb);
    }

    private readonly struct Sum : IOperand
    {
        [MethodImpl(Inline)]
        public static V Load(ulong* a, ulong* b, int limb) => Limbs256.Load(a, limb) + Limbs256.Load(b, limb);
    }

    private readonly struct Difference : IOperand
    {
        [MethodImpl(Inline)]
        public static V Load(ulong* a, ulong* b, int limb) =>
            Limbs256.Load(a, limb) + TwiceP(limb) - Limbs256.Load(b, limb);
    }

    public static void Read(ulong* r, ulong* integers) => Limbs256.Read(r, integers);

    public static void Write(ulong* integers, ulong* a) => Limbs256.Write(integers, a);

    public static void Replace(ulong* a, ulong* b, ulong* mask) => Limbs256.Replace(a, b, mask);

    public static void Turn(ulong* r, ulong* a, int by) => Limbs256.Turn(r, a, by);

    public static void TakeBit(ulong* change, ulong* last, ulong* scalars, int position) =>
        Limbs256.TakeBit(change, last, scalars, position);

    public static void Look(
        ulong* entry, ulong** tables, ulong* members, int count, ulong* scalars, CombShape shape, int step, int block) =>
        Limbs256.Look(entry, tables, members, count, scalars, shape, step, block);

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
    public static void SquareSum(ulong* r, ulong* a, ulong* b) => Square<Sum>(r, a, b);

    [MethodImpl(Kernel)]
    public static void SquareDifference(ulong* r, ulong* a, ulong* b) => Square<Difference>(r, a, b);

    [MethodImpl(Kernel)]
    public static void SquareRepeatedly(ulong* r, ulong* a, int times)
    {
        Square<Plain>(r, a, a);
        while (--times > 0)
            Square<Plain>(r, r, r);
    }

    [MethodImpl(Kernel)]
    public static void SquareSelected(
        ulong* sum, ulong* difference, ulong* x, ulong* z, ulong* x2, ulong* z2, ulong* mask)
    {
        V m = Vector256.LoadAligned(mask);
        for (int i = 0; i < Limbs; i++)
        {
            V chosenX = Vector256.ConditionalSelect(m, Load(x2, i), Load(x, i));
            V chosenZ = Vector256.ConditionalSelect(m, Load(z2, i), Load(z, i));
            Store(sum, i, chosenX + chosenZ);
            Store(difference, i, chosenX + TwiceP(i) - chosenZ);
        }

        SquareRepeatedly(sum, sum, 1);
        SquareRepeatedly(difference, difference, 1);
    }

    [MethodImpl(Kernel)]
    public static void AddCurveMultiple(ulong* r, ulong* a, ulong* b)
    {
        V k = Vector256.Create(121665UL);
        V c0 = Times(Difference.Load(a, b, 0), k) + Load(a, 0), c1 = Times(Difference.Load(a, b, 1), k) + Load(a, 1);
        V c2 = Times(Difference.Load(a, b, 2), k) + Load(a, 2), c3 = Times(Difference.Load(a, b, 3), k) + Load(a, 3);
        V c4 = Times(Difference.Load(a, b, 4), k) + Load(a, 4), c5 = Times(Difference.Load(a, b, 5), k) + Load(a, 5);
        V c6 = Times(Difference.Load(a, b, 6), k) + Load(a, 6), c7 = Times(Difference.Load(a, b, 7), k) + Load(a, 7);
        V c8 = Times(Difference.Load(a, b, 8), k) + Load(a, 8), c9 = Times(Difference.Load(a, b, 9), k) + Load(a, 9);
        CarryAndStore(r, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9);
    }

    [MethodImpl(Kernel)]
    public static void Subtract(ulong* r, ulong* a, ulong* b)
    {
        for (int i = 0; i < Limbs; i++)
            Store(r, i, Difference.Load(a, b, i));
    }

    [MethodImpl(Inline)]
    private static void Product<TA, TB>(ulong* r, ulong* pa, ulong* pa2, ulong* pb, ulong* pb2)
        where TA : struct, IOperand
        where TB : struct, IOperand
    {
        V nineteen = Vector256.Create(19UL);
        V b0 = TB.Load(pb, pb2, 0), b1 = TB.Load(pb, pb2, 1), b2 = TB.Load(pb, pb2, 2), b3 = TB.Load(pb, pb2, 3);
        V b4 = TB.Load(pb, pb2, 4), b5 = TB.Load(pb, pb2, 5), b6 = TB.Load(pb, pb2, 6), b7 = TB.Load(pb, pb2, 7);
        V b8 = TB.Load(pb, pb2, 8), b9 = TB.Load(pb, pb2, 9);
        V x = TA.Load(pa, pa2, 0);
        V c0 = Times(x, b0), c1 = Times(x, b1), c2 = Times(x, b2), c3 = Times(x, b3), c4 = Times(x, b4);
        V c5 = Times(x, b5), c6 = Times(x, b6), c7 = Times(x, b7), c8 = Times(x, b8), c9 = Times(x, b9);

        b9 = Times(b9, nineteen);
        x = TA.Load(pa, pa2, 1);
        AddRow(
            x + x, x, b9, b0, b1, b2, b3, b4, b5, b6, b7, b8,
            ref c0, ref c1, ref c2, ref c3, ref c4, ref c5, ref c6, ref c7, ref c8, ref c9);
        b8 = Times(b8, nineteen);
        x = TA.Load(pa, pa2, 2);
        AddRow(
            x, x, b8, b9, b0, b1, b2, b3, b4, b5, b6, b7,
            ref c0, ref c1, ref c2, ref c3, ref c4, ref c5, ref c6, ref c7, ref c8, ref c9);
        b7 = Times(b7, nineteen);
        x = TA.Load(pa, pa2, 3);
        AddRow(
            x + x, x, b7, b8, b9, b0, b1, b2, b3, b4, b5, b6,
            ref c0, ref c1, ref c2, ref c3, ref c4, ref c5, ref c6, ref c7, ref c8, ref c9);
        b6 = Times(b6, nineteen);
        x = TA.Load(pa, pa2, 4);
        AddRow(
            x, x, b6, b7, b8, b9, b0, b1, b2, b3, b4, b5,
            ref c0, ref c1, ref c2, ref c3, ref c4, ref c5, ref c6, ref c7, ref c8, ref c9);
        b5 = Times(b5, nineteen);
        x = TA.Load(pa, pa2, 5);
        AddRow(
            x + x, x, b5, b6, b7, b8, b9, b0, b1, b2, b3, b4,
            ref c0, ref c1, ref c2, ref c3, ref c4, ref c5, ref c6, ref c7, ref c8, ref c9);
        b4 = Times(b4, nineteen);
        x = TA.Load(pa, pa2, 6);
        AddRow(
            x, x, b4, b5, b6, b7, b8, b9, b0, b1, b2, b3,
            ref c0, ref c1, ref c2, ref c3, ref c4, ref c5, ref c6, ref c7, ref c8, ref c9);
        b3 = Times(b3, nineteen);
        x = TA.Load(pa, pa2, 7);
        AddRow(
            x + x, x, b3, b4, b5, b6, b7, b8, b9, b0, b1, b2,
            ref c0, ref c1, ref c2, ref c3, ref c4, ref c5, ref c6, ref c7, ref c8, ref c9);
        b2 = Times(b2, nineteen);
        x = TA.Load(pa, pa2, 8);
        AddRow(
            x, x, b2, b3, b4, b5, b6, b7, b8, b9, b0, b1,
            ref c0, ref c1, ref c2, ref c3, ref c4, ref c5, ref c6, ref c7, ref c8, ref c9);
        b1 = Times(b1, nineteen);
        x = TA.Load(pa, pa2, 9);
        AddRow(
            x + x, x, b1, b2, b3, b4, b5, b6, b7, b8, b9, b0,
            ref c0, ref c1, ref c2, ref c3, ref c4, ref c5, ref c6, ref c7, ref c8, ref c9);
        CarryAndStore(r, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9);
    }

    // Even columns meet an odd limb of x with odd limbs only, hence the doubled one there.
    [MethodImpl(Inline)]
    private static void AddRow(
        V even, V odd, V b0, V b1, V b2, V b3, V b4, V b5, V b6, V b7, V b8, V b9,
        ref V c0, ref V c1, ref V c2, ref V c3, ref V c4, ref V c5, ref V c6, ref V c7, ref V c8, ref V c9)
    {
        c0 += Times(even, b0);
        c1 += Times(odd, b1);
        c2 += Times(even, b2);
        c3 += Times(odd, b3);
        c4 += Times(even, b4);
        c5 += Times(odd, b5);
        c6 += Times(even, b6);
        c7 += Times(odd, b7);
        c8 += Times(even, b8);
        c9 += Times(odd, b9);
    }

    // d: twice a limb, q: four times, for two odd limbs, n: 19 times, for products that wrap around.
    [MethodImpl(Inline)]
    private static void Square<T>(ulong* r, ulong* a, ulong* b)
        where T : struct, IOperand
    {
        V nineteen = Vector256.Create(19UL);
        V a0 = T.Load(a, b, 0), a1 = T.Load(a, b, 1), a2 = T.Load(a, b, 2), a3 = T.Load(a, b, 3), a4 = T.Load(a, b, 4);
        V a5 = T.Load(a, b, 5), a6 = T.Load(a, b, 6), a7 = T.Load(a, b, 7), a8 = T.Load(a, b, 8), a9 = T.Load(a, b, 9);
        V d = a0 + a0;
        V c0 = Times(a0, a0), c1 = Times(d, a1), c2 = Times(d, a2), c3 = Times(d, a3), c4 = Times(d, a4);
        V c5 = Times(d, a5), c6 = Times(d, a6), c7 = Times(d, a7), c8 = Times(d, a8), c9 = Times(d, a9);

        V n9 = Times(a9, nineteen);
        d = a1 + a1;
        V q = d + d;
        c0 += Times(q, n9);
        c2 += Times(d, a1);
        c3 += Times(d, a2);
        c4 += Times(q, a3);
        c5 += Times(d, a4);
        c6 += Times(q, a5);
        c7 += Times(d, a6);
        c8 += Times(q, a7);
        c9 += Times(d, a8);

        V n8 = Times(a8, nineteen);
        d = a2 + a2;
        c0 += Times(d, n8);
        c1 += Times(d, n9);
        c4 += Times(a2, a2);
        c5 += Times(d, a3);
        c6 += Times(d, a4);
        c7 += Times(d, a5);
        c8 += Times(d, a6);
        c9 += Times(d, a7);

        V n7 = Times(a7, nineteen);
        d = a3 + a3;
        q = d + d;
        c0 += Times(q, n7);
        c1 += Times(d, n8);
        c2 += Times(q, n9);
        c6 += Times(d, a3);
        c7 += Times(d, a4);
        c8 += Times(q, a5);
        c9 += Times(d, a6);

        V n6 = Times(a6, nineteen);
        d = a4 + a4;
        c0 += Times(d, n6);
        c1 += Times(d, n7);
        c2 += Times(d, n8);
        c3 += Times(d, n9);
        c8 += Times(a4, a4);
        c9 += Times(d, a5);

        d = a5 + a5;
        q = d + d;
        c0 += Times(d, Times(a5, nineteen));
        c1 += Times(d, n6);
        c2 += Times(q, n7);
        c3 += Times(d, n8);
        c4 += Times(q, n9);

        d = a6 + a6;
        c2 += Times(a6, n6);
        c3 += Times(d, n7);
        c4 += Times(d, n8);
        c5 += Times(d, n9);

        d = a7 + a7;
        c4 += Times(d, n7);
        c5 += Times(d, n8);
        c6 += Times(d + d, n9);

        c6 += Times(a8, n8);
        c7 += Times(a8 + a8, n9);
        c8 += Times(a9 + a9, n9);
        CarryAndStore(r, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9);
    }

    [MethodImpl(Inline)]
    private static void CarryAndStore(ulong* r, V c0, V c1, V c2, V c3, V c4, V c5, V c6, V c7, V c8, V c9)
    {
        V even = Vector256.Create(EvenMask), odd = Vector256.Create(OddMask);
        c1 += c0 >>> 26;
        c6 += c5 >>> 25;
        c0 &= even;
        c5 &= odd;
        c2 += c1 >>> 25;
        c7 += c6 >>> 26;
        c1 &= odd;
        c6 &= even;
        c3 += c2 >>> 26;
        c8 += c7 >>> 25;
        Store(r, 2, c2 & even);
        Store(r, 7, c7 & odd);
        c4 += c3 >>> 25;
        c9 += c8 >>> 26;
        Store(r, 3, c3 & odd);
        Store(r, 8, c8 & even);
        c5 += c4 >>> 26;
        V around = c9 >>> 25;
        c0 += (around << 4) + (around << 1) + around;
        Store(r, 4, c4 & even);
        Store(r, 9, c9 & odd);
        c6 += c5 >>> 25;
        c1 += c0 >>> 26;
        Store(r, 5, c5 & odd);
        Store(r, 6, c6);
        Store(r, 0, c0 & even);
        Store(r, 1, c1);
    }
}
