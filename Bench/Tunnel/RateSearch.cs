namespace FastExit.Bench.Tunnel;

/// <summary>Finds the highest rate at which hardly anything is lost: doubled until too much is, then narrowed between the last two.</summary>
/// <param name="Lowest">Where it starts.</param>
/// <param name="Highest">Where it ends at the latest.</param>
/// <param name="Tolerated">Share that may be lost.</param>
/// <param name="Steps">Times the interval is halved.</param>
internal sealed record RateSearch(double Lowest, double Highest, double Tolerated, int Steps)
{
    /// <summary>0: too much is lost even at the lowest rate.</summary>
    /// <param name="lossAt">Tries a rate and says which share was lost.</param>
    public async Task<double> RunAsync(Func<double, Task<double>> lossAt)
    {
        // One noisy moment of the machine does not end the search.
        async Task<bool> PassesAsync(double rate) =>
            await lossAt(rate).ConfigureAwait(false) <= Tolerated || await lossAt(rate).ConfigureAwait(false) <= Tolerated;

        double passed = 0;
        double failed = Lowest;
        while (await PassesAsync(failed).ConfigureAwait(false))
        {
            passed = failed;
            if (passed >= Highest)
                return passed;
            failed = Math.Min(2 * failed, Highest);
        }

        for (int step = 0; step < Steps && passed > 0; step++)
        {
            double middle = (passed + failed) / 2;
            if (await PassesAsync(middle).ConfigureAwait(false))
                passed = middle;
            else
                failed = middle;
        }

        return passed;
    }
}
