using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.MixLink;
using FastExit.Native.IoUring;
using FastExit.Sphinx;
using FastExit.Tests.MixLink;
using Xunit;

namespace FastExit.Tests.Delivery;

/// <summary>A service that remembers what it was told.</summary>
internal sealed class RecordingService(CoreMemory memory) : IService, IReplyPathOwner
{
    public List<(byte[] Data, int Peer)> Messages { get; } = [];

    public List<(long Connection, bool Delivered)> Acknowledged { get; } = [];

    public List<int> Credits { get; } = [];

    public List<int> Lost { get; } = [];

    /// <summary>Frees slots and keeps nothing: for runs that count allocations.</summary>
    public bool Silent { get; set; }

    public int Count { get; private set; }

    public int LastPeer { get; private set; }

    public void OnMessage(in InboundMessage message, long now)
    {
        Count++;
        LastPeer = message.Peer;
        if (!Silent)
            Messages.Add((memory.Slot(message.Slot).Slice(message.Offset, message.Bytes).ToArray(), message.Peer));
        memory.Free(message.Slot);
    }

    public void OnAcknowledged(long connection, bool delivered)
    {
        if (!Silent)
            Acknowledged.Add((connection, delivered));
    }

    public void OnCredit(int peer)
    {
        if (!Silent)
            Credits.Add(peer);
    }

    public void OnPeerLost(int peer) => Lost.Add(peer);
}

/// <summary>The rooms of one core (or several on one thread) between frames in and frames out, with a clock of the test's own.</summary>
internal sealed class ExitBench : IDisposable
{
    private readonly MixLab _lab;
    private readonly SlotPool[] _pools;
    private readonly SpscRing<CoreParcel>?[][] _parcels;
    private readonly SpscRing<SlotHandle>?[][] _returns;

    public ExitBench(
        MixLab lab, int cores = 1, DeliverySettings? delivery = null, MemorySettings? memory = null, int parcels = 4096,
        SphinxKeySet? keys = null, bool second = false)
    {
        _lab = lab;
        memory ??= new MemorySettings { RegularSlots = 2048, ExtendedSlots = 16, AssemblyBytes = 32 << 20, HugePages = false };
        delivery ??= new DeliverySettings { SurbBytes = 1 << 20, MaximumPeers = 64, MaximumSets = 256, MaximumPendingAcks = 512 };
        Keys = keys ?? new SphinxKeySet((lab.Exit.PrivateKey, 1u, new ReplayFilter(100_000)));
        _pools = [.. Enumerable.Range(0, cores).Select(c => new SlotPool(c, memory))];
        _parcels = Rings<CoreParcel>(cores, _ => parcels);
        _returns = Rings<SlotHandle>(cores, to => _pools[to].TotalSlots);
        Cores = [.. Enumerable.Range(0, cores).Select(c => Build(c, delivery, second))];
    }

    public SphinxKeySet Keys { get; }

    public CoreRooms[] Cores { get; }

    public CoreRooms One => Cores[0];

    public long Now { get; set; } = 1_000_000;

    public long Count(Counter counter) => Cores.Sum(c => c.Counters.Read(counter));

    public int SlotsInUse => _pools.Sum(p => Enum.GetValues<SlotClass>().Sum(p.InUse));

    public void Deliver(ClientPacket packet, int core = 0, KeyRotation rotation = KeyRotation.Unknown) =>
        Deliver(packet.Bytes, packet.Size, core, rotation);

    public void Deliver(ReadOnlySpan<byte> packet, PacketSize size, int core = 0, KeyRotation rotation = KeyRotation.Unknown)
    {
        CoreRooms rooms = Cores[core];
        Assert.True(_pools[core].TryRent(size <= PacketSize.Acknowledgement ? SlotClass.Regular : SlotClass.Extended, out SlotHandle slot));
        packet.CopyTo(_pools[core].Slot(slot)[ReplyLayout.PacketOffset..]);
        ref SlotHeader header = ref _pools[core].Header(slot);
        header.ContentOffset = ReplyLayout.PacketOffset;
        header.ContentBytes = packet.Length;
        header.Size = (byte)size;
        header.Rotation = (byte)rotation;
        rooms.Stage.Enqueue(slot, Now);
    }

