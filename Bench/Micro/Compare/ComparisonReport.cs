using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using Spectre.Console;

namespace FastExit.Bench.Micro.Compare;

/// <summary>The comparison for people and for machines.</summary>
internal static class ComparisonReport
{
    private const int Columns = 190;
    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true };

    public static void Write(ComparisonFigures figures, int core)
    {
        Table table = new Table().Border(TableBorder.Rounded)
            .Title($"Processor time of an operation or packet in microseconds, one core, medians of {figures.Rounds.Count} rounds")
            .AddColumns("work", "ours", "NSec/libsodium", "BCL", "OpenSSL", "x lane-X25519", "ratio", "goal", "met");
        foreach (TableColumn column in table.Columns.Skip(1))
            column.RightAligned();
        for (int row = 0; row < figures.Rows.Count; row++)
            table.AddRow(Row(figures, row));
        AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, Columns);
        AnsiConsole.Write(table);
        foreach (string line in Notes(figures, core))
            Console.WriteLine(line);
    }

    public static void WriteDisassembly(IReadOnlyList<KernelLoop> loops, string? problem)
    {
        if (problem is not null)
        {
            Console.WriteLine($"Disassembly: {problem}");
            return;
        }

        Table table = new Table().Border(TableBorder.Rounded)
            .Title("Machine code of the kernels: innermost loops, or the whole of a method without one")
            .AddColumns("kernel", "part", "instructions", "vector", "stack accesses", "calls");
        foreach (TableColumn column in table.Columns.Skip(2))
            column.RightAligned();
        foreach (KernelLoop loop in loops)
        {
            table.AddRow([
                Markup.Escape(loop.Method), loop.IsLoop ? "loop" : "method", Text($"{loop.Instructions:N0}"), Text($"{loop.Vector:N0}"),
                Text($"{loop.StackAccesses:N0}"), Text($"{loop.Calls:N0}"),
            ]);
        }

        AnsiConsole.Write(table);
        Console.WriteLine("Vector: with vector registers. Stack accesses: operands in memory by rsp, or by rbp where it is the frame's; lea is none.");
    }

    public static void WriteJson(string path, ComparisonFigures figures, int core, IReadOnlyList<KernelLoop> loops, string? problem)
    {
        var report = new
        {
            cpu = Processor(),
            core,
            level = CpuLevels.Name(CpuLevels.Current),
            field = Field(),
            dotnet = RuntimeInformation.FrameworkDescription,
            kernel = Kernel(),
            openssl = OpenSslSpeed.IsInstalled ? OpenSslSpeed.Version() : null,
            nodes = PacketWorks.Nodes,
            rounds = figures.Rounds.Count,
            nsec_us = figures.Median(r => r.NSec),
            libsodium_us = figures.Median(r => r.Sodium),
            openssl_us = Number(figures.Median(r => r.OpenSsl)),
            nsec_us_by_round = figures.Rounds.Select(r => r.NSec),
            openssl_us_by_round = figures.Rounds.Select(r => Number(r.OpenSsl)),
            rows = Enumerable.Range(0, figures.Rows.Count).Select(row => new
            {
                work = figures.Rows[row].Name,
                ours_us = figures.Median(r => r.Ours[row]),
                bcl_us = Number(figures.Median(r => r.Bcl[row])),
                lanes = figures.Median(r => r.Ours[row] / r.Lane),
                ours_us_by_round = figures.Rounds.Select(r => r.Ours[row]),
                bcl_us_by_round = figures.Rounds.Select(r => Number(r.Bcl[row])),
                goals = figures.Rows[row].Goals.Select(goal => GoalOf(figures, row, goal)),
            }),
            kernels = loops,
            kernels_problem = problem,
        };
        File.WriteAllText(path, JsonSerializer.Serialize(report, s_json) + "\n");
    }

    private static object GoalOf(ComparisonFigures figures, int row, Goal goal)
    {
        double[] ratios = [.. figures.Ratios(row, goal)];
        double ratio = ComparisonFigures.Quantile(ratios, 0.5);
        return new
        {
            against = goal.Against.ToString(),
            at_least = goal.IsRate ? goal.Bound : (double?)null,
            at_most = goal.IsRate ? (double?)null : goal.Bound,
            ratio = Number(ratio),
            quartiles = new[] { Number(ComparisonFigures.Quantile(ratios, 0.25)), Number(ComparisonFigures.Quantile(ratios, 0.75)) },
            met = double.IsNaN(ratio) ? (bool?)null : goal.IsMet(ratio),
        };
    }

    private static string[] Row(ComparisonFigures figures, int row)
    {
        ComparisonRow work = figures.Rows[row];
        string[] ratios = [.. work.Goals.Select(g => Ratio(g, ComparisonFigures.Quantile(figures.Ratios(row, g), 0.5)))];
        return
        [
            work.Name,
            Time(figures.Median(r => r.Ours[row])),
            work.IsCurve ? Time(figures.Median(r => r.NSec)) : "",
            work.Bcl is null ? "" : Time(figures.Median(r => r.Bcl[row])),
            !work.IsCurve ? "" : OpenSslSpeed.IsInstalled ? Time(figures.Median(r => r.OpenSsl)) : "not installed",
            Text($"{figures.Median(r => r.Ours[row] / r.Lane):F2}"),
            string.Join('\n', ratios),
            string.Join('\n', work.Goals.Select(g => Text($"{(g.IsRate ? ">=" : "<=")} {g.Bound:0.0#}"))),
            string.Join('\n', work.Goals.Select(g => Met(g, ComparisonFigures.Quantile(figures.Ratios(row, g), 0.5)))),
        ];
    }

    private static IEnumerable<string> Notes(ComparisonFigures figures, int core)
    {
        double nsec = figures.Median(r => r.NSec), sodium = figures.Median(r => r.Sodium);
        yield return Text($"CPU: {Processor()}, core {core}; level {CpuLevels.Name(CpuLevels.Current)}{(CpuLevels.Current < CpuLevels.Highest ? $" of {CpuLevels.Name(CpuLevels.Highest)}" : "")}; field arithmetic of eight lanes: {Field()}");
        yield return $"{RuntimeInformation.FrameworkDescription}; Linux {Kernel()}; {RuntimeInformation.OSDescription}";
        if (CpuLevels.Problem is { } problem)
            yield return $"Warning: {problem}";
        yield return "Lane-X25519: one of the eight lanes of the first row, same round. Ratios are medians of each round's ratio: times as fast (>=), or times the time (<=).";
        yield return Text($"NSec: X25519.Agree between keys imported before ({nsec:F2} us); libsodium called without NSec: {sodium:F2} us, of which the first row is {sodium / figures.Median(r => r.Lane):F2} times as fast.");
        yield return OpenSslSpeed.IsInstalled
            ? $"OpenSSL: `openssl speed -mr -seconds 1 ecdhx25519` on the same core in every round, {OpenSslSpeed.Version()}: EVP_PKEY_derive with the same two keys, processor time."
            : "OpenSSL: not installed (Debian: openssl); its column is empty.";
        yield return Text($"Packets: {PacketWorks.Packets} a pass, each with its own keys and slot; routes of three mix nodes and the exit, from {PacketWorks.Nodes} nodes as in the lab, all with tables; messages fill a regular packet both ways but for the forward path (1,000 bytes).");
    }

    private static string Processor() =>
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim()
        ?? "unknown";

    private static string Kernel() => File.ReadAllText("/proc/sys/kernel/osrelease").Trim();

    private static string Field() => FieldKernels.ForLadder(CpuLevels.Current, X25519.MaximumLanes).ToString();

    private static string Time(double microseconds) => double.IsNaN(microseconds) ? "no figure" : Text($"{microseconds:0.00#}");

    private static string Ratio(Goal goal, double ratio) =>
        double.IsNaN(ratio) ? "" : Text($"{ratio:F2} x {Name(goal.Against)}");

    private static string Met(Goal goal, double ratio) => double.IsNaN(ratio) ? "" : goal.IsMet(ratio) ? "yes" : "NO";

    private static string Name(Yardstick yardstick) => yardstick switch
    {
        Yardstick.Lane => "lane",
        Yardstick.OpenSsl => "OpenSSL",
        Yardstick.NSec => "NSec",
        _ => "BCL",
    };

    private static double? Number(double value) => double.IsNaN(value) ? null : value;

    private static string Text(FormattableString value) => value.ToString(CultureInfo.InvariantCulture);
}
