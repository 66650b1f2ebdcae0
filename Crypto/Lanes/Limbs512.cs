using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using V = System.Runtime.Intrinsics.Vector512<ulong>;

namespace FastExit.Crypto.Lanes;

// What the two AVX-512 kernels have in common: five limbs of 51 bits, eight lanes, reduced limbs below 2^51 + 2^18.
internal static unsafe class Limbs512
{
    public const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    public const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;
    public const int Lanes = 8;

    /// <summary>p, limb by limb: P0 for limb 0, P for the others; P is the mask of a limb too.</summary>
    public const ulong P0 = (1UL << 51) - 19, P = (1UL << 51) - 1;

    /// <summary>An operand of a product, limb by limb, formed while it is loaded.</summary>
    public interface IOperand
    {
        static abstract V Load(ulong* a, ulong* b, int limb);
    }

    /// <summary>a itself.</summary>
    public readonly struct Plain : IOperand
    {
        [MethodImpl(Inline)]
        public static V Load(ulong* a, ulong* b, int limb) => Limbs512.Load(a, limb);
    }

    [MethodImpl(Inline)]
    public static V Load(ulong* a, int limb) => Vector512.LoadAligned(a + Lanes * limb);

    [MethodImpl(Inline)]
    public static V Select(V mask, ulong* a, ulong* b, int limb) =>
        Vector512.ConditionalSelect(mask, Load(b, limb), Load(a, limb));

    [MethodImpl(Inline)]
    public static void Store(ulong* r, V a0, V a1, V a2, V a3, V a4)
    {
        Vector512.StoreAligned(a0, r);
        Vector512.StoreAligned(a1, r + Lanes);
        Vector512.StoreAligned(a2, r + 2 * Lanes);
        Vector512.StoreAligned(a3, r + 3 * Lanes);
        Vector512.StoreAligned(a4, r + 4 * Lanes);
    }

    [MethodImpl(Kernel)]
    public static void Read(ulong* r, ulong* integers)
    {
        V mask = Vector512.Create(P);
        V w0 = Load(integers, 0), w1 = Load(integers, 1), w2 = Load(integers, 2), w3 = Load(integers, 3);
        Store(
            r,
            w0 & mask,
            (w0 >>> 51 | w1 << 13) & mask,
            (w1 >>> 38 | w2 << 26) & mask,
            (w2 >>> 25 | w3 << 39) & mask,
            (w3 >>> 12) & mask);
    }

    [MethodImpl(Kernel)]
    public static void Write(ulong* integers, ulong* a)
    {
        V mask = Vector512.Create(P), nineteen = Vector512.Create(19UL);
        V a0 = Load(a, 0), a1 = Load(a, 1), a2 = Load(a, 2), a3 = Load(a, 3), a4 = Load(a, 4);
        for (int pass = 0; pass < 2; pass++)
        {
            a1 += a0 >>> 51;
            a2 += a1 >>> 51;
            a3 += a2 >>> 51;
            a4 += a3 >>> 51;
            a0 = (a0 & mask) + (a4 >>> 51) * nineteen;
            a1 &= mask;
            a2 &= mask;
            a3 &= mask;
            a4 &= mask;
        }

        // Below 2^255 + 19 now: at least p exactly when adding 19 carries out of bit 255.
        V carry = (a0 + nineteen) >>> 51;
        carry = (a1 + carry) >>> 51;
        carry = (a2 + carry) >>> 51;
        carry = (a3 + carry) >>> 51;
        carry = (a4 + carry) >>> 51;
        a0 += carry * nineteen;
        a1 += a0 >>> 51;
        a2 += a1 >>> 51;
        a3 += a2 >>> 51;
        a4 += a3 >>> 51;
        a0 &= mask;
        a1 &= mask;
        a2 &= mask;
        a3 &= mask;
        a4 &= mask;
        Vector512.StoreAligned(a0 | a1 << 51, integers);
        Vector512.StoreAligned(a1 >>> 13 | a2 << 38, integers + Lanes);
        Vector512.StoreAligned(a2 >>> 26 | a3 << 25, integers + 2 * Lanes);
        Vector512.StoreAligned(a3 >>> 39 | a4 << 12, integers + 3 * Lanes);
    }

