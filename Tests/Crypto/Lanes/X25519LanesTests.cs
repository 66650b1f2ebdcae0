using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;
using static FastExit.Tests.Crypto.Lanes.LaneKernels;

namespace FastExit.Tests.Crypto.Lanes;

/// <summary>X25519 on lanes, kernel by kernel: published vectors, hostile points, and the portable ladder as reference.</summary>
[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class X25519LanesTests
{
    private const int Lanes = X25519.MaximumLanes, Bytes = X25519.KeyBytes;

    // Orders 1, 2, 4 and 8 on curve and twist, canonical and not.
    internal static readonly string[] LowOrderPoints =
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];

    public static TheoryData<string> Kernels => [nameof(FieldKernel.Portable), .. Wide];

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void Rfc7748Section5Vectors(string name)
    {
        FieldKernel kernel = Require(name);
        (string Scalar, string Point, string Result)[] vectors =
        [
            ("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
                "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
            ("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
                "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"),
        ];
        for (int lanes = 1; lanes <= Lanes; lanes++)
        {
            byte[] scalars = new byte[Lanes * Bytes], points = new byte[Lanes * Bytes], results = new byte[Lanes * Bytes];
            for (int lane = 0; lane < lanes; lane++)
            {
                Convert.FromHexString(vectors[lane % 2].Scalar).CopyTo(scalars, lane * Bytes);
                Convert.FromHexString(vectors[lane % 2].Point).CopyTo(points, lane * Bytes);
            }

            X25519.MultiplyLanes(kernel, scalars, points, results, lanes, clamp: true);
            for (int lane = 0; lane < lanes; lane++)
                Assert.Equal(vectors[lane % 2].Result, Convert.ToHexStringLower(Lane(results, lane)));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void Rfc7748Section5Iterated(string name)
    {
        FieldKernel kernel = Require(name);
        byte[] k = new byte[Lanes * Bytes], u = new byte[Lanes * Bytes], result = new byte[Lanes * Bytes];
        for (int lane = 0; lane < Lanes; lane++)
            k[lane * Bytes] = u[lane * Bytes] = 9;
        for (int i = 1; i <= 1000; i++)
        {
            X25519.MultiplyLanes(kernel, k, u, result, Lanes, clamp: true);
            (k, u, result) = (result, k, u);
            if (i == 1)
                AssertAll("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
        }

        AssertAll("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");

        void AssertAll(string expected)
        {
            for (int lane = 0; lane < Lanes; lane++)
                Assert.Equal(expected, Convert.ToHexStringLower(Lane(k, lane)));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void LowOrderPointsGiveZeroAndHarmNoNeighbour(string name)
    {
        FieldKernel kernel = Require(name);
        SeededBytes random = new(41);
        byte[] results = new byte[Lanes * Bytes], expected = new byte[Lanes * Bytes];
        for (int round = 0; round < 64; round++)
        {
            byte[] scalars = random.Bytes(Lanes * Bytes), points = random.Bytes(Lanes * Bytes);
            for (int lane = 0; lane < Lanes; lane++)
            {
                if (round > 0 && random.Below(2) == 0)
                    continue;
                byte[] low = Convert.FromHexString(LowOrderPoints[random.Below(LowOrderPoints.Length)]);
                low[31] ^= (byte)(random.Below(2) << 7);
                low.CopyTo(points, lane * Bytes);
            }

            X25519.MultiplyLanes(FieldKernel.Portable, scalars, points, expected, Lanes, clamp: true);
            X25519.MultiplyLanes(kernel, scalars, points, results, Lanes, clamp: true);
            Assert.Equal(expected, results);
            Assert.Equal(round == 0, X25519.IsZero(results));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void PointsFromPUpAreTakenModP(string name)
    {
        FieldKernel kernel = Require(name);
        SeededBytes random = new(43);
        byte[] scalars = random.Bytes(Lanes * Bytes), high = new byte[Lanes * Bytes], low = new byte[Lanes * Bytes];
        byte[] fromHigh = new byte[Lanes * Bytes], fromLow = new byte[Lanes * Bytes];
        for (int first = 0; first < 19; first += Lanes)
        {
            low.AsSpan().Clear();
            for (int lane = 0; lane < Lanes; lane++)
            {
                int above = Math.Min(first + lane, 18);
                LaneKernels.Bytes(P + above).CopyTo(high, lane * Bytes);
                high[lane * Bytes + 31] |= (byte)(lane % 2 << 7);
                low[lane * Bytes] = (byte)above;
            }

            X25519.MultiplyLanes(kernel, scalars, high, fromHigh, Lanes, clamp: true);
            X25519.MultiplyLanes(FieldKernel.Portable, scalars, low, fromLow, Lanes, clamp: true);
            Assert.Equal(fromLow, fromHigh);
        }
    }

    // All kernels in one run, so that the slow reference is computed once: 100,000 lanes.
    [Fact]
    public void AgreesWithThePortableLadder()
    {
        SeededBytes random = new(47);
        byte[] scalars = new byte[Lanes * Bytes], points = new byte[Lanes * Bytes];
        byte[] expected = new byte[Lanes * Bytes], results = new byte[Lanes * Bytes];
        int batches = Cases(100_000) / Lanes;
        for (int batch = 0; batch < batches; batch++)
        {
            random.Fill(scalars);
            random.Fill(points);
            for (int lane = 0; lane < Lanes; lane++)
            {
                Damage(scalars, lane);
                Damage(points, lane);
            }

            bool clamp = batch % 2 == 0;
            X25519.MultiplyLanes(FieldKernel.Portable, scalars, points, expected, Lanes, clamp);
            foreach (FieldKernel kernel in Available.Skip(1))
            {
                results.AsSpan().Clear();
                X25519.MultiplyLanes(kernel, scalars, points, results, Lanes, clamp);
                Assert.True(results.AsSpan().SequenceEqual(expected), $"{kernel}, batch {batch}");
            }
        }

        // One value in eight has long runs of ones or zeros, or is an edge.
        void Damage(byte[] values, int lane)
        {
            Span<byte> value = values.AsSpan(lane * Bytes, Bytes);
            int kind = random.Below(40);
            if (kind == 0)
                value.Clear();
            else if (kind == 1)
                value.Fill(0xFF);
            else if (kind == 2)
                value[random.Below(32)..].Fill(0xFF);
            else if (kind == 3)
                value[random.Below(32)..].Clear();
            else if (kind == 4)
                LaneKernels.Bytes(P - 20 + random.Below(40)).CopyTo(value);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void AnyNumberOfLanesAndResultsOverInputs(string name)
    {
        FieldKernel kernel = Require(name);
        SeededBytes random = new(53);
        for (int lanes = 1; lanes <= Lanes; lanes++)
        {
            foreach (bool clamp in (bool[])[true, false])
            {
                byte[] scalars = random.Bytes(Lanes * Bytes), points = random.Bytes(Lanes * Bytes);
                byte[] expected = new byte[Lanes * Bytes];
                X25519.MultiplyLanes(FieldKernel.Portable, scalars, points, expected, lanes, clamp);
                expected.AsSpan(lanes * Bytes).Fill(0xA5);
                byte[] results = new byte[Lanes * Bytes];
                results.AsSpan().Fill(0xA5);
                X25519.MultiplyLanes(kernel, scalars, points, results, lanes, clamp);
                Assert.Equal(expected, results);

                byte[] overScalars = [.. scalars], overPoints = [.. points];
                X25519.MultiplyLanes(kernel, overScalars, points, overScalars, lanes, clamp);
                X25519.MultiplyLanes(kernel, scalars, overPoints, overPoints, lanes, clamp);
                Assert.Equal(expected[..(lanes * Bytes)], overScalars[..(lanes * Bytes)]);
                Assert.Equal(expected[..(lanes * Bytes)], overPoints[..(lanes * Bytes)]);
                Assert.Equal(scalars[(lanes * Bytes)..], overScalars[(lanes * Bytes)..]);
                Assert.Equal(points[(lanes * Bytes)..], overPoints[(lanes * Bytes)..]);
            }
        }
    }

    [Fact]
    public void EveryLevelGivesTheSame()
    {
        SeededBytes random = new(59);
        for (int lanes = 1; lanes <= Lanes; lanes++)
        {
            byte[] scalars = random.Bytes(lanes * Bytes), points = random.Bytes(lanes * Bytes), below = [.. scalars];
            for (int lane = 0; lane < lanes; lane++)
                below[lane * Bytes + 31] &= 0x7F;
            List<byte[]> all = [];
            for (CpuLevel level = CpuLevel.Portable; level <= CpuLevels.Highest; level++)
            {
                byte[] results = new byte[4 * lanes * Bytes];
                X25519.MultiplyLanes(level, scalars, points, results, lanes);
                X25519.MultiplyUnclampedLanes(level, scalars, points, results.AsSpan(lanes * Bytes), lanes);
                X25519.MultiplyBaseLanes(level, scalars, results.AsSpan(2 * lanes * Bytes), lanes);
                X25519.MultiplyBaseUnclampedLanes(level, below, results.AsSpan(3 * lanes * Bytes), lanes);
                all.Add(results);
            }

            Assert.All(all.Skip(1), results => Assert.Equal(all[0], results));
        }
    }

    [Fact]
    public void ALadderTakesLanesFromWhereTheyPay()
    {
        for (CpuLevel level = CpuLevel.Portable; level <= CpuLevels.Highest; level++)
        {
            FieldKernel[] kernels = [.. Enumerable.Range(1, Lanes).Select(lanes => FieldKernels.ForLadder(level, lanes))];
            int alone = kernels.TakeWhile(kernel => kernel == FieldKernel.Portable).Count();
            Assert.All(kernels.Skip(alone), kernel => Assert.Equal(FieldKernels.At(level), kernel));
            // Without the optimiser lanes may not pay at all.
            if (level == CpuLevel.Portable || IsOptimised)
                Assert.Equal(level == CpuLevel.Portable ? Lanes : Math.Min(alone, Lanes / 2), alone);
        }
    }

    [Fact]
    public void NothingIsAllocated()
    {
        SeededBytes random = new(61);
        byte[] scalars = random.Bytes(Lanes * Bytes), points = random.Bytes(Lanes * Bytes);
        byte[] results = new byte[Lanes * Bytes];
        foreach (FieldKernel kernel in Available)
        {
            Allocation.AssertNone(() =>
            {
                X25519.MultiplyLanes(kernel, scalars, points, results, Lanes, clamp: true);
                X25519.MultiplyLanes(kernel, scalars, points, results, 1, clamp: false);
            });
        }

        Allocation.AssertNone(() =>
        {
            X25519.MultiplyLanes(scalars, points, results, Lanes);
            X25519.Multiply(scalars.AsSpan(0, Bytes), points.AsSpan(0, Bytes), results.AsSpan(0, Bytes));
        });
    }

    [Fact]
    public void LaneCountsOutsideOneToEightAreRefused()
    {
        byte[] keys = new byte[9 * Bytes];
        foreach (int lanes in (int[])[-1, 0, 9])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => X25519.MultiplyLanes(keys, keys, keys, lanes));
            Assert.Throws<ArgumentOutOfRangeException>(() => X25519.MultiplyUnclampedLanes(keys, keys, keys, lanes));
            Assert.Throws<ArgumentOutOfRangeException>(() => X25519.MultiplyBaseLanes(keys, keys, lanes));
            Assert.Throws<ArgumentOutOfRangeException>(() => X25519.MultiplyBaseUnclampedLanes(keys, keys, lanes));
            Assert.Throws<ArgumentOutOfRangeException>(() => X25519.MultiplyTableLanes(keys, [], keys, lanes));
        }
    }

    private static ReadOnlySpan<byte> Lane(byte[] keys, int lane) => keys.AsSpan(lane * Bytes, Bytes);
}
