using System.Numerics;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;
using static FastExit.Tests.Crypto.Lanes.LaneKernels;

namespace FastExit.Tests.Crypto.Lanes;

/// <summary>Fixed-base multiplication, kernel by kernel, with the ladder as reference; which keys have a table.</summary>
[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public sealed class X25519TableTests : IDisposable
{
    private const int Lanes = X25519.MaximumLanes, Bytes = X25519.KeyBytes;

    private readonly byte[] _points = new byte[Lanes * Bytes];
    private readonly X25519Table[] _tables = new X25519Table[Lanes];

    public X25519TableTests()
    {
        byte[] keys = new SeededBytes(67).Bytes(Lanes * Bytes);
        X25519.MultiplyBaseLanes(FieldKernel.Portable, keys, _points, Lanes, clamp: true);

        // The last one is the generator's, which mixes with the others.
        _points.AsSpan((Lanes - 1) * Bytes).Clear();
        _points[(Lanes - 1) * Bytes] = 9;
        _tables[Lanes - 1] = X25519Table.Base;
        for (int i = 0; i < Lanes - 1; i++)
        {
            _tables[i] = X25519Table.TryCreate(_points.AsSpan(i * Bytes, Bytes))
                ?? throw new InvalidOperationException("An honest key has a table.");
        }
    }

    public static TheoryData<string> Kernels => [.. Wide];

    public void Dispose() => Array.ForEach(_tables, table => table.Dispose());

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void EdgesOfScalarsAgreeWithTheLadder(string name)
    {
        FieldKernel kernel = Require(name);
        List<BigInteger> scalars = [];
        for (int multiple = 0; multiple < 16; multiple++)
        {
            for (int offset = -2; offset <= 2; offset++)
                scalars.Add(multiple * Order + offset);
        }

        for (int bit = 0; bit <= 256; bit++)
            scalars.AddRange([(BigInteger.One << bit) - 1, BigInteger.One << bit]);
        scalars.RemoveAll(k => k.Sign < 0 || k >= BigInteger.One << 256);
        byte[] nine = new byte[Bytes], one = new byte[Bytes], expected = new byte[Lanes * Bytes];
        nine[0] = 9;
        for (int i = 0; i < scalars.Count; i++)
        {
            byte[] k = new byte[Lanes * Bytes], results = new byte[Lanes * Bytes];
            for (int lane = 0; lane < Lanes; lane++)
                LaneKernels.Bytes(scalars[(i + lane) % scalars.Count]).CopyTo(k, lane * Bytes);
            X25519.MultiplyTableLanes(kernel, k, _tables, results, Lanes);
            X25519.MultiplyLanes(FieldKernel.Quotient512 <= Available[^1] ? FieldKernel.Quotient512 : FieldKernel.Portable,
                k, _points, expected, Lanes, clamp: false);
            Assert.Equal(expected, results);

            X25519.MultiplyBaseLanes(kernel, k, results, Lanes, clamp: false);
            X25519.MultiplyLanes(FieldKernel.Portable, k, nine, one, 1, clamp: false);
            Assert.Equal(one, results[..Bytes]);
            Assert.Equal((scalars[i] % Order).IsZero, X25519.IsZero(one));
        }
    }

    // All kernels in one run, so that the slow reference is computed once: 100,000 lanes, eight tables in any mix.
    [Fact]
    public void TablesAgreeWithThePortableLadder()
    {
        SeededBytes random = new(71);
        byte[] scalars = new byte[Lanes * Bytes], points = new byte[Lanes * Bytes];
        byte[] expected = new byte[Lanes * Bytes], results = new byte[Lanes * Bytes];
        X25519Table[] tables = new X25519Table[Lanes];
        int batches = Cases(100_000) / Lanes;
        for (int batch = 0; batch < batches; batch++)
        {
            random.Fill(scalars);
            int kinds = 1 + random.Below(Lanes);
            for (int lane = 0; lane < Lanes; lane++)
            {
                int table = random.Below(kinds);
                tables[lane] = _tables[table];
                _points.AsSpan(table * Bytes, Bytes).CopyTo(points.AsSpan(lane * Bytes));
            }

            X25519.MultiplyLanes(FieldKernel.Portable, scalars, points, expected, Lanes, clamp: false);
            foreach (FieldKernel kernel in Available.Skip(1))
            {
                results.AsSpan().Clear();
                X25519.MultiplyTableLanes(kernel, scalars, tables, results, Lanes);
                Assert.True(results.AsSpan().SequenceEqual(expected), $"{kernel}, batch {batch}");
            }
        }
    }

    [Fact]
    public void TheGeneratorAgreesWithThePortableTable()
    {
        SeededBytes random = new(73);
        byte[] scalars = new byte[Lanes * Bytes], expected = new byte[Lanes * Bytes], results = new byte[Lanes * Bytes];
        int batches = Cases(100_000) / Lanes;
        for (int batch = 0; batch < batches; batch++)
        {
            random.Fill(scalars);
            bool clamp = batch % 2 == 0;
            for (int lane = 0; lane < Lanes; lane++)
                scalars[lane * Bytes + 31] &= 0x7F;
            X25519.MultiplyBaseLanes(FieldKernel.Portable, scalars, expected, Lanes, clamp);
            foreach (FieldKernel kernel in Available.Skip(1))
            {
                results.AsSpan().Clear();
                X25519.MultiplyBaseLanes(kernel, scalars, results, Lanes, clamp);
                Assert.True(results.AsSpan().SequenceEqual(expected), $"{kernel}, batch {batch}");
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void AnyNumberOfLanesAndResultsOverScalars(string name)
    {
        FieldKernel kernel = Require(name);
        SeededBytes random = new(79);
        for (int lanes = 1; lanes <= Lanes; lanes++)
        {
            byte[] scalars = random.Bytes(Lanes * Bytes), expected = new byte[Lanes * Bytes];
            X25519.MultiplyLanes(FieldKernel.Portable, scalars, _points, expected, lanes, clamp: false);
            scalars.AsSpan(lanes * Bytes).CopyTo(expected.AsSpan(lanes * Bytes));
            byte[] results = [.. scalars];
            X25519.MultiplyTableLanes(kernel, results, _tables.AsSpan(0, lanes), results, lanes);
            Assert.Equal(expected, results);

            X25519.MultiplyBaseLanes(FieldKernel.Portable, scalars, expected, lanes, clamp: true);
            results = [.. scalars];
            X25519.MultiplyBaseLanes(kernel, results, results, lanes, clamp: true);
            Assert.Equal(expected, results);
        }
    }

    [Fact]
    public void TheBaseTableIsThatOfNine()
    {
        byte[] scalars = new SeededBytes(83).Bytes(Lanes * Bytes);
        byte[] expected = new byte[Lanes * Bytes], results = new byte[Lanes * Bytes];
        X25519Table[] tables = [.. Enumerable.Repeat(X25519Table.Base, Lanes)];
        for (int lane = 0; lane < Lanes; lane++)
            scalars[lane * Bytes + 31] &= 0x7F;
        X25519.MultiplyBaseUnclampedLanes(scalars, expected, Lanes);
        X25519.MultiplyTableLanes(scalars, tables, results, Lanes);
        Assert.Equal(expected, results);
        X25519.MultiplyTableLanes(FieldKernel.Portable, scalars, tables, results, Lanes);
        Assert.Equal(expected, results);
    }

    // Large and small ones in any order, and the portable code, which has neither.
    [Fact]
    public void LargeTablesMixWithOthers()
    {
        SeededBytes random = new(97);
        using X25519Table large = X25519Table.TryCreateLarge(_points.AsSpan(0, Bytes))!;
        Assert.Equal(X25519Table.LargeTableBytes, large.Bytes);
        Assert.Null(X25519Table.TryCreateLarge(new byte[Bytes]));
        byte[] points = [.. _points], expected = new byte[Lanes * Bytes], results = new byte[Lanes * Bytes];
        for (int round = 0; round < 200; round++)
        {
            byte[] scalars = random.Bytes(Lanes * Bytes);
            X25519Table[] tables = [.. _tables];
            int lanes = 1 + round % Lanes;
            for (int lane = 0; lane < lanes; lane++)
            {
                bool isLarge = round < 16 || random.Below(2) == 0;
                tables[lane] = isLarge ? large : _tables[lane];
                _points.AsSpan(isLarge ? 0 : lane * Bytes, Bytes).CopyTo(points.AsSpan(lane * Bytes));
            }

            X25519.MultiplyUnclampedLanes(scalars, points, expected, lanes);
            foreach (CpuLevel level in Enum.GetValues<CpuLevel>().Where(l => l <= CpuLevels.Highest))
            {
                X25519.MultiplyTableLanes(level, scalars, tables.AsSpan(0, lanes), results, lanes);
                Assert.Equal(expected[..(lanes * Bytes)], results[..(lanes * Bytes)]);
            }
        }
    }

    // (l + 1) P = P exactly when the order of P divides l.
    [Fact]
    public void OnlyPointsOfTheGeneratorsOrderHaveATable()
    {
        SeededBytes random = new(89);
        byte[] next = LaneKernels.Bytes(Order + 1), multiple = new byte[Bytes], eight = new byte[Bytes];
        eight[0] = 8;
        int twist = 0, mixed = 0;
        for (int i = 0; i < 60; i++)
        {
            byte[] point = random.Bytes(Bytes);
            point[31] &= 0x3F;
            X25519.MultiplyUnclamped(next, point, multiple);
            bool expected = X25519.IsOnCurve(point) && multiple.AsSpan().SequenceEqual(point);
            using X25519Table? table = X25519Table.TryCreate(point);
            Assert.Equal(expected, table is not null);
            twist += X25519.IsOnCurve(point) ? 0 : 1;
            mixed += X25519.IsOnCurve(point) && !expected ? 1 : 0;

            // Eight times a point of the curve is of the generator's order, of the twist never.
            X25519.MultiplyUnclamped(eight, point, multiple);
            using X25519Table? cleared = X25519Table.TryCreate(multiple);
            Assert.Equal(X25519.IsOnCurve(point), cleared is not null);
        }

        Assert.InRange(twist, 10, 50);
        Assert.InRange(mixed, 10, 50);
        foreach (BigInteger low in (BigInteger[])[0, 1, P - 1, P, P + 1])
            Assert.Null(X25519Table.TryCreate(LaneKernels.Bytes(low)));
        Assert.Null(X25519Table.TryCreate(
            Convert.FromHexString("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")));
        Assert.Null(X25519Table.TryCreate(
            Convert.FromHexString("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")));
        Assert.Throws<ArgumentOutOfRangeException>(() => X25519Table.TryCreate(new byte[31]));
    }

    [SkippableFact]
    public void ATableStatesItsMemoryAndGivesItBack()
    {
        Skip.If(Available.Length == 1, "Without vectors no table is read.");
        X25519Table table = X25519Table.TryCreate(_points.AsSpan(0, Bytes))!;
        Assert.Equal(7_680, table.Bytes);
        table.Dispose();
        table.Dispose();
        Assert.Equal(0, table.Bytes);
        byte[] scalar = new byte[Bytes], result = new byte[Bytes];
        Assert.Throws<ObjectDisposedException>(() => X25519.MultiplyTableLanes(CpuLevels.Highest, scalar, [table], result, 1));

        X25519Table.Base.Dispose();
        Assert.Equal(7_680, X25519Table.Base.Bytes);
    }

    [Fact]
    public void NothingIsAllocated()
    {
        byte[] scalars = new SeededBytes(97).Bytes(Lanes * Bytes), results = new byte[Lanes * Bytes];
        foreach (FieldKernel kernel in Available)
        {
            Allocation.AssertNone(() =>
            {
                X25519.MultiplyTableLanes(kernel, scalars, _tables, results, Lanes);
                X25519.MultiplyBaseLanes(kernel, scalars, results, Lanes, clamp: true);
                X25519.MultiplyBaseLanes(kernel, scalars, results, 3, clamp: false);
            });
        }
    }
}