    /// <summary>Runs every stage until nothing is left to do, without waiting for sockets.</summary>
    public void Run()
    {
        bool busy = true;
        while (busy)
        {
            busy = false;
            foreach (CoreRooms rooms in Cores)
            {
                rooms.Replies.BeginLoop(Now);
                rooms.Second?.Replies.BeginLoop(Now);
                for (int from = 0; from < Cores.Length; from++)
                {
                    if (from == rooms.Index)
                        continue;
                    while (_returns[from][rooms.Index]!.TryPop(out SlotHandle slot))
                        _pools[rooms.Index].Free(slot);
                    while (_parcels[from][rooms.Index]!.TryPop(out CoreParcel parcel))
                    {
                        busy = true;
                        if (parcel.Service == rooms.Inbox.Service)
                            rooms.Inbox.OnParcel(parcel, Now);
                        else
                            rooms.Second!.OnParcel(parcel, Now);
                    }
                }

                for (; rooms.Stage.HasWork; busy = true)
                    rooms.Stage.Run(Now);
                for (int before = -1; rooms.Replies.HasWork && rooms.Pool.Available(SlotClass.Regular) != before; busy = true)
                {
                    before = rooms.Pool.Available(SlotClass.Regular);
                    rooms.Replies.Run();
                }

                for (; rooms.Second is { HasWork: true } room; busy = true)
                    room.Replies.Run();

                rooms.PumpSockets(Now);
            }
        }
    }

    /// <summary>Time passes and every room's clock work runs.</summary>
    public void Pass(long milliseconds)
    {
        Now += milliseconds;
        foreach (CoreRooms rooms in Cores)
        {
            rooms.Replies.BeginLoop(Now);
            rooms.Inbox.Tick(Now);
            rooms.Replies.Tick();
            rooms.Second?.Replies.BeginLoop(Now);
            rooms.Second?.Tick(Now);
        }

        Run();
    }

    /// <summary>Runs until everything queued went out on real sockets, then takes what the first mix nodes received.</summary>
    public List<(NodeAddress Hop, ReceivedFrame Frame)> Flush()
    {
        Run();
        var taken = new List<(NodeAddress, ReceivedFrame)>();
        DateTime deadline = DateTime.UtcNow.AddSeconds(10);
        while (taken.Count < Expected && DateTime.UtcNow < deadline)
        {
            foreach (CoreRooms rooms in Cores)
                rooms.PumpSockets(Now);
            foreach (FrameCollector collector in _lab.Collectors)
            {
                while (collector.Frames.TryDequeue(out ReceivedFrame? frame))
                    taken.Add((NodeAddress.From(collector.EndPoint), frame));
            }

            if (taken.Count < Expected)
                Thread.Sleep(1);
        }

        Assert.Equal(Expected, taken.Count);
        _flushed += taken.Count;
        Run();
        return taken;
    }

    /// <summary>Data fragments of a client that are among what <see cref="Flush"/> brought.</summary>
    public List<ClientFragment> Receive(LabClient client) =>
        [.. Flush().Where(f => f.Frame.Header.Size != PacketSize.Acknowledgement)
            .Select(f => _lab.Walk(f.Hop, f.Frame.Packet)).OfType<Arrival>().Select(client.Open).OfType<ClientFragment>()];

    /// <summary>The client's gateway releases the ack of a fragment; it comes back to the exit.</summary>
    public void Acknowledge(ClientFragment fragment, int core = 0)
    {
        Arrival arrival = _lab.Walk(fragment.AckFirstHop, fragment.AckPacket)!;
        Assert.Same(_lab.Exit, arrival.Node);
        Deliver(arrival.Packet, PacketSize.Acknowledgement, core);
        Run();
    }

    /// <summary>Sends a client's message through, all packets to one core.</summary>
    public void Deliver(IEnumerable<ClientPacket> packets, int core = 0)
    {
        foreach (ClientPacket packet in packets)
            Deliver(packet, core);
        Run();
    }

    public void Dispose()
    {
        foreach (CoreRooms rooms in Cores)
            rooms.Dispose();
        foreach (SlotPool pool in _pools)
            pool.Dispose();
    }

    private long _flushed;

    private long Expected => Count(Counter.Delivery_RepliesSent) + Count(Counter.Sphinx_AcksReleased)
        - Count(Counter.MixLink_EgressUnknownPeer) - Count(Counter.MixLink_EgressQueueFull) - _flushed;

