using System.Globalization;
using Spectre.Console;

namespace FastExit.Bench.Tunnel;

/// <summary>The figures as tables.</summary>
internal static class TunnelTables
{
    private const int Columns = 150;

    public static void WriteStreams(string machine, IReadOnlyList<LoadFigures> figures)
    {
        Table table = Start($"One TCP connection (iperf3), five hops; {machine}", "down", "up");
        Row(table, "Mbit/s at the receiver", figures, f => Text($"{f.Iperf.BitsPerSecond / 1e6:F2}"));
        Row(table, "TCP segments sent again, warm-up left out", figures, f => Text($"{f.Iperf.Retransmissions:N0}"));
        AddExit(table, figures);
        Write(table);
    }

    public static void WriteDatagrams(string machine, IReadOnlyList<LoadFigures> figures)
    {
        Table table = Start(
            $"UDP, {TunnelLoad.DatagramBytes} bytes of payload (iperf3), five hops; {machine}",
            "down", "up", "down, twice that", "up, twice that");
        Row(table, "datagrams/s sent", figures, f => Text($"{f.DatagramsSent:N0}"));
        Row(table, "datagrams/s arrived", figures, f => Text($"{f.DatagramsArrived:N0}"));
        Row(table, "lost", figures, f => Text($"{f.Lost * 100:F2} %"));
        AddExit(table, figures);
        Write(table);
    }

    public static void WriteStages(IReadOnlyList<StageShares> shares)
    {
        Table table = Start(
            "Time of the exit's core thread under TCP, percent of its samples (perf)",
            [.. shares.Zip(["down", "up"], (s, direction) => Text($"{direction}, {s.Samples:N0} samples"))]);
        int[][] permille = [.. shares.Select(s => s.Permille())];
        for (int stage = 0; stage < StageShares.Stages.Count; stage++)
            table.AddRow([StageShares.Stages[stage], .. permille.Select(p => Text($"{p[stage] / 10.0:F1}"))]);
        table.AddRow(["together", .. permille.Select(p => Text($"{p.Sum() / 10.0:F1}"))]);
        Write(table);
    }

    public static string Text(FormattableString value) => value.ToString(CultureInfo.InvariantCulture);

    private static void AddExit(Table table, IReadOnlyList<LoadFigures> figures)
    {
        Row(table, "IP packets/s through the exit", figures, f => Text($"{f.IpPackets:N0}"));
        Row(table, "mix packets/s in and out of the exit", figures, f => Text($"{f.MixPackets:N0}"));
        Row(table, "bytes allocated per mix packet by the core thread", figures, f => Text($"{f.AllocatedPerMixPacket:F3}"));
        Row(table, "mix packets/s sent again by the exit", figures, f => Text($"{f.MixRetransmissions:F1}"));
        Row(table, "processor: exit (its core thread)", figures, f => Text($"{f.ExitShare:F2} ({f.CoreShare:F2})"));
        Row(table, "processor: three mix nodes; client with entry", figures, f => Text($"{f.LabShare:F2}; {f.ClientShare:F2}"));
        Row(table, "dropped/s at a full device: exit's; client's", figures, f => Text($"{f.ExitDeviceDrops:N0}; {f.ClientDeviceDrops:N0}"));
        Row(table, "dropped by the exit", figures, f => f.Drops.Length > 0 ? f.Drops : "nothing");
    }

    private static Table Start(string title, params string[] columns) =>
        new Table().Border(TableBorder.Rounded).Title(title).AddColumns(["what", .. columns]);

    private static void Row(Table table, string what, IReadOnlyList<LoadFigures> figures, Func<LoadFigures, string> text) =>
        table.AddRow([what, .. figures.Select(f => Markup.Escape(text(f)))]);

    // The table is for reports as well as for terminals: no column is cut.
    private static void Write(Table table)
    {
        AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, Columns);
        AnsiConsole.Write(table);
    }
}
