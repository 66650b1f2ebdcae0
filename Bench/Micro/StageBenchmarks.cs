using BenchmarkDotNet.Attributes;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.MixLink;
using FastExit.Native.IoUring;
using FastExit.Sphinx;

namespace FastExit.Bench.Micro;

/// <summary>
/// The exit's own stages, per regular packet, as a core runs them: from a packet in its slot to the message at its service (the ack
/// split off and handed to the mix link), and from a service's data to a packet for the first hop, ack included. The mix link knows
/// no peers here, so what reaches it is freed at once.
/// </summary>
public class StageBenchmarks
{
    private const int Packets = 512;

    private readonly PacketForge _forge = new();
    private readonly List<byte[]> _packets = [];
    private readonly List<byte[]> _surbs = [];
    private readonly CoreCounters _counters = new(0);
    private readonly MemorySettings _memorySettings =
        new() { RegularSlots = 4 * Packets, ExtendedSlots = 1, AssemblyBytes = 32 << 20, HugePages = false };
    private readonly DeliverySettings _delivery = new() { MaximumSurbsPerPeer = Packets, MaximumPendingAcks = 2 * Packets };
    private SlotPool? _slots;
    private IoRing? _ring;
    private MixEgress? _egress;
    private SphinxKeySet? _keys;
    private ReplyStage? _replies;
    private Clients? _clients;
    private SphinxStage? _stage;
    private int _peer;
    private int _iterations;
    private long _allocated;
    private long _processed;

    [GlobalSetup]
    public void Setup()
    {
        for (int i = 0; i < Packets; i++)
        {
            _packets.Add(_forge.AtExit(1000));
            _surbs.Add(_forge.ReplySurb());
        }
    }

    [IterationSetup]
    public void Prepare()
    {
        // Created here, on the thread that runs the iteration, which must own the ring.
        _ring = new IoRing(new IoRingOptions { DirectDescriptors = 16 });
        _slots = new SlotPool(0, _memorySettings);
        var memory = new CoreMemory(0, [_slots], [null]);
        _egress = new MixEgress(_ring, _slots, [], new MixLinkSettings { Announced = new(System.Net.IPAddress.Loopback, 1789) }, _counters);
        _keys = new SphinxKeySet((_forge.SphinxPrivateKey, 1u, new ReplayFilter(16 * Packets)));
        var services = new ServiceKeys((_forge.Address.Identity.ToArray(), _forge.EncryptionPrivateKey));
        _stage = new SphinxStage(_slots, _egress, services, _keys, _counters);
        _clients = new Clients(_delivery, hugePages: false, _counters);
        _replies = new ReplyStage(
            _slots, _egress, _forge.Routes, _clients, new ServiceIdentity(_forge.Address, _forge.AckKey), _delivery, _counters);
        var sink = new Sink(_slots);
        _replies.Connect(sink);
        _stage.Connect(new Inbox(memory, new CoreLinks(0, [null]), _clients, _replies, sink, _delivery, _counters));
        _clients.TryTouch(new PeerTag(1, 2), mayOpen: true, 0, out _peer);
        foreach (byte[] surb in _surbs)
            _clients.Surbs.TryAdd(ref _clients.Peers[_peer].Surbs, surb, KeyRotation.Unknown, 0);
    }

    /// <summary>The diagnoser's column counts every thread of the process, its own too; this counts the benchmark's alone.</summary>
    [GlobalCleanup]
    public void ReportAllocation() => Console.WriteLine(
        $"// bytes allocated by the stage's own thread: {_allocated} over {_processed} packets, warm-up left out");

    [IterationCleanup]
    public void CleanUp()
    {
        _keys!.Retire(null);
        _egress!.Dispose();
        _clients!.Dispose();
        _slots!.Dispose();
        _ring!.Dispose();
    }

    [Benchmark(OperationsPerInvoke = Packets)]
    public void InboundPacketToService()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Packets; i++)
        {
            _slots!.TryRent(SlotClass.Regular, out SlotHandle slot);
            _packets[i].CopyTo(_slots.Slot(slot)[ReplyLayout.PacketOffset..]);
            ref SlotHeader header = ref _slots.Header(slot);
            header.ContentOffset = ReplyLayout.PacketOffset;
            header.ContentBytes = _packets[i].Length;
            header.Size = (byte)PacketSize.Regular;
            header.Rotation = 0;
            _stage!.Enqueue(slot, 0);
            if ((i & 7) == 7)
                _stage.Run(0);
        }

        Account(before);
    }

    [Benchmark(OperationsPerInvoke = Packets)]
    public void DataToReplyPacket()
    {
        const int MessageBytes = 1601;
        long before = GC.GetAllocatedBytesForCurrentThread();
        _replies!.BeginLoop(1);
        // The reserve stays; the last few lanes park.
        for (int i = 0; i < Packets; i++)
        {
            _slots!.TryRent(SlotClass.Regular, out SlotHandle slot);
            _replies.SendInPlace(_peer, slot, ReplyLayout.MessageOffset, MessageBytes, 0);
            if ((i & 7) == 7)
                _replies.Run();
        }

        Account(before);
    }

    private void Account(long before)
    {
        const int WarmUpIterations = 3;
        if (_iterations++ < WarmUpIterations)
            return;
        _allocated += GC.GetAllocatedBytesForCurrentThread() - before;
        _processed += Packets;
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
