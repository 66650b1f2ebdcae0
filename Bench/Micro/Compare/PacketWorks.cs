using System.Net;
using System.Security.Cryptography;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Sphinx;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.MixLink;
using FastExit.Native.IoUring;
using FastExit.Sphinx;

namespace FastExit.Bench.Micro.Compare;

/// <summary>
/// The exit's own stages over a stock of packets made before: each packet has its own keys and lies in its own slot. A replay filter
/// is new and empty for each pass. The mix link knows no peers, so what reaches it is freed at once. For one thread.
/// </summary>
internal sealed class PacketWorks : IDisposable
{
    /// <summary>
    /// As many as lie in a core's second cache, as what a core has just read from its sockets does.
    /// </summary>
    public const int Packets = 128;

    /// <summary>Nodes of each layer in a network as large as the real one.</summary>
    public const int ManyNodes = 80;

    private const int Lanes = SphinxSizes.MaximumLanes, MessageBytes = 1000, ReplyBytes = ReplyLayout.MaximumInPlaceBytes;
    private const int PacketBytes = 2413, Recipients = 16;
    private static readonly TimeSpan s_setAge = TimeSpan.FromSeconds(10);

    private readonly PacketForge _forge = new();
    private readonly byte[][] _packets;
    private readonly byte[] _region = new byte[Packets * PacketBytes];
    private readonly SphinxLane[] _lanes = new SphinxLane[Lanes];
    private readonly SphinxHopBatch _hops = new() { TagsBySeedBlock = true };
    private readonly CoreCounters _counters = new(0);
    private readonly IoRing _ring = new(new IoRingOptions { DirectDescriptors = 16 });
    private readonly SlotPool _slots;
    private readonly MixEgress _egress;
    private readonly SphinxStage _stage;
    private readonly SlotHandle[] _ready = new SlotHandle[Packets];
    private readonly byte[] _answers = RandomNumberGenerator.GetBytes(Packets + ReplyBytes);
    private readonly Replies _freshAcks, _pooledAcks, _amongMany;
    private SphinxKeySet _keys;
    private ReplayFilter _filter;
    private long _now = 1;
    private int _finals;
    private long _before;

    public PacketWorks()
    {
        _packets = [.. Enumerable.Range(0, Packets).Select(_ => _forge.AtExit(MessageBytes).ToArray())];
        var memory = new MemorySettings { RegularSlots = 4 * Packets, ExtendedSlots = 1, AssemblyBytes = 1 << 20, HugePages = false };
        _slots = new SlotPool(0, memory);
        _egress = new MixEgress(_ring, _slots, [], new MixLinkSettings { Announced = new(IPAddress.Loopback, 1789) }, _counters);
        (_keys, _filter) = NewKeys();
        var services = new ServiceKeys((_forge.Address.Identity.ToArray(), _forge.EncryptionPrivateKey));
        _stage = new SphinxStage(_slots, _egress, services, _keys, _counters);
        byte[][] surbs = [.. Enumerable.Range(0, Packets).Select(_ => _forge.ReplySurb())];
        var sink = new Sink(_slots);
        _freshAcks = new Replies(this, surbs, sink, pooledAcks: 0, _forge.Routes);
        _pooledAcks = new Replies(this, surbs, sink, pooledAcks: Packets, _forge.Routes);
        _amongMany = new Replies(this, surbs, sink, pooledAcks: 0, _forge.RoutesAmong(ManyNodes));
        _stage.Connect(new Inbox(
            new CoreMemory(0, [_slots], [null]), new CoreLinks(0, [null]), _freshAcks.Clients, _freshAcks.Stage, sink,
            new DeliverySettings { SetAge = s_setAge }, _counters));
    }

    /// <summary>Header, replay check, payload.</summary>
    public Work FinalHop => new(UnwrapAll, PrepareFinalHop, () => Expect(_finals));

    /// <summary>From the packet in its slot to the message at its service, its ack split off and handed over.</summary>
    public Work ForwardPath => new(ReceiveAll, PrepareForwardPath, () => Expect(Counted(Counter.Delivery_Messages)));

