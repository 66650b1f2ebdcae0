using System.Buffers.Binary;
using FastExit.Cores;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

public sealed class IprShardPacketTests
{
    private static readonly NumericAddress s_public4 = Ip.Address("8.8.8.8");
    private static readonly NumericAddress s_public6 = Ip.Address("2001:4860:4860::8888");

    [Fact]
    public void Packets_of_both_families_go_out_unchanged_and_their_slot_comes_back()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected(version: 8);
        byte[][] packets =
        [
            Ip.Udp(client.IPv4, s_public4, 53), Ip.Udp(client.IPv6, s_public6, 53), Ip.Ping(client.IPv4, s_public4),
            Ip.Packet(client.IPv4, s_public4, 47, new byte[32]),
        ];
        client.Send(packets);
        world.Turn();
        Assert.Equal(packets, world.Device.Packets);
        Assert.Equal(4, world.Read(Counter.IpPacketRouter_UplinkPackets));
    }

    [Fact]
    public void A_foreign_source_goes_nowhere_and_ends_the_session_when_it_persists()
    {
        using var world = new IprWorld(new IprLimits { MaximumSpoofedPackets = 4 });
        IprClient thief = world.Connected(), victim = world.Connected();
        for (int i = 0; i < 4; i++)
            thief.Send(Ip.Udp(i % 2 == 0 ? victim.IPv4 : victim.IPv6, i % 2 == 0 ? s_public4 : s_public6, 53));
        world.Turn();
        Assert.Empty(world.Device.Packets);
        Assert.Equal(4, world.Read(Counter.IpPacketRouter_SpoofedSources));
        for (int i = 0; i < 50; i++)
            thief.Send(Ip.Udp(Ip.Address("fe80::1"), Ip.Address("ff02::1"), 53), Ip.Udp(Ip.Address("192.168.1.2"), s_public4, 53));
        Assert.Equal(104, world.Read(Counter.IpPacketRouter_SpoofedSources));
        Assert.Empty(thief.Said());
        thief.Send(Ip.Udp(victim.IPv4, s_public4, 53), Ip.Udp(thief.IPv4, s_public4, 53));
        world.Turn();
        Assert.Empty(world.Device.Packets);
        Assert.Equal(IprResponseKind.UnrequestedDisconnect, Assert.Single(thief.Said()).Kind);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_SessionsCutOff));
        Assert.Equal(1, world.Shard.Sessions);
        Assert.Empty(victim.Said());
    }

    [Fact]
    public void Clients_are_kept_apart_unless_told_otherwise()
    {
        using (var world = new IprWorld())
        {
            IprClient a = world.Connected(), b = world.Connected();
            a.Send(Ip.Udp(a.IPv4, b.IPv4, 53), Ip.Ping(a.IPv6, b.IPv6), Ip.Udp(a.IPv4, Ip.Address("10.0.255.255"), 53));
            world.Pass(40);
            Assert.Empty(world.Device.Packets);
            Assert.Empty(b.Said());
            Assert.Equal(2, world.Read(Counter.IpPacketRouter_DeniedOtherClient));
        }

        using (var world = new IprWorld(new IprLimits { ClientToClient = true }))
        {
            IprClient a = world.Connected(), b = world.Connected();
            foreach (byte[] packet in new[] { Ip.Udp(a.IPv4, b.IPv4, 53), Ip.Udp(a.IPv6, b.IPv6, 53) })
            {
                a.Send(packet);
                world.Pass(40);
                bool six = packet[0] >> 4 == 6;
                packet[six ? 7 : 8]--;
                Assert.Equal(six ? packet : Ip.Summed(packet), Assert.Single(b.Packets()));
            }

            // The last router says so.
            byte[] spent = Ip.Ping(a.IPv6, b.IPv6);
            spent[7] = 1;
            a.Send(spent);
            world.Pass(40);
            Assert.Equal([3, 0], Assert.Single(a.Packets())[40..42]);
            Assert.Empty(b.Said());
            Assert.Empty(world.Device.Packets);
        }
    }

    [Theory]
    [InlineData("10.0.0.1")]
    [InlineData("fc00::1")]
    public void Pings_of_the_tunnels_own_address_are_answered_inside(string own)
    {
        using var world = new IprWorld(policy: "reject *:*");
        IprClient client = world.Connected();
        NumericAddress gateway = Ip.Address(own), source = gateway.IsIPv6 ? client.IPv6 : client.IPv4;
        client.Send(Ip.Ping(source, gateway));
        world.Pass(40);
        byte[] reply = Assert.Single(client.Packets());
        Assert.Equal(gateway.IsIPv6 ? 129 : 0, reply[gateway.IsIPv6 ? 40 : 20]);
        Assert.Empty(world.Device.Packets);
        client.Send(Ip.Udp(source, gateway, 53));
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_DeniedGateway));
    }

    [Fact]
    public void A_refusal_is_an_icmp_error_and_an_info_at_a_limited_rate()
    {
        using var world = new IprWorld(policy: "reject *:25\naccept *:*");
        IprClient client = world.Connected();
        for (int i = 0; i < 100; i++)
            client.Send(Ip.Udp(client.IPv4, s_public4, 25));
        world.Pass(40);
        List<Said> said = client.Said();
        Said info = Assert.Single(said, s => s.Kind == IprResponseKind.Info);
        Assert.Equal("8.8.8.8:25", info.Text);
        Assert.Equal((byte)IprInfoKind.PolicyRefused, info.Reason);
        byte[][] errors = [.. said.SelectMany(s => s.Packets)];
        Assert.Equal(20, errors.Length);
        Assert.All(errors, e => Assert.Equal((3, 13, 10u << 24 | 1), (e[20], e[21], BinaryPrimitives.ReadUInt32BigEndian(e.AsSpan(12)))));
        Assert.Equal(100, world.Read(Counter.IpPacketRouter_DeniedByPolicy));
        Assert.Equal([.. said.Select(s => s.Envelope.Sequence).Order()], Enumerable.Range(1, said.Count).Select(i => (uint)i));

        client.Send(Ip.Udp(client.IPv6, s_public6, 25));
        Assert.Empty(client.Said());
        world.Pass(2000);
        client.Send(Ip.Udp(client.IPv6, s_public6, 25), Ip.Udp(client.IPv4, s_public4, 25));
        Assert.Equal("[2001:4860:4860::8888]:25", Assert.Single(client.Said(), s => s.Kind == IprResponseKind.Info).Text);
    }

    [Theory]
    [InlineData("192.168.1.1")]
    [InlineData("127.0.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("fe80::1")]
    [InlineData("ff02::1")]
    [InlineData("2002:0a00:0001::1")]
    public void What_is_not_the_public_internet_is_refused(string destination)
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        NumericAddress to = Ip.Address(destination);
        client.Send(Ip.Udp(to.IsIPv6 ? client.IPv6 : client.IPv4, to, 53));
        world.Turn();
        Assert.Empty(world.Device.Packets);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_DeniedByGuard));
    }

    [Theory]
    [InlineData("accept *:443\nreject *:*", 1)]
    [InlineData("accept *:443\naccept *:0\nreject *:*", 2)]
    [InlineData("reject 8.8.8.0/24:1-65534\naccept *:*", 2)]
    [InlineData("reject 8.8.8.0/24:*\naccept *:*", 0)]
    public void Pings_go_where_some_port_is_open_and_other_protocols_where_all_are(string policy, int passed)
    {
        using var world = new IprWorld(policy: policy);
        IprClient client = world.Connected();
        client.Send(Ip.Ping(client.IPv4, s_public4), Ip.Packet(client.IPv4, s_public4, 47, new byte[8]));
        world.Turn();
        Assert.Equal(passed, world.Device.Packets.Count);
    }

    [Fact]
    public void A_new_policy_holds_for_the_next_packet()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        client.Send(Ip.Udp(client.IPv4, s_public4, 53));
        world.Policy.Publish(new PacketPolicy(ExitPolicy.Parse("reject *:*", "new"), AddressGuard.Default));
        client.Send(Ip.Udp(client.IPv4, s_public4, 53));
        world.Turn();
        Assert.Single(world.Device.Packets);
    }

    [Fact]
    public void Fragments_follow_their_first_one()
    {
        using var world = new IprWorld(policy: "reject *:25\naccept *:*");
        IprClient client = world.Connected();
        client.Send(
            Ip.Fragment(client.IPv4, s_public4, 53, 1, 0, more: true), Ip.Fragment(client.IPv4, s_public4, 53, 1, 24, more: false),
            Ip.Fragment(client.IPv4, s_public4, 25, 2, 0, more: true), Ip.Fragment(client.IPv4, s_public4, 25, 2, 24, more: false),
            Ip.Fragment(client.IPv4, s_public4, 53, 3, 24, more: false));
        world.Turn();
        Assert.Equal(2, world.Device.Packets.Count);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_FragmentsDropped));
        world.Pass(31_000);
        Assert.Equal(2, world.Read(Counter.IpPacketRouter_FragmentsDropped));
        client.Send(Ip.Fragment(client.IPv4, s_public4, 53, 1, 48, more: false));
        world.Turn();
        Assert.Equal(2, world.Device.Packets.Count);
    }

    [Fact]
    public void Fragments_that_overtake_their_first_one_wait_for_it()
    {
        using var world = new IprWorld(policy: "reject *:25\naccept *:*");
        IprClient client = world.Connected();
        client.Send(Ip.Fragment(client.IPv4, s_public4, 53, 1, 48, more: false), Ip.Fragment(client.IPv4, s_public4, 25, 2, 24, more: false));
        client.Send(Ip.Fragment(client.IPv4, s_public4, 53, 1, 24, more: true));
        world.Turn();
        Assert.Empty(world.Device.Packets);
        Assert.Equal(3, world.Read(Counter.IpPacketRouter_FragmentsHeld));
        client.Send(Ip.Fragment(client.IPv4, s_public4, 53, 1, 0, more: true), Ip.Fragment(client.IPv4, s_public4, 25, 2, 0, more: true));
        world.Turn();
        Assert.Equal(3, world.Device.Packets.Count);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_FragmentsDropped));
    }

    [Fact]
    public void Fragments_without_a_first_one_are_held_in_a_small_number_and_not_for_long()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        for (ushort id = 0; id < 200; id++)
            client.Send(Ip.Fragment(client.IPv4, s_public4, 53, id, 24, more: false));
        world.Turn();
        Assert.Equal(EarlyFragments.PerSession, world.Read(Counter.IpPacketRouter_FragmentsHeld));
        Assert.Equal(200 - EarlyFragments.PerSession, world.Read(Counter.IpPacketRouter_FragmentsDropped));
        world.Pass(EarlyFragments.LifetimeMilliseconds + 20);
        Assert.Equal(200, world.Read(Counter.IpPacketRouter_FragmentsDropped));
        Assert.Empty(world.Device.Packets);
    }

    [Fact]
    public void Bad_packets_are_passed_over_and_the_good_ones_of_a_bundle_taken()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        byte[] good = Ip.Udp(client.IPv4, s_public4, 53);
        byte[] longer = (byte[])good.Clone();
        longer[3]++;
        client.Send([], good, [0x45], longer, [.. good, 1, 2, 3], Ip.Udp(client.IPv4, s_public4, 0), new byte[40]);
        world.Turn();
        Assert.Equal([good, good], world.Device.Packets);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_EmptyPackets));
        Assert.Equal(2, world.Read(Counter.IpPacketRouter_PacketsTruncated));
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_PacketsBadVersion));
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_PortZero));
        client.SendBundle([0, (byte)good.Length, .. good, 0, 200, 1, 2]);
        world.Turn();
        Assert.Equal(3, world.Device.Packets.Count);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_BundlesTruncated));
    }

    [Fact]
    public void Packets_beyond_the_mtu_are_answered_too_big()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        client.Send(Ip.Udp(client.IPv4, s_public4, 53, 1473), Ip.Udp(client.IPv4, s_public4, 53, 1472));
        world.Pass(40);
        Assert.Single(world.Device.Packets);
        byte[] error = Assert.Single(client.Packets());
        Assert.Equal((3, 4, 1500), (error[20], error[21], BinaryPrimitives.ReadUInt16BigEndian(error.AsSpan(26))));
    }

    [Fact]
    public void Handshakes_are_clamped_in_both_directions()
    {
        using var world = new IprWorld(new IprLimits { Mtu = 1400 });
        IprClient client = world.Connected();
        client.Send(Ip.TcpSyn(client.IPv4, s_public4, 443, 1460));
        world.Device.Receive(Ip.TcpSyn(s_public6, client.IPv6, 1000, 1460), world.Now);
        world.Pass(40);
        Assert.Equal(1360, BinaryPrimitives.ReadUInt16BigEndian(world.Device.Packets[0].AsSpan(42)));
        Assert.Equal(1340, BinaryPrimitives.ReadUInt16BigEndian(Assert.Single(client.Packets()).AsSpan(62)));
    }

    [Fact]
    public void A_family_that_is_off_is_refused_in_both_directions_though_the_pair_names_it()
    {
        var network = new TunnelNetwork(
            AddressPrefix.Parse("10.0.0.1/16"), AddressPrefix.Parse("fc00::1/112"), routesIPv6: false);
        using var world = new IprWorld(network: network);
        IprClient client = world.Connected();
        client.Send(Ip.Udp(client.IPv6, s_public6, 53));
        world.Device.Receive(Ip.Udp(s_public6, client.IPv6, 53), world.Now);
        world.Pass(40);
        Assert.Empty(world.Device.Packets);

        // Administratively prohibited, so that the host tries the other family.
        Assert.Equal([1, 1], Assert.Single(client.Packets())[40..42]);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_FamilyOff));
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_DownlinkNoClient));
    }

    [Fact]
    public void A_session_with_a_packet_rate_is_held_to_it()
    {
        using var world = new IprWorld(new IprLimits { PacketsPerSecond = 10 });
        IprClient client = world.Connected();
        for (int i = 0; i < 50; i++)
            client.Send(Ip.Udp(client.IPv4, s_public4, 53));
        world.Pass(500);
        Assert.Equal(10, world.Device.Packets.Count);
        for (int i = 0; i < 50; i++)
            client.Send(Ip.Udp(client.IPv4, s_public4, 53));
        world.Turn();
        Assert.Equal(15, world.Device.Packets.Count);
    }
}
