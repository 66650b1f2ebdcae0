using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.Native.IoUring;
using Microsoft.Extensions.ObjectPool;

namespace FastExit.NetworkRequester;

/// <summary>
/// The Network Requester of one core (network-requester.md §4): clients' Connects become TCP connections, their Sends go to the
/// destinations straight from the slots they came in, and destinations' bytes are received where the reply is built around them.
/// Every member is called on the core's own thread; a steady relay allocates nothing and takes no lock.
/// </summary>
/// <remarks>
/// Life of a connection: Early (Sends before the Connect) → Checking (the gate resolves and judges) → Connecting (a race over the
/// checked addresses) → Open → Closing (the client was told; the kernel's work is awaited). Back-pressure is a receive that is not
/// prepared: none is while the client has no credit, while too many packets are unacknowledged, or while data waits.
/// Completions carry kind (bits 63..56), attempt (55..52) and the connection's handle (51..0: generation 32, index 20).
/// </remarks>
internal sealed partial class NrShard : IReplyPathOwner, IService, IDisposable
{
    /// <summary>First of the sixteen completion kinds that belong to this shard.</summary>
    public const byte FirstKind = 0x20;

    /// <summary>Last of them.</summary>
    public const byte LastKind = 0x2F;

    private const int KindShift = 56;
    private const int AttemptShift = 52;
    private const ulong HandleMask = (1ul << AttemptShift) - 1;
    private const long NoConnection = 0;
    private const long CreditPollMilliseconds = 250;
    private const long RetryMilliseconds = 10;

    private const int HeldBytesWhenShort = 128 << 10;

    // Whoever fills the descriptor table with destinations must not shut mix nodes out: a quarter of it, at most so many, is theirs.
    private const int MostDescriptorsLeft = 8192;

    // Records that only await the kernel do not count against the limits.
    private const int ClosingRecords = 1024;

    private readonly NetworkRequesterSettings _settings;
    private readonly int _maximumConnections;
    private readonly int _windowPackets;
    private readonly Times _times;
    private readonly CoreMemory _memory;
    private readonly IoRing _ring;
    private readonly IReplyPath _replies;
    private readonly IDestinationGate _gate;
    private readonly CoreCounters _counters;
    private readonly PublishedAnswers _answers;

    private readonly ConnectionTable _connections;
    private readonly ConnectionMap _map;
    private readonly Tombstones _tombstones;
    private readonly ConnectAttempts _races;
    private readonly PeerTable _peers = new();
    private readonly NodePool _nodes;
    private readonly ReceiveBuffers _buffers;
    private readonly TimerWheel _timers;
    private readonly ObjectPool<GatherList> _gathers;
    private readonly EarlySlots _earlySlots;

    private readonly Queue<long> _attention = new();
    private readonly Queue<int> _creditPeers = new();
    private readonly Queue<int> _lostPeers = new();
    private readonly Queue<long> _starved = new();

    private long _now;
    private long _nextCreditPoll;
    private int _depth;
    private int _live;
    private TokenBucket _connects;
    private int _halfOpen;
    private int _early;
    private int _waitingForCredit;
    private bool _buffersMissing;
    private bool _draining;
    private bool _disposed;

    /// <param name="settings">Limits and times.</param>
    /// <param name="memory">The core's slots.</param>
    /// <param name="ring">The core's ring; this shard owns its buffer group <see cref="ReceiveBuffers.Group"/>.</param>
    /// <param name="replies">The way back to the clients.</param>
    /// <param name="gate">Resolves and judges destinations.</param>
    /// <param name="counters">The core's counters.</param>
    /// <param name="answers">What control requests and queries are answered with.</param>
    /// <param name="nowMilliseconds">The core's clock, as in every other call.</param>
    /// <param name="receiveBuffers">Slots lent to the kernel; a power of two.</param>
    public NrShard(
        NetworkRequesterSettings settings,
        CoreMemory memory,
        IoRing ring,
        IReplyPath replies,
        IDestinationGate gate,
        CoreCounters counters,
        PublishedAnswers answers,
        long nowMilliseconds,
        int receiveBuffers = 1024)
    {
        _settings = settings;
        _maximumConnections = Math.Min(
            settings.MaximumConnections, ring.DirectDescriptorLimit - Math.Min(ring.DirectDescriptorLimit / 4, MostDescriptorsLeft));
        _connects = TokenBucket.Full(settings.ConnectsPerSecond, nowMilliseconds);
        _windowPackets = Math.Min(settings.WindowPackets, SendWindow.MaximumSpan);
        _times = new Times(settings);
        _memory = memory;
        _ring = ring;
        _replies = replies;
        _gate = gate;
        _counters = counters;
        _answers = answers;
        _now = nowMilliseconds;

        int records = settings.MaximumConnections + settings.MaximumEarlyConnections + ClosingRecords;
        _connections = new ConnectionTable(records);
        _gathers = GatherLists.Pool(maximumRetained: records);
        _earlySlots = new EarlySlots(records, memory.Own, settings.EarlySlotPercent);
        _map = new ConnectionMap(settings.MaximumConnections + settings.MaximumEarlyConnections);
        _tombstones = new Tombstones(settings.MaximumTombstones, settings.TombstoneAge);

        // Losers of a won race are awaited beside the half-open connections.
        _races = new ConnectAttempts(settings.MaximumHalfOpen * 2);
        int slots = 0;
        foreach (SlotClass slotClass in Enum.GetValues<SlotClass>())
            slots += memory.Own.Total(slotClass);
        _nodes = new NodePool((slots * 2) + 4096);
        _timers = new TimerWheel(nowMilliseconds);
        _buffers = new ReceiveBuffers(ring, memory, receiveBuffers);
    }

