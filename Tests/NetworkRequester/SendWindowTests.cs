using FastExit.NetworkRequester;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

public sealed class SendWindowTests
{
    private const int Mask = (1 << SendWindow.SequenceBits) - 1;

    [Fact]
    public void The_span_runs_from_the_oldest_that_is_missing()
    {
        var window = default(SendWindow);
        for (int i = 0; i < 5; i++)
            Assert.Equal((ulong)i, window.Send());
        window.Acknowledge(1);
        window.Acknowledge(2);
        Assert.Equal(5, window.Span);
        window.Acknowledge(0);
        Assert.Equal(2, window.Span);
    }

    [Fact]
    public void An_acknowledgement_of_what_is_not_under_way_changes_nothing()
    {
        var window = default(SendWindow);
        window.Acknowledge(0);
        window.Send();
        window.Acknowledge(7);
        window.Acknowledge(1);
        Assert.Equal(1, window.Span);
        window.Acknowledge(0);
        window.Acknowledge(0);
        Assert.Equal(0, window.Span);
    }

    [Fact]
    public void Random_orders_agree_with_a_set()
    {
        var random = new Random(11);
        var window = default(SendWindow);
        var missing = new SortedSet<ulong>();
        for (int step = 0; step < 1_000_000; step++)
        {
            if (window.Span < SendWindow.MaximumSpan && random.Next(2) == 0)
            {
                missing.Add(window.Send());
            }
            else if (missing.Count > 0)
            {
                // Mostly near the old end, sometimes anywhere.
                ulong sequence = random.Next(4) == 0 ? missing.Max - (ulong)random.Next(missing.Count) : missing.Min;
                if (missing.Remove(sequence))
                    window.Acknowledge((int)(sequence & Mask));
            }

            int expected = missing.Count == 0 ? 0 : (int)(window.Next - missing.Min);
            Assert.Equal(expected, window.Span);
        }
    }
}
