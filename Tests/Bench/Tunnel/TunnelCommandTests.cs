using System.Diagnostics;
using FastExit.Bench.Lab;
using FastExit.Bench.Tunnel;
using Xunit;

namespace FastExit.Tests.Bench.Tunnel;

/// <summary><c>fastexit-bench tunnel</c> where it cannot begin; whole runs take minutes and are no test.</summary>
public sealed class TunnelCommandTests
{
    private const string Unprivileged = "65534";
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private static string Program => Path.Combine(AppContext.BaseDirectory, "fastexit-bench");

    [Theory]
    [InlineData("--seconds", "1")]
    [InlineData("--seconds", "601")]
    [InlineData("--seconds", "soon")]
    [InlineData("--nothing", "1")]
    public async Task Wrong_arguments_are_named(string option, string value)
    {
        (int code, string text) = await RunAsync(Program, "tunnel", option, value);
        Assert.Equal(1, code);
        Assert.Contains(option == "--seconds" ? $"--seconds: '{value}' is no whole number from 2 to 600" : option, text, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task Without_root_it_says_so_in_one_line()
    {
        Skip.IfNot(Environment.IsPrivilegedProcess, "only root can become somebody else");
        Skip.IfNot(File.Exists("/usr/bin/setpriv"), "`setpriv` is not installed");
        (int code, string text) = await RunAsync(
            "/usr/bin/setpriv", "--reuid", Unprivileged, "--regid", Unprivileged, "--clear-groups", Program, "tunnel");
        Skip.If(text.Contains("ermission denied", StringComparison.Ordinal), "the build lies where others may not read");
        Assert.Equal(1, code);
        Assert.Contains("need root", Assert.Single(text.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_missing_exit_is_one_line_and_leaves_nothing()
    {
        Skip.IfNot(Environment.IsPrivilegedProcess, "it needs root");
        Skip.If(HostProgram.Find("ip") is null || HostProgram.Find("iperf3") is null, "`ip` or `iperf3` is not installed");
        (int code, string text) = await RunAsync(Program, "tunnel", "--exit-binary", "/nonexistent/fastexit");
        Assert.Equal(1, code);
        Assert.Contains("/nonexistent/fastexit", Assert.Single(text.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_program_is_named_with_its_package()
    {
        LabException error = Assert.Throws<LabException>(() => HostProgram.Require("no-such-program", "its-package"));
        Assert.Equal("`no-such-program` is not installed: apt install its-package", error.Message);
    }

    private static async Task<(int Code, string Text)> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(s_limit);
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, await errors + await output);
    }
}
