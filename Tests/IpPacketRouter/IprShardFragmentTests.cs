using FastExit.Cores;
using FastExit.IpPacketRouter;
using FastExit.Memory;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

/// <summary>Fragments in any order, in any number, to any place.</summary>
public sealed class IprShardFragmentTests
{
    private static readonly NumericAddress s_public4 = Ip.Address("8.8.8.8");
    private static readonly NumericAddress s_public6 = Ip.Address("2001:4860:4860::8888");

    [Theory]
    [InlineData(3)]
    [InlineData(20)]
    [InlineData(100)]
    public void Who_fills_the_places_of_early_fragments_gives_way_to_who_has_few(int greedy)
    {
        using var world = new IprWorld();
        IprClient good = world.Connected();
        IprClient[] others = [.. Enumerable.Range(0, greedy).Select(_ => world.Connected())];
        Flood(0);
        Assert.True(world.Read(Counter.IpPacketRouter_FragmentsHeld) >= EarlyFragments.Capacity);

        // The longest datagram there is, backwards, each piece amid the others' next round.
        byte[] whole = Ip.Udp(good.IPv6, s_public6, 53, 9000);
        List<byte[]> pieces = Ip.Cut(whole, 1208, 77);
        int fair = Math.Min(pieces.Count - 1, EarlyFragments.Capacity / (greedy + 1));
        for (int i = fair; i > 0; i--)
        {
            good.Send(pieces[i]);
            Flood((ushort)(100 * (fair - i + 1)));
        }

        world.Turn();
        Assert.Empty(world.Device.Packets);
        good.Send(pieces[0]);
        world.Turn();
        Assert.Equal(fair + 1, world.Device.Packets.Count);
        Assert.All(world.Device.Packets, p => Assert.Contains(p, pieces));

        void Flood(ushort first)
        {
            for (ushort id = first; id < first + 60; id++)
            {
                foreach (IprClient other in others)
                    other.Send(Ip.Fragment(other.IPv4, s_public4, 53, id, 24, more: false));
            }
        }
    }

    [Fact]
    public void What_waits_is_bounded_and_holds_no_large_slot()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        byte[] padding = Ip.Udp(client.IPv4, s_public4, 53, 8000);
        for (ushort id = 0; id < 300; id++)
            client.Send(Ip.Fragment(client.IPv4, s_public4, 53, id, 24, more: false), padding);
        world.Pass(40);
        Assert.Equal(EarlyFragments.PerSession, world.Core.Memory.Own.InUse(SlotClass.Regular));
        for (SlotClass size = SlotClass.Regular + 1; size <= SlotClass.Assembly4M; size++)
            Assert.Equal(0, world.Core.Memory.Own.InUse(size));

        // They are still what they were.
        world.Device.Packets.Clear();
        client.Send(Ip.Fragment(client.IPv4, s_public4, 53, 3, 0, more: true));
        world.Turn();
        Assert.Equal(Ip.Fragment(client.IPv4, s_public4, 53, 3, 24, more: false), world.Device.Packets[1]);
    }

    [Fact]
    public void A_session_that_ends_takes_its_early_fragments_along()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        for (ushort id = 0; id < 10; id++)
            client.Send(Ip.Fragment(client.IPv4, s_public4, 53, id, 24, more: false));
        world.Shard.OnPeerLost(client.Peer);
        Assert.Equal(10, world.Read(Counter.IpPacketRouter_FragmentsDropped));
        Assert.Equal(0, world.Core.Memory.Own.InUse(SlotClass.Regular));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_ping_of_the_gateway_in_fragments_goes_to_the_host(bool six, bool backwards)
    {
        using var world = new IprWorld(policy: "reject *:*");
        IprClient client = world.Connected();
        NumericAddress from = six ? client.IPv6 : client.IPv4, own = Ip.Address(six ? "fc00::1" : "10.0.0.1");
        List<byte[]> pieces = Ip.Cut(Ip.Ping(from, own, 4000), 1448, 9);
        foreach (byte[] piece in backwards ? Enumerable.Reverse(pieces) : pieces)
            client.Send(piece);
        world.Turn();
        Assert.Equal(pieces, world.Device.Packets.OrderBy(packet => pieces.FindIndex(piece => piece.AsSpan().SequenceEqual(packet))));
        Assert.Equal(0, world.Read(Counter.IpPacketRouter_DeniedGateway));

        // Nothing else does.
        world.Device.Packets.Clear();
        foreach (byte[] piece in Ip.Cut(Ip.Udp(from, own, 53, 4000), 1448, 10))
            client.Send(piece);
        byte[] answer = Ip.Ping(from, own, 4000);
        answer[six ? 40 : 20] = six ? (byte)129 : (byte)0;
        foreach (byte[] piece in Ip.Cut(answer, 1448, 11))
            client.Send(piece);
        world.Turn();
        Assert.Empty(world.Device.Packets);
        Assert.Equal(2, world.Read(Counter.IpPacketRouter_DeniedGateway));
        Assert.Equal(4, world.Read(Counter.IpPacketRouter_FragmentsDropped));
    }

    [Fact]
    public void What_is_longer_than_the_mtu_is_left_to_be_cut_unless_that_is_forbidden()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        byte[] free = Ip.Udp(client.IPv4, s_public4, 53, 3000), bound = (byte[])free.Clone();
        free[6] = 0;
        client.Send(Ip.Summed(free), bound, Ip.Udp(client.IPv6, s_public6, 53, 3000));
        world.Pass(40);
        Assert.Equal(free, Assert.Single(world.Device.Packets));
        List<byte[]> errors = client.Packets();
        Assert.Equal([3, 4], errors[0][20..22]);
        Assert.Equal([2, 0], errors[1][40..42]);
        Assert.Equal((1, 2), (world.Read(Counter.IpPacketRouter_PacketsCut), world.Read(Counter.IpPacketRouter_PacketsTooBig)));

        // The gateway's own address: more than one answer holds.
        world.Device.Packets.Clear();
        byte[] ping = Ip.Ping(client.IPv4, Ip.Address("10.0.0.1"), 3000);
        ping[6] = 0;
        client.Send(Ip.Summed(ping));
        world.Pass(40);
        Assert.Equal(ping, Assert.Single(world.Device.Packets));
    }

    [Fact]
    public void Between_clients_the_router_cuts_itself()
    {
        using var world = new IprWorld(new IprLimits { ClientToClient = true, Mtu = 1300 });
        IprClient a = world.Connected(), b = world.Connected();
        byte[] packet = Ip.Udp(a.IPv4, b.IPv4, 53, 3000);
        packet[6] = 0;
        new Random(5).NextBytes(packet.AsSpan(28));
        a.Send(Ip.Summed(packet));
        world.Pass(40);
        packet[8]--;
        Assert.Equal(Ip.Cut(packet, 1280, 0), b.Packets());
    }
}
