using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Memory;
using FastExit.Native.Tun;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

/// <summary>
/// One or two shards with real slots on the test's own thread, between a mixnet and a host that are lists in memory. Time is the test's.
/// Disposing checks that every slot, session and retained peer came back.
/// </summary>
internal sealed class IprWorld : IDisposable
{
    private readonly SlotPool[] _pools;
    private readonly SpscRing<CoreParcel>?[][] _parcels;
    private readonly SpscRing<SlotHandle>?[][] _returns;

    public IprWorld(
        IprLimits? limits = null, string policy = "accept *:*", TunnelNetwork? network = null, int cores = 1, int regularSlots = 8192)
    {
        Network = network ?? new TunnelNetwork(AddressPrefix.Parse("10.0.0.1/16"), AddressPrefix.Parse("fc00::1/112"));
        Policy = new PublishedPacketPolicy(new PacketPolicy(ExitPolicy.Parse(policy, "test"), AddressGuard.Default));
        _pools = [.. Enumerable.Range(0, cores).Select(i => new SlotPool(i, new MemorySettings
        {
            RegularSlots = regularSlots,
            ExtendedSlots = 4,
            AssemblyBytes = 8 << 20,
            HugePages = false,
        }))];
        _parcels = Rings<CoreParcel>(cores, 256);
        _returns = Rings<SlotHandle>(cores, 65536);
        Cores = [.. Enumerable.Range(0, cores).Select(i => new CoreWorld(this, i, limits ?? new IprLimits()))];
    }

    public TunnelNetwork Network { get; }

    public PublishedPacketPolicy Policy { get; }

    public PublishedHealth Health { get; } = new(["n", "t", "1", "s", "c", "b", "r", "h", "p", "x"]);

    public long Now { get; set; } = 1_000_000;

    public CoreWorld[] Cores { get; }

    public CoreWorld Core => Cores[0];

    public IprShard Shard => Core.Shard;

    public MemoryReplies Replies => Core.Replies;

    public MemoryDevice Device => Core.Device;

    public long Read(Counter counter) => Cores.Sum(c => c.Counters.Read(counter));

    /// <summary>Time in steps of a core's tick.</summary>
    public void Pass(long milliseconds)
    {
        for (long end = Now + milliseconds; Now < end;)
        {
            Now = Math.Min(end, Now + 10);
            Turn();
        }
    }

    /// <summary>What a core does in one loop.</summary>
    public void Turn()
    {
        for (int i = 0; i < Cores.Length; i++)
        {
            for (int from = 0; from < Cores.Length; from++)
            {
                while (_returns[from][i]?.TryPop(out SlotHandle slot) == true)
                    _pools[i].Free(slot);
                while (_parcels[from][i]?.TryPop(out CoreParcel parcel) == true)
                    Cores[i].Shard.OnParcel(parcel, Now);
            }

            Cores[i].Shard.Tick(Now);
            Cores[i].Shard.Flush(Now);
        }
    }

    public IprClient Client(byte version = IprVersion.Stream, int core = 0) => new(this, core, version);

    public IprClient Connected(byte version = IprVersion.Stream, ulong? timeout = null)
    {
        IprClient client = Client(version);
        client.Connect(1, timeout);
        Assert.NotNull(client.Pair);
        return client;
    }

    public void Dispose()
    {
        foreach (CoreWorld core in Cores)
            core.Shard.BeginDrain(Now);
        Turn();
        Turn();
        foreach (CoreWorld core in Cores)
        {
            Assert.True(core.Shard.Drained);
            Assert.Equal(0, core.Shard.QueuedBytes);
            core.Replies.AssertReleased();
            core.Shard.Dispose();
            SlotPool pool = _pools[core.Index];
            for (SlotClass c = SlotClass.Regular; c <= SlotClass.Assembly4M; c++)
                Assert.Equal(0, pool.InUse(c));
        }

        foreach (SlotPool pool in _pools)
            pool.Dispose();
    }

    private static SpscRing<T>?[][] Rings<T>(int cores, int entries)
        where T : unmanaged =>
        [.. Enumerable.Range(0, cores).Select(from =>
            Enumerable.Range(0, cores).Select(to => from == to ? null : new SpscRing<T>(entries)).ToArray())];

    internal sealed class CoreWorld
    {
        public CoreWorld(IprWorld world, int index, IprLimits limits)
        {
            Index = index;
            Counters = new CoreCounters(index);
            Memory = new CoreMemory(index, world._pools, world._returns[index]);
            References = new SlotReferences(Memory);
            Replies = new MemoryReplies(Memory);
            Device = new MemoryDevice(Memory, References);
            Shard = new IprShard(
                new IprPlan(world.Network, limits, world.Policy, world.Health), Memory, References,
                new CoreLinks(index, world._parcels[index]), Replies, Device, Counters, world.Now);
            Replies.Owner = Shard;
        }

        public int Index { get; }

        public CoreCounters Counters { get; }

