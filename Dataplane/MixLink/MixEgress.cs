using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;

namespace FastExit.MixLink;

/// <summary>
/// Sends framed packets to next hops: one connection per known node and core, made with the first packet, each with a bounded FIFO of
/// slots. Packets go out straight from their slots, up to <see cref="BatchPackets"/> a system call.
/// <para>
/// Only addresses of the topology are connected to: a next hop is chosen by whoever built a SURB or an ack. Refusals and lost
/// connections back off alike; what waited too long is dropped; packets of a broken send are sent again (a next hop refuses a packet
/// that it already had); the peer's close is noticed by a pending receive.
/// </para>
/// </summary>
internal sealed class MixEgress : IDisposable
{
    private const int BatchPackets = 32;
    private const int LinkedTimeoutIndex = 0;

    private readonly IoRing _ring;
    private readonly SlotPool _slots;
    private readonly CoreCounters _counters;
    private readonly MixLinkSettings _settings;
    private readonly Dictionary<NodeAddress, int> _byAddress;
    private readonly Peer[] _peers;
    private int _queued;
    private int _active;

    public MixEgress(
        IoRing ring, SlotPool slots, IReadOnlyList<NodeAddress> known, MixLinkSettings settings, CoreCounters counters)
    {
        _ring = ring;
        _slots = slots;
        _settings = settings;
        _counters = counters;
        _byAddress = new Dictionary<NodeAddress, int>(known.Count);
        var peers = new List<Peer>(known.Count);
        foreach (NodeAddress address in known)
        {
            if (_byAddress.TryAdd(address, peers.Count))
                peers.Add(new Peer { Address = EndpointAddress.From(address.ToIPEndPoint()) });
        }

        _peers = [.. peers];
    }

    /// <summary>Packets waiting for or under way to a socket.</summary>
    public int Queued => _queued;

    public int ActivePeers => _active;

    /// <summary>
    /// Takes the slot, whose header names content offset, length, size and rotation; the frame header is written in front of the content.
    /// </summary>
    public void Send(in NodeAddress nextHop, SlotHandle slot, long now)
    {
        if (!_byAddress.TryGetValue(nextHop, out int index))
        {
            _counters.Increment(Counter.MixLink_EgressUnknownPeer);
            _slots.Free(slot);
            return;
        }

        ref Peer peer = ref _peers[index];
        if (peer.QueuedPackets >= _settings.EgressQueuePackets)
        {
            _counters.Increment(Counter.MixLink_EgressQueueFull);
            _slots.Free(slot);
            return;
        }

        ref SlotHeader header = ref _slots.Header(slot);
        var frame = new FrameHeader(
            _settings.LegacyFraming ? FrameHeader.LegacyVersion : FrameHeader.KeyRotationVersion,
            (PacketSize)header.Size,
            (KeyRotation)header.Rotation);
        header.ContentOffset -= frame.Bytes;
        header.ContentBytes += frame.Bytes;
        header.Created = now;
        header.Next = default;
        frame.Write(_slots.Slot(slot)[header.ContentOffset..]);
        Append(ref peer, slot);
        peer.LastUsed = now;
        if (!peer.Touched)
        {
            peer.Touched = true;
            Touch(index, now);
        }
    }

    /// <summary>Hands what was queued since the last call to the kernel.</summary>
    public void Flush(long now)
    {
        for (int i = 0; i < _peers.Length; i++)
        {
            ref Peer peer = ref _peers[i];
            if (!peer.Touched)
                continue;
            peer.Touched = false;
            if (peer.State == PeerState.Connected)
                BeginSend(i, ref peer);
            else
                Touch(i, now);
        }
    }

    public void OnConnect(in Completion completion, long now)
    {
        if (!TryCurrent(completion, out int index))
            return;
        ref Peer peer = ref _peers[index];
        if (peer.State != PeerState.Connecting)
            return;
        if (completion.Result < 0)
        {
            Fail(index, ref peer, now);
            return;
        }

        peer.State = PeerState.Connected;
        peer.Failures = 0;
        peer.LastUsed = now;
        _ring.PrepareReceive(
            peer.Direct, MixIngress.BufferGroup, 1, bundle: false,
            CompletionKind.Pack(CompletionKind.EgressReceive, peer.Generation, index));
        peer.Receiving = true;
        BeginSend(index, ref peer);
    }

