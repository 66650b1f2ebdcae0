using System.CommandLine;
using System.Globalization;
using FastExit.Native.Threads;
using FastExit.Native.Tun;
using Spectre.Console;

namespace FastExit.Bench.TunPath;

/// <summary>
/// `fastexit-bench tunpath`: what one core carries between the host's network stack and the router's shards without the mixnet, next to
/// a plain read/write loop. The ways are measured in turns, so that whatever else the machine does strikes all of them.
/// </summary>
internal static class TunPathCommand
{
    private const int DatagramBytes = 64;
    private const int TableColumns = 150;

    public static Command Create()
    {
        var rounds = new Option<int>("--rounds") { Description = "Turns of all ways; the table shows medians", DefaultValueFactory = _ => 5 };
        var seconds = new Option<double>("--seconds") { Description = "Time of each measurement", DefaultValueFactory = _ => 1 };
        var only = new Option<string?>("--only") { Description = "One way alone: plain, bare or offload" };
        var load = new Option<string?>("--load") { Description = "One load alone: tcp or udp" };
        var connections = new Option<int>("--connections") { Description = "TCP connections at once", DefaultValueFactory = _ => 4 };
        var command = new Command("tunpath", "Measures the way between the host's network stack and the IP Packet Router; needs root")
        {
            rounds, seconds, only, load, connections,
        };
        command.SetAction(result =>
        {
            if (!Environment.IsPrivilegedProcess)
            {
                CommandText.Log("network namespaces and tunnel devices need root");
                return 1;
            }

            Run(result.GetValue(rounds), TimeSpan.FromSeconds(result.GetValue(seconds)), result.GetValue(only), result.GetValue(load), result.GetValue(connections));
            return 0;
        });
        return command;
    }

    private static void Run(int rounds, TimeSpan duration, string? only, string? load, int connections)
    {
        int[] cores = CpuAffinity.AllowedCores();
        int forwarding = cores[^1];
        ForwardingPath[] paths = [.. Paths(forwarding).Where(path => only is null || path.Name == only)];
        var streams = new List<PathFigures>[paths.Length];
        var datagrams = new List<PathFigures>[paths.Length];
        for (int i = 0; i < paths.Length; i++)
            (streams[i], datagrams[i]) = ([], []);
        try
        {
            foreach (ForwardingPath path in paths)
                path.Start();
            for (int round = -1; round < rounds; round++)
            {
                CommandText.Log(round < 0 ? "warming up" : $"round {round + 1} of {rounds}");
                for (int i = 0; i < paths.Length; i++)
                {
                    if (load is null or "tcp")
                        Add(streams[i], PathTraffic.Streams(paths[i], duration, cores[0], connections));
                    if (load is null or "udp")
                        Add(datagrams[i], PathTraffic.Datagrams(paths[i], duration, cores[0], DatagramBytes));
                }

                // The first turn is for the compiler.
                void Add(List<PathFigures> figures, PathFigures measured)
                {
                    if (round >= 0)
                        figures.Add(measured);
                }
            }
        }
        finally
        {
            foreach (ForwardingPath path in paths)
                path.Dispose();
        }

        if (load is null or "tcp")
            Print("Bulk TCP", "Gbit/s", paths, streams, rate => rate * 8 / 1e9, "F2");
        if (load is null or "udp")
            Print($"UDP, {DatagramBytes} bytes", "datagrams/s", paths, datagrams, rate => rate, "N0");
    }

    private static IEnumerable<ForwardingPath> Paths(int core)
    {
        yield return new PlainPath(core);
        yield return new ShardPath("bare", core, TunOffload.None);
        yield return new ShardPath("offload", core, TunOffload.All);
    }

    private static void Print(
        string title, string unit, ForwardingPath[] paths, List<PathFigures>[] figures, Func<double, double> scale, string format)
    {
        Table table = new Table().Border(TableBorder.Rounded).Title(title).AddColumns(
            "way", unit, "× plain", unit + " per core", "× plain", "packets/s", "core", "ns/packet", "calls/packet", "bytes alloc.", "dropped");
        for (int i = 0; i < paths.Length; i++)
        {
            List<PathFigures> own = figures[i];
            double Ratio(Func<PathFigures, double> figure) =>
                paths[0] is PlainPath ? Median(own.Select((f, round) => figure(f) / figure(figures[0][round]))) : double.NaN;
            static double PerCoreSecond(PathFigures f) => f.Units / f.Done.CpuSeconds;
            table.AddRow(
                paths[i].Name,
                scale(Median(own.Select(f => f.Rate))).ToString(format, CultureInfo.InvariantCulture),
                Text($"{Ratio(f => f.Rate):F2}"),
                scale(Median(own.Select(PerCoreSecond))).ToString(format, CultureInfo.InvariantCulture),
                Text($"{Ratio(PerCoreSecond):F2}"),
                Text($"{Median(own.Select(f => f.Done.Packets / f.Seconds)):N0}"),
                Text($"{Median(own.Select(f => f.Done.CpuSeconds / f.Seconds)):P0}"),
                Text($"{Median(own.Select(f => f.Done.CpuSeconds * 1e9 / f.Done.Packets)):N0}"),
                Text($"{Median(own.Select(f => (double)f.Done.SystemCalls / f.Done.Packets)):F3}"),
                Text($"{own.Sum(f => f.Done.AllocatedBytes)}"),
                Text($"{own.Sum(f => f.Done.Dropped):N0}"));
        }

        // The table is for reports as well as for terminals: no column is cut.
        AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, TableColumns);
        AnsiConsole.Write(table);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length == 0 ? double.NaN : sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private static string Text(FormattableString value) => value.ToString(CultureInfo.InvariantCulture);
}
