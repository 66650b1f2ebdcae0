using System.CommandLine;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using FastExit.Crypto;

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
        var quick = new Option<bool>("--quick") { Description = "Fewer iterations: seconds instead of minutes, coarser figures" };
        var command = new Command("micro", "Times each stage of the packet path (BenchmarkDotNet)") { filter, quick };
        command.SetAction(result =>
        {
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
}
