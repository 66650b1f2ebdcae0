namespace FastExit.Bench.Lab;

/// <summary>Bounded queue from any thread to the one thread of a node; a full queue drops the newest, as a node's socket would.</summary>
internal sealed class PacketInbox(int capacity)
{
    private readonly object _lock = new();
    private readonly Queue<MixPacket> _packets = new(Math.Min(capacity, 1024));
    private long _dropped;

    public long Dropped => Volatile.Read(ref _dropped);

    public void Put(MixPacket packet)
    {
        lock (_lock)
        {
            if (_packets.Count < capacity)
            {
                _packets.Enqueue(packet);
                if (_packets.Count == 1)
                    Monitor.Pulse(_lock);
                return;
            }

            _dropped++;
        }

        packet.Return();
    }

    /// <summary>Takes what is there, at most <paramref name="batch"/>; waits when there is nothing.</summary>
    public int Take(Span<MixPacket> batch, TimeSpan wait)
    {
        lock (_lock)
        {
            if (_packets.Count == 0 && wait > TimeSpan.Zero)
                Monitor.Wait(_lock, wait);
            int taken = 0;
            while (taken < batch.Length && _packets.TryDequeue(out MixPacket packet))
                batch[taken++] = packet;
            return taken;
        }
    }

    /// <summary>Ends a waiting <see cref="Take"/>.</summary>
    public void Wake()
    {
        lock (_lock)
            Monitor.Pulse(_lock);
    }
}
