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
/// a packet could lie across two buffers; with an encrypted link the decryption takes the place of this copy). A connection's first
/// byte tells whether it is encrypted.
/// <para>
/// A framing error, a stalled partial frame or the peer's end closes that connection alone. Nothing but the answer of a Noise handshake
/// is ever written back. Who gives way
/// at a limit says <see cref="IngressConnections"/>; a connection without a complete frame for the idle time is closed.
/// </para>
/// </summary>
internal sealed partial class MixIngress : IDisposable
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
    private readonly MixLinkSettings _settings;
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
        CoreCounters counters,
        NoiseIdentity? identity = null)
    {
        _ring = ring;
        _slots = slots;
        _stage = stage;
        _listeners = listeners;
        _counters = counters;
        _acceptAgainAt = new long[listeners.Length];
        _connections = new IngressConnections(settings.MaximumConnections, slots);
        _unarmed = new int[_connections.Records];
        _settings = settings;
        _identity = identity;
        _receivers = new NoiseReceiver[_connections.Records];
        _answers = PinnedRegion.Allocate((long)_connections.Records * AnswerBytes, preferHugePages: false);
        _idleMilliseconds = (long)settings.IngressIdle.TotalMilliseconds;
        _bufferRegion = PinnedRegion.Allocate((long)Buffers * BufferBytes);
        _buffers = new ProvidedBufferRing(ring, BufferGroup, Buffers);
        for (int i = 0; i < Buffers; i++)
            _buffers.Add(_bufferRegion, (long)i * BufferBytes, BufferBytes, (ushort)i);
        _buffers.Publish();
        for (int i = 0; i < listeners.Length; i++)
            ring.PrepareAcceptOrdinary(listeners[i].Fd, CompletionKind.Pack(CompletionKind.Accept, 0, i));
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
                Take(index, ref connection, _bufferRegion.Slice(offset, completion.Result), now);
            }

            GiveBack(completion.BufferId);
        }

        if (!current)
            return;
        if (completion.More)
            return;

        connection.Armed = false;
        if (connection.State != IngressState.Open)
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
            if (connection.IsInFrame || connection.Receiver is { IsInRecord: true })
                _counters.Increment(Counter.MixLink_TruncatedFrame);
            BeginClose(index, ref connection);
        }
        else
        {
            Arm(index, ref connection);
        }
    }

    /// <summary>Bytes of a receive into <see cref="BufferGroup"/>, until <see cref="GiveBack"/>.</summary>
    public Span<byte> Received(in Completion completion) =>
        _bufferRegion.Slice(completion.BufferId * BufferBytes, Math.Max(0, completion.Result));

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
        GiveBackReceiver(ref connection);
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
                _ring.PrepareAcceptOrdinary(_listeners[i].Fd, CompletionKind.Pack(CompletionKind.Accept, 0, i));
            }
        }

        // There are fewer buffers than connections: whoever floods must not take them from those that have delivered.
        ArmQueued(proven: true);
        ArmQueued(proven: false);
        _unarmedCount = 0;

        TickHandshakes(now);
        if (now < _nextStallScan)
            return;
        _nextStallScan = now + 1000;
        for (int i = 0; i < _connections.Touched; i++)
        {
            ref IngressConnection connection = ref _connections[i];
            bool stalled = (connection.IsInFrame && now - connection.FrameStarted > StallMilliseconds)
                || (connection.Receiver is { IsInRecord: true } && now - connection.RecordStarted > StallMilliseconds);
            if (connection.State == IngressState.Open && stalled)
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
        _answers.Dispose();
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

    private void Adopt(int fd, long now)
    {
        int direct = _ring.Adopt(fd, out EndpointAddress peer);
        if (direct < 0)
        {
            _counters.Increment(Counter.MixLink_AcceptErrors);
            return;
        }

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
        _connections[index].IsNoiseNode = _noiseAddresses.Contains(peer.Unmapped().WithPort(0));
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
        if (connection.Protocol == LinkProtocol.Handshake)
            _handshaking--;
        _connections.Leave(index);
        if (connection.Armed || connection.Sending)
            _ring.PrepareCancelDescriptor(connection.Direct, CompletionKind.Pack(CompletionKind.Ignored, 0, 0));
        else
            Close(index, ref connection);
    }

    // Once the kernel does nothing for it any more.
    private void Close(int index, ref IngressConnection connection)
    {
        if (connection.State != IngressState.Closing || connection.Armed || connection.Sending || connection.Queued)
            return;
        connection.State = IngressState.Closed;
        _ring.PrepareClose(
            connection.Direct, CompletionKind.Pack(CompletionKind.MixClosed, connection.Generation, index));
    }
}
