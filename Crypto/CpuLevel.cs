using System.Runtime.Intrinsics.X86;

namespace FastExit.Crypto;

/// <summary>Which instruction sets the wide kernels use; each level has everything of the one before.</summary>
public enum CpuLevel
{
    /// <summary>
    /// No x86 vectors wider than what .NET's portable vector types become; AES instructions are used where there are some. The
    /// reference for the others.
    /// </summary>
    Portable,

    /// <summary>AVX2 and AES.</summary>
    Avx2,

    /// <summary>AVX-512 F, BW, DQ and VL, and AES.</summary>
    Avx512,
}

/// <summary>
/// The one place where the level is chosen: once for a process, the highest that the CPU has, or a lower one by the
/// environment variable <see cref="Variable"/> (to compare, or where wide vectors cost too much clock).
/// </summary>
public static class CpuLevels
{
    /// <summary>The environment variable: portable, avx2 or avx512, in any case of letters.</summary>
    public const string Variable = "FASTEXIT_CPU_LEVEL";

    // Static readonly values: code compiled after this type's start sees constants and leaves the other levels out.
    private static readonly CpuLevel HighestLevel = Detect();

    private static readonly (CpuLevel Level, string? Problem) Choice =
        Choose(Environment.GetEnvironmentVariable(Variable), HighestLevel);

    private static readonly CpuLevel CurrentLevel = Choice.Level;

    /// <summary>What the CPU has.</summary>
    public static CpuLevel Highest => HighestLevel;

    /// <summary>What the kernels use.</summary>
    public static CpuLevel Current => CurrentLevel;

    /// <summary>One sentence when the variable could not be followed (then <see cref="Current"/> is the highest), else null.</summary>
    public static string? Problem => Choice.Problem;

    /// <summary>The level's name as <see cref="Variable"/> takes it.</summary>
    public static string Name(CpuLevel level) => level switch
    {
        CpuLevel.Portable => "portable",
        CpuLevel.Avx2 => "avx2",
        CpuLevel.Avx512 => "avx512",
        _ => throw new ArgumentOutOfRangeException(nameof(level)),
    };

    internal static (CpuLevel Level, string? Problem) Choose(string? setting, CpuLevel highest)
    {
        if (string.IsNullOrWhiteSpace(setting))
            return (highest, null);
        for (CpuLevel level = CpuLevel.Portable; level <= CpuLevel.Avx512; level++)
        {
            if (!Name(level).Equals(setting.Trim(), StringComparison.OrdinalIgnoreCase))
                continue;
            return level <= highest
                ? (level, null)
                : (highest, $"{Variable} asks for {Name(level)}, this CPU has only {Name(highest)}.");
        }

        return (highest, $"{Variable} is none of portable, avx2 and avx512: {Name(highest)} is used.");
    }

    private static CpuLevel Detect()
    {
        if (!Avx2.IsSupported || !Aes.IsSupported)
            return CpuLevel.Portable;
        bool wide = Avx512F.IsSupported && Avx512F.VL.IsSupported && Avx512BW.IsSupported && Avx512BW.VL.IsSupported
            && Avx512DQ.IsSupported && Avx512DQ.VL.IsSupported;
        return wide ? CpuLevel.Avx512 : CpuLevel.Avx2;
    }
}