        public CoreMemory Memory { get; }

        public SlotReferences References { get; }

        public MemoryReplies Replies { get; }

        public MemoryDevice Device { get; }

        public IprShard Shard { get; }
    }
}

internal delegate void PacketLook(ReadOnlySpan<byte> packet);

/// <summary>A host that keeps what is written, holding the slots until the flush as a ring would.</summary>
internal sealed class MemoryDevice(CoreMemory memory, SlotReferences references) : IIpDevice
{
    private readonly Queue<(SlotHandle Slot, int Offset, int Bytes)> _held = new(1024);
    private IIpDeviceOwner? _owner;

    public bool IsUp { get; set; } = true;

    public bool IsIdle => _held.Count == 0;

    /// <summary>Only count.</summary>
    public bool Sink { get; set; }

    public long Count { get; private set; }

    /// <summary>Looks at every packet.</summary>
    public PacketLook? Look { get; set; }

    public List<byte[]> Packets { get; } = [];

    public void Connect(IIpDeviceOwner owner) => _owner = owner;

    public void Write(SlotHandle slot, int offset, int bytes)
    {
        references.Add(slot);
        _held.Enqueue((slot, offset, bytes));
    }

    public void Flush(long nowMilliseconds)
    {
        while (_held.TryDequeue(out (SlotHandle Slot, int Offset, int Bytes) held))
        {
            Count++;
            Look?.Invoke(memory.Slot(held.Slot).Slice(held.Offset, held.Bytes));
            if (!Sink)
                Packets.Add(memory.Slot(held.Slot).Slice(held.Offset, held.Bytes).ToArray());
            references.Release(held.Slot);
        }
    }

    /// <summary>The host routes one packet into the tunnel.</summary>
    public void Receive(ReadOnlySpan<byte> packet, long now)
    {
        Span<byte> frame = stackalloc byte[VirtioNetHeader.Bytes + packet.Length];
        frame[..VirtioNetHeader.Bytes].Clear();
        packet.CopyTo(frame[VirtioNetHeader.Bytes..]);
        _owner!.OnFrame(frame, now);
    }

    public void ReceiveFrame(ReadOnlySpan<byte> frame, long now) => _owner!.OnFrame(frame, now);

    public void Dispose() => Flush(0);
}

/// <summary>Clients' SURBs as numbers; keeps what is sent.</summary>
internal sealed class MemoryReplies(CoreMemory memory) : IReplyPath
{
    private readonly List<int> _credit = [];
    private readonly List<int> _retained = [];
    private readonly List<long> _identities = [];

    public IReplyPathOwner? Owner { get; set; }

    public List<(int Peer, byte[] Message)> Messages { get; } = [];

    public List<(int Peer, int Retransmissions)> Data { get; } = [];

    public bool Sink { get; set; }

    public long Sunk { get; private set; }

    public int Backlog { get; set; }

    public int AddPeer(int credit = int.MaxValue)
    {
        _credit.Add(credit);
        _retained.Add(0);
        _identities.Add(_credit.Count);
        return _credit.Count - 1;
    }

    public void SetCredit(int peer, int credit)
    {
        _credit[peer] = credit;
        Owner!.OnCredit(peer);
    }

    public bool TryPeerFor(in Recipient recipient, out int peer)
    {
        peer = 0;
        return false;
    }

    /// <summary>The peer gives way to another client.</summary>
    public void Reuse(int peer) => _identities[peer] += 1000;

    public long IdentityOf(int peer) => _identities[peer];

    public bool IsAnonymous(int peer) => true;

    public void Retain(int peer) => _retained[peer]++;

    public void Release(int peer) => Assert.True(--_retained[peer] >= 0);

    public int Credit(int peer) => _credit[peer];

    public void SendInPlace(
        int peer, SlotHandle slot, int messageOffset, int messageBytes, long connection,
        int retransmissions = IReplyPath.RetransmissionsOfSetting)
    {
        Assert.True(messageOffset >= ReplyLayout.MessageOffset && messageOffset <= ReplyLayout.MessageOffset + 8);
        Assert.True(messageBytes is >= 1 and <= ReplyLayout.MaximumInPlaceBytes);
        Assert.True(slot.Class == SlotClass.Regular && _credit[peer] > 0);
        if (!Sink)
            Data.Add((peer, retransmissions));
        Take(peer, memory.Slot(slot).Slice(messageOffset, messageBytes));
        memory.Free(slot);
    }

    public int Send(int peer, ReadOnlySpan<byte> message, long connection)
    {
        if (_credit[peer] <= 0)
            return 0;
        Take(peer, message);
        return 1;
    }

    public void AssertReleased() => Assert.All(_retained, r => Assert.Equal(0, r));

    private void Take(int peer, ReadOnlySpan<byte> message)
    {
        if (_credit[peer] != int.MaxValue)
            _credit[peer]--;
        if (Sink)
            Sunk++;
        else
            Messages.Add((peer, message.ToArray()));
    }
}
