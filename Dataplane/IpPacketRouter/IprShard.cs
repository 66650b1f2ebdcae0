using FastExit.Cores;
using FastExit.Delivery;
using FastExit.IpPacketRouter.Packets;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Tun;

namespace FastExit.IpPacketRouter;

/// <summary>What a shard is built from; the published parts are shared by all cores.</summary>
internal sealed record IprPlan(
    TunnelNetwork Network, IprLimits Limits, PublishedPacketPolicy Policy, PublishedHealth Health);

/// <summary>
/// The IP Packet Router of one core (ipr.md §2 to §8): clients get an address pair, their packets go to the host's routing straight from
/// the slots they came in, and what the host routes back is bundled where it will be sent from. Every member is called on the core's
/// own thread; packets in either direction allocate nothing, take no lock and log nothing.
/// </summary>
/// <remarks>
/// A session belongs to a sender tag: a packet is its client's only with the pair's own source address. Life of a session: half open
/// (connected) → open (sent a packet of its own address) → gone by disconnect, silence, loss of the client, or spoofing.
/// </remarks>
internal sealed partial class IprShard : IService, IIpDeviceOwner, IDisposable
{
    // Sessions looked at in each tick for silence, old packets and credit that came back unnoticed.
    private const int ScanPerTick = 128;

    private readonly TunnelNetwork _network;
    private readonly IprLimits _limits;
    private readonly CoreMemory _memory;
    private readonly CoreLinks _links;
    private readonly IReplyPath _replies;
    private readonly IIpDevice _device;
    private readonly PublishedHealth _health;
    private readonly CoreCounters _counters;

    private readonly SlotReferences _references;
    private readonly SessionTable _sessions;
    private readonly IprAddressPool _addresses;
    private readonly HeldConnects _heldConnects = new();
    private readonly VerdictCache _verdicts;
    private readonly FragmentCache _fragments;
    private readonly EarlyFragments _early;
    private readonly BundleTimers _timers;
    private readonly TurnRing _ready;
    private readonly TurnRing _opened;
    private readonly RecentKeys _answered = new(4096);
    private readonly RecentKeys _informed = new(4096);
    private readonly long _halfOpen;
    private readonly long _idle;
    private readonly long _queueAge;
    private readonly int _bundleMilliseconds;
    private readonly int _longestPacket;

    private TokenBucket _newSessions;
    private long _now;
    private long _queuedBytes;
    private int _halfOpenSessions;
    private int _scan;
    private bool _draining;

    /// <param name="plan">Addresses, limits, policy, health.</param>
    /// <param name="memory">The core's slots.</param>
    /// <param name="references">Shared with <paramref name="device"/>, if that keeps slots.</param>
    /// <param name="links">Rings to the other cores.</param>
    /// <param name="replies">The way back to the clients.</param>
    /// <param name="device">The way to the host.</param>
    /// <param name="counters">The core's counters.</param>
    /// <param name="nowMilliseconds">The core's clock, as in every other call.</param>
    public IprShard(
        IprPlan plan,
        CoreMemory memory,
        SlotReferences references,
        CoreLinks links,
        IReplyPath replies,
        IIpDevice device,
        CoreCounters counters,
        long nowMilliseconds)
    {
        _network = plan.Network;
        _limits = plan.Limits;
        _memory = memory;
        _references = references;
        _links = links;
        _replies = replies;
        _device = device;
        _health = plan.Health;
        _counters = counters;
        _now = nowMilliseconds;

        _sessions = new SessionTable(_limits.MaximumSessions, _network.LastNumber);
        _addresses = new IprAddressPool(_network, links.Core, links.Cores, _limits.AddressRest);
        _verdicts = new VerdictCache(plan.Policy);
        _fragments = new FragmentCache();
        _early = new EarlyFragments(memory, references, _limits.MaximumSessions);
        _timers = new BundleTimers(_limits.MaximumSessions, nowMilliseconds);
        _ready = new TurnRing(_limits.MaximumSessions);
        _opened = new TurnRing(_limits.MaximumSessions);
        _newSessions = TokenBucket.Full(_limits.NewSessionsBurst, nowMilliseconds);
        _halfOpen = (long)_limits.HalfOpenTimeout.TotalMilliseconds;
        _idle = (long)_limits.IdleTimeout.TotalMilliseconds;
        _queueAge = (long)_limits.QueueAge.TotalMilliseconds;
        _bundleMilliseconds = (int)Math.Clamp(_limits.BundleTimeout.TotalMilliseconds, 0, MaximumBundleMilliseconds);
        _longestPacket = BundleLimits.Reply(IprVersion.Newest) - DownlinkQueue.PrefixBytes;
        if (_limits.Mtu < 1280 || _limits.Mtu > _longestPacket)
            throw new ArgumentOutOfRangeException(nameof(plan), $"the tunnel's MTU must be 1280 to {_longestPacket}");
        device.Connect(this);
    }

    /// <summary>Sessions, half-open ones included.</summary>
    public int Sessions => _sessions.Count;

    /// <inheritdoc/>
    public bool Drained => _draining && _sessions.Count == 0 && _device.IsIdle;

    internal long QueuedBytes => _queuedBytes;

    internal int AddressesAvailable => _addresses.Available;

