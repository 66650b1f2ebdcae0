using System.Diagnostics;
using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

/// <summary>Asserts that code on the packet path leaves the garbage collector alone.</summary>
internal static class Allocation
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Asserts a steady state of 0 bytes on this thread: after one run to warm up, <paramref name="runs"/> runs in a row
    /// allocate nothing. Code the JIT has not yet optimised allocates at span constants, so a first attempt that fails is
    /// repeated while the warm-up lasts.
    /// </summary>
    public static void AssertNone(Action action, int runs = 3)
    {
        action();
        long allocated;
        Stopwatch clock = Stopwatch.StartNew();
        do
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < runs; i++)
                action();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        while (allocated != 0 && clock.Elapsed < WarmUp);
        Assert.Equal(0, allocated);
    }

    /// <summary>
    /// For code that goes through primitives with span constants (<c>ReadOnlySpan&lt;uint&gt; => [...]</c>): each access
    /// allocates when the JIT's optimiser is off, as it is for a Debug build of the assembly.
    /// </summary>
    public static void SkipIfUnoptimised() =>
        Skip.If(
            typeof(AckBatch).Assembly.GetCustomAttributes(typeof(DebuggableAttribute), false)
                .Cast<DebuggableAttribute>().Any(a => a.IsJITOptimizerDisabled),
            "FastExit.Crypto is a Debug build: span constants allocate there. Run the tests with -c Release.");
}
