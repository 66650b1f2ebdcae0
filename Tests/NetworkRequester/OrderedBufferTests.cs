using FastExit.Memory;
using FastExit.NetworkRequester;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>
/// Vector V7 of network-requester.md §10.1, where a write is read at once as the relay does, and a comparison with a naive model.
/// </summary>
public sealed class OrderedBufferTests
{
    [Fact]
    public void V7_TooFarAhead()
    {
        var stream = new Stream();
        Assert.Equal(OrderedStatus.Advanced, stream.Write(0));
        Assert.Equal(OrderedStatus.Advanced, stream.Write(1));
        Assert.Equal(OrderedStatus.BeyondWindow, stream.Write(12345678));
        Assert.Equal(OrderedStatus.Stored, stream.Write(1002));
        Assert.Equal(OrderedStatus.BeyondWindow, stream.Write(1003));
    }

    [Fact]
    public void V7_WrittenTwice()
    {
        var stream = new Stream();
        for (ulong i = 0; i < 4; i++)
            Assert.Equal(OrderedStatus.Advanced, stream.Write(i));
        for (ulong i = 0; i < 4; i++)
            Assert.Equal(OrderedStatus.Old, stream.Write(i));
        Assert.Equal(OrderedStatus.Stored, stream.Write(5));
        Assert.Equal(OrderedStatus.Duplicate, stream.Write(5));
    }

    [Fact]
    public void V7_Orders()
    {
        var stream = new Stream();
        stream.Write(1);
        Assert.Equal("", stream.Read());
        stream.Write(0);
        Assert.Equal("0 1", stream.Read());
        stream.Write(3);
        Assert.Equal("", stream.Read());
        stream.Write(5);
        Assert.Equal("", stream.Read());
        stream.Write(2);
        Assert.Equal("2 3", stream.Read());
        stream.Write(4);
        Assert.Equal("4 5", stream.Read());

        stream = new Stream();
        stream.Write(0);
        stream.Read();
        stream.Write(2, bytes: 0);
        stream.Write(1);
        Assert.Equal("1", stream.Read());
        Assert.Equal(3ul, stream.Buffer.Next);

        stream = new Stream();
        stream.Write(0);
        stream.Read();
        foreach (ulong late in new ulong[] { 4, 3, 2 })
        {
            stream.Write(late);
            Assert.Equal("", stream.Read());
        }

        stream.Write(1);
        Assert.Equal("1 2 3 4", stream.Read());
        Assert.Equal(5ul, stream.Buffer.Next);
    }

    [Fact]
    public void NothingIsTakenBehindTheClose()
    {
        var stream = new Stream();
        stream.Write(3);
        stream.Write(1, closed: true);
        Assert.True(stream.Buffer.ClosingSeen);
        Assert.Equal(OrderedStatus.AfterClose, stream.Write(2));
        stream.Write(0);
        Assert.True(stream.Buffer.Closed);
        Assert.Equal(OrderedStatus.AfterClose, stream.Write(2));
        Assert.Equal("0 1", stream.Read());
        Assert.True(stream.Buffer.TryDiscard(stream.Nodes, everything: false, out SlotHandle behind));
        Assert.Equal(4u, behind.Value);
        Assert.False(stream.Buffer.TryDiscard(stream.Nodes, everything: false, out _));
        Assert.Equal((0, 0, 0, 0), (stream.Nodes.InUse, stream.Buffer.Count, stream.Buffer.Waiting, stream.Buffer.ChargedBytes));
    }

