using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

// 1 / a lane by lane, with one inversion for all lanes.
//
// References
//   Montgomery, "Speeding the Pollard and elliptic curve methods of factorization", §10.3.1 (the shared inversion)
//
// The product of all lanes grows by turning the lanes by half, a quarter, an eighth of a turn: in each lane the product of
// those turned in is that of all the other lanes, the factor that makes the common inverse the lane's own.
//
// A zero would spoil its neighbours: it is replaced by 1 beforehand, by mask, and its inverse by 0 afterwards.
//
// Constant time: straight-line code; masks for zero lanes.
internal static unsafe class InversionLanes<TField>
    where TField : struct, IFieldLanes
{
    /// <summary>Words of 64-byte aligned scratch memory that <see cref="Invert"/> wants.</summary>
    public const int ScratchWords = 5 * IFieldLanes.Words;

    /// <summary>r = 1 / a, 0 for 0; a may be loose. r and a may be the same, not part of the scratch memory.</summary>
    public static void Invert(ulong* r, ulong* a, ulong* scratch)
    {
        const int Words = IFieldLanes.Words;
        ulong* constant = scratch, product = constant + Words, others = product + Words, turned = others + Words;
        ulong* integers = turned + Words, isZero = integers + 4 * TField.Lanes;

        new Span<ulong>(constant, Words).Clear();
        new Span<ulong>(constant, TField.Lanes).Fill(1);
        TField.Multiply(product, a, constant);
        TField.Write(integers, product);
        for (int lane = 0; lane < TField.Lanes; lane++)
        {
            ulong any = integers[lane] | integers[TField.Lanes + lane] | integers[2 * TField.Lanes + lane]
                | integers[3 * TField.Lanes + lane];
            isZero[lane] = ((any | (0 - any)) >> 63) - 1;
        }

        TField.Replace(product, constant, isZero);
        TField.Turn(others, product, TField.Lanes / 2);
        TField.Multiply(product, product, others);
        for (int by = TField.Lanes / 4; by > 0; by /= 2)
        {
            TField.Turn(turned, product, by);
            TField.Multiply(others, others, turned);
            TField.Multiply(product, product, turned);
        }

        // Every lane has the same product now.
        TField.Write(integers, product);
        Scalar256 inverse = DivstepInverse.Invert(
            new(integers[0], integers[TField.Lanes], integers[2 * TField.Lanes], integers[3 * TField.Lanes]));
        new Span<ulong>(integers, TField.Lanes).Fill(inverse.W0);
        new Span<ulong>(integers + TField.Lanes, TField.Lanes).Fill(inverse.W1);
        new Span<ulong>(integers + 2 * TField.Lanes, TField.Lanes).Fill(inverse.W2);
        new Span<ulong>(integers + 3 * TField.Lanes, TField.Lanes).Fill(inverse.W3);
        TField.Read(product, integers);
        TField.Multiply(r, others, product);
        new Span<ulong>(constant, Words).Clear();
        TField.Replace(r, constant, isZero);
    }
}
