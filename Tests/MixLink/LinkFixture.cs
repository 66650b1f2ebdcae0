using System.Net;
using System.Net.Sockets;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Memory;
using FastExit.MixLink;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using FastExit.Policy;
using FastExit.Sphinx;
using FastExit.Topology;

namespace FastExit.Tests.MixLink;

/// <summary>Both sides of the mix link on one ring, on the thread that made it. The stage has keys that no packet fits.</summary>
internal sealed class LinkFixture : IDisposable
{
    private readonly IoRing _ring;
    private readonly SocketDescriptor _listener;

    public LinkFixture(MixLinkSettings? settings = null, IReadOnlyList<IPEndPoint>? known = null, int regularSlots = 2048, int extendedSlots = 8, int descriptors = 256,
        NoiseIdentity? identity = null, NetworkTopology? topology = null)
    {
        _ring = new IoRing(new IoRingOptions { SubmissionEntries = 256, CompletionEntries = 2048, DirectDescriptors = descriptors });
        settings ??= Settings;
        Pool = new SlotPool(0, new MemorySettings
        {
            RegularSlots = regularSlots,
            ExtendedSlots = extendedSlots,
            AssemblyBytes = 16 << 20,
            HugePages = false,
        });
        Egress = new MixEgress(_ring, Pool, [.. (known ?? []).Select(NodeAddress.From)], settings, Counters, identity, topology)
        {
            Guard = AddressGuard.Default.WithAllowed("127.0.0.0/8"),
        };
        Stage = new SphinxStage(
            Pool, Egress, new ServiceKeys((new byte[32], new byte[32])),
            new SphinxKeySet((new byte[32], 1u, new ReplayFilter(1000))), Counters);
        _listener = SocketDescriptor.ListenTcp(
            EndpointAddress.From(new IPEndPoint(IPAddress.Loopback, 0)), 512, reusePort: false, out EndpointAddress bound);
        Bound = bound.ToIPEndPoint();
        Ingress = new MixIngress(_ring, Pool, Stage, [_listener], settings, Counters, identity);
        if (topology is not null)
            Ingress.Use(topology);
    }

    public static MixLinkSettings Settings => new()
    {
        Announced = new IPEndPoint(IPAddress.Loopback, 1),
        MaximumConnections = 100,
        InitialBackoff = TimeSpan.FromMilliseconds(100),
        EgressExpiry = TimeSpan.FromSeconds(60),
    };

    public CoreCounters Counters { get; } = new(0);

    public SlotPool Pool { get; }

    public SphinxStage Stage { get; }

    public MixIngress Ingress { get; }

    public MixEgress Egress { get; }

    public IPEndPoint Bound { get; }

    /// <summary>The clock runs with the real one unless a test moves it.</summary>
    public long Skew { get; set; }

    public long Now => Environment.TickCount64 + Skew;

    /// <summary>Off: packets stay queued in their slots.</summary>
    public bool RunsStage { get; set; } = true;

    public int SlotsInUse => Pool.InUse(SlotClass.Regular) + Pool.InUse(SlotClass.Extended);

    public long this[Counter counter] => Counters.Read(counter);

    public Socket Connect(string? from = null)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (from is not null)
            socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
        socket.Connect(Bound);
        return socket;
    }

    public void Turn()
    {
        Egress.Flush(Now);
        _ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(1));
        while (_ring.TryTake(out Completion completion))
            Dispatch(completion);
        Ingress.Tick(Now);
        Egress.Tick(Now);
        while (RunsStage && Stage.HasWork)
            Stage.Run(Now);
    }

    public bool Until(Func<bool> condition, double seconds = 10)
    {
        DateTime deadline = DateTime.UtcNow.AddSeconds(seconds);
        while (!condition() && DateTime.UtcNow < deadline)
            Turn();
        return condition();
    }

    public void Send(IPEndPoint to, int number)
    {
        Pool.TryRent(SlotClass.Regular, out SlotHandle slot);
        Span<byte> packet = Pool.Slot(slot).Slice(FastExit.Delivery.ReplyLayout.PacketOffset, 2413);
        packet.Fill((byte)number);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(packet, number);
        ref SlotHeader header = ref Pool.Header(slot);
        header.ContentOffset = FastExit.Delivery.ReplyLayout.PacketOffset;
        header.ContentBytes = packet.Length;
        header.Size = (byte)PacketSize.Regular;
        header.Rotation = (byte)KeyRotation.Odd;
        Egress.Send(NodeAddress.From(to), slot, Now);
    }

    public void Dispose()
    {
        Ingress.Dispose();
        Egress.Dispose();
        _ring.Dispose();
        _listener.Dispose();
        Pool.Dispose();
    }

    private void Dispatch(in Completion completion)
    {
        switch (CompletionKind.KindOf(completion.UserData))
        {
            case CompletionKind.Accept:
                Ingress.OnAccept(completion, Now);
                break;
            case CompletionKind.MixReceive:
                Ingress.OnReceive(completion, Now);
                break;
            case CompletionKind.MixSend:
                Ingress.OnSend(completion);
                break;
            case CompletionKind.MixClosed:
                Ingress.OnClosed(completion);
                break;
            case CompletionKind.EgressConnect:
                Egress.OnConnect(completion, Now);
                break;
            case CompletionKind.EgressSend:
                Egress.OnSend(completion, Now);
                break;
            case CompletionKind.EgressReceive:
                Egress.OnReceive(completion, completion.HasBuffer ? Ingress.Received(completion) : default, Now);
                if (completion.HasBuffer)
                    Ingress.GiveBack(completion.BufferId);
                break;
            case CompletionKind.EgressClosed:
                Egress.OnClosed(completion, Now);
                break;
        }
    }
}
