using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Memory;
using FastExit.MixLink;

namespace FastExit.Delivery;

/// <summary>What a service sends with: its own address and the key of its acks.</summary>
internal sealed record ServiceIdentity(Recipient Address, byte[] AckKey);

/// <summary>
/// Builds packets out of fragments, up to eight side by side: ack, SURB or explicit route, end-to-end encryption, Sphinx layers
/// (end-to-end.md §4.4). The fragment stays where it is for a retransmission; the copy into the slot that goes on the wire is the only
/// one on this path.
/// </summary>
internal sealed class ReplyPackets
{
    private const int MaximumLanes = 8;

    private readonly SlotPool _slots;
    private readonly MixEgress _egress;
    private readonly RouteBook _routes;
    private readonly Clients _clients;
    private readonly ServiceIdentity _service;
    private readonly CoreCounters _counters;
    private readonly AckPool _pool;
    private readonly AckBatch _acks = new();
    private readonly ReplyPacketBatch _replies = new();
    private readonly ForwardPacketBatch _forwards = new();
    private readonly Lane[] _lanes = new Lane[MaximumLanes];
    private readonly byte[] _identifier = new byte[16];
    private readonly int _fragmentBytes = PacketSizes.FragmentBytes(PacketSize.Regular);

    public ReplyPackets(
        SlotPool slots,
        MixEgress egress,
        RouteBook routes,
        Clients clients,
        ServiceIdentity service,
        AckPool pool,
        CoreCounters counters)
    {
        _pool = pool;
        _slots = slots;
        _egress = egress;
        _routes = routes;
        _clients = clients;
        _service = service;
        _counters = counters;
    }

    public int Count { get; private set; }

    public bool IsFull => Count == MaximumLanes;

    /// <summary>Index of the lane's fragment in the outgoing table.</summary>
    public int Entry(int lane) => _lanes[lane].Entry;

    public void Clear()
    {
        Count = 0;
        _acks.Clear();
        _replies.Clear();
        _forwards.Clear();
    }

    /// <summary>False: no slot to build in.</summary>
    public bool TryAdd(int index, ref Outgoing entry)
    {
        if (!_slots.TryRent(SlotClass.Regular, out SlotHandle wire))
            return false;
        _slots.Slot(entry.Slot).Slice(entry.FragmentOffset, _fragmentBytes)
            .CopyTo(_slots.Slot(wire)[ReplyLayout.FragmentOffset..]);
        ref SlotHeader header = ref _slots.Header(wire);
        header.ContentOffset = ReplyLayout.PacketOffset;
        header.ContentBytes = PacketSizes.PacketBytes(PacketSize.Regular);
        header.Size = (byte)PacketSize.Regular;
        ref Peer peer = ref _clients.Peers[entry.Peer];
        int surb = peer.Anonymous ? _clients.TakeSurb(ref peer) : SurbStore.None;
        KeyRotation rotation = surb == SurbStore.None ? _routes.Rotation : _clients.Surbs.Rotation(surb);
        header.Rotation = (byte)rotation;
        ref Lane lane = ref _lanes[Count++];
        lane = new Lane { Entry = index, Peer = entry.Peer, Wire = wire, Surb = surb, Forward = -1, PooledAck = AckPool.None };

        // The ack comes back framed with the rotation of what carries it.
        if (entry.PooledAck != AckPool.None)
        {
            if (_pool.Fits(entry.PooledAck, rotation))
                lane.PooledAck = entry.PooledAck;
            else
                _pool.Free(entry.PooledAck);
            entry.PooledAck = AckPool.None;
        }

        if (lane.PooledAck == AckPool.None)
        {
            lane.Ack = _acks.Add(
                _routes.Draw(_routes.OwnGatewayOf(rotation), _service.Address.Identity, _identifier),
                _service.AckKey, entry.SetId,
                entry.IsUnawaited ? Outgoing.UnawaitedPosition : entry.Position);
        }

        return true;
    }

    /// <summary>All lanes leave for their first hops.</summary>
    public void BuildAndSend(long now)
    {
        if (_acks.Count > 0)
            _acks.Build();
        for (int i = 0; i < Count; i++)
        {
            ref Lane lane = ref _lanes[i];
            if (lane.PooledAck == AckPool.None)
            {
                AddPacket(ref lane, _acks.Prefix(lane.Ack), now);
                continue;
            }

            _counters.Increment(Counter.Delivery_AcksTakenFromPool);
            AddPacket(ref lane, _pool.Prefix(lane.PooledAck), now);
            _pool.Free(lane.PooledAck);
        }

        _replies.Build(_slots.All);
        _forwards.Build(_slots.All);
        for (int i = 0; i < Count; i++)
        {
            ref Lane lane = ref _lanes[i];
            // A return address whose key is no point of the curve gets nothing.
            if (lane.HasFirstHop && (lane.Forward < 0 || _forwards.IsBuilt(lane.Forward)))
            {
                _counters.Increment(Counter.Delivery_RepliesSent);
                _egress.Send(lane.FirstHop, lane.Wire, now);
                continue;
            }

            // The SURBs expired meanwhile, or this one was unusable: the retransmission timer brings the fragment back.
            _counters.Increment(Counter.Delivery_RepliesDroppedNoRoute);
            _slots.Free(lane.Wire);
        }
    }

    private void AddPacket(ref Lane lane, ReadOnlySpan<byte> ackPrefix, long now)
    {
        ref Peer peer = ref _clients.Peers[lane.Peer];
        int offset = _slots.OffsetOf(lane.Wire) + ReplyLayout.PacketOffset;
        if (!peer.Anonymous)
        {
            // Looked up for each packet, because the topology may have changed since the last; its node may have left.
            if (!_routes.TryFindGateway(peer.Recipient.Gateway, out int gateway))
                return;
            lane.Forward = _forwards.Add(
                offset, PacketSize.Regular,
                _routes.Draw(gateway, peer.Recipient.Identity, _identifier),
                peer.Recipient.EncryptionKey, ackPrefix, _clients.Tables.ForPacket(lane.Peer, ref peer));
            lane.HasFirstHop = _routes.TryFirstHop(out lane.FirstHop) && lane.Forward >= 0;
            return;
        }

        if (lane.Surb == SurbStore.None)
            return;
        ReadOnlySpan<byte> bytes = _clients.Surbs.Surb(lane.Surb);
        int added = _replies.Add(offset, PacketSize.Regular, bytes, ackPrefix);
        lane.HasFirstHop = added >= 0
            && NodeAddress.TryRead(bytes[ReplySurb.FirstHopOffset..], out lane.FirstHop, out _);
        _clients.Surbs.Free(lane.Surb);
        _clients.CountUse(ref peer, now);
    }

    private struct Lane
    {
        public int Entry;
        public int Peer;
        public SlotHandle Wire;

        /// <summary>Taken for it; none for a return address, or when there is none left.</summary>
        public int Surb;

        /// <summary>Lane of the ack batch, unless it is a pooled one.</summary>
        public int Ack;
        public int PooledAck;

        /// <summary>Lane of the forward batch; -1 for a reply by SURB.</summary>
        public int Forward;
        public bool HasFirstHop;
        public NodeAddress FirstHop;
    }
}
