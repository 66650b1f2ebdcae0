using System.Diagnostics;
using System.Globalization;
using System.Net;
using FastExit.Bench.Lab;

namespace FastExit.Tests.EndToEnd;

/// <summary><c>fastexit-bench socks</c> as a process: one client with one sender tag. It is ended through its own handle.</summary>
internal sealed class SocksProcess : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _disposed;

    private SocksProcess(ProcessStartInfo info, IPEndPoint address)
    {
        Address = address;
        _process = new Process { StartInfo = info, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, e) => Take(e.Data);
        _process.ErrorDataReceived += (_, e) => Take(e.Data);
        _process.Exited += (_, _) => _ready.TrySetException(new InvalidOperationException($"the client ended:\n{Text}"));
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public IPEndPoint Address { get; }

    public string Text
    {
        get
        {
            lock (_lines)
                return string.Join('\n', _lines);
        }
    }

    public static async Task<SocksProcess> StartAsync(string lab, TimeSpan hopDelay)
    {
        IPEndPoint address = LabDirectory.FreeAddresses(1)[0];
        var info = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "fastexit-bench"))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        string delay = string.Create(CultureInfo.InvariantCulture, $"{hopDelay.TotalMilliseconds}ms");
        foreach (string argument in new[] { "socks", "--lab", lab, "--listen", address.ToString(), "--delay", delay })
            info.ArgumentList.Add(argument);
        var client = new SocksProcess(info, address);
        try
        {
            await client._ready.Task.WaitAsync(s_patience);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
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
        if (line.Contains("SOCKS on", StringComparison.Ordinal))
            _ready.TrySetResult();
    }
}