    private CoreRooms Build(int core, DeliverySettings delivery, bool second) => new(
        _lab, core, new CoreMemory(core, _pools, _returns[core]), new CoreLinks(core, _parcels[core]), Keys, delivery, second);

    private static SpscRing<T>?[][] Rings<T>(int cores, Func<int, int> entries)
        where T : unmanaged =>
        [.. Enumerable.Range(0, cores).Select(from => (SpscRing<T>?[])[.. Enumerable.Range(0, cores)
            .Select(to => from == to ? null : new SpscRing<T>(entries(to)))])];
}

/// <summary>One core's rooms, wired as in the program.</summary>
internal sealed class CoreRooms : IDisposable
{
    private readonly IoRing _ring = new(new IoRingOptions { SubmissionEntries = 256, CompletionEntries = 1024, DirectDescriptors = 64 });
    private readonly MixEgress _egress;

    public CoreRooms(
        MixLab lab, int index, CoreMemory memory, CoreLinks links, SphinxKeySet keys, DeliverySettings settings, bool second)
    {
        Index = index;
        Counters = new CoreCounters(index);
        Pool = memory.Own;
        var link = new MixLinkSettings { Announced = lab.Exit.Address, EgressIdle = TimeSpan.FromDays(1), EgressExpiry = TimeSpan.FromDays(1) };
        _egress = new MixEgress(
            _ring, Pool, [.. lab.Topology.Nodes.Select(n => NodeAddress.From(n.MixAddress))], link, Counters);
        (byte[], byte[]) first = (lab.Service.Identity.ToArray(), lab.ServiceKey);
        ServiceKeys services = second ? new(first, (lab.Second.Identity.ToArray(), lab.SecondKey)) : new(first);
        Stage = new SphinxStage(Pool, _egress, services, keys, Counters);
        Clients = new Clients(settings, hugePages: false, Counters);
        var routes = new RouteBook(
            lab.Topology, lab.Exit.Identity, lab.Exit.SphinxKey, NodeAddress.From(lab.Exit.Address), settings.MeanHopDelay);
        Replies = new ReplyStage(
            Pool, _egress, routes, Clients, new ServiceIdentity(lab.Service, lab.AckKey), settings, Counters);
        Service = new RecordingService(memory);
        Replies.Connect(Service);
        Inbox = new Inbox(memory, links, Clients, Replies, Service, settings, Counters);
        Stage.Connect(Inbox);
        if (second)
        {
            Second = new ServiceRoom(
                1, memory, links, _egress, routes, new ServiceIdentity(lab.Second, lab.SecondAckKey), settings, hugePages: false, Counters,
                replies => new EchoService(memory, replies));
            Stage.Connect(Second.Inbox);
            Second.Replies.BeginLoop(1_000_000);
        }

        // The replies' clock must not stand at zero before the first loop.
        Replies.BeginLoop(1_000_000);
    }

    public int Index { get; }

    public CoreCounters Counters { get; }

    public SlotPool Pool { get; }

    public SphinxStage Stage { get; }

    public Clients Clients { get; }

    public ReplyStage Replies { get; }

    public Inbox Inbox { get; }

    public RecordingService Service { get; }

    /// <summary>Another service beside the first, with an <see cref="EchoService"/>.</summary>
    public ServiceRoom? Second { get; }

    public int Queued => _egress.Queued;

    public void PumpSockets(long now)
    {
        _egress.Flush(now);
        _ring.Submit();
        while (_ring.TryTake(out Completion completion))
        {
            switch (CompletionKind.KindOf(completion.UserData))
            {
                case CompletionKind.EgressConnect:
                    _egress.OnConnect(completion, now);
                    break;
                case CompletionKind.EgressSend:
                    _egress.OnSend(completion, now);
                    break;
                case CompletionKind.EgressReceive:
                    _egress.OnReceive(completion, default, now);
                    break;
                case CompletionKind.EgressClosed:
                    _egress.OnClosed(completion, now);
                    break;
            }
        }
    }

    public void Dispose()
    {
        _egress.Dispose();
        _ring.Dispose();
        Second?.Dispose();
        Clients.Dispose();
    }
}
