using FastExit.Tests.Crypto.EndToEnd;

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
    /// <param name="count">Inputs, where it is not to be a million.</param>
    /// <returns>How many of all were accepted.</returns>
    public static int Accepted(int seed, Func<Random, int, int> share, int count = Count)
    {
        int accepted = 0;
        InShares(i => Interlocked.Add(ref accepted, share(new Random((seed * Shares) + i), count / Shares)));
        return accepted;
    }

    /// <summary>The same for tests with a generator of their own.</summary>
    /// <param name="seed">The test's own.</param>
    /// <param name="count">Inputs of all shares together.</param>
    /// <param name="share">Makes and judges so many inputs; says how many they were, which may be a few more.</param>
    /// <returns>How many they were.</returns>
    public static int Judged(ulong seed, int count, Func<SeededBytes, int, int> share)
    {
        int judged = 0;
        InShares(i => Interlocked.Add(ref judged, share(new SeededBytes((seed * Shares) + (ulong)i), count / Shares)));
        return judged;
    }

    private static void InShares(Action<int> share) =>
        Parallel.For(0, Shares, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, share);
}
