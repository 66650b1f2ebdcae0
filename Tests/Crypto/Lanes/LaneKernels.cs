using System.Diagnostics;
using System.Numerics;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using Xunit;

namespace FastExit.Tests.Crypto.Lanes;

/// <summary>The field kernels by name, as a public test's data has to give them, and numbers that tests of them share.</summary>
internal static class LaneKernels
{
    public static readonly BigInteger P = (BigInteger.One << 255) - 19;

    /// <summary>l, the order of the generator.</summary>
    public static readonly BigInteger Order =
        (BigInteger.One << 252) + BigInteger.Parse("27742317777372353535851937790883648493", null);

    /// <summary>The names of the kernels that have lanes.</summary>
    public static string[] Wide => [.. Enum.GetNames<FieldKernel>().Skip(1)];

    /// <summary>The kernels that this machine can run, the portable one first.</summary>
    public static FieldKernel[] Available =>
        [.. Enum.GetValues<FieldKernel>().Where(kernel => Level(kernel) <= CpuLevels.Highest)];

    /// <summary>False for a Debug build of the assembly under test, which leaves the JIT's optimiser off.</summary>
    public static bool IsOptimised { get; } =
        !typeof(X25519Table).Assembly.GetCustomAttributes(typeof(DebuggableAttribute), false)
            .Cast<DebuggableAttribute>().Any(a => a.IsJITOptimizerDisabled);

    /// <summary>So many of the cases as a test has time for.</summary>
    public static int Cases(int optimised) => IsOptimised ? optimised : optimised / 50;

    public static FieldKernel Require(string name)
    {
        FieldKernel kernel = Enum.Parse<FieldKernel>(name);
        Skip.If(Level(kernel) > CpuLevels.Highest, $"This CPU has not got what {name} needs.");
        return kernel;
    }

    public static BigInteger Integer(ReadOnlySpan<byte> littleEndian) => new(littleEndian, isUnsigned: true);

    public static byte[] Bytes(BigInteger value)
    {
        byte[] bytes = new byte[32];
        Assert.True(value.TryWriteBytes(bytes, out _, isUnsigned: true));
        return bytes;
    }

    private static CpuLevel Level(FieldKernel kernel) => kernel switch
    {
        FieldKernel.Portable => CpuLevel.Portable,
        FieldKernel.Avx2 => CpuLevel.Avx2,
        _ => CpuLevel.Avx512,
    };
}
