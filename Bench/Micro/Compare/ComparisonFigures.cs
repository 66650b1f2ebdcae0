namespace FastExit.Bench.Micro.Compare;

/// <summary>All times of a comparison, in microseconds an operation, by row and round; not a number where there is none.</summary>
internal sealed class ComparisonFigures(IReadOnlyList<ComparisonRow> rows)
{
    private readonly List<Round> _rounds = [];

    public IReadOnlyList<ComparisonRow> Rows => rows;

    public IReadOnlyList<Round> Rounds => _rounds;

    public void Add(Round round) => _rounds.Add(round);

    /// <summary>Median over the rounds of what <paramref name="value"/> takes of each.</summary>
    public double Median(Func<Round, double> value) => Quantile(_rounds.Select(value), 0.5);

    /// <summary>The ratio of each round in the goal's sense.</summary>
    public IEnumerable<double> Ratios(int row, Goal goal) => _rounds.Select(r => goal.Ratio(r.Ours[row], Of(r, row, goal.Against)));

    /// <summary>The yardstick's time for a row in a round.</summary>
    public static double Of(Round round, int row, Yardstick yardstick) => yardstick switch
    {
        Yardstick.Lane => round.Lane,
        Yardstick.NSec => round.NSec,
        Yardstick.OpenSsl => round.OpenSsl,
        _ => round.Bcl[row],
    };

    /// <summary>Between the two values next to it, in proportion; not a number if any value is none.</summary>
    public static double Quantile(IEnumerable<double> values, double share)
    {
        double[] sorted = [.. values];
        if (sorted.Length == 0 || sorted.Any(double.IsNaN))
            return double.NaN;
        Array.Sort(sorted);
        double at = share * (sorted.Length - 1);
        int below = (int)at;
        double next = sorted[Math.Min(below + 1, sorted.Length - 1)];
        return sorted[below] + ((at - below) * (next - sorted[below]));
    }

    /// <param name="Ours">By row.</param>
    /// <param name="Bcl">By row.</param>
    /// <param name="NSec">One X25519.</param>
    /// <param name="Sodium">The same called without NSec.</param>
    /// <param name="OpenSsl">One X25519.</param>
    internal sealed record Round(double[] Ours, double[] Bcl, double NSec, double Sodium, double OpenSsl)
    {
        /// <summary>The first row is the multiplication of arbitrary points, eight lanes.</summary>
        public double Lane => Ours[0];
    }
}
