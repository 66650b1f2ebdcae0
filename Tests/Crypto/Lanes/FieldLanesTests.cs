using System.Numerics;
using System.Runtime.InteropServices;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;
using static FastExit.Tests.Crypto.Lanes.LaneKernels;

namespace FastExit.Tests.Crypto.Lanes;

/// <summary>Every operation of the field kernels against whole numbers, with limbs at the ends of their ranges.</summary>
[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class FieldLanesTests
{
    public static TheoryData<string> Kernels => [.. Wide];

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void ProductsHoldAtTheirBounds(string kernel) => Run(kernel, bench => bench.Products());

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void IntegersAreReadModTwoTo255AndWrittenModP(string kernel) => Run(kernel, bench => bench.Integers());

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void LanesMoveAndAreReplaced(string kernel) => Run(kernel, bench => bench.Movements());

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void EveryPatternOfZeroLanesIsInverted(string kernel) => Run(kernel, bench => bench.Inversions());

    [Fact]
    public void DivisionStepsInvert()
    {
        SeededBytes random = new(31);
        byte[] bytes = new byte[32], result = new byte[32];
        int cases = Cases(100_000);
        for (int i = 0; i < cases; i++)
        {
            random.Fill(bytes);
            if (i < 2048)
            {
                // Around every power of two, and around p less that.
                BigInteger near = (BigInteger.One << (i / 8)) + i % 4 - 1;
                Bytes(i % 8 < 4 ? near : BigInteger.Abs(P - near)).CopyTo(bytes, 0);
            }

            DivstepInverse.Invert(Scalar256.Read(bytes)).Write(result);
            BigInteger value = Integer(bytes) % P, inverse = Integer(result);
            Assert.True(inverse < P);
            Assert.Equal(value.IsZero ? BigInteger.Zero : BigInteger.One, value * inverse % P);
        }
    }

    private static void Run(string name, Action<IFieldBench> test)
    {
        switch (Require(name))
        {
            case FieldKernel.Avx2:
                using (FieldBench<FieldLanes256> bench = new(
                    [26, 25, 26, 25, 26, 25, 26, 25, 26, 25], 1 << 13, i => 3.01, signed: false))
                    test(bench);
                break;
            case FieldKernel.Split512:
                using (FieldBench<FieldLanes512Split> bench = new(
                    [51, 51, 51, 51, 51], 1 << 18, i => 1 + Math.ScaleB(1, -26), signed: true))
                    test(bench);
                break;
            default:
                using (FieldBench<FieldLanes512Quotient> bench = new([51, 51, 51, 51, 51], 1 << 18, i => 4, signed: false))
                    test(bench);
                break;
        }
    }

    private interface IFieldBench
    {
        void Products();

        void Integers();

        void Movements();

        void Inversions();
    }

    /// <param name="widths">Bits of each limb.</param>
    /// <param name="spare">How far a reduced limb may be above its bits.</param>
    /// <param name="loose">How far a loose limb goes, in units of its bits.</param>
    /// <param name="signed">Whether loose limbs go as far below zero.</param>
    private sealed unsafe class FieldBench<TField>(int[] widths, long spare, Func<int, double> loose, bool signed)
        : IFieldBench, IDisposable
        where TField : struct, IFieldLanes
    {
        private const int Words = IFieldLanes.Words, Elements = 16;

        private readonly SeededBytes _random = new(37);
        private readonly ulong* _memory = (ulong*)NativeMemory.AlignedAlloc(Elements * Words * sizeof(ulong), 64);

        private ulong* R => Element(0);

        public void Dispose() => NativeMemory.AlignedFree(_memory);

        public void Products()
        {
            ulong* a = Element(1), b = Element(2), c = Element(3), d = Element(4), v = Element(5), w = Element(6);
            ulong* mask = Element(7), sum = Element(8);
            int rounds = Cases(25_000);
            for (int round = 0; round < rounds; round++)
            {
                // Two rounds of four have all limbs at one end of their range.
                double? extreme = (round & 3) switch { 0 => 1, 1 => round % 8 < 4 ? 0 : 1, _ => null };
                foreach (int element in (int[])[1, 2, 3, 4])
                    Draw(Element(element), isLoose: false, (round & 3) == 1 && element % 2 == 0 ? 0 : extreme);
                Draw(v, isLoose: true, extreme);
                Draw(w, isLoose: true, (round & 7) == 1 ? 0 : extreme);

                TField.Multiply(R, v, w);
                Check(lane => Value(v, lane) * Value(w, lane));
                TField.MultiplyDifference(R, a, b, w);
                Check(lane => (Value(a, lane) - Value(b, lane)) * Value(w, lane));
                TField.MultiplySum(R, a, b, w);
                Check(lane => (Value(a, lane) + Value(b, lane)) * Value(w, lane));
                TField.MultiplyDifferenceBySum(R, a, b, c, d);
                Check(lane => (Value(a, lane) - Value(b, lane)) * (Value(c, lane) + Value(d, lane)));
                TField.MultiplyDifferences(R, a, b, c, d);
                Check(lane => (Value(a, lane) - Value(b, lane)) * (Value(c, lane) - Value(d, lane)));
                TField.MultiplySums(R, a, b, c, d);
                Check(lane => (Value(a, lane) + Value(b, lane)) * (Value(c, lane) + Value(d, lane)));
                TField.SquareSum(R, a, b);
                Check(lane => BigInteger.Pow(Value(a, lane) + Value(b, lane), 2));
                TField.SquareDifference(R, a, b);
                Check(lane => BigInteger.Pow(Value(a, lane) - Value(b, lane), 2));
                TField.SquareRepeatedly(R, v, 1);
                Check(lane => BigInteger.Pow(Value(v, lane), 2));
                TField.SquareRepeatedly(R, v, 3);
                Check(lane => BigInteger.ModPow(Value(v, lane), 8, P));
                TField.AddCurveMultiple(R, a, b);
                Check(lane => Value(a, lane) + 121665 * (Value(a, lane) - Value(b, lane)), isLoose: true);
                TField.Subtract(R, a, b);
                Check(lane => Value(a, lane) - Value(b, lane), isLoose: true);

                DrawMask(mask);
                TField.SquareSelected(R, sum, a, b, c, d, mask);
                Check(lane => BigInteger.Pow(Chosen(a, c, mask, lane) + Chosen(b, d, mask, lane), 2));
                new Span<ulong>(sum, Words).CopyTo(new(R, Words));
                Check(lane => BigInteger.Pow(Chosen(a, c, mask, lane) - Chosen(b, d, mask, lane), 2));

                // In place.
                BigInteger[] before = [.. Enumerable.Range(0, TField.Lanes).Select(lane => Value(w, lane))];
                new Span<ulong>(w, Words).CopyTo(new(R, Words));
                TField.Multiply(R, R, R);
                Check(lane => before[lane] * before[lane]);
                TField.SquareRepeatedly(w, w, 1);
                new Span<ulong>(w, Words).CopyTo(new(R, Words));
                Check(lane => before[lane] * before[lane]);
            }
        }

        public void Integers()
        {
            ulong* integers = Element(1), back = Element(2);
            for (int round = 0; round < 500; round++)
            {
                for (int lane = 0; lane < TField.Lanes; lane++)
                {
                    // The last 40 values below 2^255, from below p to 2^255 - 1, with bit 255 and without, or any.
                    byte[] bytes = round < 40 ? Bytes((BigInteger.One << (255 + lane % 2)) - 1 - round) : _random.Bytes(32);
                    for (int word = 0; word < 4; word++)
                        integers[word * TField.Lanes + lane] = BitConverter.ToUInt64(bytes, 8 * word);
                }

                TField.Read(R, integers);
                Check(lane => Words256(integers, lane) % (BigInteger.One << 255));
                TField.Write(back, R);
                for (int lane = 0; lane < TField.Lanes; lane++)
                    Assert.Equal(Words256(integers, lane) % (BigInteger.One << 255) % P, Words256(back, lane));

                Draw(R, isLoose: false, round < 2 ? round : null);
                TField.Write(back, R);
                for (int lane = 0; lane < TField.Lanes; lane++)
                    Assert.Equal(Value(R, lane) % P, Words256(back, lane));
            }
        }

        public void Movements()
        {
            ulong* a = Element(1), b = Element(2), mask = Element(3), last = Element(4), change = Element(5);
            ulong* scalars = Element(6);
            for (int round = 0; round < 300; round++)
            {
                Draw(a, isLoose: false, null);
                Draw(b, isLoose: false, null);
                for (int by = 1; by < TField.Lanes; by++)
                {
                    TField.Turn(R, a, by);
                    Check(lane => Value(a, (lane + by) % TField.Lanes));
                }

                DrawMask(mask);
                new Span<ulong>(a, Words).CopyTo(new(R, Words));
                TField.Replace(R, b, mask);
                Check(lane => Chosen(a, b, mask, lane));

                _random.Fill(MemoryMarshal.AsBytes(new Span<ulong>(scalars, 4 * TField.Lanes)));
                new Span<ulong>(last, TField.Lanes).Clear();
                for (int bit = 255; bit >= 0; bit--)
                {
                    ulong[] before = new Span<ulong>(last, TField.Lanes).ToArray();
                    TField.TakeBit(change, last, scalars, bit);
                    for (int lane = 0; lane < TField.Lanes; lane++)
                    {
                        Assert.Equal((Words256(scalars, lane) >> bit).IsEven ? 0 : ulong.MaxValue, last[lane]);
                        Assert.Equal(before[lane] ^ last[lane], change[lane]);
                    }
                }
            }
        }

        public void Inversions()
        {
            ulong* a = Element(1), integers = Element(2), back = Element(3), scratch = Element(4);
            for (int pattern = 0; pattern < 1 << TField.Lanes; pattern++)
            {
                Draw(a, isLoose: false, null);
                TField.Write(integers, a);
                for (int lane = 0; lane < TField.Lanes; lane++)
                {
                    // Zero as 0 and as p.
                    if ((pattern >> lane & 1) == 0)
                        continue;
                    ulong full = (pattern + lane) % 2 == 0 ? 0 : ulong.MaxValue;
                    integers[lane] = full == 0 ? 0 : full - 18;
                    integers[TField.Lanes + lane] = integers[2 * TField.Lanes + lane] = full;
                    integers[3 * TField.Lanes + lane] = full >> 1;
                }

                TField.Read(a, integers);
                BigInteger[] values = [.. Enumerable.Range(0, TField.Lanes).Select(lane => Value(a, lane) % P)];
                InversionLanes<TField>.Invert(a, a, scratch);
                TField.Write(back, a);
                for (int lane = 0; lane < TField.Lanes; lane++)
                    Assert.Equal(BigInteger.ModPow(values[lane], P - 2, P), Words256(back, lane));
            }
        }

        private ulong* Element(int index) => _memory + index * Words;

        // R is congruent to what is expected and within its bounds.
        private void Check(Func<int, BigInteger> expected, bool isLoose = false)
        {
            for (int lane = 0; lane < TField.Lanes; lane++)
            {
                Assert.True(((expected(lane) - Value(R, lane)) % P).IsZero);
                for (int limb = 0; limb < widths.Length; limb++)
                    Assert.InRange((long)R[limb * TField.Lanes + lane], Least(isLoose, limb), Most(isLoose, limb));
            }
        }

        private long Most(bool isLoose, int limb) =>
            isLoose ? (long)(loose(limb) * (1L << widths[limb])) - 1 : (1L << widths[limb]) + spare - 1;

        private long Least(bool isLoose, int limb) => isLoose && signed ? -Most(true, limb) : 0;

        // extreme: 1 for the most of each limb, 0 for the least, null for any, one in three at an end or around the middle.
        private void Draw(ulong* element, bool isLoose, double? extreme)
        {
            for (int limb = 0; limb < widths.Length; limb++)
            {
                long least = Least(isLoose, limb), most = Most(isLoose, limb);
                for (int lane = 0; lane < TField.Lanes; lane++)
                {
                    long value = extreme switch
                    {
                        1 => most,
                        0 => least,
                        _ => _random.Below(9) switch
                        {
                            0 => least,
                            1 => most,
                            2 => (1L << widths[limb]) - 1,
                            _ => least + (long)((UInt128)_random.Next() * ((UInt128)(ulong)(most - least) + 1) >> 64),
                        },
                    };
                    element[limb * TField.Lanes + lane] = (ulong)value;
                }
            }
        }

        private void DrawMask(ulong* mask)
        {
            for (int lane = 0; lane < TField.Lanes; lane++)
                mask[lane] = 0 - (_random.Next() & 1);
        }

        private BigInteger Value(ulong* element, int lane)
        {
            BigInteger value = 0;
            for (int limb = widths.Length - 1; limb >= 0; limb--)
                value = (value << widths[limb]) + (long)element[limb * TField.Lanes + lane];
            return value;
        }

        private BigInteger Chosen(ulong* a, ulong* b, ulong* mask, int lane) => Value(mask[lane] == 0 ? a : b, lane);

        private static BigInteger Words256(ulong* integers, int lane)
        {
            BigInteger value = 0;
            for (int word = 3; word >= 0; word--)
                value = (value << 64) + integers[word * TField.Lanes + lane];
            return value;
        }
    }
}
