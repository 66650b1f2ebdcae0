using System.Runtime.CompilerServices;

namespace FastExit.Crypto.Lanes;

// Fixed-base multiplication on several lanes: the walk through an X25519Table, each lane with its own scalar and its own
// table or all with the same.
//
// References
//   Hisil, Wong, Carter, Dawson, "Twisted Edwards Curves Revisited", §3.1 (complete addition for a = -1), §3.3 (doubling)
//   Hamburg, "Fast and compact elliptic-curve cryptography", §3.3 (signed combs, CombShape)
//   RFC 7748 §4.1 (u = (1 + y) / (1 - y))
//
// The formulas are arranged so that every operand is a reduced element or the sum or difference of two. The table's points
// are halved, (y + x) / 2, (y - x) / 2 and d x y: all four of E, F, G, H come out halved and Z needs no factor 2. A doubling
// takes E = 2XY, G = (Y - X)(Y + X), H = X^2 + Y^2, C = 2 Z^2 and gives E (C - G), G H, (C - G) G, E H.
//
// Constant time: every lane takes all steps, reads every entry of each block, and adds a point for each; the formulas are
// complete, so the neutral element, first and perhaps last, needs no branch. Which table a lane has is public.
internal static unsafe class TableLanes<TField>
    where TField : struct, IFieldLanes
{
    /// <summary>Words of 64-byte aligned scratch memory that <see cref="Multiply"/> wants.</summary>
    public const int ScratchWords = 10 * IFieldLanes.Words;

    /// <summary>
    /// results = u-coordinates of [k] P, 0 for the neutral element, for scalars k / 2 rounded down, k odd and below 2^254, all
    /// in the shape that <see cref="IFieldLanes"/> has for integers. Lane i uses the table whose members mask, one word a
    /// lane, is set at i; all tables have the same shape. Results may take the place of scalars.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(
        ulong* scalars, ulong** tables, ulong* members, int count, CombShape shape, ulong* results, ulong* scratch)
    {
        const int Words = IFieldLanes.Words;
        ulong* x = scratch, y = x + Words, z = y + Words, t = z + Words;
        ulong* a = t + Words, b = a + Words, c = b + Words;
        ulong* sum = c + Words, difference = sum + Words, product = difference + Words;

        new Span<ulong>(x, 4 * Words).Clear();
        new Span<ulong>(y, TField.Lanes).Fill(1);
        new Span<ulong>(z, TField.Lanes).Fill(1);
        for (int step = shape.Spacing - 1; step >= 0; step--)
        {
            if (step < shape.Spacing - 1)
                Double(x, y, z, t, a);
            for (int block = 0; block < shape.Blocks; block++)
            {
                TField.Look(sum, tables, members, count, scalars, shape, step, block);
                TField.MultiplyDifference(a, y, x, difference);
                TField.MultiplySum(b, y, x, sum);
                TField.Multiply(c, t, product);
                TField.MultiplyDifferences(x, b, a, z, c);
                TField.MultiplySums(y, b, a, z, c);
                TField.MultiplyDifferenceBySum(t, b, a, b, a);
                TField.MultiplyDifferenceBySum(z, z, c, z, c);
            }
        }

        // (Z + Y) / (Z - Y): zero over zero for the neutral element, and 1 / 0 is 0.
        TField.Subtract(a, z, y);
        InversionLanes<TField>.Invert(a, a, b);
        TField.MultiplySum(x, z, y, a);
        TField.Write(results, x);
    }

    private static void Double(ulong* x, ulong* y, ulong* z, ulong* t, ulong* scratch)
    {
        const int Words = IFieldLanes.Words;
        ulong* a = scratch, b = a + Words, c = b + Words, e = c + Words, g = e + Words;
        TField.MultiplySum(e, x, x, y);
        TField.MultiplyDifferenceBySum(g, y, x, y, x);
        TField.MultiplySum(c, z, z, z);
        TField.SquareRepeatedly(a, x, 1);
        TField.SquareRepeatedly(b, y, 1);
        TField.MultiplyDifference(x, c, g, e);
        TField.MultiplyDifference(z, c, g, g);
        TField.MultiplySum(y, a, b, g);
        TField.MultiplySum(t, a, b, e);
    }
}
