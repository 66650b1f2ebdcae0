using System.Globalization;
using FastExit.Bench.Client;
using FastExit.Bench.Socks;
using Spectre.Console;

namespace FastExit.Bench.Lab;

/// <summary>One line that is written anew each second on a terminal; silent elsewhere.</summary>
internal static class RateLine
{
    /// <summary>Until <paramref name="stop"/> or <paramref name="ended"/>, whichever comes first.</summary>
    public static async Task RunAsync(IReadOnlyList<MixNode> mixes, SocksSession? session, Task ended, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        var previous = new Sample();
        bool terminal = AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected;
        try
        {
            while (!ended.IsCompleted && await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
            {
                if (!terminal)
                    continue;
                Sample sample = Sample.Take(mixes, session?.Engine.Counters);
                AnsiConsole.Markup("\r\u001b[2K[grey]{0}[/]", Markup.Escape(sample.Since(previous)));
                previous = sample;
            }
        }
        catch (OperationCanceledException)
        {
            // The user stopped the program.
        }

        if (terminal)
            AnsiConsole.WriteLine();
    }

    private readonly record struct Sample(
        long Mixed, long Rejected, long Lost, long Down, long Up, long Sent, long Again, long Surbs, long InFlight, long Connections)
    {
        public static Sample Take(IReadOnlyList<MixNode> mixes, ClientCounters? client) => new(
            mixes.Sum(mix => mix.Packets),
            mixes.Sum(mix => mix.Rejected),
            mixes.Sum(mix => mix.Overflowed),
            client?[ClientCounter.BytesDown] ?? 0,
            client?[ClientCounter.BytesUp] ?? 0,
            client?[ClientCounter.PacketsSent] ?? 0,
            client?[ClientCounter.Retransmissions] ?? 0,
            client?[ClientCounter.SurbsAvailable] ?? 0,
            client?[ClientCounter.PacketsInFlight] ?? 0,
            client?[ClientCounter.Connections] ?? 0);

        public string Since(Sample before) => string.Create(
            CultureInfo.InvariantCulture,
            $"down {(Down - before.Down) / 1e6:0.00} MB/s  up {(Up - before.Up) / 1e6:0.00} MB/s  packets {Sent - before.Sent}/s  again {Again - before.Again}/s  "
            + $"SURBs {Surbs}  in flight {InFlight}  connections {Connections}  mixed {Mixed - before.Mixed}/s  rejected {Rejected}  dropped {Lost}");
    }
}
