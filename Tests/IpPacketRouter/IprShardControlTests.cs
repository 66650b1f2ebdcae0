using FastExit.Cores;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

public sealed class IprShardControlTests
{
    private static readonly NumericAddress s_public = Ip.Address("8.8.8.8");

    [Theory]
    [InlineData(8, null)]
    [InlineData(9, null)]
    [InlineData(10, (ushort)1500)]
    public void A_connect_is_answered_in_its_version_as_the_first_message(byte version, ushort? mtu)
    {
        using var world = new IprWorld();
        IprClient client = world.Client(version);
        Said answer = client.Connect(42);
        Assert.True(answer.Succeeded);
        Assert.Equal(version, answer.Envelope.Version);
        Assert.Equal(version == 8 ? 0 : client.StreamId, answer.Envelope.StreamId);
        Assert.Equal(0u, answer.Envelope.Sequence);
        Assert.Equal(mtu, answer.Mtu);
        Assert.True(world.Network.TryNumber(client.IPv4, out int number));
        Assert.Equal(world.Network.IPv6Of(number), client.IPv6);
    }

    [Fact]
    public void Data_and_control_of_a_stream_share_one_counter_that_follows_the_connect()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        for (uint next = 1; next <= 9; next++)
        {
            if (next % 3 == 0)
                client.Control(IprRequestKind.Ping, next);
            else
                world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1000), world.Now);
            world.Pass(40);
            Said said = Assert.Single(client.Said());
            Assert.Equal(next % 3 == 0 ? IprResponseKind.Pong : IprResponseKind.Data, said.Kind);
            Assert.Equal(next, said.Envelope.Sequence);
            Assert.Equal(client.StreamId, said.Envelope.StreamId);
        }

        Assert.All(world.Replies.Data, d => Assert.Equal(2, d.Retransmissions));
    }

    [Fact]
    public void Version_9_data_is_taken_after_a_version_10_connect_and_answered_in_version_10()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected(version: 10);
        client.Version = 9;
        client.Send(Ip.Udp(client.IPv4, s_public, 53));
        world.Turn();
        Assert.Single(world.Device.Packets);
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1000), world.Now);
        client.Control(IprRequestKind.Ping, 7);
        world.Pass(40);
        Assert.All(client.Said(), s => Assert.Equal(10, s.Envelope.Version));
    }

    [Fact]
    public void A_question_in_other_framing_than_the_session_is_answered_in_its_own()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected(version: 9);
        client.Version = 8;
        client.Send(Ip.Udp(client.IPv4, s_public, 53));
        client.Control(IprRequestKind.Ping, 7);
        Said pong = Assert.Single(client.Said());
        Assert.Equal(8, pong.Envelope.Version);
        world.Turn();
        Assert.Single(world.Device.Packets);
        client.Control(IprRequestKind.Disconnect, 8);
        Assert.True(Assert.Single(client.Said()).Succeeded);
        Assert.Equal(0, world.Shard.Sessions);
    }

    [Fact]
    public void A_repeated_connect_is_answered_again_and_changes_nothing()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        AddressPair pair = client.Pair!.Value;
        client.Control(IprRequestKind.Ping, 1);
        Assert.Equal(1u, Assert.Single(client.Said()).Envelope.Sequence);
        Assert.Equal(0u, client.Connect(1).Envelope.Sequence);
        Assert.Equal(pair, client.Pair);
        client.Control(IprRequestKind.Ping, 2);
        Assert.Equal(2u, Assert.Single(client.Said()).Envelope.Sequence);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_ConnectRetransmissions));
    }

    [Fact]
    public void A_new_connect_of_a_known_tag_keeps_the_pair_and_takes_the_new_stream_and_version()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected(version: 9);
        AddressPair pair = client.Pair!.Value;
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1), world.Now);
        (client.Version, client.StreamId) = (10, 77);
        Said answer = client.Connect(2);
        Assert.Equal(pair, answer.Pair);
        Assert.Equal((ushort)1500, answer.Mtu);
        world.Pass(40);
        Said data = Assert.Single(client.Said());
        Assert.Equal(new IprEnvelope(10, 77, 1), data.Envelope);
        client.Version = 8;
        Assert.Equal(pair, client.Connect(3).Pair);
        Assert.Equal(1, world.Shard.Sessions);
    }

    [Fact]
    public void A_raw_client_that_connects_in_a_stream_loses_only_what_was_built_for_it()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected(version: 8);
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1, 1400), world.Now);
        client.Version = 9;
        client.Connect(2);
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1, 1400), world.Now);
        world.Pass(40);
        Assert.Single(client.Said());
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_BundlesDroppedReconnect));
    }

    [Fact]
    public void Without_surbs_a_connect_takes_no_address()
    {
        using var world = new IprWorld();
        IprClient client = world.Client();
        world.Replies.SetCredit(client.Peer, 0);
        Span<byte> connect = Convert.FromHexString("08010100010114fb0fd488061b3400000000");
        client.Deliver(connect);
        Assert.Equal(0, world.Shard.Sessions);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_ConnectsWithoutSurbs));
        world.Replies.SetCredit(client.Peer, 1);
        client.Deliver(connect);
        Assert.Equal(1, world.Shard.Sessions);
    }

    [Fact]
    public void A_thousand_clients_have_a_thousand_pairs()
    {
        using var world = new IprWorld(new IprLimits { NewSessionsBurst = 1000 });
        var clients = Enumerable.Range(0, 1000).Select(i => world.Connected((byte)(8 + (i % 3)))).ToArray();
        Assert.Equal(1000, clients.Select(c => c.IPv4).Distinct().Count());
        Assert.Equal(1000, clients.Select(c => c.IPv6).Distinct().Count());
        Assert.DoesNotContain(clients, c => world.Network.IsOwn(c.IPv4) || world.Network.IsOwn(c.IPv6));
        foreach (IprClient client in clients)
            world.Device.Receive(Ip.Udp(s_public, client.IPv4, (ushort)(client.Peer + 1)), world.Now);
        world.Pass(400);
        Assert.All(clients, c =>
        {
            byte[] packet = Assert.Single(c.Packets());
            Assert.Equal(c.Peer + 1, (packet[22] << 8) | packet[23]);
        });
    }

    [Fact]
    public void Sessions_addresses_and_the_rate_of_new_ones_are_limited()
    {
        var small = new TunnelNetwork(AddressPrefix.Parse("10.9.0.1/29"), AddressPrefix.Parse("fc09::1/112"));
        using (var world = new IprWorld(network: small))
        {
            Assert.Equal(5, world.Shard.AddressesAvailable);
            IprClient[] clients = [.. Enumerable.Range(0, 5).Select(_ => world.Connected())];
            Said refused = world.Client().Connect(1);
            Assert.False(refused.Succeeded);
            Assert.Equal((byte)IprConnectFailure.NoAvailableIp, refused.Reason);

            clients[3].Control(IprRequestKind.Disconnect, 2);
            Assert.False(world.Client().Connect(1).Succeeded);
            foreach (IprClient client in clients)
                client.Send(Ip.Udp(client.IPv4, s_public, 53));
            world.Pass(115_000);
            Assert.False(world.Client().Connect(1).Succeeded);
            foreach (IprClient client in clients)
                client.Control(IprRequestKind.Ping, 5);
            world.Pass(6_000);
            Assert.Equal(clients[3].IPv4, world.Connected().IPv4);
        }

        using (var world = new IprWorld(new IprLimits { MaximumSessions = 3 }))
        {
            for (int i = 0; i < 3; i++)
                world.Connected();
            Assert.Equal((byte)IprConnectFailure.Other, world.Client().Connect(1).Reason);
            Assert.Equal(1, world.Read(Counter.IpPacketRouter_ConnectsRefusedLimit));
        }

        using (var world = new IprWorld(new IprLimits { NewSessionsBurst = 4, NewSessionsPerSecond = 2 }))
        {
            Assert.Equal(4, Enumerable.Range(0, 9).Count(_ => world.Client().Connect(1).Succeeded));
            world.Pass(1000);
            Assert.Equal(2, Enumerable.Range(0, 9).Count(_ => world.Client().Connect(1).Succeeded));
        }
    }

    [Fact]
    public void A_silent_session_ends_with_a_notice_and_any_message_keeps_it()
    {
        using var world = new IprWorld();
        IprClient silent = world.Connected(version: 8), pinging = world.Connected();
        silent.Send(Ip.Udp(silent.IPv4, s_public, 53));
        pinging.Send(Ip.Udp(pinging.IPv4, s_public, 53));
        for (int i = 0; i < 3; i++)
        {
            world.Pass(60_000);
            pinging.Control(IprRequestKind.Ping, 1);
        }

        Assert.Equal(1, world.Shard.Sessions);
        Said notice = Assert.Single(silent.Said());
        Assert.Equal(IprResponseKind.UnrequestedDisconnect, notice.Kind);
        Assert.Equal((byte)IprDisconnectReason.MixnetTimeout, notice.Reason);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_SessionsExpired));
    }

    [Fact]
    public void A_session_that_is_never_used_ends_after_half_a_minute()
    {
        using var world = new IprWorld();
        IprClient idle = world.Connected(), used = world.Connected(), asking = world.Connected();
        used.Send(Ip.Udp(used.IPv4, s_public, 53));
        world.Pass(20_000);
        asking.Control(IprRequestKind.Ping, 1);
        world.Pass(12_000);
        Assert.Equal(2, world.Shard.Sessions);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_HalfOpenExpired));
        Assert.Equal(IprResponseKind.UnrequestedDisconnect, idle.Said()[^1].Kind);

        // Whoever only asks after the session keeps it.
        for (int i = 0; i < 10; i++)
        {
            asking.Control(IprRequestKind.Ping, 2);
            used.Send(Ip.Udp(used.IPv4, s_public, 53));
            world.Pass(20_000);
        }

        Assert.Equal(2, world.Shard.Sessions);
    }

    [Fact]
    public void Data_without_session_is_told_so_once_in_ten_seconds()
    {
        using var world = new IprWorld();
        IprClient stranger = world.Client(version: 10);
        for (int i = 0; i < 50; i++)
            stranger.Send(Ip.Udp(Ip.Address("10.0.3.3"), s_public, 53));
        Said said = Assert.Single(stranger.Said());
        Assert.Equal(IprResponseKind.UnrequestedDisconnect, said.Kind);
        Assert.Equal((byte)IprDisconnectReason.Other, said.Reason);
        Assert.Equal("not connected", said.Text);
        Assert.Equal(new IprEnvelope(10, stranger.StreamId, 0), said.Envelope);
        world.Pass(10_000);
        stranger.Send(Ip.Udp(Ip.Address("10.0.3.3"), s_public, 53));
        Assert.Single(stranger.Said());
        Assert.Empty(world.Device.Packets);
    }

    [Fact]
    public void Clients_without_session_may_ask_at_a_limited_rate()
    {
        using var world = new IprWorld();
        IprClient client = world.Client(version: 8);
        for (int i = 0; i < 20; i++)
            client.Control(IprRequestKind.Ping, 9);
        Assert.Equal(9ul, Assert.Single(client.Said()).RequestId);
        world.Pass(1000);
        client.Control(IprRequestKind.Disconnect, 3);
        Said answer = Assert.Single(client.Said());
        Assert.False(answer.Succeeded);
        Assert.Equal((byte)IprDisconnectFailure.NotConnected, answer.Reason);
    }

    [Fact]
    public void Health_says_what_the_device_and_the_control_plane_know()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        bool?[] told = [.. new[] { (true, (bool?)null), (true, true), (true, false), (false, true) }.Select(state =>
        {
            (world.Device.IsUp, world.Health.Routable) = state;
            client.Control(IprRequestKind.Health, 4);
            return Assert.Single(client.Said()).Routable;
        })];
        Assert.Equal([null, true, false, false], told);
    }

    [Fact]
    public void A_newer_version_is_answered_in_the_newest_known_once_in_ten_seconds()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected(version: 10);
        byte[] raw = Convert.FromHexString("0b010100017b00fb0fd0010c3b3bfc1dcd6500000000");
        byte[] framed = [.. Convert.FromHexString("03000123456789abcdef010000000000"), .. raw];
        for (int i = 0; i < 5; i++)
            client.Deliver(framed);
        Said said = Assert.Single(client.Said());
        Assert.Equal((11, 10), said.Mismatch);
        Assert.Equal(new IprEnvelope(10, client.StreamId, 1), said.Envelope);
        Assert.Equal(5, world.Read(Counter.IpPacketRouter_UnknownVersion));
        world.Pass(10_000);
        client.Deliver(raw);
        Assert.Equal(8, Assert.Single(client.Said()).Envelope.Version);
    }

    [Theory]
    [InlineData("05010000", Counter.IpPacketRouter_UnknownVersion)]
    [InlineData("08", Counter.IpPacketRouter_BadRequest)]
    [InlineData("08000000", Counter.IpPacketRouter_NotIpr)]
    [InlineData("090100050102040205", Counter.IpPacketRouter_WrongTransport)]
    [InlineData("0300000000000000123400000000000000", Counter.IpPacketRouter_BadRequest)]
    [InlineData("03000000000000001234000000000000", Counter.IpPacketRouter_StreamOpens)]
    [InlineData("03000000000000001234ff0000000000", Counter.IpPacketRouter_BadFrame)]
    [InlineData("0801000501020402", Counter.IpPacketRouter_BadRequest)]
    [InlineData("08010102", Counter.IpPacketRouter_BadRequest)]
    public void Bad_messages_are_counted_by_reason_and_not_answered(string hex, Counter counter)
    {
        using var world = new IprWorld();
        IprClient client = world.Client();
        client.Deliver(Convert.FromHexString(hex));
        Assert.Equal(1, world.Read(counter));
        Assert.Empty(client.Said());
    }

    [Fact]
    public void A_client_that_is_gone_loses_its_session()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        world.Shard.OnPeerLost(client.Peer);
        world.Shard.OnPeerLost(client.Peer);
        Assert.Equal(0, world.Shard.Sessions);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_ClientsLost));
    }

    [Fact]
    public void Draining_tells_every_client()
    {
        using var world = new IprWorld();
        IprClient[] clients = [.. Enumerable.Range(0, 10).Select(_ => world.Connected())];
        world.Shard.BeginDrain(world.Now);
        Assert.True(world.Shard.Drained);
        Assert.All(clients, c => Assert.Equal(IprResponseKind.UnrequestedDisconnect, Assert.Single(c.Said()).Kind));
        Assert.False(world.Client().Connect(1).Succeeded);
    }

    [Theory]
    [InlineData(null, 20)]
    [InlineData(0ul, 0)]
    [InlineData(1ul, 1)]
    [InlineData(300ul, 300)]
    [InlineData(ulong.MaxValue, 1000)]
    public void The_wish_for_a_bundle_time_is_clamped(ulong? wish, int milliseconds)
    {
        using var world = new IprWorld();
        IprClient client = world.Connected(timeout: wish);
        world.Replies.SetCredit(client.Peer, 10);
        world.Turn();
        world.Device.Receive(Ip.Udp(s_public, client.IPv4, 1), world.Now);
        for (int waited = 0; waited < milliseconds; waited++)
        {
            world.Shard.Flush(world.Now);
            Assert.Empty(client.Said());
            world.Now++;
        }

        world.Shard.Flush(world.Now);
        Assert.Single(client.Said());
    }
}
