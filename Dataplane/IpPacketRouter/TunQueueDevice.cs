using FastExit.Cores;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using FastExit.Native.Tun;

namespace FastExit.IpPacketRouter;

/// <summary>
/// One queue of a TUN device on the core's ring. Reads are one multishot operation into buffers of its own; writes are gathered from the
/// slots the packets came in, joined to large frames where they follow one another, a batch at a time. The queue is a direct descriptor
/// of the ring, so a number that the control plane closes can never name another file here.
/// </summary>
/// <remarks>
/// A device that vanishes is reported once; until the control plane offers the queue of a new one, packets to the host are dropped.
/// </remarks>
internal sealed class TunQueueDevice : IIpDevice
{
    public const ushort BufferGroup = 2;

    private const byte ReadKind = CompletionKind.IpPacketRouterFirst;
    private const byte WriteKind = CompletionKind.IpPacketRouterFirst + 1;

    private const int NoQueue = -1;

    // A core that was held up finds its writes' completions behind all that it received meanwhile. So no more than these go out before
    // they are full; or the few packets of each turn until then would take all batches, and the next ones be dropped.
    private const int PromptBatches = 2;

    // No two buffers share a cache line, and their first lines, all that small packets touch, lie in different sets of the cache.
    private const int BufferStride = (TunQueue.MaximumFrameBytes + 63) & ~63;

    // The kernel reads ahead about what the second level cache holds until it is cut apart; more buffers only for smaller frames.
    private const int BytesAhead = 512 << 10;
    private const int LeastBuffersLent = 8;
    private const int FramesAveraged = 16;

    private readonly IoRing _ring;
    private readonly CoreMemory _memory;
    private readonly SlotReferences _references;
    private readonly CoreCounters _counters;
    private readonly Action _lost;
    private readonly PinnedRegion _frames;
    private readonly ProvidedBufferRing _buffers;
    private readonly Stack<ushort> _kept;
    private readonly Batch[] _batches;
    private readonly Stack<int> _free;
    private IIpDeviceOwner? _owner;
    private int _offered;
    private int _queue = NoQueue;
    private uint _generation;
    private int _lent;
    private int _averageBytes = BytesAhead / LeastBuffersLent;
    private int _filling = NoQueue;
    private bool _reading;
    private bool _draining;

    /// <param name="ring">The core's ring; this device owns its buffer group <see cref="BufferGroup"/>.</param>
    /// <param name="queue">Descriptor of the queue; the device at hand keeps its own reference.</param>
    /// <param name="memory">The core's slots.</param>
    /// <param name="references">Shared with the shard.</param>
    /// <param name="counters">The core's counters.</param>
    /// <param name="coalesceUdp">The device takes large UDP frames.</param>
    /// <param name="lost">Told once on the core's thread when the device has vanished; must not block.</param>
    /// <param name="readBuffers">Frames the kernel may be ahead; a power of two.</param>
    /// <param name="batches">Batches that may be on their way to the host.</param>
    /// <param name="batchPackets">Packets in a batch: room for several large frames, so that few are cut short by its end.</param>
    public TunQueueDevice(
        IoRing ring,
        int queue,
        CoreMemory memory,
        SlotReferences references,
        CoreCounters counters,
        bool coalesceUdp,
        Action lost,
        int readBuffers = 64,
        int batches = 8,
        int batchPackets = 256)
    {
        _ring = ring;
        _memory = memory;
        _references = references;
        _counters = counters;
        _lost = lost;
        _offered = NoQueue;
        _frames = PinnedRegion.Allocate((long)BufferStride * readBuffers);
        _buffers = new ProvidedBufferRing(ring, BufferGroup, readBuffers);
        _kept = new Stack<ushort>(readBuffers);
        for (int i = 0; i < readBuffers; i++)
            _kept.Push((ushort)i);
        Lend();
        _batches = new Batch[batches];
        _free = new Stack<int>(batches);
        for (int i = 0; i < batches; i++)
        {
            _batches[i] = new Batch(batchPackets, coalesceUdp);
            _free.Push(i);
        }

        int installed = Use(queue);
        if (installed < 0)
            throw new NativeException("handing the TUN queue to the ring", -installed, mend: null);
    }

