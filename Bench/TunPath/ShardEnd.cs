using System.Net;
using FastExit.Cores;
using FastExit.Delivery;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Netlink;
using FastExit.Native.Tun;
using FastExit.Policy;

namespace FastExit.Bench.TunPath;

/// <summary>One router shard of the exit on its own ring, with a real device in one host and one client.</summary>
internal sealed class ShardEnd : IDisposable
{
    // A path waits for its turn as long as the others are measured.
    private static readonly TimeSpan s_forever = TimeSpan.FromDays(1);

    private readonly CoreMemory _memory;
    private readonly TunDevice _tun;
    private readonly IoRing _ring;
    private readonly IprShard _shard;
    private readonly InstantMixnet _mixnet;

    public ShardEnd(
        CoreMemory memory, SlotReferences references, NetworkNamespace space, IPAddress host, string prefix4, string prefix6,
        TunOffload offload)
    {
        _memory = memory;
        _tun = space.Run(() =>
        {
            TunDevice device = TunDevice.Open(new TunOptions { Name = "shard", Offload = offload });
            PathNetwork.Configure(device.InterfaceIndex, host);
            return device;
        });
        _ring = new IoRing(new IoRingOptions { DirectDescriptors = 16 });
        Device = new TunQueueDevice(
            _ring, _tun.Queues[0].Fd, memory, references, Counters, _tun.Offload.HasFlag(TunOffload.UdpV4),
            () => throw new InvalidOperationException("the device has vanished"));
        _mixnet = new InstantMixnet(memory);
        AddressGuard guard = AddressGuard.Default.WithAllowed("10.0.0.0/8");
        var plan = new IprPlan(
            new TunnelNetwork(AddressPrefix.Parse(prefix4), AddressPrefix.Parse(prefix6)),
            // A turn's packets at a time: on the way through the mixnet they would have gone one by one.
            new IprLimits { QueueBytes = 4 << 20, Mtu = PathNetwork.Mtu, IdleTimeout = s_forever, HalfOpenTimeout = s_forever },
            new PublishedPacketPolicy(new PacketPolicy(ExitPolicy.Open, guard)),
            new PublishedHealth([.. Enumerable.Repeat("", IprResponseWriter.HealthTexts)]));
        _shard = new IprShard(plan, memory, references, new CoreLinks(0, [null]), _mixnet, Device, Counters, Now);
    }

    public CoreCounters Counters { get; } = new(0);

    public TunQueueDevice Device { get; }

    public int RingFd => _ring.Fd;

    public long Enters => _ring.Enters;

    /// <summary>Packets written to the host.</summary>
    public long Carried => Counters.Read(Counter.IpPacketRouter_UplinkPackets);

    /// <summary>Packets read from the host.</summary>
    public long Taken => Counters.Read(Counter.IpPacketRouter_DownlinkPackets);

    public long Dropped => Counters.Read(Counter.IpPacketRouter_DeviceWritesDropped)
        + Counters.Read(Counter.IpPacketRouter_DeviceWriteErrors)
        + Counters.Read(Counter.IpPacketRouter_DroppedNoSlot)
        + Counters.Read(Counter.IpPacketRouter_DroppedQueueFull);

    private static long Now => Environment.TickCount64;

    /// <summary>Connects the client and returns its IPv4 address.</summary>
    public IPAddress Connect()
    {
        _memory.Own.TryRent(SlotClass.Regular, out SlotHandle slot);
        IprRequestWriter.TryWriteConnect(
            _memory.Slot(slot)[SlotHeader.Bytes..], IprEnvelope.Raw, 1, null, IprTimestamp.FromUtc(DateTime.UnixEpoch), out int bytes);
        _shard.OnMessage(new InboundMessage(slot, SlotHeader.Bytes, bytes, InstantMixnet.Peer), Now);
        if (IprResponse.TryRead(_mixnet.Answer, out IprResponse response) != IprReadStatus.Ok || !response.Succeeded)
            throw new InvalidOperationException("the shard did not take its client");
        uint address = response.Pair.IPv4;
        return new IPAddress([(byte)(address >> 24), (byte)(address >> 16), (byte)(address >> 8), (byte)address]);
    }

    /// <summary>Hands over what was written, then takes completions, at most about <paramref name="packets"/> from the host.</summary>
    /// <returns>Completions taken.</returns>
    public int Take(int packets, long now)
    {
        _ring.Submit();
        int taken = 0;
        for (long enough = Taken + packets; Taken < enough && _ring.TryTake(out Completion completion); taken++)
        {
            if (CompletionKind.KindOf(completion.UserData) != CompletionKind.Ignored)
                _shard.OnCompletion(completion, now);
        }

        return taken;
    }

    /// <summary>Everything the shard has for its client becomes what the other end's client sends.</summary>
    public void Give(ShardEnd other, long now)
    {
        do
        {
            _shard.Flush(now);
            if (_mixnet.Backlog == 0)
                return;
            while (_mixnet.TryTake(out InboundMessage request))
                other._shard.OnMessage(request, now);
        }
        while (true);
    }

    public void Flush(long now) => _shard.Flush(now);

    public void Tick(long now) => _shard.Tick(now);

    public void Dispose()
    {
        _ring.Dispose();
        _shard.Dispose();
        _tun.Dispose();
    }
}
