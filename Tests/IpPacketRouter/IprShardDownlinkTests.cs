using System.Buffers.Binary;
using FastExit.Cores;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Native.Tun;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

public sealed class IprShardDownlinkTests
{
    private static readonly NumericAddress s_public = Ip.Address("8.8.8.8");

    [Theory]
    [InlineData(8, 1596)]
    [InlineData(10, 1580)]
    public void Bundles_are_as_full_as_one_packet_allows_and_keep_the_order(byte version, int limit)
    {
        using var world = new IprWorld();
        IprClient client = world.Connected(version);
        byte[][] packets = [.. Enumerable.Range(0, 100).Select(i => Ip.Udp(s_public, client.IPv4, (ushort)(i + 1), (i * 37) % 700))];
        foreach (byte[] packet in packets)
            world.Device.Receive(packet, world.Now);
        world.Pass(100);
        List<Said> said = client.Said();
        Assert.Equal(packets, said.SelectMany(s => s.Packets));
        Assert.All(said, s => Assert.True(s.BundleBytes <= limit && s.Bytes <= 1601));
        for (int i = 0; i + 1 < said.Count; i++)
            Assert.True(said[i].BundleBytes + 2 + said[i + 1].Packets[0].Length > limit);
        Assert.Equal(0, world.Shard.QueuedBytes);
        Assert.All(world.Replies.Data, d => Assert.Equal(version == 8 ? 0 : 2, d.Retransmissions));
    }

