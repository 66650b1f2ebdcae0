using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using FastExit.Sphinx;

namespace FastExit.MixLink;

/// <summary>
/// Accepts connections of mix nodes and cuts their byte streams into packets (mix-link.md §1.3). Bytes arrive in provided buffers by
/// multishot receive; each packet is copied once, into the slot in which all later work on it happens (a stream has no alignment, so
/// a packet could lie across two buffers; with an encrypted link the decryption takes the place of this copy).
/// <para>
/// A framing error, a stalled partial frame or the peer's end closes that connection alone. Nothing is ever written back. Who gives way
/// at a limit says <see cref="IngressConnections"/>; a connection without a complete frame for the idle time is closed.
/// </para>
/// </summary>
internal sealed class MixIngress : IDisposable
{
    public const ushort BufferGroup = 0;
    private const int BufferBytes = 16 << 10;
    private const int Buffers = 64;
    private const long StallMilliseconds = 30_000;
    private const long AcceptPauseMilliseconds = 100;

    private readonly IoRing _ring;
    private readonly SlotPool _slots;
    private readonly SphinxStage _stage;
    private readonly CoreCounters _counters;
    private readonly SocketDescriptor[] _listeners;
    private readonly long[] _acceptAgainAt;
    private readonly PinnedRegion _bufferRegion;
    private readonly ProvidedBufferRing _buffers;
    private readonly IngressConnections _connections;
    private readonly int[] _unarmed;
    private readonly long _idleMilliseconds;
    private int _unarmedCount;
    private long _nextStallScan;
    private bool _stopped;

    /// <summary>Must be created on the core's thread, which owns the ring.</summary>
    public MixIngress(
        IoRing ring,
        SlotPool slots,
        SphinxStage stage,
        SocketDescriptor[] listeners,
        MixLinkSettings settings,
        CoreCounters counters)
    {
        _ring = ring;
        _slots = slots;
        _stage = stage;
        _listeners = listeners;
        _counters = counters;
        _acceptAgainAt = new long[listeners.Length];
        _connections = new IngressConnections(settings.MaximumConnections, slots);
        _unarmed = new int[_connections.Records];
        _idleMilliseconds = (long)settings.IngressIdle.TotalMilliseconds;
        _bufferRegion = PinnedRegion.Allocate((long)Buffers * BufferBytes);
        _buffers = new ProvidedBufferRing(ring, BufferGroup, Buffers);
        for (int i = 0; i < Buffers; i++)
            _buffers.Add(_bufferRegion, (long)i * BufferBytes, BufferBytes, (ushort)i);
        _buffers.Publish();
        for (int i = 0; i < listeners.Length; i++)
            ring.PrepareAcceptMultishot(listeners[i].Fd, CompletionKind.Pack(CompletionKind.Accept, 0, i));
    }

    public int Connections => _connections.InUse;

    public void OnAccept(in Completion completion, long now)
    {
        int listener = CompletionKind.IndexOf(completion.UserData);
        if (completion.Result >= 0)
            Adopt(completion.Result, now);
        else if (!_stopped)
            _counters.Increment(Counter.MixLink_AcceptErrors);

        // A multishot accept ends on errors (no descriptor free, most of all): try again a little later.
        if (!completion.More && !_stopped)
            _acceptAgainAt[listener] = now + AcceptPauseMilliseconds;
    }

    public void OnReceive(in Completion completion, long now)
    {
        int index = CompletionKind.IndexOf(completion.UserData);
        ref IngressConnection connection = ref _connections[index];
        bool current = connection.State != IngressState.Free
            && CompletionKind.SameGeneration(completion.UserData, connection.Generation);
        if (completion.HasBuffer)
        {
            if (current && connection.State == IngressState.Open && completion.Result > 0)
            {
                int offset = completion.BufferId * BufferBytes;
                _counters.Add(Counter.MixLink_BytesReceived, completion.Result);
                Decode(index, ref connection, _bufferRegion.Slice(offset, completion.Result), now);
            }

            GiveBack(completion.BufferId);
        }

        if (!current)
            return;
        if (completion.More)
            return;

        connection.Armed = false;
        if (connection.State == IngressState.Closing)
        {
            Close(index, ref connection);
        }
        else if (completion.Result == -Errno.ENOBUFS)
        {
            _counters.Increment(Counter.MixLink_ReceiveBuffersExhausted);
            _unarmed[_unarmedCount++] = index;
            connection.Queued = true;
        }
        else if (completion.Result <= 0)
        {
            if (connection.IsInFrame)
                _counters.Increment(Counter.MixLink_TruncatedFrame);
            Close(index, ref connection);
        }
        else
        {
            Arm(index, ref connection);
        }
    }