    /// <summary>From data in a slot to the packet for the first hop.</summary>
    public Work ReplyWithAck => SendWork(_freshAcks, recipients: false);

    /// <summary>The same in a network with <see cref="ManyNodes"/> nodes a layer: the eight lanes look into eight tables.</summary>
    public Work ReplyAmongMany => SendWork(_amongMany, recipients: false);

    /// <summary>With acks built before.</summary>
    public Work ReplyWithPooledAck => SendWork(_pooledAcks, recipients: false);

    /// <summary>To return addresses, with ack and fresh end-to-end key.</summary>
    public Work MessageToRecipient => SendWork(_freshAcks, recipients: true);

    /// <summary>Nodes that routes are drawn from, each with a table of its key: mix nodes, and the exit as last hop.</summary>
    public static int Nodes => 4;

    public void Dispose()
    {
        _keys.Retire(null);
        _freshAcks.Clients.Dispose();
        _pooledAcks.Clients.Dispose();
        _amongMany.Clients.Dispose();
        _egress.Dispose();
        _slots.Dispose();
        _ring.Dispose();
    }

    private static void Expect(long done)
    {
        if (done != Packets)
            throw new InvalidOperationException($"{done} of {Packets} packets were processed");
    }

    private long Counted(Counter counter) => _counters.Read(counter) - _before;

    private (SphinxKeySet Keys, ReplayFilter Filter) NewKeys()
    {
        var filter = new ReplayFilter(16 * Packets);
        return (new SphinxKeySet((_forge.SphinxPrivateKey, 1u, filter)), filter);
    }

    private void PrepareFinalHop()
    {
        RenewKeys();
        for (int i = 0; i < Packets; i++)
            _packets[i].CopyTo(_region, i * PacketBytes);
        _finals = 0;
    }

    private int UnwrapAll()
    {
        for (int first = 0; first < Packets; first += Lanes)
        {
            for (int i = 0; i < Lanes; i++)
                _lanes[i] = new SphinxLane { Offset = (first + i) * PacketBytes, Length = PacketBytes };
            _hops.OpenHeaders(_region, _lanes, _keys.PrivateKeys);
            foreach (ref SphinxLane lane in _lanes.AsSpan())
            {
                if (lane.Status == SphinxStatus.HeaderValid && _filter.Check(lane.ReplayTag.AsReadOnlySpan()) != ReplayVerdict.Fresh)
                    lane.Status = SphinxStatus.Skipped;
            }

            _hops.OpenPayloads(_region, _lanes);
            foreach (ref readonly SphinxLane lane in _lanes.AsSpan())
                _finals += lane.Status == SphinxStatus.Final ? 1 : 0;
        }

        return Packets;
    }

    private void PrepareForwardPath()
    {
        RenewKeys();
        _stage.Use(_keys);
        // Later than what was received is remembered.
        _now += (long)s_setAge.TotalMilliseconds + 1;
        for (int i = 0; i < Packets; i++)
        {
            _slots.TryRent(SlotClass.Regular, out _ready[i]);
            _packets[i].CopyTo(_slots.Slot(_ready[i])[ReplyLayout.PacketOffset..]);
            ref SlotHeader header = ref _slots.Header(_ready[i]);
            header.ContentOffset = ReplyLayout.PacketOffset;
            header.ContentBytes = PacketBytes;
            header.Size = (byte)PacketSize.Regular;
            header.Rotation = 0;
        }

        _before = _counters.Read(Counter.Delivery_Messages);
    }

    private int ReceiveAll()
    {
        for (int first = 0; first < Packets; first += Lanes)
        {
            for (int i = 0; i < Lanes; i++)
                _stage.Enqueue(_ready[first + i], _now);
            _stage.Run(_now);
        }

        return Packets;
    }

    private void RenewKeys()
    {
        _keys.Retire(null);
        (_keys, _filter) = NewKeys();
    }

    private Work SendWork(Replies replies, bool recipients) => new(
        () => SendAll(replies, recipients),
        () => PrepareSend(replies),
        () =>
        {
            Expect(Counted(Counter.Delivery_RepliesSent));
            replies.ExpectAcks();
        });

