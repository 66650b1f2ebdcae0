using System.Diagnostics;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Micro.Compare;

/// <summary>
/// What the runtime's compiler makes of the kernels on this machine at this level: a second process of this program runs them until
/// they are compiled for good and has the compiler write down what it makes.
/// </summary>
internal static class KernelDisassembly
{
    /// <summary>Option of `micro` by which the second process does its part.</summary>
    public const string Option = "--compare-disassembly";

    private const string Methods = "FastExit.Crypto.Lanes.*:* FastExit.Crypto.Primitives.*:*";
    private const int LeastOfVectors = 10, LeastOfOthers = 40;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>The kernels' loops; or none, and why.</summary>
    public static (IReadOnlyList<KernelLoop> Loops, string? Problem) Run()
    {
        string listing = Path.Combine(Path.GetTempPath(), $"fastexit-kernels-{Environment.ProcessId}.txt");
        try
        {
            if (Start(listing) is { } problem)
                return ([], problem);
            if (!File.Exists(listing))
                return ([], "the compiler wrote no listing");
            KernelLoop[] loops = [.. JitListing.Parse(File.ReadLines(listing)).Where(IsKernel).OrderBy(l => l.Method, StringComparer.Ordinal)];
            return (loops, loops.Length > 0 ? null : "no kernel was found in the compiler's listing");
        }
        finally
        {
            File.Delete(listing);
        }
    }

    private static string? Start(string listing)
    {
        string program = Environment.ProcessPath!;
        var info = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        // `dotnet fastexit-bench.dll` instead of the program itself.
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            info.ArgumentList.Add(typeof(KernelDisassembly).Assembly.Location);
        info.ArgumentList.Add("micro");
        info.ArgumentList.Add(Option);
        info.Environment["DOTNET_JitDisasm"] = Methods;
        info.Environment["DOTNET_JitStdOutFile"] = listing;
        using Process process = Process.Start(info)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_patience))
        {
            process.Kill();
            return $"the second process did not end within {s_patience.TotalSeconds:0} s";
        }

        return process.ExitCode == 0 ? null : $"the second process failed ({process.ExitCode}): {errors.Result.Trim().ReplaceLineEndings(" ")}";
    }

    // Arithmetic, not what lays bytes out for it; which without vectors cannot be told from the code alone.
    private static bool IsKernel(KernelLoop loop)
    {
        if (loop.Tier is not ("Tier1" or "FullOpts") || IsOtherField(loop.Method))
            return false;
        if (2 * loop.Vector >= loop.Instructions)
            return loop.Instructions >= LeastOfVectors;
        return loop.Instructions >= LeastOfOthers && loop.Calls == 0
            && (CpuLevels.Current == CpuLevel.Portable || loop.Method.StartsWith(nameof(FieldElement), StringComparison.Ordinal));
    }

    // Field arithmetic that was only timed at the start, to pick one.
    private static bool IsOtherField(string method)
    {
        (string? field, string? limbs) = FieldKernels.ForLadder(CpuLevels.Current, X25519.MaximumLanes) switch
        {
            FieldKernel.Quotient512 => (nameof(FieldLanes512Quotient), nameof(Limbs512)),
            FieldKernel.Split512 => (nameof(FieldLanes512Split), nameof(Limbs512)),
            FieldKernel.Avx2 => (nameof(FieldLanes256), nameof(Limbs256)),
            _ => (null, null),
        };
        string type = method.Split(':')[0];
        return (type.StartsWith("FieldLanes", StringComparison.Ordinal) && type != field)
            || (type.StartsWith("Limbs", StringComparison.Ordinal) && type != limbs);
    }
}