    public void OnSend(in Completion completion, long now)
    {
        if (!TryCurrent(completion, out int index))
            return;
        ref Peer peer = ref _peers[index];
        peer.Sending = false;
        GatherList list = peer.Gather!;
        if (completion.Result > 0)
        {
            long left = list.Bytes;
            if (completion.Result >= left)
            {
                _counters.Add(Counter.MixLink_BytesSent, completion.Result);
                _counters.Add(Counter.MixLink_PacketsSent, peer.InFlight);
                FreeInFlight(ref peer);
                list.Clear();
            }
            else
            {
                _counters.Add(Counter.MixLink_BytesSent, completion.Result);
                list.Skip(completion.Result);
                if (peer.State == PeerState.Connected)
                {
                    Submit(index, ref peer);
                    return;
                }
            }
        }

        if (peer.State == PeerState.Connected && completion.Result > 0)
            BeginSend(index, ref peer);
        else if (peer.State == PeerState.Connected)
            Fail(index, ref peer, now);
        else
            FinishClose(index, ref peer);
    }

    /// <summary>A next hop never answers: any completion means that the connection ended (or that the peer breaks the rules).</summary>
    public void OnReceive(in Completion completion, long now)
    {
        if (!TryCurrent(completion, out int index))
            return;
        ref Peer peer = ref _peers[index];
        peer.Receiving = false;
        if (peer.State != PeerState.Connected)
        {
            FinishClose(index, ref peer);
            return;
        }

        peer.RetryAt = now;
        BeginClose(index, ref peer);
    }

    public void OnClosed(in Completion completion, long now)
    {
        if (!TryCurrent(completion, out int index))
            return;
        ref Peer peer = ref _peers[index];
        peer.Generation++;
        peer.State = PeerState.Idle;
        _active--;
        if (peer.QueuedPackets > 0)
            Touch(index, now);
    }

    public void Tick(long now)
    {
        long expired = now - (long)_settings.EgressExpiry.TotalMilliseconds;
        for (int i = 0; i < _peers.Length; i++)
        {
            ref Peer peer = ref _peers[i];
            while (!peer.Head.IsNone && _slots.Header(peer.Head).Created < expired)
            {
                _counters.Increment(Counter.MixLink_EgressExpired);
                _slots.Free(TakeHead(ref peer));
            }

            if (peer.State == PeerState.Idle && peer.QueuedPackets > 0)
                Touch(i, now);
            else if (peer.State == PeerState.Connected && !peer.Sending && peer.QueuedPackets == 0
                && now - peer.LastUsed > (long)_settings.EgressIdle.TotalMilliseconds)
                BeginClose(i, ref peer);
        }
    }

    public void Dispose()
    {
        foreach (ref Peer peer in _peers.AsSpan())
            peer.Gather?.Dispose();
    }

    private bool TryCurrent(in Completion completion, out int index)
    {
        index = CompletionKind.IndexOf(completion.UserData);
        return CompletionKind.SameGeneration(completion.UserData, _peers[index].Generation);
    }

    private void Touch(int index, long now)
    {
        ref Peer peer = ref _peers[index];
        if (peer.State != PeerState.Idle || now < peer.RetryAt)
            return;
        int error = SocketDescriptor.TryCreateTcp(peer.Address.IsIPv6, out SocketDescriptor? socket);
        int direct = error == 0 ? _ring.Install(socket!.Fd) : -error;
        socket?.Dispose();
        if (direct < 0)
        {
            _counters.Increment(Counter.MixLink_EgressConnectFailures);
            BackOff(ref peer, now);
            return;
        }

        peer.Direct = direct;
        peer.State = PeerState.Connecting;
        peer.Gather ??= new GatherList(BatchPackets);
        _active++;
        _counters.Increment(Counter.MixLink_EgressConnects);
        _ring.PrepareConnect(
            direct, peer.Address, CompletionKind.Pack(CompletionKind.EgressConnect, peer.Generation, index));
        _ring.LinkNext();
        _ring.PrepareLinkedTimeout(
            _settings.ConnectTimeout, CompletionKind.Pack(CompletionKind.Ignored, 0, LinkedTimeoutIndex));
    }

