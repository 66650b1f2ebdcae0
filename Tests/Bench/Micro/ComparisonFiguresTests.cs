using FastExit.Bench.Micro.Compare;
using FastExit.Crypto;
using Xunit;

namespace FastExit.Tests.Bench.Micro;

public sealed class ComparisonFiguresTests
{
    [Theory]
    [InlineData(0.5, 3.0, 3.0, 1.0, 5.0)]
    [InlineData(0.5, 2.0, 1.0, 3.0)]
    [InlineData(0.25, 1.5, 1.0, 3.0, 2.0)]
    [InlineData(1.0, 3.0, 1.0, 3.0, 2.0)]
    public void Quantiles_lie_between_their_neighbours(double share, double expected, params double[] values) =>
        Assert.Equal(expected, ComparisonFigures.Quantile(values, share));

    [Fact]
    public void One_missing_value_leaves_none() => Assert.Equal(double.NaN, ComparisonFigures.Quantile([1, double.NaN, 3], 0.5));

    [Fact]
    public void Ratios_are_of_one_round_each()
    {
        Goal rate = Goal.TimesAsFast(Yardstick.OpenSsl, 4.6), time = Goal.TimesTheTime(Yardstick.Lane, 1.5);
        var figures = new ComparisonFigures([Row("lane", rate), Row("hop", time)]);
        figures.Add(new([10, 14], [double.NaN, 1], 40, 30, 50));
        figures.Add(new([20, 40], [double.NaN, 2], 90, 60, 60));
        Assert.Equal([5.0, 3.0], figures.Ratios(0, rate));
        Assert.Equal([1.4, 2.0], figures.Ratios(1, time));
        Assert.Equal([40.0 / 14, 90.0 / 40], figures.Ratios(1, Goal.TimesAsFast(Yardstick.NSec, 1)));
        Assert.Equal(1.5, figures.Median(r => r.Bcl[1]));
    }

    [Fact]
    public void Goals_are_met_on_their_own_side()
    {
        Goal rate = Goal.TimesAsFast(Yardstick.OpenSsl, 4.6), time = Goal.TimesTheTime(Yardstick.Lane, 1.5);
        Assert.Equal((true, false), (rate.IsMet(4.6), rate.IsMet(4.59)));
        Assert.Equal((true, false), (time.IsMet(1.5), time.IsMet(1.51)));
    }

    // Every stage does its work, and what it does is counted: each measurement checks that.
    [Fact]
    public void Everything_that_is_compared_can_be_measured()
    {
        using var works = new ComparedWorks();
        foreach (Work work in works.All.Concat(works.All))
            Assert.True(work.Measure() > 0, CpuLevels.Name(CpuLevels.Current));
    }

    private static ComparisonRow Row(string name, Goal goal) => new(name, new Work(() => 1), null, goal);
}
