using System.ComponentModel;
using System.Diagnostics;
using Tmds.Linux;

namespace FastExit.Bench.Lab;

/// <summary>
/// A child process, such as the exit. It dies with us: at an ordinary end by SIGTERM (and SIGKILL when it does not go), and when this process
/// is killed by the kernel's parent-death signal where <c>setpriv</c> is there to ask for it. Nothing but this child is ever signalled.
/// </summary>
internal sealed class ChildProcess : IDisposable
{
    private static readonly string[] s_setpriv = ["/usr/bin/setpriv", "/bin/setpriv"];
    private readonly Thread _keeper;
    private readonly TaskCompletionSource<Process> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string _name;
    private readonly Action<string> _line;
    private volatile bool _stopping;

    private ChildProcess(string name, string program, IReadOnlyList<string> arguments, Action<string> line)
    {
        _name = name;
        _line = line;

        // The parent-death signal follows the thread that started the child, so one thread starts it and lives as long as it does.
        _keeper = new Thread(() => Keep(program, arguments)) { IsBackground = true, Name = name };
        AppDomain.CurrentDomain.ProcessExit += OnProcessExit;
        _keeper.Start();
    }

    /// <summary>The exit code, when the child has ended.</summary>
    public Task<int> Ended => _ended.Task;

    public int Id => _started.Task.Result.Id;

    /// <param name="name">What the lines about it call it, such as "the exit".</param>
    /// <param name="program">A path.</param>
    /// <param name="arguments">Its own.</param>
    /// <param name="line">Gets what it writes, and what is to say about its end.</param>
    /// <exception cref="LabException">The program cannot be started.</exception>
    public static ChildProcess Start(string name, string program, IReadOnlyList<string> arguments, Action<string> line)
    {
        if (!File.Exists(program))
            throw new LabException($"{program} is not there: name the exit's program with --exit-binary");
        var child = new ChildProcess(name, program, arguments, line);
        try
        {
            _ = child._started.Task.GetAwaiter().GetResult();
            return child;
        }
        catch (Win32Exception e)
        {
            throw new LabException($"cannot start {program}: {e.Message}");
        }
    }

    /// <summary>Runs a short command to its end and returns what it printed.</summary>
    /// <exception cref="LabException">It could not be started, failed, or took longer than 30 s.</exception>
    public static async Task<string> RunAsync(string program, IReadOnlyList<string> arguments)
    {
        try
        {
            using var process = Process.Start(StartInfo(program, arguments, dieWithParent: false))!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> errors = process.StandardError.ReadToEndAsync();
            using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            try
            {
                await process.WaitForExitAsync(timeout.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                process.Kill();
                throw new LabException($"{program} {string.Join(' ', arguments)} did not end within 30 s");
            }

            if (process.ExitCode != 0)
                throw new LabException($"{program} {string.Join(' ', arguments)} failed ({process.ExitCode}): {await errors.ConfigureAwait(false)}{await output.ConfigureAwait(false)}");
            return await output.ConfigureAwait(false);
        }
        catch (Win32Exception e)
        {
            throw new LabException($"cannot start {program}: {e.Message}");
        }
    }

    /// <summary>SIGTERM, then the exit code; SIGKILL after <paramref name="patience"/>.</summary>
    public async Task<int> StopAsync(TimeSpan patience)
    {
        _stopping = true;
        if (!_ended.Task.IsCompleted)
        {
            Signal(LibC.SIGTERM);
            Task first = await Task.WhenAny(_ended.Task, Task.Delay(patience)).ConfigureAwait(false);
            if (first != _ended.Task)
            {
                _line($"{_name} did not end within {patience.TotalSeconds:0} s after SIGTERM: killing it");
                Signal(LibC.SIGKILL);
            }
        }

        return await _ended.Task.ConfigureAwait(false);
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnProcessExit;
        if (!_ended.Task.IsCompleted)
            StopAsync(TimeSpan.FromSeconds(5)).GetAwaiter().GetResult();
    }

    private static ProcessStartInfo StartInfo(string program, IReadOnlyList<string> arguments, bool dieWithParent)
    {
        string? setpriv = dieWithParent ? s_setpriv.FirstOrDefault(File.Exists) : null;
        var info = new ProcessStartInfo(setpriv ?? program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        if (setpriv is not null)
        {
            info.ArgumentList.Add("--pdeathsig");
            info.ArgumentList.Add("TERM");
            info.ArgumentList.Add(program);
        }

        foreach (string argument in arguments)
            info.ArgumentList.Add(argument);
        return info;
    }

    private void Keep(string program, IReadOnlyList<string> arguments)
    {
        Process? process = null;
        try
        {
            process = Process.Start(StartInfo(program, arguments, dieWithParent: true))!;
            process.OutputDataReceived += (_, e) => Print(e.Data);
            process.ErrorDataReceived += (_, e) => Print(e.Data);
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            _started.SetResult(process);
            process.WaitForExit();
            _ended.SetResult(process.ExitCode);
            if (!_stopping)
                _line($"{_name} ended by itself with code {process.ExitCode}");
        }
        catch (Win32Exception e)
        {
            _started.TrySetException(e);
            _ended.TrySetResult(-1);
        }
        finally
        {
            process?.Dispose();
        }
    }

    private void Print(string? line)
    {
        if (line is not null)
            _line(line);
    }

    private void OnProcessExit(object? sender, EventArgs e)
    {
        if (!_ended.Task.IsCompleted)
            Signal(LibC.SIGTERM);
    }

    // The child is only reaped by its keeper, so until it ended its id is its own.
    private void Signal(int signal)
    {
        if (!_ended.Task.IsCompleted && _started.Task.IsCompletedSuccessfully)
            _ = LibC.kill(_started.Task.Result.Id, signal);
    }
}

/// <summary>The lab cannot be set up; the message says why and what to do.</summary>
internal sealed class LabException(string message) : Exception(message);
