using System.Net.Sockets;
using System.Security.Cryptography;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.NetworkRequester;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>Where a relay must end or wait: windows, limits, timers, credit, lost clients, drain.</summary>
public sealed class NrShardLimitTests
{
    [Fact]
    public void BeyondTheWindowCloses()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        world.Until(() => client.IsOpen, "open");
        client.SendAs(1000, "edge"u8);
        Assert.False(client.IsClosed);
        client.SendAs(1001, "beyond"u8);
        Assert.True(client.IsClosed);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_SendsBeyondWindow));
    }

    [Fact]
    public void MoreReorderedBytesThanTheLimitCloses()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld(new NetworkRequesterSettings { ReorderBytesPerConnection = 10_000 });
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        world.Until(() => client.IsOpen, "open");
        for (ulong i = 1; i <= 3; i++)
            client.SendAs(i, "small, but a slot each"u8);
        Assert.False(client.IsClosed);
        client.SendAs(4, new byte[3000]);
        Assert.True(client.IsClosed);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_ReorderOverflow));
    }

    [Fact]
    public void ADestinationThatDoesNotReadIsGivenUp()
    {
        using var release = new ManualResetEventSlim();
        using var server = new LoopbackServer(s => release.Wait());
        using var world = new ShardWorld(new NetworkRequesterSettings { ReorderBytesPerConnection = 1 << 20 });
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        world.Until(() => client.IsOpen, "open");
        byte[] payload = new byte[60_000];
        for (int i = 0; i < 1000 && !client.IsClosed; i++)
        {
            client.Send(payload);
            world.Pump(1);
        }

        // The send that hangs is cancelled, its slots come back.
        Assert.True(client.IsClosed);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_ReorderOverflow));
        world.Until(() => world.Shard.Records == 0, "gone");
        release.Set();
    }

    [Fact]
    public void IdleConnectionsEndAndKeepalivesKeepThem()
    {
        using var server = new LoopbackServer(s => LoopbackServer.ReadToEnd(s));
        using var world = new ShardWorld();
        TestClient idle = world.Anonymous(1);
        TestClient kept = world.Anonymous(2);
        TestClient page = world.Exposed(3);
        idle.Connect(server.Address);
        kept.Connect(server.Address);
        page.Send("data first"u8);
        page.Connect(server.Address);
        world.Until(() => idle.IsOpen && kept.IsOpen && page.IsOpen, "open");
        for (int i = 0; i < 5; i++)
        {
            world.Pass(TimeSpan.FromSeconds(59));
            kept.Send([]);
            world.Pump();
        }

        Assert.False(idle.IsClosed);
        world.Pass(TimeSpan.FromSeconds(7));
        Assert.True(idle.IsClosed);
        Assert.True(page.IsClosed);
        Assert.False(kept.IsClosed);
        Assert.Equal(2, world.Read(Counter.NetworkRequester_IdleTimeouts));

        // Ours went to those that understand them.
        Assert.InRange(kept.Data().Count(), 4, 6);
        Assert.Equal(2, page.Data().Count());
    }

    [Fact]
    public void AGapThatStaysEndsTheConnection()
    {
        using var server = new LoopbackServer(s => LoopbackServer.ReadToEnd(s));
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        world.Until(() => client.IsOpen, "open");
        client.SendAs(1, "behind a gap"u8);
        world.Pass(TimeSpan.FromSeconds(119));
        Assert.False(client.IsClosed);
        world.Pass(TimeSpan.FromSeconds(2));
        Assert.True(client.IsClosed);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_GapTimeouts));
    }

    [Fact]
    public void WithoutCreditNothingIsReadAndNothingIsLost()
    {
        byte[] data = RandomNumberGenerator.GetBytes(300_000);
        using var server = new LoopbackServer(s =>
        {
            s.Send(data);
            s.Dispose();
        });
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        world.Replies.SetCredit(client.Peer, 7);
        client.Connect(server.Address);
        world.Until(() => client.Data().Count() == 7, "seven packets");
        world.For(100);
        Assert.Equal(7, client.Data().Count());
        Assert.Equal(0, world.Replies.Parked(client.Peer));
        Assert.True(world.Read(Counter.NetworkRequester_BytesFromDestinations) <= 40 * 1580);
        for (int credit = 1; !client.IsClosed; credit = (credit * 3 % 23) + 1)
        {
            int before = client.Data().Count();
            world.Replies.SetCredit(client.Peer, credit);
            world.Until(() => client.Data().Count() == before + credit || client.IsClosed, "credit used");
            world.Pump(0);
            Assert.True(client.Data().Count() <= before + credit);
        }

        Assert.Equal(0, world.Replies.Parked(client.Peer));
        Assert.Equal(data, client.Received);
    }

    [Fact]
    public void UnacknowledgedPacketsAreBounded()
    {
        byte[] data = RandomNumberGenerator.GetBytes(200_000);
        using var server = new LoopbackServer(s =>
        {
            s.Send(data);
            s.Dispose();
        });
        using var world = new ShardWorld(new NetworkRequesterSettings { WindowPackets = 20 });
        world.Replies.Acknowledge = false;
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        world.Until(() => world.Replies.Unacknowledged.Count == 20, "window full");
        while (!client.IsClosed)
        {
            world.For(10);
            Assert.InRange(world.Replies.Unacknowledged.Count, 0, 21);
            world.Replies.AcknowledgeAll();
        }

        Assert.Equal(data, client.Received);
        world.Replies.AcknowledgeAll();
    }

    [Fact]
    public void ConnectionsOfOneClientShareItsCredit()
    {
        using var server = new LoopbackServer(s =>
        {
            while (true)
                s.Send(new byte[65536]);
        });
        using var world = new ShardWorld();
        int peer = world.Replies.AddPeer(anonymous: true);
        world.Replies.SetCredit(peer, 3);
        TestClient[] clients = [.. Enumerable.Range(1, 3).Select(i => world.Anonymous((ulong)i, peer: peer))];
        foreach (TestClient client in clients)
            client.Connect(server.Address);
        world.Until(() => clients.All(c => c.IsOpen) && server.Accepted == 3, "open");

        // Until all three destinations have something to say.
        Thread.Sleep(200);
        for (int i = 0; i < 60; i++)
        {
            world.Replies.SetCredit(peer, 10);
            world.Pump();
            world.Until(() => world.Replies.Credit(peer) == 0, "credit used");
        }

        int[] shares = [.. clients.Select(c => c.Data().Count())];
        Assert.Equal(603, shares.Sum());
        Assert.All(shares, s => Assert.InRange(s, 100, 320));
    }

    [Fact]
    public void APacketLostForGoodEndsTheConnection()
    {
        using var server = new LoopbackServer(s => LoopbackServer.ReadToEnd(s));
        using var world = new ShardWorld();
        world.Replies.Acknowledge = false;
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        world.Until(() => client.IsOpen, "open");
        world.Replies.AcknowledgeAll(delivered: false);
        Assert.True(client.IsClosed);
        world.Until(() => world.Shard.Records == 0, "gone");
    }

    [Fact]
    public void ALostPeerTakesItsConnectionsAlong()
    {
        using var server = new LoopbackServer(s => LoopbackServer.ReadToEnd(s));
        using var world = new ShardWorld();
        int peer = world.Replies.AddPeer(anonymous: true);
        TestClient open = world.Anonymous(1, peer: peer);
        TestClient early = world.Anonymous(2, peer: peer);
        TestClient other = world.Anonymous(3);
        open.Connect(server.Address);
        other.Connect(server.Address);
        early.Send("x"u8);
        world.Until(() => open.IsOpen && other.IsOpen, "open");
        world.Shard.OnPeerLost(peer);
        world.Until(() => world.Shard.Records == 1, "one left");
        Assert.False(open.IsClosed);
        Assert.False(other.IsClosed);
    }

    [Fact]
    public void APageHearsOneCloseAndNothingAfterItsOwn()
    {
        using var server = new LoopbackServer(s =>
        {
            while (true)
            {
                s.Send(new byte[1000]);
                Thread.Sleep(1);
            }
        });
        using var world = new ShardWorld();
        TestClient page = world.Exposed(1);
        page.Connect(server.Address);
        page.Send("GET /"u8);
        world.Until(() => page.Received.Length > 5000, "data");
        page.Send([], closed: true);
        int said = page.Responses().Count;
        Assert.True(page.IsClosed);
        world.For(50);
        Assert.Equal(said, page.Responses().Count);
        world.Until(() => world.Shard.Records == 0, "gone");
    }

    [Fact]
    public void DrainTellsEveryoneOnce()
    {
        using var server = new LoopbackServer(s =>
        {
            while (true)
                s.Send(new byte[1000]);
        });
        using var silent = new SilentServer();
        using var world = new ShardWorld();
        world.Replies.SetCredit(MemoryReplyPath.ExposedPeer, 20);
        TestClient[] open = [.. Enumerable.Range(1, 10).Select(i => world.Exposed((ulong)i, MessageForm.Legacy))];
        foreach (TestClient client in open)
            client.Connect(server.Address);
        TestClient connecting = world.Anonymous(20);
        connecting.Connect(silent.Address);
        world.Until(() => open.All(c => c.IsOpen), "open");
        world.Shard.BeginDrain(world.Now);
        TestClient late = world.Anonymous(21);
        late.Connect(server.Address);
        world.Until(() => world.Shard.Drained, "drained");
        Assert.All(open, c => Assert.True(c.IsClosed));
        Assert.Equal(ConnectFailure.Limit, connecting.Responses()[^1].Failure);
        Assert.Equal(ConnectFailure.Limit, late.Responses()[^1].Failure);
    }

    [Fact]
    public void WhenSlotsRunShortWhoHoldsManyIsClosed()
    {
        using var release = new ManualResetEventSlim();
        using var stuck = new LoopbackServer(s => release.Wait());
        using var reading = new LoopbackServer(s =>
        {
            byte[] buffer = new byte[1000];
            int received = s.Receive(buffer);
            s.Send(buffer.AsSpan(0, received));
            s.Dispose();
        });
        using var world = new ShardWorld(regularSlots: 1024);
        TestClient hoarder = world.Anonymous(1);
        TestClient other = world.Anonymous(2);
        hoarder.Connect(stuck.Address);
        other.Connect(reading.Address);
        world.Until(() => hoarder.IsOpen && other.IsOpen, "open");
        byte[] payload = new byte[1500];
        for (int i = 0; i < 50_000 && !hoarder.IsClosed; i++)
        {
            hoarder.Send(payload);
            world.Pump(0);
        }

        Assert.True(hoarder.IsClosed);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_ReorderOverflow));
        other.Send([1, 2, 3]);
        world.Until(() => other.IsClosed, "the other's answer");
        Assert.Equal([1, 2, 3], other.Received);
        release.Set();
    }

    [Fact]
    public void WithoutSlotsReadingWaits()
    {
        byte[] data = RandomNumberGenerator.GetBytes(200_000);
        using var server = new LoopbackServer(s =>
        {
            s.Send(data);
            s.Dispose();
        });
        using var world = new ShardWorld(buffers: 16, regularSlots: 20);
        TestClient[] clients = [.. Enumerable.Range(1, 4).Select(i => world.Anonymous((ulong)i))];
        foreach (TestClient client in clients)
            client.Connect(server.Address);
        world.Until(() => clients.All(c => c.IsClosed), "all closed", 60);
        Assert.All(clients, c => Assert.Equal(data, c.Received));
    }
}
