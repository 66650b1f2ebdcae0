using System.Net;
using System.Runtime.InteropServices;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.MixLink;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using FastExit.Native.Threads;
using FastExit.Sphinx;
using FastExit.Topology;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Bench.Link;

/// <summary>What one end has done so far.</summary>
internal readonly record struct LinkSample(long Packets, long Records, long Bytes, double CpuSeconds, long AllocatedBytes);

/// <summary>
/// One node's mix link, both sides of it, on one thread pinned to one core: the exit's own rooms on a ring of their own. What it
/// receives ends as soon as the link has handed it on: its frames name a key rotation that this end has no key for.
/// </summary>
internal sealed partial class LinkEnd : IDisposable
{
    private const int ThreadCpuClock = 3;
    private const int Waiting = 256;
    private readonly Thread _thread;
    private readonly MixLinkSettings _settings;
    private readonly NoiseIdentity? _identity;
    private readonly SocketDescriptor _listener;
    private readonly NetworkTopology? _topology;
    private readonly IPEndPoint? _peer;
    private readonly ManualResetEventSlim _ready = new();
    private volatile bool _stop;
    private volatile bool _sends;
    private Exception? _failure;
    private LinkSample _sample;
    private int _asked;
    private int _answered;

    public LinkEnd(int core, NoiseIdentity? identity, LinkEnd? peer)
    {
        _identity = identity;
        _settings = new MixLinkSettings
        {
            Announced = new IPEndPoint(IPAddress.Loopback, 1),
            LegacyFraming = false,
            AcceptPlain = "always",
            EgressExpiry = TimeSpan.FromMinutes(1),
        };
        _listener = SocketDescriptor.ListenTcp(
            EndpointAddress.From(new IPEndPoint(IPAddress.Loopback, 0)), 16, reusePort: false, out EndpointAddress bound);
        Address = bound.ToIPEndPoint();
        _peer = peer?.Address;
        if (peer is not null)
        {
            _topology = new NetworkTopology(
                1, [new TopologyNode(new byte[32], new byte[32], peer.Address, TopologyRole.Mix1) { NoiseKey = peer._identity?.PublicKey.ToArray() }]);
        }

        _thread = new Thread(() => Run(core)) { IsBackground = true, Name = "link" };
    }

    public IPEndPoint Address { get; }

    /// <summary>Keeps its peer's connection busy while this is true.</summary>
    public bool Sends
    {
        set => _sends = value;
    }

    public void Start()
    {
        _thread.Start();
        _ready.Wait();
        if (_failure is not null)
            throw _failure;
    }

    /// <summary>Told by the thread itself.</summary>
    public LinkSample Sample()
    {
        int asked = Interlocked.Increment(ref _asked);
        while (Volatile.Read(ref _answered) != asked)
        {
            if (_failure is not null)
                throw _failure;
            Thread.Sleep(1);
        }

        return _sample;
    }

    public void Dispose()
    {
        _stop = true;
        if (_thread.IsAlive)
            _thread.Join();
        _listener.Dispose();
        _ready.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out TimeValue value);

    private static double CpuSeconds()
    {
        _ = ClockGetTime(ThreadCpuClock, out TimeValue value);
        return value.Seconds + (value.Nanoseconds / 1e9);
    }

    private void Run(int core)
    {
        try
        {
            CpuAffinity.PinCurrentThread(core);
            var counters = new CoreCounters(0);
            using var slots = new SlotPool(0, new MemorySettings { RegularSlots = 4096, ExtendedSlots = 8, AssemblyBytes = 16 << 20 });
            using var ring = new IoRing(new IoRingOptions { DirectDescriptors = 64 });
            using var egress = new MixEgress(
                ring, slots, _peer is null ? [] : [NodeAddress.From(_peer)], _settings, counters, _identity, _topology);
            var stage = new SphinxStage(
                slots, egress, new ServiceKeys((new byte[32], new byte[32])), new SphinxKeySet((new byte[32], 1u, new ReplayFilter(1000))), counters);
            using var ingress = new MixIngress(ring, slots, stage, [_listener], _settings, counters, _identity);
            _ready.Set();
            while (!_stop)
                Turn(ring, slots, stage, ingress, egress, counters);
        }
        catch (Exception e)
        {
            // Whoever waits for a sample is told.
            _failure = e;
            _ready.Set();
        }
    }

    private void Turn(IoRing ring, SlotPool slots, SphinxStage stage, MixIngress ingress, MixEgress egress, CoreCounters counters)
    {
        long now = Environment.TickCount64;
        if (_sends)
            Feed(slots, egress, now);
        egress.Flush(now);
        ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(5));
        for (int taken = 0; taken < 64 && ring.TryTake(out Completion completion); taken++)
            Dispatch(completion, ingress, egress, now);
        while (stage.HasWork)
            stage.Run(now);
        ingress.Tick(now);
        egress.Tick(now);
        int asked = Volatile.Read(ref _asked);
        if (asked == _answered)
            return;
        _sample = new LinkSample(
            counters.Read(Counter.MixLink_PacketsSent) + counters.Read(Counter.MixLink_FramesReceived),
            counters.Read(Counter.MixLink_RecordsReceived),
            counters.Read(Counter.MixLink_BytesSent) + counters.Read(Counter.MixLink_BytesReceived),
            CpuSeconds(),
            GC.GetAllocatedBytesForCurrentThread());
        Volatile.Write(ref _answered, asked);
    }

    private void Feed(SlotPool slots, MixEgress egress, long now)
    {
        NodeAddress peer = NodeAddress.From(_peer!);
        while (egress.Queued < Waiting && slots.TryRent(SlotClass.Regular, out SlotHandle slot))
        {
            ref SlotHeader header = ref slots.Header(slot);
            header.ContentOffset = ReplyLayout.PacketOffset;
            header.ContentBytes = PacketSizes.PacketBytes(PacketSize.Regular);
            header.Size = (byte)PacketSize.Regular;
            header.Rotation = (byte)KeyRotation.Even;
            egress.Send(peer, slot, now);
        }
    }

    private static void Dispatch(in Completion completion, MixIngress ingress, MixEgress egress, long now)
    {
        switch (CompletionKind.KindOf(completion.UserData))
        {
            case CompletionKind.Accept:
                ingress.OnAccept(completion, now);
                break;
            case CompletionKind.MixReceive:
                ingress.OnReceive(completion, now);
                break;
            case CompletionKind.MixSend:
                ingress.OnSend(completion);
                break;
            case CompletionKind.MixClosed:
                ingress.OnClosed(completion);
                break;
            case CompletionKind.EgressConnect:
                egress.OnConnect(completion, now);
                break;
            case CompletionKind.EgressSend:
                egress.OnSend(completion, now);
                break;
            case CompletionKind.EgressReceive:
                egress.OnReceive(completion, completion.HasBuffer ? ingress.Received(completion) : default, now);
                if (completion.HasBuffer)
                    ingress.GiveBack(completion.BufferId);
                break;
            case CompletionKind.EgressClosed:
                egress.OnClosed(completion, now);
                break;
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeValue
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
