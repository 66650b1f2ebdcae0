using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using V = System.Runtime.Intrinsics.Vector256<ulong>;

namespace FastExit.Crypto.Lanes;

// The shape of FieldLanes256: ten limbs of 26 and 25 bits in turn, four lanes; its way in, out and to the tables.
internal static unsafe class Limbs256
{
    public const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;
    public const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;
    public const int Lanes = 4, Limbs = 10;
    public const ulong EvenMask = (1UL << 26) - 1, OddMask = (1UL << 25) - 1;

    [MethodImpl(Inline)]
    public static V Load(ulong* a, int limb) => Vector256.LoadAligned(a + 4 * limb);

    [MethodImpl(Inline)]
    public static void Store(ulong* r, int limb, V value) => Vector256.StoreAligned(value, r + 4 * limb);

    /// <summary>The product of the lower 32 bits.</summary>
    [MethodImpl(Inline)]
    public static V Times(V a, V b) => Avx2.Multiply(a.AsUInt32(), b.AsUInt32());

    /// <summary>2p, limb by limb: added before a subtraction so that no limb goes below zero.</summary>
    [MethodImpl(Inline)]
    public static V TwiceP(int limb) =>
        Vector256.Create(limb == 0 ? 2 * EvenMask - 36 : (limb & 1) == 0 ? 2 * EvenMask : 2 * OddMask);

    [MethodImpl(Kernel)]
    public static void Read(ulong* r, ulong* integers)
    {
        V even = Vector256.Create(EvenMask), odd = Vector256.Create(OddMask);
        V w0 = Load(integers, 0), w1 = Load(integers, 1), w2 = Load(integers, 2), w3 = Load(integers, 3);
        Store(r, 0, w0 & even);
        Store(r, 1, (w0 >>> 26) & odd);
        Store(r, 2, (w0 >>> 51 | w1 << 13) & even);
        Store(r, 3, (w1 >>> 13) & odd);
        Store(r, 4, (w1 >>> 38) & even);
        Store(r, 5, w2 & odd);
        Store(r, 6, (w2 >>> 25) & even);
        Store(r, 7, (w2 >>> 51 | w3 << 13) & odd);
        Store(r, 8, (w3 >>> 12) & even);
        Store(r, 9, (w3 >>> 38) & odd);
    }

    [MethodImpl(Kernel)]
    public static void Write(ulong* integers, ulong* a)
    {
        V nineteen = Vector256.Create(19UL);
        V* limbs = stackalloc V[Limbs];
        for (int i = 0; i < Limbs; i++)
            limbs[i] = Load(a, i);

        // Twice around leaves less than 2^255 + 19; then adding 19 carries out of bit 255 exactly from p up.
        for (int pass = 0; pass < 2; pass++)
        {
            V above = Around(limbs);
            limbs[0] += Times(above, nineteen);
        }

        V carry = nineteen;
        for (int i = 0; i < Limbs; i++)
            carry = (limbs[i] + carry) >>> (26 - (i & 1));
        limbs[0] += Times(carry, nineteen);
        Around(limbs);
        Vector256.StoreAligned(limbs[0] | limbs[1] << 26 | limbs[2] << 51, integers);
        Vector256.StoreAligned(limbs[2] >>> 13 | limbs[3] << 13 | limbs[4] << 38, integers + 4);
        Vector256.StoreAligned(limbs[5] | limbs[6] << 25 | limbs[7] << 51, integers + 8);
        Vector256.StoreAligned(limbs[7] >>> 13 | limbs[8] << 12 | limbs[9] << 38, integers + 12);
    }

    // Carries once from limb 0 up and gives what leaves limb 9.
    [MethodImpl(Inline)]
    private static V Around(V* limbs)
    {
        V above = V.Zero;
        for (int i = 0; i < Limbs; i++)
        {
            limbs[i] += above;
            above = limbs[i] >>> (26 - (i & 1));
            limbs[i] &= Vector256.Create((i & 1) == 0 ? EvenMask : OddMask);
        }

        return above;
    }

    [MethodImpl(Kernel)]
    public static void Replace(ulong* a, ulong* b, ulong* mask)
    {
        V m = Vector256.LoadAligned(mask);
        for (int i = 0; i < Limbs; i++)
            Store(a, i, Vector256.ConditionalSelect(m, Load(b, i), Load(a, i)));
    }