    /// <inheritdoc/>
    public bool IsUp => _queue != NoQueue;

    /// <inheritdoc/>
    public bool IsIdle => _free.Count == _batches.Length;

    /// <inheritdoc/>
    public void Connect(IIpDeviceOwner owner)
    {
        _owner = owner;
        Read();
    }

    /// <summary>
    /// From any thread: the queue of a new device takes the old one's place at the next tick. The caller keeps the descriptor open.
    /// </summary>
    public void Offer(int queue) => Interlocked.Exchange(ref _offered, queue);

    /// <inheritdoc/>
    public void Write(SlotHandle slot, int offset, int bytes)
    {
        if (!IsUp || (_filling == NoQueue && _free.Count == 0))
        {
            _counters.Increment(Counter.IpPacketRouter_DeviceWritesDropped);
            return;
        }

        if (_filling == NoQueue)
            _filling = _free.Pop();

        Batch batch = _batches[_filling];
        _references.Add(slot);
        batch.Add(slot, _memory.RegionOf(slot), _memory.OffsetOf(slot) + offset, bytes);
        if (batch.IsFull)
            Submit();
    }

    /// <inheritdoc/>
    public void Flush(long nowMilliseconds)
    {
        int written = _batches.Length - _free.Count - 1;
        if (_filling != NoQueue && written < PromptBatches)
            Submit();
    }

    /// <inheritdoc/>
    public void OnCompletion(in Completion completion, long nowMilliseconds)
    {
        bool current = CompletionKind.SameGeneration(completion.UserData, _generation);
        if (CompletionKind.KindOf(completion.UserData) == WriteKind)
        {
            OnWritten(CompletionKind.IndexOf(completion.UserData), completion.Result, current);
            return;
        }

        if (completion.HasBuffer)
        {
            _lent--;
            if (completion.Result > 0)
            {
                _averageBytes += (completion.Result - _averageBytes) / FramesAveraged;
                _counters.Increment(Counter.IpPacketRouter_DeviceReads);
                _owner!.OnFrame(_frames.Slice((long)completion.BufferId * BufferStride, completion.Result), nowMilliseconds);
            }

            _kept.Push(completion.BufferId);
            Lend();
        }

        if (!current)
            return;
        _reading = completion.More;
        if (completion.Result < 0)
            OnReadError(-completion.Result);
        else if (!_reading)
            Read();
    }

    /// <inheritdoc/>
    public void Tick(long nowMilliseconds)
    {
        if (Volatile.Read(ref _offered) != NoQueue)
        {
            int queue = Interlocked.Exchange(ref _offered, NoQueue);
            Leave();
            if (Use(queue) < 0)
                _lost();
        }

        // Reads that ended for a reason that passes.
        Read();
    }

    /// <inheritdoc/>
    public void BeginDrain()
    {
        _draining = true;
        if (_reading)
            _ring.PrepareCancel(ReadData, all: true, CompletionKind.Pack(CompletionKind.Ignored, 0, 0));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _buffers.Dispose();
        _frames.Dispose();
        foreach (Batch batch in _batches)
        {
            batch.Release(_references);
            batch.Dispose();
        }
    }

    private ulong ReadData => CompletionKind.Pack(ReadKind, _generation, 0);

    private int Use(int queue)
    {
        int direct = _ring.Install(queue);
        if (direct < 0)
            return direct;
        _queue = direct;
        _generation++;
        Read();
        return 0;
    }

    private void Leave()
    {
        if (!IsUp)
            return;
        if (_reading)
            _ring.PrepareCancel(ReadData, all: true, CompletionKind.Pack(CompletionKind.Ignored, 0, 0));

        // What is in flight keeps the file until it completes.
        _ring.PrepareClose(_queue, CompletionKind.Pack(CompletionKind.Ignored, 0, 0));
        _queue = NoQueue;
        _reading = false;
        if (_filling == NoQueue)
            return;
        int unwritten = _filling;
        _filling = NoQueue;
        _counters.Add(Counter.IpPacketRouter_DeviceWritesDropped, _batches[unwritten].Packets);
        Finish(unwritten);
    }

