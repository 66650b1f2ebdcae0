using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Memory;
using FastExit.MixLink;

namespace FastExit.Delivery;

/// <summary>
/// Answers on their way to clients: framed as fragments, held until there is a SURB, sent, and kept until acknowledged; what is not
/// acknowledged in time is sent again with a fresh SURB (end-to-end.md §6.4). <see cref="ReplyPackets"/> builds the packets.
/// </summary>
internal sealed class ReplyStage : IReplyPath
{
    private const int RecipientWindow = 256;

    // Slots that reading destinations may not use up, so that acks and answers can always be built.
    private const int SlotReserve = 256;
    private const int ScratchBytes = 64 << 10;

    private readonly SlotPool _slots;
    private readonly Clients _clients;
    private readonly ServiceIdentity _service;
    private readonly DeliverySettings _settings;
    private readonly CoreCounters _counters;
    private readonly ReplyPackets _packets;
    private readonly RouteBook _routes;
    private readonly RetransmissionTimer _timer;
    private readonly OutgoingTable _table;
    private readonly byte[] _scratch = GC.AllocateArray<byte>(ScratchBytes, pinned: true);
    private readonly uint[] _setIds = new uint[1];
    private readonly int _fragmentBytes = PacketSizes.FragmentBytes(PacketSize.Regular);
    private OutgoingQueue _ready = OutgoingQueue.Empty;
    private OutgoingQueue _waiting = OutgoingQueue.Empty;
    private OutgoingQueue _waitingAgain = OutgoingQueue.Empty;
    private IReplyPathOwner? _owner;
    private int _parked;
    private long _now;

    public ReplyStage(
        SlotPool slots,
        MixEgress egress,
        RouteBook routes,
        Clients clients,
        ServiceIdentity service,
        DeliverySettings settings,
        CoreCounters counters)
    {
        _slots = slots;
        _routes = routes;
        _clients = clients;
        _service = service;
        _settings = settings;
        _counters = counters;
        _packets = new ReplyPackets(slots, egress, routes, clients, service, counters);
        _timer = new RetransmissionTimer(settings);
        _table = new OutgoingTable(settings.MaximumPendingAcks);
    }

    public bool HasWork => _ready.Count > 0;

    /// <summary>Fragments not yet acknowledged, in whatever state.</summary>
    public int Pending => _table.Count;

    public int Parked => _parked;

    public void Connect(IReplyPathOwner owner) => _owner = owner;

    public void BeginLoop(long now) => _now = now;

    public bool TryPeerFor(in Recipient recipient, out int peer)
    {
        if (_clients.Peers.TryFind(recipient, out peer))
        {
            _clients.Peers[peer].LastHeard = _now;
            return true;
        }

        if (!_routes.TryFindGateway(recipient.Gateway, out int gateway))
            return false;
        if (!_clients.Peers.TryOpen(recipient, _now, out peer))
        {
            _counters.Increment(Counter.Delivery_PeersRefusedLimit);
            return false;
        }

        _counters.Increment(Counter.Delivery_PeersOpened);
        _clients.Peers[peer].Gateway = gateway;
        return true;
    }

    public bool IsAnonymous(int peer) => _clients.Peers[peer].Anonymous;

    public void Retain(int peer) => _clients.Peers[peer].References++;

    public void Release(int peer) => _clients.Peers[peer].References--;

    public int Credit(int peer)
    {
        ref Peer entry = ref _clients.Peers[peer];
        int credit = entry.Anonymous
            ? _clients.Available(ref entry)
            : Math.Max(0, RecipientWindow - entry.InFlight - entry.Committed);
        if (credit == 0 && entry.Anonymous)
        {
            if (entry.StarvedSince == 0)
                entry.StarvedSince = _now;
            RequestSurbs(peer);
        }

        // Room is short for all: who has nothing under way still gets one packet, the others wait for their acks.
        int room = Math.Min(_table.Available, _slots.Available(SlotClass.Regular) - SlotReserve);
        if (room < _settings.MaximumPendingAcks / 8)
            credit = Math.Min(credit, entry.InFlight + entry.Committed == 0 && room > 0 ? 1 : 0);
        if (credit == 0)
            entry.CreditRefused = true;
        return credit;
    }

