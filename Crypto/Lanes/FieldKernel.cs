using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

/// <summary>The implementations of <see cref="IFieldLanes"/>, and the one without lanes.</summary>
internal enum FieldKernel
{
    /// <summary><see cref="FieldElement"/>, one lane after the other.</summary>
    Portable,

    /// <summary><see cref="FieldLanes256"/>.</summary>
    Avx2,

    /// <summary><see cref="FieldLanes512Split"/>.</summary>
    Split512,

    /// <summary><see cref="FieldLanes512Quotient"/>.</summary>
    Quotient512,
}

// Which kernel a level has here, and from how many lanes on it is faster than one lane after the other: measured once, on
// first use, in about a tenth of a second with the compilation of all of them. Makers' names say little: how fast a 64-bit
// vector multiplication is differs between generations.
internal static class FieldKernels
{
    private const int Rounds = 8;

    // Below the CPU's level nothing can be measured, and nobody asks.
    private static readonly FieldKernel s_wide =
        CpuLevels.Highest == CpuLevel.Avx512 ? FasterOfTheWide() : FieldKernel.Portable;

    private static readonly int s_wideFrom =
        CpuLevels.Highest == CpuLevel.Avx512 ? LanesWorthWhile(s_wide) : int.MaxValue;

    private static readonly int s_narrowFrom =
        CpuLevels.Highest >= CpuLevel.Avx2 ? LanesWorthWhile(FieldKernel.Avx2) : int.MaxValue;

    /// <summary>The kernel for fixed bases at this level, which wins from one lane on.</summary>
    public static FieldKernel At(CpuLevel level) =>
        level switch
        {
            CpuLevel.Avx512 => s_wide,
            CpuLevel.Avx2 => FieldKernel.Avx2,
            _ => FieldKernel.Portable,
        };

    /// <summary>The fastest kernel up to this level for a ladder on so many lanes.</summary>
    public static FieldKernel ForLadder(CpuLevel level, int lanes) =>
        lanes >= (level == CpuLevel.Avx512 ? s_wideFrom : s_narrowFrom) ? At(level) : FieldKernel.Portable;

    private static FieldKernel FasterOfTheWide()
    {
        long quotient = long.MaxValue, split = long.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            quotient = Math.Min(quotient, Time<FieldLanes512Quotient>());
            split = Math.Min(split, Time<FieldLanes512Split>());
        }

        return split < quotient ? FieldKernel.Split512 : FieldKernel.Quotient512;
    }

    // Ticks of products and squarings in about the proportion of a ladder.
    private static unsafe long Time<TField>()
        where TField : struct, IFieldLanes
    {
        const int Elements = 4;
        ulong* memory = (ulong*)NativeMemory.AlignedAlloc(Elements * IFieldLanes.Words * sizeof(ulong), 64);
        new Span<ulong>(memory, Elements * IFieldLanes.Words).Fill(0x123456789ABCD);
        ulong* a = memory, b = a + IFieldLanes.Words, c = b + IFieldLanes.Words, d = c + IFieldLanes.Words;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 100; i++)
        {
            TField.MultiplyDifferenceBySum(a, b, c, b, c);
            TField.MultiplySums(d, b, c, b, c);
            TField.SquareRepeatedly(b, a, 1);
            TField.SquareRepeatedly(c, d, 1);
        }

        long ticks = Stopwatch.GetTimestamp() - start;
        NativeMemory.AlignedFree(memory);
        return ticks;
    }

    private static int LanesWorthWhile(FieldKernel kernel)
    {
        Span<byte> scalar = stackalloc byte[X25519.KeyBytes], point = stackalloc byte[X25519.KeyBytes];
        scalar.Fill(0x5A);
        point.Fill(9);
        long one = long.MaxValue, wide = long.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            one = Math.Min(one, Time(FieldKernel.Portable, scalar, point));
            wide = Math.Min(wide, Time(kernel, scalar, point));
        }

        return (int)Math.Min((wide + one - 1) / one, int.MaxValue);
    }

    private static long Time(FieldKernel kernel, ReadOnlySpan<byte> scalar, Span<byte> point)
    {
        long start = Stopwatch.GetTimestamp();
        X25519.MultiplyLanes(kernel, scalar, point, point, 1, clamp: true);
        return Stopwatch.GetTimestamp() - start;
    }
}