    private void PrepareSend(Replies replies)
    {
        for (int i = 0; i < Packets; i++)
        {
            _slots.TryRent(SlotClass.Regular, out _ready[i]);
            _answers.AsSpan(i, ReplyBytes).CopyTo(_slots.Slot(_ready[i])[ReplyLayout.MessageOffset..]);
        }

        replies.Prepare();
        _before = _counters.Read(Counter.Delivery_RepliesSent);
    }

    private int SendAll(Replies replies, bool recipients)
    {
        replies.Stage.BeginLoop(_now);
        for (int first = 0; first < Packets; first += Lanes)
        {
            for (int i = first; i < first + Lanes; i++)
            {
                int peer = recipients ? replies.Addressed[i % Recipients] : replies.Anonymous;
                replies.Stage.SendInPlace(peer, _ready[i], ReplyLayout.MessageOffset, ReplyBytes, 0, retransmissions: 0);
            }

            replies.Stage.Run();
        }

        return Packets;
    }

    /// <summary>A reply stage with one client that has reply SURBs, and several with return addresses.</summary>
    private sealed class Replies
    {
        private readonly PacketWorks _works;
        private readonly byte[][] _surbs;
        private readonly int _pooledAcksWanted;
        private readonly RouteBook _routes;
        private long _pooledAcksBefore;

        public Replies(PacketWorks works, byte[][] surbs, Sink sink, int pooledAcks, RouteBook routes)
        {
            _routes = routes;
            _works = works;
            _surbs = surbs;
            _pooledAcksWanted = pooledAcks;
            // Nothing is kept back and no SURBs are asked for: every packet is one of those counted.
            var settings = new DeliverySettings
            {
                MaximumSurbsPerPeer = Packets,
                SurbReserve = 0,
                SurbMinimum = 1,
                SurbMaximum = 1,
                SurbBytes = 1 << 20,
                MaximumPendingAcks = 2 * Packets,
                PooledAcks = pooledAcks,
            };
            Clients = new Clients(settings, hugePages: false, works._counters);
            Stage = new ReplyStage(
                works._slots, works._egress, routes, Clients,
                new ServiceIdentity(works._forge.Address, works._forge.AckKey), settings, works._counters, Outgoing.UnawaitedPosition);
            Stage.Connect(sink);
            Stage.UseSetIdsOf(0, 1, 0);
            Clients.TryTouch(new PeerTag(1, 2), mayOpen: true, 0, out int anonymous);
            Anonymous = anonymous;
            for (int i = 0; i < Recipients; i++)
            {
                if (!Stage.TryPeerFor(works._forge.Stranger(), out Addressed[i]))
                    throw new InvalidOperationException("a return address was refused");
            }
        }

        public Clients Clients { get; }

        public ReplyStage Stage { get; }

        public int Anonymous { get; }

        public int[] Addressed { get; } = new int[Recipients];

        public void Prepare()
        {
            while (Clients.Peers[Anonymous].Surbs.Count > 0)
                Clients.Surbs.Free(Clients.TakeSurb(ref Clients.Peers[Anonymous]));
            foreach (byte[] surb in _surbs)
                Clients.Surbs.TryAdd(ref Clients.Peers[Anonymous].Surbs, surb, _routes.Rotation, 0);
            while (Stage.WantsAcks)
                Stage.BuildAcks(Lanes);
            while (Stage.WantsTable)
                Stage.MakeTable();
            _pooledAcksBefore = _works._counters.Read(Counter.Delivery_AcksTakenFromPool);
        }

        public void ExpectAcks()
        {
            long taken = _works._counters.Read(Counter.Delivery_AcksTakenFromPool) - _pooledAcksBefore;
            if (taken != _pooledAcksWanted)
                throw new InvalidOperationException($"{taken} acks of {_pooledAcksWanted} came from the pool");
        }
    }

    private sealed class Sink(SlotPool slots) : IService, IReplyPathOwner
    {
        public void OnMessage(in InboundMessage message, long now) => slots.Free(message.Slot);

        public void OnAcknowledged(long connection, bool delivered)
        {
        }

        public void OnCredit(int peer)
        {
        }

        public void OnPeerLost(int peer)
        {
        }
    }
}
