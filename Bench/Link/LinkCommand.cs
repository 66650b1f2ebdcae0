using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using FastExit.MixLink;
using FastExit.Native.Threads;
using Spectre.Console;

namespace FastExit.Bench.Link;

/// <summary>
/// `fastexit-bench link`: what the mix link costs one core, encrypted next to plain, over loopback TCP: packets a second, and the time of
/// the core (its system calls and its share of the network stack included) for each. The ways are measured in turns; the other end has a
/// core of its own.
/// </summary>
internal static class LinkCommand
{
    private const int TableColumns = 120;

    public static Command Create()
    {
        var rounds = new Option<int>("--rounds")
        {
            Description = "Turns of all ways; the table shows medians",
            DefaultValueFactory = _ => 5,
            CustomParser = CommandText.NumberBetween(1, 99),
        };
        var seconds = new Option<double>("--seconds") { Description = "Time of each measurement", DefaultValueFactory = _ => 1 };
        var command = new Command("link", "Measures the mix link, Noise against plain, on one core") { rounds, seconds };
        command.SetAction(result =>
        {
            Run(result.GetValue(rounds), TimeSpan.FromSeconds(result.GetValue(seconds)));
            return 0;
        });
        return command;
    }

    private static void Run(int rounds, TimeSpan duration)
    {
        int[] cores = CpuAffinity.AllowedCores();
        (string Name, bool IsEncrypted, bool Receives)[] ways =
            [("plain, received", false, true), ("Noise, received", true, true), ("plain, sent", false, false), ("Noise, sent", true, false)];
        var figures = new List<LinkFigures>[ways.Length];
        for (int round = -1; round < rounds; round++)
        {
            CommandText.Log(round < 0 ? "warming up" : $"round {round + 1} of {rounds}");
            for (int i = 0; i < ways.Length; i++)
            {
                LinkFigures measured = Measure(ways[i].IsEncrypted, ways[i].Receives, cores, duration);
                // The first turn is for the compiler.
                if (round >= 0)
                    (figures[i] ??= []).Add(measured);
            }
        }

        Table table = new Table().Border(TableBorder.Rounded).Title("One core, frames of 2,417 bytes over loopback").AddColumns(
            "way", "packets/s", "Gbit/s", "CPU ns/packet", "packets/s per core", "packets/record", "bytes alloc.");
        for (int i = 0; i < ways.Length; i++)
        {
            List<LinkFigures> own = figures[i];
            string Cell(Func<LinkFigures, double> figure, string format) =>
                Median(own.Select(figure)).ToString(format, CultureInfo.InvariantCulture);
            table.AddRow(
                ways[i].Name,
                Cell(f => f.Packets / f.Seconds, "N0"),
                Cell(f => f.Bytes * 8 / f.Seconds / 1e9, "F2"),
                Cell(f => f.CpuSeconds * 1e9 / f.Packets, "N0"),
                Cell(f => f.Packets / f.CpuSeconds, "N0"),
                ways[i].IsEncrypted && ways[i].Receives ? Cell(f => (double)f.Packets / f.Records, "F1") : "",
                Cell(f => f.AllocatedBytes, "N0"));
        }

        AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, TableColumns);
        AnsiConsole.Write(table);
    }

    private static LinkFigures Measure(bool encrypts, bool receives, int[] cores, TimeSpan duration)
    {
        NoiseIdentity? Key() => encrypts ? new NoiseIdentity(RandomNumberGenerator.GetBytes(32)) : null;
        // The one that is measured has the last core.
        using var receiver = new LinkEnd(receives ? cores[^1] : cores[0], Key(), peer: null);
        using var sender = new LinkEnd(receives ? cores[0] : cores[^1], Key(), receiver);
        receiver.Start();
        sender.Start();
        sender.Sends = true;
        LinkEnd measured = receives ? receiver : sender;
        Thread.Sleep(200);
        LinkSample before = measured.Sample();
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        Thread.Sleep(duration);
        LinkSample after = measured.Sample();
        TimeSpan passed = System.Diagnostics.Stopwatch.GetElapsedTime(started);
        return new LinkFigures(
            after.Packets - before.Packets, after.Records - before.Records, after.Bytes - before.Bytes, after.CpuSeconds - before.CpuSeconds,
            after.AllocatedBytes - before.AllocatedBytes, passed.TotalSeconds);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }

    private readonly record struct LinkFigures(
        long Packets, long Records, long Bytes, double CpuSeconds, long AllocatedBytes, double Seconds);
}