    private enum Kind : byte
    {
        Receive = FirstKind,
        Send,
        Shutdown,
        Connect,

        /// <summary>Closes and cancels: nobody waits for them.</summary>
        Unawaited,
    }

    /// <summary>Connections that are being made or open.</summary>
    public int Connections => _live;

    /// <summary>Records in use, with early ones and those that await the kernel.</summary>
    public int Records => _connections.InUse;

    /// <summary>Every connection was told and is gone; true only after <see cref="BeginDrain"/>.</summary>
    public bool Drained => _draining && _connections.InUse == 0;

    /// <summary>When <see cref="Tick"/> has something to do at the latest; <see cref="long.MaxValue"/>: nothing to wait for.</summary>
    public long NextDeadline
    {
        get
        {
            long next = _timers.NextDeadline;
            if (_starved.Count > 0 || _buffersMissing || _draining)
                next = Math.Min(next, _now + RetryMilliseconds);
            return _waitingForCredit > 0 ? Math.Min(next, _nextCreditPoll) : next;
        }
    }

    internal int NodesInUse => _nodes.InUse;

    internal int BuffersLent => _buffers.Lent;

    internal int TombstoneCount => _tombstones.Count;

    /// <summary>One message of a client; takes its slot.</summary>
    public void OnMessage(in InboundMessage message, long nowMilliseconds)
    {
        Enter(nowMilliseconds);
        if (!Handle(message))
            _memory.Free(message.Slot);
        Leave();
    }

    /// <summary>The gate's answer; a late one finds its connection gone and is dropped.</summary>
    public void OnVerdict(in GateVerdict verdict, long nowMilliseconds)
    {
        Enter(nowMilliseconds);
        if (_connections.TryFind(verdict.Connection, out int index) && _connections[index].State == ConnectionState.Checking)
            Judge(index, verdict);
        Leave();
    }

    /// <summary>A completion whose kind is one of this shard's.</summary>
    public void OnCompletion(in Completion completion, long nowMilliseconds)
    {
        Enter(nowMilliseconds);
        var kind = (Kind)(completion.UserData >> KindShift);
        if (kind != Kind.Unawaited && _connections.TryFind((long)(completion.UserData & HandleMask), out int index))
        {
            _connections[index].InFlight--;
            switch (kind)
            {
                case Kind.Receive:
                    OnReceived(index, completion);
                    break;
                case Kind.Send:
                    OnSent(index, completion.Result);
                    break;
                case Kind.Shutdown:
                    _connections[index].Clear(ConnectionFlags.ShutdownInFlight);
                    Progress(index);
                    break;
                case Kind.Connect:
                    OnConnected(index, (int)(completion.UserData >> AttemptShift) & 0xF, completion.Result);
                    break;
            }

            Finish(index);
        }

        Leave();
    }

    /// <inheritdoc/>
    public void OnAcknowledged(long connection, bool delivered)
    {
        if (!_connections.TryFind(connection, out int index))
            return;
        ref Connection c = ref _connections[index];
        c.Window.Acknowledge((int)(connection >> AttemptShift) & ((1 << SendWindow.SequenceBits) - 1));
        if (c.State != ConnectionState.Open)
            return;
        if (!delivered)
        {
            c.Set(ConnectionFlags.Broken);
            NeedsAttention(index);
        }
        else if (c.Has(ConnectionFlags.WaitsForWindow) && c.Window.Span <= _windowPackets / 2)
        {
            NeedsAttention(index);
        }

        if (_peers[c.Peer].Waiting > 0)
            NoteCredit(c.Peer);
        AttendIfOutside();
    }

