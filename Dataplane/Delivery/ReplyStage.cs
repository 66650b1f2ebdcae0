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
internal sealed partial class ReplyStage : IReplyPath
{
    private const int RecipientWindow = 256;

    // Slots that reading destinations may not use up, so that acks and answers can always be built.
    private const int SlotReserve = 256;

    /// <summary>Longest message of <see cref="Send"/>.</summary>
    public const int MaximumMessageBytes = (64 << 10) - MessageWriter.ReplyHeaderBytes;

    private readonly SlotPool _slots;
    private readonly Clients _clients;
    private readonly ServiceIdentity _service;
    private readonly DeliverySettings _settings;
    private readonly CoreCounters _counters;
    private readonly ReplyPackets _packets;
    private readonly AckPool _acks;
    private readonly RouteBook _routes;
    private readonly RetransmissionTimer _timer;
    private readonly OutgoingTable _table;
    private readonly byte[] _scratch = GC.AllocateArray<byte>(MaximumMessageBytes + MessageWriter.ReplyHeaderBytes);
    private readonly int _fragmentBytes = PacketSizes.FragmentBytes(PacketSize.Regular);
    private OutgoingQueue _ready = OutgoingQueue.Empty;
    private IReplyPathOwner? _owner;
    private SetIdSequence _setIds = new(0, 1, 0);
    private int _parked;
    private long _now;

    public ReplyStage(
        SlotPool slots,
        MixEgress egress,
        RouteBook routes,
        Clients clients,
        ServiceIdentity service,
        DeliverySettings settings,
        CoreCounters counters,
        byte usualPosition = 1)
    {
        _slots = slots;
        _routes = routes;
        _clients = clients;
        _service = service;
        _settings = settings;
        _counters = counters;
        _acks = new AckPool(service, routes, settings.PooledAcks, usualPosition, counters);
        _packets = new ReplyPackets(slots, egress, routes, clients, service, _acks, counters);
        _timer = new RetransmissionTimer(settings);
        _table = new OutgoingTable(settings.MaximumPendingAcks);
        _waiting.AsSpan().Fill(OutgoingQueue.Empty);
    }

    public bool HasWork => _ready.Count > 0;

    public int Backlog => _ready.Count;

    private int Room => Math.Min(_table.Available, _slots.Available(SlotClass.Regular) - SlotReserve);

    /// <summary>Fragments not yet acknowledged, in whatever state.</summary>
    public int Pending => _table.Count;

    public int Parked => _parked;

    public void Connect(IReplyPathOwner owner) => _owner = owner;

    /// <summary>From now on sets get ids whose home is this core, so that their acks find the way back.</summary>
    public void UseSetIdsOf(int core, int cores, int service) => _setIds = new SetIdSequence(core, cores, service);

    /// <summary>Acks may be built ahead.</summary>
    public bool WantsAcks => _acks.WantsMore;

    /// <summary>A client's key waits for its table.</summary>
    public bool WantsTable => _clients.Tables.IsWanted;

    public int PooledAcks => _acks.Count;

    public void BeginLoop(long now) => _now = now;

    /// <summary>Something to do in idle time.</summary>
    public void BuildAcks(int most) => _acks.Build(_setIds, most);

    /// <summary>Something to do in idle time, as long as two batches of acks take.</summary>
    public void MakeTable() => _clients.Tables.MakeOne(_clients.Peers);

    /// <summary>The node's keys were replaced.</summary>
    public void DiscardAcks() => _acks.Discard();

    public bool TryPeerFor(in Recipient recipient, out int peer)
    {
        peer = PeerTable.None;
        return _routes.TryFindGateway(recipient.Gateway, out _)
            && _clients.TryTouch(recipient, _now, out peer);
    }

    public bool IsAnonymous(int peer) => _clients.Peers[peer].Anonymous;