    public void SendInPlace(int peer, SlotHandle slot, int messageOffset, int messageBytes, long connection)
    {
        ref Peer entry = ref _clients.Peers[peer];
        Span<byte> bytes = _slots.Slot(slot);
        int start = WriteReplyType(entry.Anonymous, bytes[..messageOffset]);
        uint setId = SetId.Next();
        start -= FragmentHeader.UnlinkedBytes;
        new FragmentHeader(setId, 1, 1).Write(bytes[start..]);
        Span<byte> tail = bytes[(messageOffset + messageBytes)..(start + _fragmentBytes)];
        tail.Clear();
        tail[0] = MessagePadding.Marker;
        Enqueue(peer, slot, start, setId, 1, connection, isRequest: false);
    }

    public int Send(int peer, ReadOnlySpan<byte> message, long connection)
    {
        ref Peer entry = ref _clients.Peers[peer];
        Span<byte> whole = _scratch.AsSpan();
        if (message.Length + MessageWriter.ReplyHeaderBytes > whole.Length)
            return 0;
        int typeBytes = TypeBytes(entry.Anonymous);
        WriteReplyType(entry.Anonymous, whole[..typeBytes]);
        message.CopyTo(whole[typeBytes..]);
        return SendFragments(peer, whole[..(typeBytes + message.Length)], connection, isRequest: false);
    }

    /// <summary>SURBs arrived: what waited for them goes first, then the services may read on.</summary>
    public void OnSurbs(int peer)
    {
        ref Peer entry = ref _clients.Peers[peer];
        entry.LossReported = false;
        while (entry.Parked.Count > 0 && _clients.Available(ref entry) > 0)
        {
            int index = entry.Parked.Head;
            _table.Remove(ref entry.Parked, index);
            _parked--;
            MakeReady(ref entry, index);
        }

        if (_clients.Available(ref entry) > 0)
            entry.StarvedSince = 0;
        RequestSurbs(peer);
        OfferCredit(peer, ref entry);
    }

    public void OnAck(ReadOnlySpan<byte> content)
    {
        if (!AckContent.TryRead(content, _service.AckKey, out uint setId, out byte position))
        {
            _counters.Increment(Counter.Delivery_BadAck);
            return;
        }

        if (!_table.TryFind(setId, position, out int index))
        {
            _counters.Increment(Counter.Delivery_AcksUnknown);
            return;
        }

        _counters.Increment(Counter.Delivery_AcksReceived);
        ref Outgoing entry = ref _table[index];
        if (entry.Transmissions == 1 && entry.State == OutgoingState.Waiting)
            _timer.Measure(_now - entry.SentAt);
        Finish(index, delivered: true);
    }

    /// <summary>Builds and sends one batch of what is ready.</summary>
    public void Run()
    {
        _packets.Clear();
        while (!_packets.IsFull && _ready.Count > 0)
        {
            int index = _ready.Head;
            ref Outgoing entry = ref _table[index];
            if (!_packets.TryAdd(index, entry))
            {
                _counters.Increment(Counter.Delivery_RepliesDroppedNoSlot);
                break;
            }

            _table.Remove(ref _ready, index);
            _clients.Peers[entry.Peer].Committed--;
        }

        if (_packets.Count == 0)
            return;
        _packets.BuildAndSend(_now);
        for (int i = 0; i < _packets.Count; i++)
            AwaitAck(_packets.Entry(i));
    }