    [MethodImpl(Kernel)]
    public static void Turn(ulong* r, ulong* a, int by)
    {
        V control = Pairs(V.Indices + Vector256.Create((ulong)by));
        for (int i = 0; i < Limbs; i++)
            Store(r, i, Permute(Load(a, i), control));
    }

    [MethodImpl(Kernel)]
    public static void TakeBit(ulong* change, ulong* last, ulong* scalars, int position)
    {
        V bit = V.Zero - ((Load(scalars, position >> 6) >>> (position & 63)) & V.One);
        Vector256.StoreAligned(bit ^ Vector256.LoadAligned(last), change);
        Vector256.StoreAligned(bit, last);
    }

    [MethodImpl(Kernel)]
    public static void Look(
        ulong* entry, ulong** tables, ulong* members, int count, ulong* scalars, CombShape shape, int step, int block)
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
        V index = (digit ^ negative) & Vector256.Create(CombShape.Entries - 1UL);

        // A row of 16 entries is four vectors: the lower two bits pick in each of them, the upper two, at the sign's place,
        // among the four.
        V control = Pairs(index);
        V bit2 = index << 61, bit3 = index << 60;

        int start = block * CombShape.BlockWords;
        for (int limb = 0; limb < 5; limb++)
        {
            int row = start + CombShape.Entries * limb;
            V sum = V.Zero, difference = V.Zero, product = V.Zero;
            for (int table = 0; table < count; table++)
            {
                V mask = Load(members, table);
                ulong* other = tables[table] + row;
                sum = Vector256.ConditionalSelect(mask, Pick(other, control, bit2, bit3), sum);
                other += CombShape.ElementWords;
                difference = Vector256.ConditionalSelect(mask, Pick(other, control, bit2, bit3), difference);
                other += CombShape.ElementWords;
                product = Vector256.ConditionalSelect(mask, Pick(other, control, bit2, bit3), product);
            }

            // -(x, y) = (-x, y): the sum and the difference change places and the product its sign.
            StoreTableLimb(entry, limb, Vector256.ConditionalSelect(negative, difference, sum));
            entry += IFieldLanes.Words;
            StoreTableLimb(entry, limb, Vector256.ConditionalSelect(negative, sum, difference));
            entry += IFieldLanes.Words;
            V low = product & Vector256.Create(EvenMask), high = product >>> 26;
            Store(entry, 2 * limb, Vector256.ConditionalSelect(negative, TwiceP(2 * limb) - low, low));
            Store(entry, 2 * limb + 1, Vector256.ConditionalSelect(negative, TwiceP(1) - high, high));
            entry -= 2 * IFieldLanes.Words;
        }
    }

    // A table's limb of 51 bits is a limb of 26 and one of 25.
    [MethodImpl(Inline)]
    private static void StoreTableLimb(ulong* r, int limb, V value)
    {
        Store(r, 2 * limb, value & Vector256.Create(EvenMask));
        Store(r, 2 * limb + 1, value >>> 26);
    }

    [MethodImpl(Inline)]
    private static V Pick(ulong* row, V control, V bit2, V bit3)
    {
        V a = Permute(Load(row, 0), control), b = Permute(Load(row, 1), control);
        V c = Permute(Load(row, 2), control), d = Permute(Load(row, 3), control);
        return Blend(Blend(a, b, bit2), Blend(c, d, bit2), bit3);
    }

    // The lower two bits of an index as those of two 32-bit words, which AVX2 permutes.
    [MethodImpl(Inline)]
    private static V Pairs(V index)
    {
        V word = (index & Vector256.Create(3UL)) << 1;
        return word | word << 32 | Vector256.Create(1UL << 32);
    }

    [MethodImpl(Inline)]
    private static V Permute(V a, V control) => Avx2.PermuteVar8x32(a.AsUInt32(), control.AsUInt32()).AsUInt64();

    [MethodImpl(Inline)]
    private static V Blend(V a, V b, V sign) => Avx.BlendVariable(a.AsDouble(), b.AsDouble(), sign.AsDouble()).AsUInt64();
}
