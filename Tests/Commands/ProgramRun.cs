using System.Diagnostics;

namespace FastExit.Tests.Commands;

/// <summary>The built program as a process of its own, run to its end.</summary>
internal sealed record ProgramRun(int Code, string Output, string Error)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static string Path => System.IO.Path.Combine(AppContext.BaseDirectory, "fastexit");

    public static async Task<ProgramRun> StartAsync(params string[] arguments)
    {
        using var process = Process.Start(StartInfo(arguments))!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        using var timeout = new CancellationTokenSource(s_patience);
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"fastexit {string.Join(' ', arguments)} did not end");
        }

        return new ProgramRun(process.ExitCode, await output, await error);
    }

    public static ProcessStartInfo StartInfo(params string[] arguments) => new(Path, arguments)
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        RedirectStandardInput = true,
        UseShellExecute = false,
    };
}
