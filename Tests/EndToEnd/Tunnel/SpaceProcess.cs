using System.Diagnostics;
using FastExit.Tests.Native;
using Tmds.Linux;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>
/// A program inside a namespace, with the namespace's own /etc/resolv.conf. Its lines are kept, and it is ended through its own handle.
/// </summary>
internal sealed class SpaceProcess : IDisposable
{
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private bool _disposed;

    private SpaceProcess(ProcessStartInfo info)
    {
        _process = new Process { StartInfo = info };
        _process.OutputDataReceived += (_, e) => Take(e.Data);
        _process.ErrorDataReceived += (_, e) => Take(e.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public string Text => string.Join('\n', Lines);

    /// <summary>What it has written so far, standard output and standard error.</summary>
    public string[] Lines
    {
        get
        {
            lock (_lines)
                return [.. _lines];
        }
    }

    public static SpaceProcess Start(NetworkNamespace space, string program, params IReadOnlyList<string> arguments) =>
        new(StartInfo(space, program, arguments));

    /// <summary>Runs it to its end: exit code, and standard output with standard error.</summary>
    public static async Task<(int Code, string Text)> RunAsync(
        NetworkNamespace space, TimeSpan limit, string program, params IReadOnlyList<string> arguments)
    {
        using SpaceProcess process = Start(space, program, arguments);
        int code = await process.EndAsync(limit);
        return (code, process.Text);
    }

    public static ProcessStartInfo StartInfo(NetworkNamespace space, string program, params IReadOnlyList<string> arguments)
    {
        // `ip` becomes the program, so that signals reach it.
        var info = new ProcessStartInfo("ip", ["netns", "exec", space.Name, program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        return info;
    }

    /// <summary>The first line with those words after the first <paramref name="skip"/> lines.</summary>
    public async Task<string> LineAsync(string words, TimeSpan patience, int skip = 0)
    {
        for (long end = Environment.TickCount64 + (long)patience.TotalMilliseconds; ;)
        {
            bool ended = _process.HasExited;
            if (Lines.Skip(skip).FirstOrDefault(line => line.Contains(words, StringComparison.Ordinal)) is { } found)
                return found;
            if (ended || Environment.TickCount64 > end)
                throw new TimeoutException($"no '{words}' {(ended ? "before its end" : $"within {patience.TotalSeconds:0} s")}:\n{Text}");
            await Task.Delay(50);
        }
    }

    public void Signal(int signal) => _ = LibC.kill(_process.Id, signal);

    /// <summary>Its exit code.</summary>
    public async Task<int> EndAsync(TimeSpan limit)
    {
        using var timeout = new CancellationTokenSource(limit);
        try
        {
            await _process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"it did not end within {limit.TotalSeconds:0} s:\n{Text}");
        }

        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null)
            return;
        lock (_lines)
            _lines.Add(line);
    }
}
