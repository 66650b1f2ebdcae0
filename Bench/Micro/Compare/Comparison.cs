using System.Diagnostics;
using FastExit.Native.Threads;

namespace FastExit.Bench.Micro.Compare;

/// <summary>
/// The project's arithmetic and packet paths against what else there is on this machine, on one core, in rounds: each round measures
/// every row and every yardstick once, so that what disturbs the machine disturbs both sides of a ratio.
/// </summary>
internal static class Comparison
{
    public const int LeastRounds = 9;

    // Enough calls for the compiler's last word on every method on the way, which it has on another thread after a pause.
    private const int WarmUps = 6, WarmUpMeasurements = 8;
    private static readonly TimeSpan s_mostOfOneWarmUp = TimeSpan.FromMilliseconds(80);
    private static readonly TimeSpan s_compilerPause = TimeSpan.FromMilliseconds(300);

    /// <summary>On a thread of its own, pinned.</summary>
    public static ComparisonFigures Run(int core, int rounds, Action<string> progress)
    {
        ComparisonFigures? figures = null;
        OnCore(core, () => figures = Measure(rounds, progress));
        return figures!;
    }

    /// <summary>Everything that <see cref="Run"/> measures of the project's own, until it is compiled for good.</summary>
    public static void WarmUp(int core) => OnCore(core, () =>
    {
        using var works = new ComparedWorks();
        WarmUp([.. works.Rows.Select(row => row.Ours)]);
    });

    private static ComparisonFigures Measure(int rounds, Action<string> progress)
    {
        progress("making packets");
        using var works = new ComparedWorks();
        progress("warming up");
        WarmUp([.. works.All]);
        var figures = new ComparisonFigures(works.Rows);
        for (int round = 1; round <= rounds; round++)
        {
            progress($"round {round} of {rounds}");
            double openSsl = OpenSslSpeed.Measure();
            figures.Add(new(
                [.. works.Rows.Select(row => row.Ours.Measure())],
                [.. works.Rows.Select(row => row.Bcl?.Measure() ?? double.NaN)],
                works.Curve.NSecOne.Measure(),
                works.Curve.SodiumOne.Measure(),
                openSsl));
        }

        return figures;
    }

    private static void WarmUp(Work[] works)
    {
        for (int i = 0; i < WarmUps; i++)
        {
            foreach (Work work in works)
            {
                long start = Stopwatch.GetTimestamp();
                for (int j = 0; j < WarmUpMeasurements && Stopwatch.GetElapsedTime(start) < s_mostOfOneWarmUp; j++)
                    work.Measure();
            }

            Thread.Sleep(s_compilerPause);
        }
    }

    private static void OnCore(int core, Action action)
    {
        Exception? error = null;
        var thread = new Thread(() =>
        {
            try
            {
                CpuAffinity.PinCurrentThread(core);
                action();
            }
            catch (Exception e)
            {
                error = e;
            }
        });
        thread.Start();
        thread.Join();
        if (error is not null)
            throw new InvalidOperationException($"The comparison broke off: {error.Message}", error);
    }
}
