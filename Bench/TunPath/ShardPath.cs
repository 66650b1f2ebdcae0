using FastExit.Configuration;
using FastExit.IpPacketRouter;
using FastExit.Memory;
using FastExit.Native.Tun;

namespace FastExit.Bench.TunPath;

/// <summary>
/// Two shards back to back on one thread: what one host sends is cut into packets and bundled by one shard as for its client, taken
/// apart, judged and joined by the other as from its client, and written to the other host. Each packet so goes once through all that
/// the exit does between its device and the mixnet in either direction.
/// </summary>
internal sealed class ShardPath(string name, int core, TunOffload offload) : ForwardingPath(name, core)
{
    // Some large frames: fewer packets than the devices hold on their way to the host, and than fit into the second level cache.
    private const int PacketsPerTurn = 192;
    private const long TickMilliseconds = 10;

    private SlotPool? _pool;
    private ShardEnd? _left;
    private ShardEnd? _right;
    private long _nextTick;
    private long _waits;

    protected override void Open()
    {
        _pool = new SlotPool(0, new MemorySettings { RegularSlots = 8192, ExtendedSlots = 1, AssemblyBytes = 4 << 20 });
        var memory = new CoreMemory(0, [_pool], [null]);
        var references = new SlotReferences(memory);
        // Prefixes with room for one client: its address is known beforehand.
        _left = new ShardEnd(memory, references, Network.Left, PathNetwork.LeftHost, "10.1.0.1/30", "fc01::1/126", offload);
        _right = new ShardEnd(memory, references, Network.Right, PathNetwork.RightHost, "10.2.0.1/30", "fc02::1/126", offload);
        if (!_left.Connect().Equals(PathNetwork.RightHost) || !_right.Connect().Equals(PathNetwork.LeftHost))
            throw new InvalidOperationException("a shard gave its client another address than its host has");
    }

    protected override void Turn()
    {
        long now = Environment.TickCount64;
        int taken = _left!.Take(PacketsPerTurn, now) + _right!.Take(PacketsPerTurn, now);
        if (now >= _nextTick)
        {
            _nextTick = now + TickMilliseconds;
            _left.Tick(now);
            _right.Tick(now);
        }

        _left.Give(_right, now);
        _right.Give(_left, now);
        _left.Flush(now);
        if (taken > 0)
            return;
        _waits++;
        WaitReadable(_left.RingFd, _right.RingFd);
    }

    protected override void Close()
    {
        _left!.Dispose();
        _right!.Dispose();
        _pool!.Dispose();
    }

    protected override (long Packets, long Dropped, long SystemCalls) Count() =>
        (_left!.Carried + _right!.Carried, _left.Dropped + _right.Dropped, _left.Enters + _right.Enters + _waits);
}