    /// <inheritdoc/>
    public void OnCredit(int peer)
    {
        if (peer < _peers.Length && _peers[peer].Waiting > 0)
            NoteCredit(peer);
        AttendIfOutside();
    }

    /// <inheritdoc/>
    public void OnPeerLost(int peer)
    {
        if (peer >= _peers.Length || (_peers[peer].Connections == 0 && _peers[peer].EarlyConnections == 0))
            return;
        _lostPeers.Enqueue(peer);
        AttendIfOutside();
    }

    /// <summary>Timers, receives that found no buffer, gauges. About every 10 ms.</summary>
    public void Tick(long nowMilliseconds)
    {
        Enter(nowMilliseconds);
        if (_buffersMissing)
            _buffersMissing = !_buffers.Refill();
        for (int i = _starved.Count; i > 0; i--)
        {
            if (!_connections.TryFind(_starved.Dequeue(), out int index))
                continue;
            _connections[index].Clear(ConnectionFlags.WaitsForBuffers);
            Progress(index);
        }

        while (_timers.TryFire(nowMilliseconds, out int due))
            OnTimer(due);
        if (_waitingForCredit > 0 && nowMilliseconds >= _nextCreditPoll)
        {
            _nextCreditPoll = nowMilliseconds + CreditPollMilliseconds;
            for (int peer = 0; peer < _peers.Length; peer++)
            {
                if (_peers[peer].Waiting > 0)
                    NoteCredit(peer);
            }
        }

        _tombstones.Expire(nowMilliseconds);
        if (_draining)
            EndAll();
        Leave();

        _counters.Set(Gauge.NetworkRequester_Connections, _live);
        _counters.Set(Gauge.NetworkRequester_HalfOpen, _halfOpen);
        _counters.Set(Gauge.NetworkRequester_EarlyConnections, _early);
        _counters.Set(Gauge.NetworkRequester_Tombstones, _tombstones.Count);
    }

    /// <summary>Tells every connection that it is closed and refuses new ones.</summary>
    public void BeginDrain(long nowMilliseconds)
    {
        Enter(nowMilliseconds);
        _draining = true;
        EndAll();
        Leave();
    }

    /// <summary>After <see cref="Drained"/>, or after the ring was disposed: the kernel must not use the slots any more.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        for (int i = 0; i < _connections.Created; i++)
        {
            ref Connection c = ref _connections[i];
            if (c.State == ConnectionState.Free)
                continue;
            DropUpstream(ref c, everything: true);
            DropDownstream(ref c);
            c.Gather?.Dispose();
        }

        _buffers.Dispose();
        (_gathers as IDisposable)?.Dispose();
    }

    private static ulong UserData(Kind kind, long handle, int attempt = 0) =>
        ((ulong)kind << KindShift) | ((ulong)(uint)attempt << AttemptShift) | (ulong)handle;

    private long Handle(int index) => ConnectionTable.Handle(index, _connections[index].Generation);

    private void Enter(long nowMilliseconds)
    {
        _now = nowMilliseconds;
        _depth++;
    }

    private void Leave()
    {
        if (_depth == 1)
            Attend();
        _depth--;
    }

    // The reply path may call back in the middle of a send: what it reports is looked at when the shard's own work is done.
    private void AttendIfOutside()
    {
        if (_depth > 0)
            return;
        _depth++;
        Attend();
        _depth--;
    }

    private void Attend()
    {
        while (true)
        {
            if (_lostPeers.TryDequeue(out int lost))
            {
                EndPeer(lost);
            }
            else if (_attention.TryDequeue(out long handle))
            {
                if (!_connections.TryFind(handle, out int index))
                    continue;
                _connections[index].Clear(ConnectionFlags.NeedsAttention | ConnectionFlags.WaitsForWindow);
                Progress(index);
            }
            else if (_creditPeers.TryDequeue(out int peer))
            {
                _peers[peer].CreditNoted = false;
                ServeCredit(peer);
            }
            else
            {
                return;
            }
        }
    }

    private void NeedsAttention(int index)
    {
        ref Connection c = ref _connections[index];
        if (c.Has(ConnectionFlags.NeedsAttention))
            return;
        c.Set(ConnectionFlags.NeedsAttention);
        _attention.Enqueue(Handle(index));
    }

    private void NoteCredit(int peer)
    {
        if (_peers[peer].CreditNoted)
            return;
        _peers[peer].CreditNoted = true;
        _creditPeers.Enqueue(peer);
    }
}
