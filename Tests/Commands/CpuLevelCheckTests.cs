using System.Diagnostics;
using FastExit.Crypto;
using Xunit;

namespace FastExit.Tests.Commands;

public class CpuLevelCheckTests
{
    [Fact]
    public async Task Check_names_the_level_in_use()
    {
        Assert.Contains($"ok   cpu: level {CpuLevels.Name(CpuLevels.Highest)}", await CheckAsync(CpuLevels.Name(CpuLevels.Highest)));
        var lowered = Assert.Single(await CheckAsync("portable"), line => line.Contains(" cpu: ", StringComparison.Ordinal));
        Assert.StartsWith("ok   cpu: level portable", lowered, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_warns_of_a_level_that_is_none()
    {
        var line = Assert.Single(await CheckAsync("mmx"), line => line.Contains(" cpu: ", StringComparison.Ordinal));
        Assert.StartsWith($"warn cpu: level {CpuLevels.Name(CpuLevels.Highest)}; {CpuLevels.Variable} is none of ", line, StringComparison.Ordinal);
        Assert.Contains("; mend: unset ", line, StringComparison.Ordinal);
    }

    private static async Task<string[]> CheckAsync(string level)
    {
        var start = ProgramRun.StartInfo("check");
        start.Environment[CpuLevels.Variable] = level;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await error;
        await process.WaitForExitAsync();
        return output.Split('\n');
    }
}
