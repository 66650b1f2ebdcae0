using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using FastExit.Topology;

namespace FastExit.MixLink;

/// <summary>
/// Sends framed packets to next hops: one connection per known node and core, made with the first packet, each with a bounded FIFO of
/// slots. Packets go out straight from their slots, up to <see cref="EgressPeer.BatchPackets"/> a system call.
/// <para>
/// Only addresses of the topology are connected to (unless the routing filter is off): a next hop is chosen by whoever built a SURB or an
/// ack. A peer whose Noise key is known gets encrypted records. Refusals, failed handshakes and connections that break at once back off
/// alike; what waited too long is dropped; packets of a broken send are sent again (a next hop refuses a
/// packet that it already had); the peer's close is noticed by a pending receive, a peer that takes nothing by the clock.
/// </para>
/// </summary>
internal sealed partial class MixEgress : IDisposable
{
    private const int LinkedTimeoutIndex = 0;

    private readonly IoRing _ring;
    private readonly SlotPool _slots;
    private readonly CoreCounters _counters;
    private readonly MixLinkSettings _settings;
    private readonly Dictionary<NodeAddress, int> _byAddress;
    private EgressPeer[] _peers;
    private int _queued;
    private int _active;

    public MixEgress(
        IoRing ring, SlotPool slots, IReadOnlyList<NodeAddress> known, MixLinkSettings settings, CoreCounters counters,
        NoiseIdentity? identity = null, NetworkTopology? topology = null)
    {
        _identity = identity;
        _topology = topology;
        _source = EndpointAddress.From(settings.Announced).Unmapped();
        _ring = ring;
        _slots = slots;
        _settings = settings;
        _counters = counters;
        _byAddress = new Dictionary<NodeAddress, int>(known.Count);
        var peers = new List<EgressPeer>(known.Count);
        foreach (NodeAddress address in known)
        {
            if (_byAddress.TryAdd(address, peers.Count))
                peers.Add(new EgressPeer { Address = EndpointAddress.From(address.ToIPEndPoint()) });
        }

        _listed = peers.Count;
        if (!settings.RoutingFilter)
            peers.AddRange(Enumerable.Repeat(new EgressPeer { IsGuest = true }, GuestPeers));
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
        if (!_byAddress.TryGetValue(nextHop, out int index) && !TryInvite(nextHop, out index))
        {
            _counters.Increment(Counter.MixLink_EgressUnknownPeer);
            _slots.Free(slot);
            return;
        }

        ref EgressPeer peer = ref _peers[index];
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
        frame.Write(_slots.Slot(slot)[header.ContentOffset..]);
        peer.Append(_slots, slot);
        _queued++;
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
            ref EgressPeer peer = ref _peers[i];
            if (!peer.Touched)
                continue;
            peer.Touched = false;
            if (peer.State == EgressState.Connected)
                BeginSend(i, ref peer, now);
            else
                Touch(i, now);
        }
    }

    public void OnConnect(in Completion completion, long now)
    {
        if (!TryCurrent(completion, out int index))
            return;
        ref EgressPeer peer = ref _peers[index];
        if (peer.State != EgressState.Connecting)
            return;
        if (peer.HasLeft)
        {
            BeginClose(index, ref peer);
            return;
        }

        if (completion.Result < 0)
        {
            _counters.Increment(Counter.MixLink_EgressConnectFailures);
            BackOff(ref peer, now);
            BeginClose(index, ref peer);
            return;
        }

        peer.ConnectedAt = peer.LastUsed = now;
        if (peer.Sender is not null)
        {
            BeginHandshake(index, ref peer, now);
            return;
        }

        peer.State = EgressState.Connected;
        Watch(index, ref peer);
        BeginSend(index, ref peer, now);
    }

    public void OnSend(in Completion completion, long now)
    {
        if (!TryCurrent(completion, out int index))
            return;
        ref EgressPeer peer = ref _peers[index];
        peer.Sending = false;
        if (peer.State == EgressState.Handshaking)
        {
            OnHandshakeSent(index, ref peer, completion.Result, now);
            return;
        }

        if (peer.Gather is not { } list || peer.InFlight == 0)
        {
            FinishClose(index, ref peer);
            return;
        }

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
                if (peer.State == EgressState.Connected)
                {
                    Submit(index, ref peer, now);
                    return;
                }
            }
        }

        if (peer.State == EgressState.Connected && completion.Result > 0)
            BeginSend(index, ref peer, now);
        else if (peer.State == EgressState.Connected)
            Lose(index, ref peer, now);
        else
            FinishClose(index, ref peer);
    }

    /// <summary>
    /// After the handshake a next hop never answers: any completion means that the connection ended (or that the peer breaks the rules).
    /// </summary>
    public void OnReceive(in Completion completion, ReadOnlySpan<byte> bytes, long now)
    {
        if (!TryCurrent(completion, out int index))
            return;
        ref EgressPeer peer = ref _peers[index];
        peer.Receiving = false;
        if (peer.State == EgressState.Handshaking)
        {
            OnHandshakeReceived(index, ref peer, completion.Result, bytes, now);
            return;
        }

        if (peer.State != EgressState.Connected)
        {
            FinishClose(index, ref peer);
            return;
        }

        // The buffers are short, which says nothing about the peer: the next tick watches it again.
        if (completion.Result != -Errno.ENOBUFS)
            Lose(index, ref peer, now);
    }

    public void OnClosed(in Completion completion, long now)
    {
        if (!TryCurrent(completion, out int index))
            return;
        ref EgressPeer peer = ref _peers[index];
        peer.Generation++;
        peer.State = EgressState.Idle;
        _active--;
        if (peer.HasLeft)
            DropQueue(ref peer);
        if (peer.QueuedPackets > 0)
            Touch(index, now);
    }

    public void Tick(long now)
    {
        long expiry = (long)_settings.EgressExpiry.TotalMilliseconds;
        for (int i = 0; i < _peers.Length; i++)
        {
            ref EgressPeer peer = ref _peers[i];
            while (!peer.Head.IsNone && now - _slots.Header(peer.Head).Created > expiry)
            {
                _counters.Increment(Counter.MixLink_EgressExpired);
                _slots.Free(peer.TakeHead(_slots));
                _queued--;
            }

            if (peer.State == EgressState.Idle && peer.QueuedPackets > 0)
                Touch(i, now);
            else if (peer.State == EgressState.Connected)
                TickConnected(i, ref peer, expiry, now);
            else if (peer.State == EgressState.Handshaking)
                TickHandshake(i, ref peer, now);
        }
    }

    public void Dispose()
    {
        foreach (ref EgressPeer peer in _peers.AsSpan())
        {
            peer.Gather?.Dispose();
            peer.Sender?.Dispose();
        }
    }

    private void TickConnected(int index, ref EgressPeer peer, long expiry, long now)
    {
        if (!peer.Receiving)
            Watch(index, ref peer);
        if (peer.Sending)
        {
            if (now - peer.SendStarted > expiry)
                Lose(index, ref peer, now);
        }
        else if (peer.QueuedPackets == 0 && now - peer.LastUsed > (long)_settings.EgressIdle.TotalMilliseconds)
        {
            BeginClose(index, ref peer);
        }
    }

    private bool TryCurrent(in Completion completion, out int index)
    {
        index = CompletionKind.IndexOf(completion.UserData);
        return CompletionKind.SameGeneration(completion.UserData, _peers[index].Generation);
    }

    private void Touch(int index, long now)
    {
        ref EgressPeer peer = ref _peers[index];
        if (peer.State != EgressState.Idle || now < peer.RetryAt)
            return;
        int error = SocketDescriptor.TryCreateTcp(peer.Address.IsIPv6, out SocketDescriptor? socket);
        if (error == 0)
            BindSource(socket!, peer.Address);
        int direct = error == 0 ? _ring.Install(socket!.Fd) : -error;
        socket?.Dispose();
        if (direct < 0)
        {
            _counters.Increment(Counter.MixLink_EgressConnectFailures);
            BackOff(ref peer, now);
            return;
        }

        peer.Direct = direct;
        peer.State = EgressState.Connecting;
        ChooseLink(ref peer);
        _active++;
        _counters.Increment(Counter.MixLink_EgressConnects);
        _ring.PrepareConnect(
            direct, peer.Address, CompletionKind.Pack(CompletionKind.EgressConnect, peer.Generation, index));
        _ring.LinkNext();
        _ring.PrepareLinkedTimeout(
            _settings.ConnectTimeout, CompletionKind.Pack(CompletionKind.Ignored, 0, LinkedTimeoutIndex));
    }

    /// <summary>But for the handshake's answer a next hop never writes: this receive ends when the connection does.</summary>
    private void Watch(int index, ref EgressPeer peer)
    {
        peer.Receiving = true;
        _ring.PrepareReceive(
            peer.Direct, MixIngress.BufferGroup, peer.State == EgressState.Handshaking ? peer.Sender!.Awaited : 1, bundle: false,
            CompletionKind.Pack(CompletionKind.EgressReceive, peer.Generation, index));
    }

    private void BeginSend(int index, ref EgressPeer peer, long now)
    {
        if (peer.Sending || peer.QueuedPackets == 0)
            return;
        peer.TakeBatch(_slots);
        Submit(index, ref peer, now);
    }

    private void Submit(int index, ref EgressPeer peer, long now)
    {
        peer.Sending = true;
        peer.SendStarted = now;
        _ring.PrepareSendVectored(
            peer.Direct, peer.Gather!, waitAll: true,
            CompletionKind.Pack(CompletionKind.EgressSend, peer.Generation, index));
    }

    /// <summary>An established connection broke. One that had stood for a while is made again at once.</summary>
    private void Lose(int index, ref EgressPeer peer, long now)
    {
        _counters.Increment(Counter.MixLink_EgressConnectionsLost);
        if (now - peer.ConnectedAt < (long)_settings.InitialBackoff.TotalMilliseconds)
        {
            BackOff(ref peer, now);
        }
        else
        {
            peer.Failures = 0;
            peer.RetryAt = now;
        }

        BeginClose(index, ref peer);
    }

    private void BackOff(ref EgressPeer peer, long now)
    {
        double initial = _settings.InitialBackoff.TotalMilliseconds;
        double wait = Math.Min(initial * Math.Pow(2, Math.Min(peer.Failures, 20)), _settings.MaximumBackoff.TotalMilliseconds);
        peer.Failures++;
        peer.RetryAt = now + (long)wait;
    }

    private void BeginClose(int index, ref EgressPeer peer)
    {
        peer.State = EgressState.Closing;
        if (peer.Receiving || peer.Sending)
        {
            _ring.PrepareCancelDescriptor(peer.Direct, CompletionKind.Pack(CompletionKind.Ignored, 0, 0));
            return;
        }

        FinishClose(index, ref peer);
    }

    private void FinishClose(int index, ref EgressPeer peer)
    {
        if (peer.State != EgressState.Closing || peer.Receiving || peer.Sending)
            return;
        peer.State = EgressState.Closed;
        peer.ReturnBatch(_slots);
        peer.Sender?.End();
        _ring.PrepareClose(
            peer.Direct, CompletionKind.Pack(CompletionKind.EgressClosed, peer.Generation, index));
    }

    private void FreeInFlight(ref EgressPeer peer)
    {
        for (int i = 0; i < peer.InFlight; i++)
            _slots.Free(peer.Batch[i]);
        _queued -= peer.InFlight;
        peer.InFlight = 0;
    }
}
