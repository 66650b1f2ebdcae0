using System.Diagnostics;
using System.Globalization;
using FastExit.Bench.Client;
using Spectre.Console;

namespace FastExit.Bench.Tun;

/// <summary>How the tunnel does: one line written anew each second on a terminal, a plain line now and then elsewhere.</summary>
internal sealed class TunnelLine(TunnelEngine engine)
{
    private const int PlainSeconds = 30;
    private readonly bool _terminal = AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected;
    private readonly object _lock = new();
    private Sample _before = Sample.Take(engine.Counters);

    /// <summary>A line of its own, above the one that is written anew.</summary>
    public void Log(string line)
    {
        lock (_lock)
        {
            if (_terminal)
                AnsiConsole.Markup("\r\u001b[2K");
            CommandText.Log(line);
        }
    }

    public async Task RunAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(_terminal ? 1 : PlainSeconds));
        try
        {
            while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
                Show();
        }
        catch (OperationCanceledException)
        {
            // The tunnel has ended.
        }

        if (_terminal)
            AnsiConsole.WriteLine();
    }

    private void Show()
    {
        Sample sample = Sample.Take(engine.Counters);
        string text = $"{sample.Since(_before)}  {Describe(engine.State)}";
        _before = sample;
        if (!_terminal)
        {
            CommandText.Log(text);
            return;
        }

        lock (_lock)
            AnsiConsole.Markup("\r\u001b[2K[grey]{0}[/]", Markup.Escape(text));
    }

    private static string Describe(TunnelState state) => state.Phase == TunnelPhase.Up
        ? string.Create(CultureInfo.InvariantCulture, $"v{state.Version}  {state.PairText}")
        : string.Create(CultureInfo.InvariantCulture, $"{state.Phase} ({state.Reason})").ToLowerInvariant();

    private readonly record struct Sample(
        long Taken, long Down, long Up, long PacketsDown, long PacketsUp, long Lost, long Surbs, long RoundTrip)
    {
        public static Sample Take(ClientCounters counters) => new(
            Stopwatch.GetTimestamp(),
            counters[ClientCounter.BytesDown],
            counters[ClientCounter.BytesUp],
            counters[ClientCounter.IpPacketsDown],
            counters[ClientCounter.IpPacketsUp],
            counters[ClientCounter.IpPacketsDropped],
            counters[ClientCounter.SurbsAvailable],
            counters[ClientCounter.RoundTrip]);

        public string Since(Sample before)
        {
            double seconds = Math.Max(Stopwatch.GetElapsedTime(before.Taken, Taken).TotalSeconds, 0.001);
            return string.Create(
                CultureInfo.InvariantCulture,
                $"down {(Down - before.Down) * 8e-6 / seconds:0.00} Mbit/s {(PacketsDown - before.PacketsDown) / seconds:0}/s  "
                + $"up {(Up - before.Up) * 8e-6 / seconds:0.00} Mbit/s {(PacketsUp - before.PacketsUp) / seconds:0}/s  "
                + $"dropped {Lost - before.Lost}  SURBs {Surbs}  RTT {RoundTrip} ms");
        }
    }
}
