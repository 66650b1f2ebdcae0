using System.CommandLine;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using FastExit.Bench.Micro.Compare;
using FastExit.Crypto;
using FastExit.Native.Threads;

namespace FastExit.Bench.Micro;

/// <summary>`fastexit-bench micro`: time and bytes allocated per packet, stage by stage, in this process.</summary>
internal static class MicroCommand
{
    private static readonly Type[] s_benchmarks =
    [
        typeof(PrimitiveBenchmarks),
        typeof(X25519Benchmarks),
        typeof(LaneBenchmarks),
        typeof(PacketBenchmarks),
        typeof(StageBenchmarks),
        typeof(EdgeBenchmarks),
        typeof(TunBenchmarks),
    ];

    public static Command Create()
    {
        var filter = new Option<string>("--filter")
        {
            Description = "Only benchmarks whose name matches, e.g. *FinalHop*",
            DefaultValueFactory = _ => "*",
        };
        var quick = new Option<bool>("--quick") { Description = "Fewer iterations: about ten minutes instead of half an hour for all, seconds for a few by --filter; coarser figures" };
        var compare = new Option<bool>("--compare")
        {
            Description = "One table instead, in about a minute: arithmetic and packet paths against NSec, .NET and OpenSSL, on one core",
        };
        var core = new Option<int?>("--core") { Description = "With --compare: the core, by the kernel's number; else the last one" };
        var rounds = new Option<int>("--rounds")
        {
            Description = $"With --compare: rounds, at least {Comparison.LeastRounds}",
            DefaultValueFactory = _ => 21,
            CustomParser = CommandText.NumberBetween(Comparison.LeastRounds, 99),
        };
        var json = new Option<string?>("--json") { Description = "With --compare: the same for machines, to this file" };
        var disassembly = new Option<bool>(KernelDisassembly.Option) { Hidden = true };
        var command = new Command("micro", "Times each stage of the packet path (BenchmarkDotNet)")
        {
            filter, quick, compare, core, rounds, json, disassembly,
        };
        command.SetAction(result =>
        {
            int chosen = result.GetValue(core) ?? CpuAffinity.AllowedCores()[^1];
            if (result.GetValue(disassembly))
            {
                Comparison.WarmUp(chosen);
                return 0;
            }

            if (result.GetValue(compare))
            {
                Compare(chosen, result.GetValue(rounds), result.GetValue(json));
                return 0;
            }

            Console.WriteLine($"CPU level: {CpuLevels.Name(CpuLevels.Current)}{(CpuLevels.Problem is { } problem ? $" (warning: {problem})" : "")}");
            Job job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance);
            job = result.GetValue(quick)
                ? job.WithWarmupCount(2).WithIterationCount(5)
                : job.WithWarmupCount(5).WithIterationCount(15);
            ManualConfig config = ManualConfig.CreateEmpty()
                .AddJob(job)
                .AddDiagnoser(MemoryDiagnoser.Default)
                .AddColumnProvider(DefaultColumnProviders.Instance)
                .AddLogger(ConsoleLogger.Default)
                .WithOptions(ConfigOptions.JoinSummary | ConfigOptions.DisableLogFile);
            BenchmarkSwitcher.FromTypes(s_benchmarks).Run(["--filter", result.GetValue(filter)!], config);
            return 0;
        });
        return command;
    }

    private static void Compare(int core, int rounds, string? json)
    {
        ComparisonFigures figures = Comparison.Run(core, rounds, CommandText.Log);
        CommandText.Log("reading the machine code");
        (IReadOnlyList<KernelLoop> loops, string? problem) = KernelDisassembly.Run();
        ComparisonReport.Write(figures, core);
        ComparisonReport.WriteDisassembly(loops, problem);
        if (json is not null)
            ComparisonReport.WriteJson(json, figures, core, loops, problem);
    }
}