    private void BeginSend(int index, ref Peer peer)
    {
        if (peer.Sending || peer.QueuedPackets == 0)
            return;
        GatherList list = peer.Gather!;
        list.Clear();
        while (!peer.Head.IsNone && peer.InFlight < BatchPackets)
        {
            SlotHandle slot = peer.Head;
            ref SlotHeader header = ref _slots.Header(slot);
            if (!list.TryAdd(_slots.Region, _slots.OffsetOf(slot) + header.ContentOffset, header.ContentBytes))
                break;
            TakeHead(ref peer);
            _queued++;
            peer.Batch[peer.InFlight++] = slot;
        }

        Submit(index, ref peer);
    }

    private void Submit(int index, ref Peer peer)
    {
        peer.Sending = true;
        _ring.PrepareSendVectored(
            peer.Direct, peer.Gather!, waitAll: true,
            CompletionKind.Pack(CompletionKind.EgressSend, peer.Generation, index));
    }

    private void Fail(int index, ref Peer peer, long now)
    {
        _counters.Increment(Counter.MixLink_EgressConnectFailures);
        BackOff(ref peer, now);
        BeginClose(index, ref peer);
    }

    private void BackOff(ref Peer peer, long now)
    {
        double initial = _settings.InitialBackoff.TotalMilliseconds;
        double wait = Math.Min(initial * Math.Pow(2, Math.Min(peer.Failures, 20)), _settings.MaximumBackoff.TotalMilliseconds);
        peer.Failures++;
        peer.RetryAt = now + (long)wait;
    }

    private void BeginClose(int index, ref Peer peer)
    {
        peer.State = PeerState.Closing;
        if (peer.Receiving || peer.Sending)
        {
            _ring.PrepareCancelDescriptor(peer.Direct, CompletionKind.Pack(CompletionKind.Ignored, 0, 0));
            return;
        }

        FinishClose(index, ref peer);
    }

    private void FinishClose(int index, ref Peer peer)
    {
        if (peer.State != PeerState.Closing || peer.Receiving || peer.Sending)
            return;
        peer.State = PeerState.Closed;
        // The order of a peer's packets is kept: what was under way goes back to the front.
        while (peer.InFlight > 0)
        {
            SlotHandle slot = peer.Batch[--peer.InFlight];
            _queued--;
            Prepend(ref peer, slot);
        }

        _ring.PrepareClose(
            peer.Direct, CompletionKind.Pack(CompletionKind.EgressClosed, peer.Generation, index));
    }

    private void FreeInFlight(ref Peer peer)
    {
        for (int i = 0; i < peer.InFlight; i++)
            _slots.Free(peer.Batch[i]);
        _queued -= peer.InFlight;
        peer.InFlight = 0;
    }

    private void Append(ref Peer peer, SlotHandle slot)
    {
        if (peer.Head.IsNone)
            peer.Head = slot;
        else
            _slots.Header(peer.Tail).Next = slot;
        peer.Tail = slot;
        peer.QueuedPackets++;
        _queued++;
    }

    private void Prepend(ref Peer peer, SlotHandle slot)
    {
        _slots.Header(slot).Next = peer.Head;
        if (peer.Head.IsNone)
            peer.Tail = slot;
        peer.Head = slot;
        peer.QueuedPackets++;
        _queued++;
    }

    private SlotHandle TakeHead(ref Peer peer)
    {
        SlotHandle slot = peer.Head;
        peer.Head = _slots.Header(slot).Next;
        if (peer.Head.IsNone)
            peer.Tail = default;
        peer.QueuedPackets--;
        _queued--;
        return slot;
    }

    private enum PeerState : byte
    {
        Idle,
        Connecting,
        Connected,
        Closing,
        Closed,
    }

    [System.Runtime.CompilerServices.InlineArray(BatchPackets)]
    private struct SlotBatch
    {
        private SlotHandle _first;
    }

    private struct Peer
    {
        public EndpointAddress Address;
        public PeerState State;
        public bool Sending;
        public bool Receiving;

        /// <summary>Got packets since the last flush.</summary>
        public bool Touched;
        public int Direct;
        public uint Generation;
        public int Failures;
        public long RetryAt;
        public long LastUsed;
        public SlotHandle Head;
        public SlotHandle Tail;
        public int QueuedPackets;
        public int InFlight;
        public SlotBatch Batch;
        public GatherList? Gather;
    }
}