    [Fact]
    public void A_lone_packet_leaves_at_once_when_nothing_else_waits_and_after_its_time_when_something_does()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1), world.Now);
        world.Shard.Flush(world.Now);
        Assert.Single(client.Said());

        world.Replies.Backlog = 3;
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1), world.Now);
        world.Shard.Flush(world.Now);
        world.Now += 19;
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 2), world.Now);
        world.Shard.Flush(world.Now);
        Assert.Empty(client.Said());
        world.Now++;
        world.Shard.Flush(world.Now);
        Assert.Equal(2, Assert.Single(client.Said()).Packets.Count);
        world.Replies.Backlog = 1000;
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1), world.Now);
        world.Pass(100);
        Assert.Empty(client.Said());
        world.Replies.Backlog = 0;
        world.Pass(10);
        Assert.Single(client.Said());
    }

    [Fact]
    public void A_large_frame_becomes_its_segments()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        byte[] packet = Ip.Udp(s_public, client.IPv4, 5, 10_000);
        byte[] frame = new byte[VirtioNetHeader.Bytes + packet.Length];
        new VirtioNetHeader(VirtioNetHeader.NeedsChecksumFlag, (byte)SegmentationKind.Udp, 28, 1400, 20, 6).TryWrite(frame);
        packet.CopyTo(frame.AsSpan(VirtioNetHeader.Bytes));
        world.Device.ReceiveFrame(frame, world.Now);
        world.Pass(40);
        List<byte[]> segments = client.Packets();
        Assert.Equal([.. Enumerable.Repeat(1428, 7), 228], segments.Select(s => s.Length));
        Assert.Equal(8, world.Read(Counter.IpPacketRouter_DownlinkPackets));
    }

    [Fact]
    public void Frames_for_nobody_and_garbage_are_counted()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        foreach (string address in new[] { "10.0.0.1", "10.0.0.0", "10.1.0.5", "9.9.9.9", "10.0.255.255", "::" })
            world.Device.Receive(Ip.Udp(address.Contains(':') ? Ip.Address("::1") : s_public, Ip.Address(address), 1), world.Now);
        NumericAddress free = world.Network.IPv4Of(world.Network.IPv4Of(2) == client.IPv4 ? 3 : 2);
        world.Device.Receive(Ip.Udp(s_public, free, 1), world.Now);
        Assert.Equal(7, world.Read(Counter.IpPacketRouter_DownlinkNoClient));
        world.Device.ReceiveFrame([1, 2, 3], world.Now);
        world.Device.ReceiveFrame(new byte[10], world.Now);
        world.Device.ReceiveFrame(new byte[11], world.Now);
        world.Device.Receive([0x45, 0, 0], world.Now);
        Assert.Equal(4, world.Read(Counter.IpPacketRouter_BadFrames));
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1, 1600), world.Now);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_DownlinkTooBig));
        world.Pass(40);
        Assert.Empty(client.Said());
    }

    [Fact]
    public void A_greedy_client_does_not_delay_a_modest_one()
    {
        using var world = new IprWorld();
        IprClient greedy = world.Connected(), modest = world.Connected();
        for (int i = 0; i < 150; i++)
            world.Device.Receive(Ip.Udp(s_public, greedy.IPv4, 1, 1400), world.Now);
        for (int i = 0; i < 10; i++)
            world.Device.Receive(Ip.Udp(s_public, modest.IPv4, 1, 1400), world.Now);
        world.Replies.Backlog = 31;
        for (int turn = 0; turn < 24; turn++)
            world.Shard.Flush(world.Now);
        Assert.InRange(modest.Said().Count, 9, 10);
        Assert.InRange(greedy.Said().Count, 14, 15);
        world.Replies.Backlog = 0;
    }

    [Fact]
    public void Without_surbs_a_bounded_queue_waits_a_bounded_time()
    {
        using var world = new IprWorld(new IprLimits { QueueBytes = 64 << 10 });
        IprClient poor = world.Connected(), rich = world.Connected();
        world.Replies.SetCredit(poor.Peer, 2);
        for (int i = 0; i < 100; i++)
        {
            world.Device.Receive(Ip.Udp(s_public, poor.IPv4, (ushort)(i + 1), 1400), world.Now);
            world.Device.Receive(Ip.Udp(s_public, rich.IPv4, 1, 1400), world.Now);
            world.Shard.Flush(world.Now);
        }

        world.Pass(30);
        Assert.Equal(100, rich.Packets().Count);
        Assert.Equal(2, poor.Packets().Count);
        Assert.InRange(world.Shard.QueuedBytes, 60 << 10, 64 << 10);
        long dropped = world.Read(Counter.IpPacketRouter_DroppedNoSurbs);
        Assert.InRange(dropped, 50, 60);

        // What waits is the oldest; it goes on as SURBs come.
        world.Replies.SetCredit(poor.Peer, 10);
        world.Shard.Flush(world.Now);
        Assert.Equal([.. Enumerable.Range(3, 10)], poor.Packets().Select(p => (p[22] << 8) | p[23]));
        Assert.Equal(10u + 2, poor.LastSequence);
        world.Pass(3000);
        Assert.Equal(0, world.Shard.QueuedBytes);
        Assert.Equal(100 - 12 - dropped, world.Read(Counter.IpPacketRouter_BundlesDroppedAge));
        world.Replies.SetCredit(poor.Peer, 1);
        world.Device.Receive(Ip.Udp(s_public, poor.IPv4, 500), world.Now);
        world.Pass(40);
        Assert.Single(poor.Packets());
    }

    [Fact]
    public void Scarce_slots_are_shared()
    {
        using var world = new IprWorld(new IprLimits { QueueBytes = 8 << 20 }, regularSlots: 1024);
        IprClient greedy = world.Connected(), modest = world.Connected();
        world.Replies.Backlog = 1000;
        for (int i = 0; i < 2000; i++)
            world.Device.Receive(Ip.Udp(s_public, greedy.IPv4, 1, 1400), world.Now);
        Assert.Equal(1024 - 512, world.Core.Memory.Own.InUse(FastExit.Memory.SlotClass.Regular));
        Assert.Equal(2000 - 512, world.Read(Counter.IpPacketRouter_DroppedNoSlot));
        world.Replies.Backlog = 0;
        world.Pass(200);
        world.Device.Receive(Ip.Udp(s_public, modest.IPv4, 1, 1400), world.Now);
        world.Pass(40);
        Assert.Single(modest.Packets());
    }

    [Fact]
    public void A_packet_read_by_another_core_finds_its_client()
    {
        using var world = new IprWorld(cores: 2);
        IprClient[] clients = [world.Client(9, 0), world.Client(9, 1)];
        foreach (IprClient client in clients)
            client.Connect(1);
        for (int core = 0; core < 2; core++)
        {
            Assert.True(world.Network.TryNumber(clients[core].IPv4, out int number));
            Assert.Equal(core, IprAddressPool.CoreOf(number, 2));
            world.Cores[1 - core].Device.Receive(Ip.Udp(s_public, clients[core].IPv4, 77), world.Now);
        }

        world.Pass(60);
        Assert.All(clients, c => Assert.Single(c.Packets()));
        Assert.Equal(2, world.Read(Counter.IpPacketRouter_MovedToOtherCore));
        for (int i = 0; i < 300; i++)
            world.Cores[0].Device.Receive(Ip.Udp(s_public, clients[1].IPv4, 77), world.Now);
        Assert.Equal(44, world.Read(Counter.IpPacketRouter_DroppedRingFull));
        world.Pass(60);
        Assert.Equal(256, clients[1].Packets().Count);
    }

    [Fact]
    public void Clients_on_different_cores_reach_each_other_when_allowed()
    {
        using var world = new IprWorld(new IprLimits { ClientToClient = true }, cores: 2);
        IprClient a = world.Client(8, 0), b = world.Client(10, 1);
        a.Connect(1);
        b.Connect(1);
        byte[] packet = Ip.Udp(a.IPv6, b.IPv6, 9);
        a.Send(packet);
        world.Pass(60);
        packet[7]--;
        Assert.Equal(packet, Assert.Single(b.Packets()));
    }

    [Fact]
    public void A_sequence_that_wraps_passes_over_zero() =>
        Assert.Equal((1u, 6u), (StreamFrame.NextSequence(uint.MaxValue), StreamFrame.NextSequence(5)));

    [Fact]
    public void Packets_in_both_directions_allocate_nothing()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        world.Device.Sink = world.Replies.Sink = true;
        byte[] uplink = Message(client, Ip.Udp(client.IPv4, s_public, 53, 400), Ip.TcpSyn(client.IPv6, Ip.Address("2a00::1"), 443, 1460));
        byte[] denied = Message(client, Ip.Udp(client.IPv4, Ip.Address("10.3.3.3"), 53), Ip.Ping(client.IPv4, Ip.Address("10.0.0.1")));
        byte[] downlink = Ip.Udp(s_public, client.IPv4, 1, 700);
        Round(1000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Round(20_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(2 * 21_000, world.Device.Count);
        Assert.True(world.Replies.Sunk > 21_000);

        void Round(int times)
        {
            for (int i = 0; i < times; i++)
            {
                client.Deliver(uplink);
                client.Deliver(denied);
                world.Device.Receive(downlink, world.Now);
                world.Device.Receive(downlink, world.Now);
                world.Now++;
                world.Turn();
            }
        }
    }

    private static byte[] Message(IprClient client, params byte[][] packets)
    {
        byte[] bundle = [.. packets.SelectMany(p => (byte[])[(byte)(p.Length >> 8), (byte)p.Length, .. p])];
        byte[] message = new byte[bundle.Length + 64];
        Assert.True(IprRequestWriter.TryWriteDataHeader(message, new IprEnvelope(9, client.StreamId, 0), bundle.Length, out int header));
        bundle.CopyTo(message.AsSpan(header));
        return message[..(header + bundle.Length)];
    }
}
