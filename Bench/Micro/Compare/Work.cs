using System.Runtime.InteropServices;

namespace FastExit.Bench.Micro.Compare;

/// <summary>
/// One thing that is measured, in processor time of the calling thread: what else runs on its core takes none of it.
/// </summary>
/// <param name="pass">The measured part; it returns how many operations (packets, keys, messages) it was.</param>
/// <param name="prepare">Before each pass, unmeasured, such as to lay out packets that a pass uses up.</param>
/// <param name="check">After each pass, unmeasured: throws when the work was not done.</param>
internal sealed partial class Work(Func<int> pass, Action? prepare = null, Action? check = null)
{
    private const int ThreadProcessorTime = 3;
    private const long LeastNanoseconds = 4_000_000;

    /// <summary>Microseconds an operation, over passes of a few milliseconds together.</summary>
    public double Measure()
    {
        int operations = 0;
        long measured = 0;
        while (measured < LeastNanoseconds)
        {
            prepare?.Invoke();
            long start = Now();
            operations += pass();
            measured += Now() - start;
            check?.Invoke();
        }

        return measured / 1e3 / operations;
    }

    private static long Now()
    {
        if (clock_gettime(ThreadProcessorTime, out TimeSpecification now) != 0)
            throw new InvalidOperationException("clock_gettime knows no processor time of threads");
        return (now.Seconds * 1_000_000_000) + now.Nanoseconds;
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int clock_gettime(int clock, out TimeSpecification time);

    private struct TimeSpecification
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