    /// <summary>Retransmissions, starving clients, clients that are gone.</summary>
    public void Tick()
    {
        Retransmit(ref _waiting);
        Retransmit(ref _waitingAgain);
        (int first, int end) = _clients.Peers.NextScan();
        for (int i = first; i < end; i++)
        {
            ref Peer peer = ref _clients.Peers[i];
            if (!peer.InUse)
                continue;
            if (peer.Parked.Count > 0 || peer.StarvedSince != 0)
                CheckStarving(i, ref peer);
            if (_clients.Age(i, _now) && peer.InFlight == 0 && peer.Committed == 0 && peer.Parked.Count == 0)
                _clients.Close(i);
        }
    }

    private static int TypeBytes(bool anonymous) =>
        anonymous ? MessageWriter.ReplyHeaderBytes : MessageWriter.PlainHeaderBytes;

    /// <summary>Writes the type bytes at the end of <paramref name="front"/> and returns where they begin.</summary>
    private static int WriteReplyType(bool anonymous, Span<byte> front)
    {
        int start = front.Length - TypeBytes(anonymous);
        if (anonymous)
            MessageWriter.WriteReplyHeader(front[start..]);
        else
            MessageWriter.WritePlainHeader(front[start..]);
        return start;
    }

    private int SendFragments(int peer, ReadOnlySpan<byte> message, long connection, bool isRequest)
    {
        FragmentPlan plan = FragmentPlan.For(message.Length, _fragmentBytes);
        if (plan.Sets != 1 || plan.Packets > _table.Available || plan.Packets > _slots.Available(SlotClass.Regular))
        {
            _counters.Increment(Counter.Delivery_RepliesDroppedNoSlot);
            return 0;
        }

        _setIds[0] = SetId.Next();
        for (int i = 0; i < plan.Packets; i++)
        {
            _slots.TryRent(SlotClass.Regular, out SlotHandle slot);
            plan.WriteFragment(
                message, i, _setIds, _slots.Slot(slot).Slice(ReplyLayout.FragmentOffset, _fragmentBytes));
            Enqueue(peer, slot, ReplyLayout.FragmentOffset, _setIds[0], (byte)(i + 1), connection, isRequest);
        }

        return plan.Packets;
    }

    private void Enqueue(
        int peer, SlotHandle slot, int fragmentOffset, uint setId, byte position, long connection, bool isRequest)
    {
        if (!_table.TryOpen(setId, position, out int index))
        {
            _counters.Increment(Counter.Delivery_PendingAcksFull);
            _slots.Free(slot);
            if (connection != 0)
                _owner!.OnAcknowledged(connection, delivered: false);
            return;
        }

        ref Outgoing entry = ref _table[index];
        entry.Slot = slot;
        entry.FragmentOffset = fragmentOffset;
        entry.Peer = peer;
        entry.Connection = connection;
        entry.IsSurbRequest = isRequest;
        entry.Created = _now;
        ref Peer client = ref _clients.Peers[peer];
        if (client.Anonymous && !isRequest && _clients.Available(ref client) == 0)
            Park(peer, ref client, index);
        else
            MakeReady(ref client, index);
    }

    private void MakeReady(ref Peer peer, int index)
    {
        _table[index].State = OutgoingState.Ready;
        _table.Append(ref _ready, index);
        peer.Committed++;
    }

    private void Park(int peerIndex, ref Peer peer, int index)
    {
        ref Outgoing entry = ref _table[index];
        if (peer.Parked.Count >= _settings.ParkedPacketsPerPeer && entry.Transmissions == 0)
        {
            _counters.Increment(Counter.Delivery_RepliesDroppedNoSurbs);
            entry.State = OutgoingState.Free;
            Finish(index, delivered: false);
            return;
        }

        _counters.Increment(Counter.Delivery_RepliesParked);
        entry.State = OutgoingState.Parked;
        _table.Append(ref peer.Parked, index);
        _parked++;
        if (peer.StarvedSince == 0)
            peer.StarvedSince = _now;
        RequestSurbs(peerIndex);
    }

