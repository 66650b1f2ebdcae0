using FastExit.Bench.Lab;

namespace FastExit.Bench.Tunnel;

/// <summary>A program inside a namespace; it ends with us. Its last lines are shown when it ends before it was ready.</summary>
internal sealed class SpaceProgram : IAsyncDisposable
{
    private const int KeptLines = 12;
    private static readonly TimeSpan s_endPatience = TimeSpan.FromSeconds(40);
    private readonly string _name;
    private readonly Queue<string> _lines = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ChildProcess _process;

    private SpaceProgram(string ip, string space, string name, string? readyWords, IReadOnlyList<string> command)
    {
        _name = name;
        _process = ChildProcess.Start(name, ip, ["netns", "exec", space, .. command], line => Take(line, readyWords));
    }

    public int Id => _process.Id;

    /// <summary>The exit code.</summary>
    public Task<int> Ended => _process.Ended;

    /// <param name="ip">The program `ip`, which becomes the one that is asked for.</param>
    /// <param name="space">Name of the namespace.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="readyWords">Part of the line that says it is ready; null: it says nothing.</param>
    /// <param name="command">Program and arguments.</param>
    /// <exception cref="LabException">It cannot be started.</exception>
    public static SpaceProgram Start(
        string ip, string space, string name, string? readyWords, params IReadOnlyList<string> command) =>
        new(ip, space, name, readyWords, command);

    /// <exception cref="LabException">It ended, or said nothing for too long.</exception>
    public async Task ReadyAsync(TimeSpan patience, CancellationToken stop)
    {
        Task first = await Task.WhenAny(_ready.Task, Ended, Task.Delay(patience, stop)).ConfigureAwait(false);
        stop.ThrowIfCancellationRequested();
        if (first == _ready.Task)
            return;
        foreach (string line in LastLines())
            CommandText.Log($"{_name}: {line}");
        throw new LabException(first == Ended
            ? $"{_name} ended before it was ready; its own lines above say why"
            : $"{_name} was not ready within {patience.TotalSeconds:0} s; its own lines above may say why");
    }

    public async ValueTask DisposeAsync()
    {
        await _process.StopAsync(s_endPatience).ConfigureAwait(false);
        _process.Dispose();
    }

    private string[] LastLines()
    {
        lock (_lines)
            return [.. _lines];
    }

    private void Take(string line, string? readyWords)
    {
        lock (_lines)
        {
            _lines.Enqueue(line);
            if (_lines.Count > KeptLines)
                _lines.Dequeue();
        }

        if (readyWords is not null && line.Contains(readyWords, StringComparison.Ordinal))
            _ready.TrySetResult();
    }
}