    [Fact]
    public void BehavesAsTheNaiveModel()
    {
        var random = new Random(11);
        for (int round = 0; round < 4000; round++)
        {
            var nodes = new NodePool(4096);
            OrderedBuffer buffer = OrderedBuffer.Create();
            var store = new SortedDictionary<ulong, (uint Slot, int Bytes, bool Closed)>();
            ulong next = 0;
            bool closed = false;
            int limit = random.Next(1, 40) * SlotPool.RegularBytes;
            int charged = 0;
            var ready = new Queue<(uint Slot, int Bytes)>();
            int spread = random.Next(1, 1200);
            for (int step = 0; step < 250; step++)
            {
                if (random.Next(3) == 0 && ready.Count > 0)
                {
                    int node = buffer.FirstReady(nodes);
                    (uint slot, int size) = ready.Dequeue();
                    Assert.Equal((slot, size), (nodes[node].Slot.Value, nodes[node].Bytes));
                    buffer.RemoveFirst(nodes);
                    charged -= OrderedBuffer.Charge(size);
                    continue;
                }

                ulong sequence = random.Next(3) == 0 ? next : (ulong)Math.Max(0, (long)next + random.Next(-5, spread));
                int bytes = random.Next(4) == 0 ? 0 : random.Next(1, 6000);
                bool close = random.Next(60) == 0;
                uint handle = (uint)((round * 250) + step + 1);
                OrderedStatus expected;
                bool closingBelow = store.Any(s => s.Value.Closed && s.Key < sequence);
                bool needsNode = bytes > 0 || sequence != next;
                if (closed || closingBelow)
                    expected = OrderedStatus.AfterClose;
                else if (sequence < next)
                    expected = OrderedStatus.Old;
                else if (sequence > next + 1000)
                    expected = OrderedStatus.BeyondWindow;
                else if (store.ContainsKey(sequence))
                    expected = OrderedStatus.Duplicate;
                else if (needsNode && OrderedBuffer.Charge(bytes) > limit - charged)
                    expected = OrderedStatus.Overflow;
                else
                    expected = sequence == next ? OrderedStatus.Advanced : OrderedStatus.Stored;
                OrderedStatus status = buffer.Write(nodes, sequence, new SlotHandle(handle), 9, bytes, close, limit, out bool taken);
                Assert.Equal(expected, status);
                Assert.Equal(bytes > 0 && expected is OrderedStatus.Stored or OrderedStatus.Advanced && bytes > 0, taken);
                if (expected is OrderedStatus.Stored or OrderedStatus.Advanced)
                {
                    store[sequence] = (handle, bytes, close);
                    charged += OrderedBuffer.Charge(bytes);
                    while (!closed && store.Remove(next, out (uint Slot, int Bytes, bool Closed) entry))
                    {
                        next++;
                        closed = entry.Closed;
                        if (entry.Bytes > 0)
                            ready.Enqueue((entry.Slot, entry.Bytes));
                    }
                }

                Assert.Equal((next, closed, store.Count, charged), (buffer.Next, buffer.Closed, buffer.Waiting, buffer.ChargedBytes));
                Assert.Equal(ready.Count + store.Count, buffer.Count);
                Assert.Equal(ready.Count > 0, buffer.FirstReady(nodes) != NodePool.None);
            }

            int slots = ready.Count + store.Count(s => s.Value.Bytes > 0);
            while (buffer.TryDiscard(nodes, everything: true, out SlotHandle slot))
                slots -= slot.IsNone ? 0 : 1;
            Assert.Equal((0, 0, 0), (slots, nodes.InUse, buffer.Count));
        }
    }

    [Fact]
    public void StreamsWithGapsLeaveNodesForThoseWithout()
    {
        var nodes = new NodePool(8);
        OrderedBuffer gap = OrderedBuffer.Create();
        for (ulong i = 1; i <= 6; i++)
            Assert.Equal(OrderedStatus.Stored, gap.Write(nodes, i, new SlotHandle(1), 0, 0, false, int.MaxValue, out _));
        Assert.Equal(OrderedStatus.Overflow, gap.Write(nodes, 7, new SlotHandle(1), 0, 0, false, int.MaxValue, out _));
        OrderedBuffer orderly = OrderedBuffer.Create();
        Assert.Equal(OrderedStatus.Advanced, orderly.Write(nodes, 0, new SlotHandle(1), 0, 5, false, int.MaxValue, out _));
    }

    private sealed class Stream
    {
        public OrderedBuffer Buffer = OrderedBuffer.Create();

        public NodePool Nodes { get; } = new(2048);

        public OrderedStatus Write(ulong sequence, int bytes = 5, bool closed = false) =>
            Buffer.Write(Nodes, sequence, new SlotHandle((uint)sequence + 1), 0, bytes, closed, int.MaxValue, out _);

        public string Read()
        {
            var read = new List<ulong>();
            while (Buffer.FirstReady(Nodes) is int node && node != NodePool.None)
            {
                read.Add(Nodes[node].Sequence);
                Buffer.RemoveFirst(Nodes);
            }

            return string.Join(' ', read);
        }
    }
}