    /// <summary>A buffer of <see cref="BufferGroup"/> is free again.</summary>
    public void GiveBack(ushort bufferId)
    {
        _buffers.Add(_bufferRegion, (long)bufferId * BufferBytes, BufferBytes, bufferId);
        _buffers.Publish();
    }

    public void OnClosed(in Completion completion)
    {
        int index = CompletionKind.IndexOf(completion.UserData);
        ref IngressConnection connection = ref _connections[index];
        if (connection.State != IngressState.Closed)
            return;
        _connections.Return(index);
        _counters.Increment(Counter.MixLink_ConnectionsClosed);
    }

    public void Tick(long now)
    {
        for (int i = 0; i < _acceptAgainAt.Length; i++)
        {
            if (_acceptAgainAt[i] != 0 && now >= _acceptAgainAt[i] && !_stopped)
            {
                _acceptAgainAt[i] = 0;
                _ring.PrepareAcceptMultishot(_listeners[i].Fd, CompletionKind.Pack(CompletionKind.Accept, 0, i));
            }
        }

        // There are fewer buffers than connections: whoever floods must not take them from those that have delivered.
        ArmQueued(proven: true);
        ArmQueued(proven: false);
        _unarmedCount = 0;

        if (now < _nextStallScan)
            return;
        _nextStallScan = now + 1000;
        for (int i = 0; i < _connections.Touched; i++)
        {
            ref IngressConnection connection = ref _connections[i];
            if (connection.State == IngressState.Open
                && connection.IsInFrame
                && now - connection.FrameStarted > StallMilliseconds)
            {
                _counters.Increment(Counter.MixLink_StalledFrame);
                BeginClose(i, ref connection);
            }
        }

        while (_connections.SilentSince(now - _idleMilliseconds) is int silent and not IndexLists.None)
        {
            _counters.Increment(Counter.MixLink_ConnectionsIdle);
            BeginClose(silent, ref _connections[silent]);
        }
    }

    /// <summary>No new connections; the ones there are go on, so that acks of what is drained still arrive.</summary>
    public void StopAccepting()
    {
        if (_stopped)
            return;
        _stopped = true;
        for (int i = 0; i < _listeners.Length; i++)
        {
            _ring.PrepareCancel(
                CompletionKind.Pack(CompletionKind.Accept, 0, i), all: true, CompletionKind.Pack(CompletionKind.Ignored, 0, 0));
        }
    }

    public void Dispose()
    {
        _buffers.Dispose();
        _bufferRegion.Dispose();
    }

    private void ArmQueued(bool proven)
    {
        for (int i = 0; i < _unarmedCount; i++)
        {
            int index = _unarmed[i];
            ref IngressConnection connection = ref _connections[index];
            if (!connection.Queued || connection.IsProven != proven)
                continue;
            connection.Queued = false;
            if (connection.State == IngressState.Open && !connection.Armed)
                Arm(index, ref connection);
            else if (connection.State == IngressState.Closing && !connection.Armed)
                Close(index, ref connection);
        }
    }

    private void Adopt(int direct, long now)
    {
        if (!_stopped && _connections.IsFull && _connections.Silent(now) is int silent and not IndexLists.None)
        {
            _counters.Increment(Counter.MixLink_ConnectionsEvicted);
            BeginClose(silent, ref _connections[silent]);
        }

        if (_stopped || !_connections.TryAdd(direct, now, out int index))
        {
            _counters.Increment(Counter.MixLink_ConnectionsRefusedLimit);
            _ring.PrepareClose(direct, CompletionKind.Pack(CompletionKind.Ignored, 0, 0));
            return;
        }

        _counters.Increment(Counter.MixLink_ConnectionsAccepted);
        Arm(index, ref _connections[index]);
    }

    private void Arm(int index, ref IngressConnection connection)
    {
        connection.Armed = true;
        _ring.PrepareReceiveMultishot(
            connection.Direct, BufferGroup, bundle: false,
            CompletionKind.Pack(CompletionKind.MixReceive, connection.Generation, index));
    }

