using FastExit.Memory;
using Xunit;

namespace FastExit.Tests.Memory;

public sealed class SpscRingTests
{
    [Fact]
    public void FullAndEmptyAreSeen()
    {
        var ring = new SpscRing<int>(5);
        Assert.Equal(8, ring.Capacity);
        for (int round = 0; round < 5; round++)
        {
            for (int i = 0; i < 8; i++)
                Assert.True(ring.TryPush(i));
            Assert.False(ring.TryPush(9));
            Assert.Equal(8, ring.Count);
            for (int i = 0; i < 8; i++)
            {
                Assert.True(ring.TryPop(out int entry));
                Assert.Equal(i, entry);
            }

            Assert.False(ring.TryPop(out _));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(4096)]
    public void TwoThreadsSeeEveryEntryInOrder(int entries)
    {
        const long Total = 1_000_000;
        var ring = new SpscRing<(long Value, long Check)>(entries);
        var producer = new Thread(() =>
        {
            for (long i = 0; i < Total; i++)
            {
                var wait = default(SpinWait);
                while (!ring.TryPush((i, ~i)))
                    wait.SpinOnce();
            }
        });
        producer.Start();
        long wrong = 0;
        for (long i = 0; i < Total; i++)
        {
            (long Value, long Check) entry;
            var wait = default(SpinWait);
            while (!ring.TryPop(out entry))
                wait.SpinOnce();
            if (entry.Value != i || entry.Check != ~i)
                wrong++;
        }

        producer.Join();
        Assert.Equal(0, wrong);
        Assert.Equal(0, ring.Count);
    }
}
