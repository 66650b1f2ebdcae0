using FastExit.Bench.Client;
using Xunit;

namespace FastExit.Tests.Bench;

public class OrderedBufferTests
{
    [Fact]
    public void ShuffledAndDoubledMessagesComeOutInOrder()
    {
        var random = new Random(7);
        for (int round = 0; round < 200; round++)
        {
            var buffer = new OrderedBuffer(1 << 20, OrderedBuffer.SendWindow);
            int count = random.Next(1, 400);
            var order = new List<int>();
            for (int i = 0; i < count; i++)
            {
                order.Add(i);
                if (random.Next(3) == 0)
                    order.Add(i);
            }

            // Shuffled within less than the window.
            for (int i = 0; i < order.Count; i++)
            {
                int other = Math.Min(order.Count - 1, i + random.Next(50));
                (order[i], order[other]) = (order[other], order[i]);
            }

            var taken = new List<byte>();
            foreach (int sequence in order)
            {
                OrderedWrite write = buffer.Write((ulong)sequence, new byte[] { (byte)sequence, (byte)(sequence >> 8) }, sequence == count - 1);
                Assert.NotEqual(OrderedWrite.Overflow, write);
                while (buffer.TryRead(out ArraySegment<byte> payload))
                    taken.AddRange(payload);
            }

            Assert.Equal(Enumerable.Range(0, count).SelectMany(i => new[] { (byte)i, (byte)(i >> 8) }), taken);
            Assert.True(buffer.Finished);
            Assert.Equal(0, buffer.WaitingBytes);
        }
    }

    [Fact]
    public void WindowEndsAtThousandAhead()
    {
        var buffer = new OrderedBuffer(1 << 20, OrderedBuffer.SendWindow);
        Assert.Equal(OrderedWrite.Stored, buffer.Write(1000, new byte[1], false));
        Assert.Equal(OrderedWrite.Overflow, buffer.Write(1001, new byte[1], false));
        Assert.Equal(OrderedWrite.Overflow, buffer.Write(ulong.MaxValue, new byte[1], false));
    }

    [Fact]
    public void WaitingBytesAreBoundedButTheNextMessageAlwaysPasses()
    {
        var buffer = new OrderedBuffer(10, OrderedBuffer.SendWindow);
        Assert.Equal(OrderedWrite.Stored, buffer.Write(1, new byte[10], false));
        Assert.Equal(OrderedWrite.Overflow, buffer.Write(2, new byte[1], false));
        Assert.Equal(OrderedWrite.Stored, buffer.Write(0, new byte[100], false));
        Assert.True(buffer.TryRead(out _));
        Assert.True(buffer.TryRead(out _));
        Assert.False(buffer.TryRead(out _));
        Assert.Equal(OrderedWrite.Duplicate, buffer.Write(0, new byte[1], false));
    }

    [Fact]
    public void NothingPassesBehindTheClose()
    {
        var buffer = new OrderedBuffer(1 << 20, OrderedBuffer.SendWindow);
        Assert.Equal(OrderedWrite.Stored, buffer.Write(1, new byte[1], true));
        Assert.Equal(OrderedWrite.Duplicate, buffer.Write(2, new byte[1], false));
        Assert.Equal(OrderedWrite.Stored, buffer.Write(0, new byte[1], false));
        Assert.True(buffer.TryRead(out _));
        Assert.False(buffer.Finished);
        Assert.True(buffer.TryRead(out _));
        Assert.True(buffer.Finished);
        Assert.Equal(OrderedWrite.Duplicate, buffer.Write(2, new byte[1], false));
        Assert.False(buffer.TryRead(out _));
    }
}
