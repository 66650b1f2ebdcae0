using FastExit.Bench.Tun;
using Xunit;

namespace FastExit.Tests.Bench;

public class SequenceWindowTests
{
    private const int Inputs = 1_000_000;

    /// <summary>Against a set that forgets nothing: a number is refused exactly when it came before and is among the newest 64.</summary>
    [Theory]
    [InlineData(0u)]
    [InlineData(uint.MaxValue - 500_000)]
    public void SecondCopiesAreToldAmongTheNewest(uint start)
    {
        var random = new Random(1);
        var window = default(SequenceWindow);
        var seen = new HashSet<uint>();
        uint newest = start;
        int refused = 0;
        for (int i = 0; i < Inputs; i++)
        {
            uint sequence = i == 0 ? start : unchecked(newest + (uint)random.Next(-100, 4));
            bool old = unchecked((int)(newest - sequence)) >= 64;
            bool expected = old || seen.Add(sequence);
            if (old)
                seen.Add(sequence);
            Assert.Equal(expected, window.TryAccept(sequence));
            refused += expected ? 0 : 1;
            if (unchecked((int)(sequence - newest)) > 0)
                newest = sequence;
        }

        Assert.InRange(refused, 1000, Inputs - 1000);
    }

    [Fact]
    public void ALongJumpForgets()
    {
        var window = default(SequenceWindow);
        Assert.True(window.TryAccept(1));
        Assert.False(window.TryAccept(1));
        Assert.True(window.TryAccept(1000));
        Assert.True(window.TryAccept(999));
        Assert.False(window.TryAccept(999));
        Assert.False(window.TryAccept(1000));
    }

    [Fact]
    public void AQueueRefusesWhatItCannotHoldAndKeepsTheOldest()
    {
        var queue = new PacketQueue(250);
        Assert.True(queue.TryPut(new byte[100], out bool wasEmpty));
        Assert.True(wasEmpty);
        Assert.True(queue.TryPut(new byte[150], out wasEmpty));
        Assert.False(wasEmpty);
        Assert.False(queue.TryPut(new byte[1], out _));
        Assert.True(queue.TryTake(out ArraySegment<byte> packet));
        Assert.Equal(100, packet.Count);
        Assert.True(queue.TryPut(new byte[100], out _));
        Assert.True(queue.TryTake(out _) && queue.TryTake(out _));
        Assert.False(queue.TryTake(out _));
    }
}