    /// <inheritdoc/>
    public void OnMessage(in InboundMessage message, long nowMilliseconds)
    {
        _now = nowMilliseconds;
        _references.Begin(message.Slot);
        Handle(message);
        _references.Release(message.Slot);
    }

    /// <inheritdoc/>
    public void OnCompletion(in Completion completion, long nowMilliseconds)
    {
        _now = nowMilliseconds;
        _device.OnCompletion(completion, nowMilliseconds);
    }

    /// <inheritdoc/>
    public void OnParcel(in CoreParcel parcel, long nowMilliseconds)
    {
        _now = nowMilliseconds;
        Deliver(_memory.Slot(parcel.Slot).Slice(parcel.Offset, parcel.Bytes));
        _memory.Free(parcel.Slot);
    }

    /// <inheritdoc/>
    public void OnAcknowledged(long connection, bool delivered)
    {
    }

    /// <inheritdoc/>
    public void OnCredit(int peer)
    {
        if (_sessions.TryFindPeer(peer, out int index))
            Resume(index);
        else if (_heldConnects.TryTake(peer, _now, out IprRequest connect))
            Establish(peer, SessionTable.None, connect);
    }

    /// <inheritdoc/>
    public void OnPeerLost(int peer)
    {
        _heldConnects.TryTake(peer, _now, out _);
        if (!_sessions.TryFindPeer(peer, out int index))
            return;
        _counters.Increment(Counter.IpPacketRouter_ClientsLost);
        Close(index);
    }

    /// <inheritdoc/>
    public void Tick(long nowMilliseconds)
    {
        _now = nowMilliseconds;
        _device.Tick(nowMilliseconds);
        _counters.Add(Counter.IpPacketRouter_FragmentsDropped, _early.Expire(nowMilliseconds));
        int looks = Math.Min(ScanPerTick, _sessions.Capacity);
        for (int i = 0; i < looks; i++)
        {
            _scan = _scan + 1 >= _sessions.Capacity ? 0 : _scan + 1;
            if (_sessions[_scan].State != SessionState.Free)
                LookAfter(_scan);
        }

        _counters.Set(Gauge.IpPacketRouter_Sessions, _sessions.Count);
        _counters.Set(Gauge.IpPacketRouter_HalfOpen, _halfOpenSessions);
        _counters.Set(Gauge.IpPacketRouter_AddressesAvailable, _addresses.Available);
        _counters.Set(Gauge.IpPacketRouter_QueuedBytes, _queuedBytes);
    }

    /// <inheritdoc/>
    public void Flush(long nowMilliseconds)
    {
        _now = nowMilliseconds;
        SendDue();
        _device.Flush(nowMilliseconds);
    }

    /// <inheritdoc/>
    public void BeginDrain(long nowMilliseconds)
    {
        _now = nowMilliseconds;
        _draining = true;
        for (int index = 0; index < _sessions.Capacity; index++)
        {
            if (_sessions[index].State != SessionState.Free)
                End(index, IprDisconnectReason.Other, "the exit stops"u8);
        }

        _early.Clear();
        _device.BeginDrain();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int index = 0; index < _sessions.Capacity; index++)
            _sessions[index].Queue.Clear(_memory);
        _early.Clear();
        _device.Dispose();
    }

    private void LookAfter(int index)
    {
        ref IprSession session = ref _sessions[index];
        if (session.State == SessionState.HalfOpen && _now - session.Connected >= _halfOpen)
        {
            _counters.Increment(Counter.IpPacketRouter_HalfOpenExpired);
            End(index, IprDisconnectReason.MixnetTimeout, []);
        }
        else if (_now - session.LastHeard >= _idle)
        {
            _counters.Increment(Counter.IpPacketRouter_SessionsExpired);
            End(index, IprDisconnectReason.MixnetTimeout, []);
        }
        else
        {
            DropOld(ref session);
            if (session.WaitsForCredit && _replies.Credit(session.Peer) > 0)
                Resume(index);
        }
    }

    /// <summary>The client uses what it was given: from now on the session lasts as long as the client is heard.</summary>
    private void Confirm(ref IprSession session)
    {
        if (session.State != SessionState.HalfOpen)
            return;
        session.State = SessionState.Open;
        _halfOpenSessions--;
    }

    /// <summary>Tells the client, if there is a SURB left for it, and ends the session.</summary>
    private void End(int index, IprDisconnectReason reason, ReadOnlySpan<byte> text)
    {
        ref IprSession session = ref _sessions[index];
        Span<byte> answer = stackalloc byte[ControlBytes];
        if (_replies.Credit(session.Peer) > 0
            && IprResponseWriter.TryWriteUnrequestedDisconnect(answer, EnvelopeOf(session), reason, text, out int bytes))
        {
            SendInSession(ref session, answer[..bytes]);
        }

        Close(index);
    }

    private void Close(int index)
    {
        ref IprSession session = ref _sessions[index];
        if (session.State == SessionState.HalfOpen)
            _halfOpenSessions--;
        _queuedBytes -= session.Queue.Bytes;
        session.Queue.Clear(_memory);
        _timers.Clear(index);
        _counters.Add(Counter.IpPacketRouter_FragmentsDropped, _early.Drop(index));
        _addresses.Return(session.Number, _now);
        _replies.Release(session.Peer);
        _sessions.Close(index);
    }
}
