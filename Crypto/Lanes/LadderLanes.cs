using System.Runtime.CompilerServices;

namespace FastExit.Crypto.Lanes;

// The Montgomery ladder on several points side by side, a scalar and a point to each lane.
//
// References
//   RFC 7748 §5 (the ladder)
//
// Constant time: as many steps for every lane as the top bit says; which of the two points is doubled is a masked choice.
// The two products of a step that mix the points need no exchange: it would only change the sign of their difference,
// which is squared.
internal static unsafe class LadderLanes<TField>
    where TField : struct, IFieldLanes
{
    /// <summary>Words of 64-byte aligned scratch memory that <see cref="Multiply"/> wants.</summary>
    public const int ScratchWords = 10 * IFieldLanes.Words + 16;

    /// <summary>
    /// results = u-coordinates of [scalar] point, from bit topBit of the scalars down, all three in the shape that
    /// <see cref="IFieldLanes"/> has for integers. Results may take the place of scalars or points.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(ulong* scalars, int topBit, ulong* points, ulong* results, ulong* scratch)
    {
        const int Words = IFieldLanes.Words;
        ulong* x1 = scratch, x2 = x1 + Words, z2 = x2 + Words, x3 = z2 + Words, z3 = x3 + Words;
        ulong* aa = z3 + Words, bb = aa + Words, da = bb + Words, cb = da + Words, t = cb + Words;
        ulong* change = t + Words, last = change + TField.Lanes;

        TField.Read(x1, points);
        TField.Read(x3, points);
        new Span<ulong>(x2, 2 * Words).Clear();
        new Span<ulong>(z3, Words).Clear();
        new Span<ulong>(last, TField.Lanes).Clear();
        new Span<ulong>(x2, TField.Lanes).Fill(1);
        new Span<ulong>(z3, TField.Lanes).Fill(1);
        for (int bit = topBit; bit >= 0; bit--)
        {
            // Each product stands apart from those it waits for where it can: the processor overlaps neighbours.
            TField.TakeBit(change, last, scalars, bit);
            TField.MultiplyDifferenceBySum(da, x3, z3, x2, z2);
            TField.MultiplyDifferenceBySum(cb, x2, z2, x3, z3);
            TField.SquareSelected(aa, bb, x2, z2, x3, z3, change);
            TField.SquareDifference(t, da, cb);
            TField.AddCurveMultiple(z2, aa, bb);
            TField.Multiply(z3, x1, t);
            TField.MultiplyDifference(z2, aa, bb, z2);
            TField.SquareSum(x3, da, cb);
            TField.Multiply(x2, aa, bb);
        }

        TField.Replace(x2, x3, last);
        TField.Replace(z2, z3, last);
        InversionLanes<TField>.Invert(z2, z2, aa);
        TField.Multiply(x2, x2, z2);
        TField.Write(results, x2);
    }
}