    public long IdentityOf(int peer) => _clients.Peers[peer].Identity;

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
        int room = Room;
        if (room < _settings.MaximumPendingAcks / 8)
            credit = Math.Min(credit, entry.InFlight + entry.Committed == 0 && room > 0 ? 1 : 0);
        if (credit == 0)
            entry.CreditRefused = true;
        return credit;
    }

    public void SendInPlace(
        int peer, SlotHandle slot, int messageOffset, int messageBytes, long connection,
        int retransmissions = IReplyPath.RetransmissionsOfSetting)
    {
        ref Peer entry = ref _clients.Peers[peer];
        Span<byte> bytes = _slots.Slot(slot);
        int start = WriteReplyType(entry.Anonymous, bytes[..messageOffset]);
        int ack = AckPool.None;
        uint setId = 0;
        byte position = retransmissions == 0 ? Outgoing.UnawaitedPosition : (byte)1;
        if (position != _acks.Position || !_acks.TryTake(out ack, out setId))
            setId = _setIds.Next();
        start -= FragmentHeader.UnlinkedBytes;
        new FragmentHeader(setId, 1, 1).Write(bytes[start..]);
        Span<byte> tail = bytes[(messageOffset + messageBytes)..(start + _fragmentBytes)];
        tail.Clear();
        tail[0] = MessagePadding.Marker;
        Enqueue(peer, slot, start, setId, 1, connection, isRequest: false, retransmissions, ack);
    }

    public int Send(int peer, ReadOnlySpan<byte> message, long connection)
    {
        ref Peer entry = ref _clients.Peers[peer];
        Span<byte> whole = _scratch.AsSpan();
        if (message.Length is 0 or > MaximumMessageBytes)
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
        // The request first: what waits may take all that came, and without one to ask by the client stays as dry as it is.
        RequestSurbs(peer);
        Unpark(ref entry);
        OfferCredit(peer, ref entry);
    }

    /// <summary>Builds and sends one batch of what is ready.</summary>
    public void Run()
    {
        _packets.Clear();
        while (!_packets.IsFull && _ready.Count > 0)
        {
            int index = _ready.Head;
            ref Outgoing entry = ref _table[index];
            if (!_packets.TryAdd(index, ref entry))
                break;
            _table.Remove(ref _ready, index);
            _clients.Peers[entry.Peer].Committed--;
        }

        if (_packets.Count == 0)
            return;
        _packets.BuildAndSend(_now);
        for (int i = 0; i < _packets.Count; i++)
        {
            int index = _packets.Entry(i);
            int peer = _table[index].Peer;
            if (_table[index].IsUnawaited)
                Forget(index);
            else
                AwaitAck(index);
            RequestSurbs(peer);
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
        ref Peer client = ref _clients.Peers[peer];
        int free = _slots.Available(SlotClass.Regular) - (isRequest ? 0 : SlotReserve);
        if (plan.Sets != 1 || plan.Packets > _table.Available || plan.Packets > free)
        {
            _counters.Increment(Counter.Delivery_RepliesDroppedNoSlot);
            return 0;
        }

        // A message of which some fragments are dropped is of no use to anyone.
        if (client.Anonymous && !isRequest
            && plan.Packets - _clients.Available(ref client) > _settings.ParkedPacketsPerPeer - client.Parked.Count)
        {
            _counters.Increment(Counter.Delivery_RepliesDroppedNoSurbs);
            return 0;
        }

        Span<uint> setIds = [_setIds.Next()];
        for (int i = 0; i < plan.Packets; i++)
        {
            if (!_slots.TryRent(SlotClass.Regular, out SlotHandle slot))
                return i;
            plan.WriteFragment(
                message, i, setIds, _slots.Slot(slot).Slice(ReplyLayout.FragmentOffset, _fragmentBytes));
            Enqueue(peer, slot, ReplyLayout.FragmentOffset, setIds[0], (byte)(i + 1), connection, isRequest);
        }

        return plan.Packets;
    }

    private void Enqueue(
        int peer, SlotHandle slot, int fragmentOffset, uint setId, byte position, long connection, bool isRequest,
        int retransmissions = IReplyPath.RetransmissionsOfSetting, int pooledAck = AckPool.None)
    {
        if (!_table.TryOpen(setId, position, out int index))
        {
            _counters.Increment(Counter.Delivery_PendingAcksFull);
            if (pooledAck != AckPool.None)
                _acks.Free(pooledAck);
            _slots.Free(slot);
            if (connection != 0)
                _owner!.OnAcknowledged(connection, delivered: false);
            return;
        }

        ref Outgoing entry = ref _table[index];
        entry.Slot = slot;
        entry.FragmentOffset = fragmentOffset;
        entry.Peer = peer;
        entry.PooledAck = pooledAck;
        entry.Connection = connection;
        entry.IsSurbRequest = isRequest;
        entry.IsUnawaited = retransmissions == 0;
        entry.Retransmissions = retransmissions < 0 ? _settings.MaximumRetransmissions : retransmissions;
        entry.Created = _now;
        ref Peer client = ref _clients.Peers[peer];
        if (client.Anonymous && !isRequest && _clients.Available(ref client) == 0)
            Park(peer, ref client, index);
        else
            MakeReady(ref client, index);
    }

    /// <summary>What SURBs are there for now goes before anything new.</summary>
    private void Unpark(ref Peer peer)
    {
        while (peer.Parked.Count > 0 && _clients.Available(ref peer) > 0)
        {
            int index = peer.Parked.Head;
            _table.Remove(ref peer.Parked, index);
            _parked--;
            MakeReady(ref peer, index);
        }

        if (_clients.Available(ref peer) > 0)
            peer.StarvedSince = 0;
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
        Span<byte> request = stackalloc byte[EndToEndMessage.SurbRequestBytes];
        while (true)
        {
            int amount = _clients.AmountToRequest(ref peer, _now);
            if (amount == 0)
                return;
            MessageWriter.WriteSurbRequest(request, _service.Address, (uint)amount);
            if (SendFragments(peerIndex, request, connection: 0, isRequest: true) == 0)
                return;
            peer.Requested += amount;
            peer.RequestedAt = _now;
            _counters.Increment(Counter.Delivery_SurbRequests);
        }
    }

    private void OfferCredit(int index, ref Peer peer)
    {
        if (!peer.CreditRefused)
            return;
        peer.CreditRefused = false;
        _owner!.OnCredit(index);
    }
}