    private void Read()
    {
        if (_reading || !IsUp || _draining || _owner is null)
            return;
        _reading = true;
        _ring.PrepareReadMultishot(_queue, direct: true, BufferGroup, ReadData);
    }

    private void OnReadError(int errno)
    {
        switch (errno)
        {
            case Errno.EAGAIN or Errno.EINTR or Errno.ECANCELED:
                break;
            case Errno.ENOBUFS:
                // They come back within this turn; the next tick reads on at the latest.
                _counters.Increment(Counter.IpPacketRouter_DeviceBuffersExhausted);
                Read();
                break;
            default:
                Lost();
                break;
        }
    }

    private void Lost()
    {
        if (!IsUp)
            return;
        _counters.Increment(Counter.IpPacketRouter_DeviceLost);
        Leave();
        _lost();
    }

    private void Submit()
    {
        int index = _filling;
        _filling = NoQueue;
        Batch batch = _batches[index];
        int frames = batch.Seal();
        _counters.Add(Counter.IpPacketRouter_DeviceWrites, frames);
        for (int frame = 0; frame < frames; frame++)
            _ring.PrepareWriteVectored(_queue, direct: true, batch.List(frame), CompletionKind.Pack(WriteKind, _generation, index));
    }

    private void OnWritten(int index, int result, bool current)
    {
        if (result < 0)
        {
            _counters.Increment(Counter.IpPacketRouter_DeviceWriteErrors);
            if (current && result is -Errno.EBADFD or -Errno.ENODEV or -Errno.EBADF)
                Lost();
        }

        if (_batches[index].Written())
            Finish(index);
    }

    private void Finish(int index)
    {
        _batches[index].Release(_references);
        _free.Push(index);
    }

    private void Lend()
    {
        for (int wanted = Math.Max(LeastBuffersLent, BytesAhead / Math.Max(1, _averageBytes)); _lent < wanted && _kept.Count > 0; _lent++)
        {
            ushort id = _kept.Pop();
            _buffers.Add(_frames, (long)id * BufferStride, TunQueue.MaximumFrameBytes, id);
        }

        _buffers.Publish();
    }

    /// <summary>Packets that go to the host together; unchanged from the first write to the last completion.</summary>
    private sealed class Batch(int capacity, bool coalesceUdp) : IDisposable
    {
        private readonly PacketCoalescer _coalescer = new(capacity, coalesceUdp);
        private readonly GatherList[] _lists = Lists(capacity);
        private readonly SlotHandle[] _slots = new SlotHandle[capacity];
        private int _unwritten;

        public int Packets => _coalescer.Packets;

        public bool IsFull => Packets == _slots.Length;

        public void Add(SlotHandle slot, PinnedRegion region, long offset, int bytes)
        {
            _slots[Packets] = slot;
            _coalescer.Add(region, offset, bytes);
        }

        /// <summary>No packet is added any more; returns the frames they make.</summary>
        public int Seal()
        {
            _unwritten = _coalescer.Frames;
            return _unwritten;
        }

        public GatherList List(int frame)
        {
            _coalescer.Fill(frame, _lists[frame]);
            return _lists[frame];
        }

        /// <summary>True when it was the last frame.</summary>
        public bool Written() => --_unwritten == 0;

        public void Release(SlotReferences references)
        {
            for (int i = 0; i < Packets; i++)
                references.Release(_slots[i]);
            _coalescer.Clear();
        }

        public void Dispose()
        {
            _coalescer.Dispose();
            foreach (GatherList list in _lists)
                list.Dispose();
        }

        private static GatherList[] Lists(int capacity)
        {
            var lists = new GatherList[capacity];
            for (int i = 0; i < lists.Length; i++)
                lists[i] = new GatherList(PacketCoalescer.MaximumParts);
            return lists;
        }
    }
}