    private void RequestSurbs(int peerIndex)
    {
        ref Peer peer = ref _clients.Peers[peerIndex];
        if (!peer.Anonymous)
            return;
        while (true)
        {
            int amount = _clients.AmountToRequest(ref peer, _now);
            // What is ready has its SURBs; the request takes one of the rest, the reserve included.
            if (amount == 0 || peer.Surbs.Count - peer.Committed <= 0)
                return;
            Span<byte> request = _scratch.AsSpan(0, EndToEndMessage.SurbRequestBytes);
            MessageWriter.WriteSurbRequest(request, _service.Address, (uint)amount);
            if (SendFragments(peerIndex, request, connection: 0, isRequest: true) == 0)
                return;
            peer.Requested += amount;
            peer.RequestedAt = _now;
            _counters.Increment(Counter.Delivery_SurbRequests);
        }
    }

    private void AwaitAck(int index)
    {
        ref Outgoing entry = ref _table[index];
        entry.Transmissions++;
        entry.SentAt = _now;
        entry.Deadline = _now + _timer.Timeout(entry.Transmissions);
        entry.State = OutgoingState.Waiting;
        _clients.Peers[entry.Peer].InFlight++;
        if (entry.Transmissions == 1)
            _table.Append(ref _waiting, index);
        else
            _table.Append(ref _waitingAgain, index);
    }

    private void Retransmit(ref OutgoingQueue queue)
    {
        while (queue.Count > 0 && _table[queue.Head].Deadline <= _now)
        {
            int index = queue.Head;
            ref Outgoing entry = ref _table[index];
            if (entry.Transmissions > _settings.MaximumRetransmissions)
            {
                _counters.Increment(Counter.Delivery_RetransmissionsGivenUp);
                Finish(index, delivered: false);
                continue;
            }

            _counters.Increment(Counter.Delivery_Retransmissions);
            ref Peer peer = ref _clients.Peers[entry.Peer];
            _table.Remove(ref queue, index);
            peer.InFlight--;
            bool mustWait = peer.Anonymous
                && (entry.IsSurbRequest ? peer.Surbs.Count - peer.Committed <= 0 : _clients.Available(ref peer) == 0);
            if (mustWait)
                Park(entry.Peer, ref peer, index);
            else
                MakeReady(ref peer, index);
        }
    }

    private void CheckStarving(int index, ref Peer peer)
    {
        if (_clients.Available(ref peer) > 0)
            peer.StarvedSince = 0;
        else
            RequestSurbs(index);
        long age = (long)_settings.ParkedAge.TotalMilliseconds;
        if (peer.StarvedSince == 0 || _now - Math.Max(peer.StarvedSince, peer.LastHeard) < age)
            return;
        while (peer.Parked.Count > 0)
        {
            _counters.Increment(Counter.Delivery_RepliesDroppedNoSurbs);
            Finish(peer.Parked.Head, delivered: false);
        }

        if (!peer.LossReported)
        {
            peer.LossReported = true;
            _owner!.OnPeerLost(index);
        }
    }

    private void Finish(int index, bool delivered)
    {
        ref Outgoing entry = ref _table[index];
        ref Peer peer = ref _clients.Peers[entry.Peer];
        switch (entry.State)
        {
            case OutgoingState.Ready:
                _table.Remove(ref _ready, index);
                peer.Committed--;
                break;
            case OutgoingState.Parked:
                _table.Remove(ref peer.Parked, index);
                _parked--;
                break;
            case OutgoingState.Waiting:
                if (entry.Transmissions == 1)
                    _table.Remove(ref _waiting, index);
                else
                    _table.Remove(ref _waitingAgain, index);
                peer.InFlight--;
                break;
        }

        long connection = entry.Connection;
        int peerIndex = entry.Peer;
        _slots.Free(entry.Slot);
        _table.Close(index);
        if (connection != 0)
            _owner!.OnAcknowledged(connection, delivered);
        OfferCredit(peerIndex, ref peer);
    }

    private void OfferCredit(int index, ref Peer peer)
    {
        if (!peer.CreditRefused)
            return;
        peer.CreditRefused = false;
        _owner!.OnCredit(index);
    }
}