    private void BeginClose(int index, ref IngressConnection connection)
    {
        if (connection.State != IngressState.Open)
            return;
        connection.State = IngressState.Closing;
        _connections.Leave(index);
        if (connection.Armed)
        {
            _ring.PrepareCancel(
                CompletionKind.Pack(CompletionKind.MixReceive, connection.Generation, index), all: false,
                CompletionKind.Pack(CompletionKind.Ignored, 0, 0));
        }
        else if (!connection.Queued)
        {
            Close(index, ref connection);
        }
    }

    private void Close(int index, ref IngressConnection connection)
    {
        _connections.Leave(index);
        connection.State = IngressState.Closed;
        _ring.PrepareClose(
            connection.Direct, CompletionKind.Pack(CompletionKind.MixClosed, connection.Generation, index));
    }

    private void Decode(int index, ref IngressConnection connection, ReadOnlySpan<byte> stream, long now)
    {
        while (!stream.IsEmpty)
        {
            if (connection.PacketBytes == 0 && !BeginFrame(index, ref connection, ref stream, now))
                return;
            int take = Math.Min(stream.Length, connection.PacketBytes - connection.PacketFilled);
            if (!connection.Slot.IsNone)
            {
                stream[..take].CopyTo(
                    _slots.Slot(connection.Slot).Slice(ReplyLayout.PacketOffset + connection.PacketFilled, take));
            }

            stream = stream[take..];
            connection.PacketFilled += take;
            if (connection.PacketFilled < connection.PacketBytes)
                return;
            EndFrame(index, ref connection, now);
        }
    }

    /// <summary>False: more bytes are needed, or the frame was bad and the connection is being closed.</summary>
    private bool BeginFrame(int index, ref IngressConnection connection, ref ReadOnlySpan<byte> stream, long now)
    {
        Span<byte> header = stackalloc byte[FrameHeader.MaximumBytes];
        while (true)
        {
            if (connection.HeaderBytes == 0)
                connection.FrameStarted = now;
            connection.Header |= (uint)stream[0] << (8 * connection.HeaderBytes);
            connection.HeaderBytes++;
            stream = stream[1..];
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(header, connection.Header);
            FrameStatus status = FrameHeader.TryRead(header[..connection.HeaderBytes], out FrameHeader frame);
            if (status == FrameStatus.Ok)
            {
                connection.Frame = frame;
                connection.PacketBytes = frame.PacketBytes;
                connection.PacketFilled = 0;
                SlotClass slotClass = frame.PacketBytes <= PacketSizes.PacketBytes(PacketSize.Regular)
                    ? SlotClass.Regular : SlotClass.Extended;
                // No slot: the packet's bytes are still taken off the stream, so framing holds.
                _counters.Add(Counter.MixLink_PartialFramesDropped, _connections.RentSlot(index, slotClass));
                if (connection.Slot.IsNone)
                    _counters.Increment(Counter.MixLink_NoSlot);
                return !stream.IsEmpty;
            }

            if (status != FrameStatus.Incomplete)
            {
                _counters.Increment(status switch
                {
                    FrameStatus.BadVersion => Counter.MixLink_BadVersion,
                    FrameStatus.BadSize => Counter.MixLink_BadSize,
                    FrameStatus.BadType => Counter.MixLink_BadType,
                    _ => Counter.MixLink_BadRotation,
                });
                connection.HeaderBytes = 0;
                BeginClose(index, ref connection);
                return false;
            }

            if (stream.IsEmpty)
                return false;
        }
    }

    private void EndFrame(int index, ref IngressConnection connection, long now)
    {
        _counters.Increment(Counter.MixLink_FramesReceived);
        SlotHandle slot = _connections.TakeFrame(index, now);
        if (!slot.IsNone)
        {
            ref SlotHeader header = ref _slots.Header(slot);
            header.ContentOffset = ReplyLayout.PacketOffset;
            header.ContentBytes = connection.PacketBytes;
            header.Created = now;
            header.Size = (byte)connection.Frame.Size;
            header.Rotation = (byte)connection.Frame.Rotation;
            _stage.Enqueue(slot, now);
        }

        connection.HeaderBytes = 0;
        connection.Header = 0;
        connection.PacketBytes = 0;
        connection.PacketFilled = 0;
    }
}
