using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using Xunit;

namespace FastExit.Tests.Crypto;

public class CpuLevelTests
{
    /// <summary>
    /// Trait of tests that need not run once more at the levels below this CPU's highest, as the others do (scripts/test).
    /// </summary>
    public const string Levels = "Levels";

    /// <summary>The test visits every level itself.</summary>
    public const string All = "All";

    /// <summary>Nothing under the test asks for the level. (`None` would mean tests without the trait to `dotnet test`.)</summary>
    public const string Same = "Same";

    [Theory]
    [InlineData(null, CpuLevel.Avx512, CpuLevel.Avx512)]
    [InlineData("", CpuLevel.Avx2, CpuLevel.Avx2)]
    [InlineData("  ", CpuLevel.Portable, CpuLevel.Portable)]
    [InlineData("portable", CpuLevel.Avx512, CpuLevel.Portable)]
    [InlineData("avx2", CpuLevel.Avx512, CpuLevel.Avx2)]
    [InlineData(" AVX512 ", CpuLevel.Avx512, CpuLevel.Avx512)]
    [InlineData("Portable", CpuLevel.Portable, CpuLevel.Portable)]
    public void The_variable_lowers_the_level(string? setting, CpuLevel highest, CpuLevel expected) =>
        Assert.Equal((expected, null), CpuLevels.Choose(setting, highest));

    [Theory]
    [InlineData("avx512", CpuLevel.Avx2, "avx2")]
    [InlineData("avx2", CpuLevel.Portable, "portable")]
    [InlineData("sse9", CpuLevel.Avx512, "avx512")]
    [InlineData("2", CpuLevel.Avx512, "avx512")]
    public void What_cannot_be_followed_is_said_and_the_highest_is_used(string setting, CpuLevel highest, string used)
    {
        (CpuLevel level, string? problem) = CpuLevels.Choose(setting, highest);
        Assert.Equal(highest, level);
        Assert.NotNull(problem);
        Assert.Contains(CpuLevels.Variable, problem, StringComparison.Ordinal);
        Assert.Contains(used, problem, StringComparison.Ordinal);
        Assert.EndsWith(".", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_current_level_is_what_the_environment_allows()
    {
        (CpuLevel level, string? problem) =
            CpuLevels.Choose(Environment.GetEnvironmentVariable(CpuLevels.Variable), CpuLevels.Highest);
        Assert.Equal(level, CpuLevels.Current);
        Assert.Equal(problem, CpuLevels.Problem);
        Assert.True(CpuLevels.Current <= CpuLevels.Highest);
    }

    // What runs the tests again at another level must know that it is one.
    [Fact]
    public void The_level_that_the_environment_names_is_the_one_in_use()
    {
        string? named = Environment.GetEnvironmentVariable(CpuLevels.Variable);
        Assert.Equal(named ?? CpuLevels.Name(CpuLevels.Highest), CpuLevels.Name(CpuLevels.Current));
        Assert.Equal(FieldKernels.At(CpuLevels.Current), FieldKernels.ForLadder(CpuLevels.Current, X25519.MaximumLanes));
    }

    [Fact]
    public void Names_go_both_ways() =>
        Assert.All(Enum.GetValues<CpuLevel>(), level => Assert.Equal((level, null), CpuLevels.Choose(CpuLevels.Name(level), CpuLevel.Avx512)));
}
