namespace FastExit.Tests;

/// <summary>
/// A million generated inputs, in shares with a seed each: the same inputs in every run, on however many threads the shares run.
/// </summary>
internal static class GeneratedInputs
{
    public const int Count = 1_000_000;
    private const int Shares = 8;

    /// <param name="seed">The test's own.</param>
    /// <param name="share">Makes and judges so many inputs; says how many were accepted.</param>
    /// <returns>How many of all were accepted.</returns>
    public static int Accepted(int seed, Func<Random, int, int> share)
    {
        int accepted = 0;
        Parallel.For(
            0,
            Shares,
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
            i => Interlocked.Add(ref accepted, share(new Random((seed * Shares) + i), Count / Shares)));
        return accepted;
    }
}