    [MethodImpl(Kernel)]
    public static void Replace(ulong* a, ulong* b, ulong* mask)
    {
        V m = Vector512.LoadAligned(mask);
        Store(a, Select(m, a, b, 0), Select(m, a, b, 1), Select(m, a, b, 2), Select(m, a, b, 3), Select(m, a, b, 4));
    }

    [MethodImpl(Kernel)]
    public static void Turn(ulong* r, ulong* a, int by)
    {
        V from = (Vector512<ulong>.Indices + Vector512.Create((ulong)by)) & Vector512.Create(Lanes - 1UL);
        for (int limb = 0; limb < 5; limb++)
            Vector512.StoreAligned(Avx512F.PermuteVar8x64(Load(a, limb), from), r + Lanes * limb);
    }

    [MethodImpl(Kernel)]
    public static void TakeBit(ulong* change, ulong* last, ulong* scalars, int position)
    {
        V bit = V.Zero - ((Load(scalars, position >> 6) >>> (position & 63)) & V.One);
        Vector512.StoreAligned(bit ^ Vector512.LoadAligned(last), change);
        Vector512.StoreAligned(bit, last);
    }

    /// <summary><see cref="IFieldLanes.Look"/>; a negated limb is bias - limb, with bias0 for limb 0.</summary>
    [MethodImpl(Kernel)]
    public static void Look(
        ulong* entry,
        ulong** tables,
        ulong* members,
        int count,
        ulong* scalars,
        CombShape shape,
        int step,
        int block,
        ulong bias0,
        ulong bias)
    {
        V digit = V.Zero;
        for (int tooth = CombShape.Teeth - 1; tooth >= 0; tooth--)
        {
            int position = shape.Position(step, block, tooth);
            digit += digit;
            if (position == shape.Top)
                digit |= V.One;
            else if (position < 256)
                digit |= (Load(scalars, position >> 6) >>> (position & 63)) & V.One;
        }

        // Entries have a plus at the uppermost tooth; a digit with a minus there is one of them negated.
        V negative = (digit >>> (CombShape.Teeth - 1)) - V.One;
        V index = (digit ^ negative) & Vector512.Create(CombShape.Entries - 1UL);

        int start = block * CombShape.BlockWords;
        V zero = Vector512.Create(bias0);
        for (int limb = 0; limb < 5; limb++)
        {
            int row = start + CombShape.Entries * limb;
            V sum = Pick(tables[0] + row, index);
            V difference = Pick(tables[0] + row + CombShape.ElementWords, index);
            V product = Pick(tables[0] + row + 2 * CombShape.ElementWords, index);
            for (int table = 1; table < count; table++)
            {
                V mask = Load(members, table);
                ulong* other = tables[table] + row;
                sum = Vector512.ConditionalSelect(mask, Pick(other, index), sum);
                other += CombShape.ElementWords;
                difference = Vector512.ConditionalSelect(mask, Pick(other, index), difference);
                other += CombShape.ElementWords;
                product = Vector512.ConditionalSelect(mask, Pick(other, index), product);
            }

            // -(x, y) = (-x, y): the sum and the difference change places and the product its sign.
            ulong* r = entry + Lanes * limb;
            Vector512.StoreAligned(Vector512.ConditionalSelect(negative, difference, sum), r);
            Vector512.StoreAligned(Vector512.ConditionalSelect(negative, sum, difference), r + IFieldLanes.Words);
            Vector512.StoreAligned(
                Vector512.ConditionalSelect(negative, zero - product, product), r + 2 * IFieldLanes.Words);
            zero = Vector512.Create(bias);
        }
    }

    // Both halves of a row pass through the permutation: the index moves no address.
    [MethodImpl(Inline)]
    private static V Pick(ulong* row, V index) =>
        Avx512F.PermuteVar8x64x2(Vector512.LoadAligned(row), index, Vector512.LoadAligned(row + 8));
}
