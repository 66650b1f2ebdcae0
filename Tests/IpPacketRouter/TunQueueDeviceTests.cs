using System.Diagnostics;
using System.Net;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Delivery;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Netlink;
using FastExit.Native.Tun;
using FastExit.Policy;
using FastExit.Tests.Native;
using Xunit;
using NetworkNamespace = FastExit.Tests.Native.NetworkNamespace;

namespace FastExit.Tests.IpPacketRouter;

/// <summary>A shard on a real ring with a real device; the "internet" is an address on the namespace's loopback.</summary>
public sealed class TunQueueDeviceTests
{
    private static readonly NumericAddress s_host4 = Ip.Address("8.8.8.8");
    private static readonly NumericAddress s_host6 = Ip.Address("2001:4860:4860::8888");

    [SkippableFact]
    public void Pings_reach_a_host_and_come_back_and_a_device_that_vanishes_is_replaced()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create("ipr");
        space.Run(() =>
        {
            using TunDevice first = Device("ipr0");
            space.Ip("addr add 8.8.8.8/32 dev lo");
            space.Ip("addr add 2001:4860:4860::8888/128 dev lo nodad");
            using var world = new DeviceWorld(first);
            byte[][] pings = [.. Enumerable.Range(0, 300).Select(i => Ip.Ping(
                i % 2 == 0 ? world.IPv4 : world.IPv6, i % 2 == 0 ? s_host4 : s_host6))];
            Assert.Equal(300, world.Exchange(pings));
            Assert.Equal(300, world.Counters.Read(Counter.IpPacketRouter_DownlinkPackets));
            Assert.InRange(world.Counters.Read(Counter.IpPacketRouter_DeviceWrites), 1, 300);
            Assert.Equal(0, world.Counters.Read(Counter.IpPacketRouter_DeviceWriteErrors));

            space.Ip("link del ipr0");
            world.Until(() => world.Lost == 1, "loss");
            Assert.False(world.Device.IsUp);
            Assert.Equal(0, world.Exchange(pings[..10], milliseconds: 50));
            Assert.Equal(10, world.Counters.Read(Counter.IpPacketRouter_DeviceWritesDropped));
            Assert.Equal(1, world.Lost);

            using TunDevice second = Device("ipr1");
            world.Device.Offer(second.Queues[0].Fd);
            world.Until(() => world.Device.IsUp, "recovery");
            Assert.Equal(300, world.Exchange(pings));
            Assert.Equal(1, world.Lost);
        });
    }

    [SkippableFact]
    public void A_steady_exchange_allocates_nothing()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create("ipr");
        space.Run(() =>
        {
            using TunDevice device = Device("ipr0");
            space.Ip("addr add 8.8.8.8/32 dev lo");
            using var world = new DeviceWorld(device);
            byte[][] pings = [.. Enumerable.Range(0, 64).Select(_ => Ip.Ping(world.IPv4, s_host4))];
            world.Replies.Sink = true;
            world.Exchange(pings, milliseconds: 200);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 20; i++)
                world.Exchange(pings, milliseconds: 20);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(64 * 21, world.Counters.Read(Counter.IpPacketRouter_DownlinkPackets));
        });
    }

    [SkippableFact]
    public void Completions_that_come_late_cost_no_packet()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create("ipr");
        space.Run(() =>
        {
            using TunDevice device = Device("ipr0");
            space.Ip("addr add 8.8.8.8/32 dev lo");
            using var world = new DeviceWorld(device);
            for (int turn = 0; turn < 100; turn++)
                world.Send([.. Enumerable.Range(0, 4).Select(_ => Ip.Ping(world.IPv4, s_host4))]);
            world.Until(() => world.Counters.Read(Counter.IpPacketRouter_DownlinkPackets) == 400, "replies");
            Assert.Equal(0, world.Counters.Read(Counter.IpPacketRouter_DeviceWritesDropped));
        });
    }

    private static TunDevice Device(string name)
    {
        TunDevice device = TunDevice.Open(new TunOptions { Name = name });
        using var netlink = new RouteNetlink();
        netlink.AddAddress(device.InterfaceIndex, IPAddress.Parse("10.0.0.1"), 16);
        netlink.AddAddress(device.InterfaceIndex, IPAddress.Parse("fc00::1"), 112);
        netlink.SetMtu(device.InterfaceIndex, 1500);
        netlink.SetUp(device.InterfaceIndex, true);
        return device;
    }

    private sealed class DeviceWorld : IDisposable
    {
        private readonly SlotPool _pool;
        private readonly CoreMemory _memory;
        private readonly IoRing _ring;
        private readonly IprShard _shard;
        private readonly int _peer;

        public DeviceWorld(TunDevice device)
        {
            _pool = new SlotPool(0, new MemorySettings { RegularSlots = 8192, ExtendedSlots = 1, AssemblyBytes = 4 << 20, HugePages = false });
            _memory = new CoreMemory(0, [_pool], [null]);
            _ring = new IoRing(new IoRingOptions { SubmissionEntries = 256, CompletionEntries = 4096, DirectDescriptors = 16 });
            var references = new SlotReferences(_memory);
            Device = new TunQueueDevice(
                _ring, device.Queues[0].Fd, _memory, references, Counters, device.Offload.HasFlag(TunOffload.UdpV4), () => Lost++);
            Replies = new MemoryReplies(_memory);
            var network = new TunnelNetwork(AddressPrefix.Parse("10.0.0.1/16"), AddressPrefix.Parse("fc00::1/112"));
            var policy = new PublishedPacketPolicy(new PacketPolicy(ExitPolicy.Open, AddressGuard.Default));
            var health = new PublishedHealth(["n", "t", "1", "s", "c", "b", "r", "h", "p", "x"]);
            _shard = new IprShard(
                new IprPlan(network, new IprLimits(), policy, health), _memory, references, new CoreLinks(0, [null]), Replies, Device,
                Counters, Now);
            Replies.Owner = _shard;
            _peer = Replies.AddPeer();
            Span<byte> connect = stackalloc byte[64];
            IprRequestWriter.TryWriteConnect(connect, IprEnvelope.Raw, 1, 0, IprTimestamp.FromUtc(DateTime.UnixEpoch), out int bytes);
            Deliver(connect[..bytes]);
            Assert.Equal(IprReadStatus.Ok, IprResponse.TryRead(Replies.Messages[0].Message, out IprResponse response));
            IPv4 = NumericAddress.IPv4(response.Pair.IPv4);
            IPv6 = NumericAddress.IPv6(response.Pair.IPv6);
        }

        public CoreCounters Counters { get; } = new(0);

        public TunQueueDevice Device { get; }

        public MemoryReplies Replies { get; }

        public NumericAddress IPv4 { get; }

        public NumericAddress IPv6 { get; }

        public int Lost { get; private set; }

        private static long Now => Environment.TickCount64;

        /// <summary>Sends packets and returns how many came back within the time; waits for all unless a time is given.</summary>
        public int Exchange(byte[][] packets, int milliseconds = 0)
        {
            long before = Counters.Read(Counter.IpPacketRouter_DownlinkPackets);
            Deliver(packets);
            long end = Now + (milliseconds == 0 ? 20_000 : milliseconds);
            while (Now < end && (milliseconds > 0 || Counters.Read(Counter.IpPacketRouter_DownlinkPackets) - before < packets.Length))
                Pump();
            return (int)(Counters.Read(Counter.IpPacketRouter_DownlinkPackets) - before);
        }

        /// <summary>A turn of a core that has no time for completions.</summary>
        public void Send(byte[][] packets)
        {
            Deliver(packets);
            _shard.Flush(Now);
            _ring.Submit();
        }

        public void Until(Func<bool> condition, string what)
        {
            var clock = Stopwatch.StartNew();
            while (!condition())
            {
                Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"timed out: {what}");
                Pump();
            }
        }

        public void Dispose()
        {
            _shard.BeginDrain(Now);
            Until(() => _shard.Drained, "drain");
            _ring.Dispose();
            _shard.Dispose();
            Assert.Equal(0, _pool.InUse(SlotClass.Regular));
            _pool.Dispose();
        }

        private void Pump()
        {
            _ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(2));
            while (_ring.TryTake(out Completion completion))
            {
                if (CompletionKind.KindOf(completion.UserData) != CompletionKind.Ignored)
                    _shard.OnCompletion(completion, Now);
            }

            _shard.Tick(Now);
            _shard.Flush(Now);
        }

        private void Deliver(byte[][] packets)
        {
            Span<byte> message = stackalloc byte[1024];
            foreach (byte[] packet in packets)
            {
                IprRequestWriter.TryWriteDataHeader(message, IprEnvelope.Raw, packet.Length + 2, out int header);
                (message[header], message[header + 1]) = ((byte)(packet.Length >> 8), (byte)packet.Length);
                packet.CopyTo(message[(header + 2)..]);
                Deliver(message[..(header + 2 + packet.Length)]);
            }
        }

        private void Deliver(ReadOnlySpan<byte> message)
        {
            Assert.True(_pool.TryRent(SlotClass.Regular, out SlotHandle slot));
            message.CopyTo(_pool.Slot(slot)[100..]);
            _shard.OnMessage(new InboundMessage(slot, 100, message.Length, _peer), Now);
        }
    }
}
