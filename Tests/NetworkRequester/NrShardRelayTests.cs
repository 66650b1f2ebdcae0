using System.Net.Sockets;
using System.Security.Cryptography;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.NetworkRequester;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>The relay over real sockets: data, order, half closes, resets, timers, credit, drain.</summary>
public sealed class NrShardRelayTests
{
    [Theory]
    [InlineData(MessageForm.Version3, true)]
    [InlineData(MessageForm.Legacy, false)]
    [InlineData(MessageForm.EnvelopedLegacy, true)]
    public void AMegabyteBothWays(MessageForm form, bool anonymous)
    {
        byte[] up = RandomNumberGenerator.GetBytes(1 << 20);
        byte[] down = RandomNumberGenerator.GetBytes(1 << 20);
        byte[]? arrived = null;
        using var server = new LoopbackServer(s =>
        {
            var writer = new Thread(() => s.Send(down));
            writer.Start();
            arrived = LoopbackServer.ReadToEnd(s);
            writer.Join();
            s.Dispose();
        });
        using var world = new ShardWorld();
        TestClient client = anonymous ? world.Anonymous(1, form) : world.Exposed(1, form);
        client.Connect(server.Address);
        int sent = 0;
        int[] sizes = [1, 700, 1500, 16_000, 40_000];
        for (int i = 0; sent < up.Length; i++)
        {
            int part = Math.Min(sizes[i % sizes.Length], up.Length - sent);
            client.Send(up.AsSpan(sent, part), closed: sent + part == up.Length);
            sent += part;
            if (i % 8 == 7)
                world.Pump(0);
        }

        world.Until(() => world.Shard.Records == 0, "both directions done", 60);
        Assert.True(client.IsClosed);
        Assert.Equal(SHA256.HashData(down), SHA256.HashData(client.Received));
        Assert.Equal(SHA256.HashData(up), SHA256.HashData(arrived!));
        Assert.Equal(up.Length, world.Read(Counter.NetworkRequester_BytesToDestinations));
        Assert.Equal(down.Length, world.Read(Counter.NetworkRequester_BytesFromDestinations));
    }

    [Fact]
    public void EarlyDataWaitsForItsConnect()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld();
        TestClient client = world.Exposed(1);
        client.SendAs(1, "world"u8);
        client.SendAs(0, "hello "u8);
        Assert.Equal(2, world.Read(Counter.NetworkRequester_EarlyDataStored));
        client.Connect(server.Address);
        world.Until(() => client.Received.Length == 11, "echo");
        Assert.Equal("hello world"u8.ToArray(), client.Received);
    }

    [Fact]
    public void EarlyDataHasLimitsAndAnAge()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld(new NetworkRequesterSettings { MaximumEarlyConnections = 2, EarlyMessagesPerConnection = 4 });
        TestClient old = world.Anonymous(1);
        old.Send("x"u8);
        TestClient many = world.Anonymous(2);
        for (int i = 0; i < 5; i++)
            many.Send("x"u8);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_EarlyDataDropped));
        world.Anonymous(3).Send("x"u8);
        Assert.Equal(2, world.Read(Counter.NetworkRequester_EarlyDataDropped));

        // Its stream has a hole that nobody fills.
        many.Connect(server.Address);
        Assert.Equal(ConnectFailure.Limit, many.Responses()[^1].Failure);
        world.Pass(TimeSpan.FromSeconds(31));
        Assert.Equal(1, world.Read(Counter.NetworkRequester_EarlyDataExpired));
        Assert.Equal(0, world.Shard.Records);

        // Without its early data a Connect still opens; the message is missing for good.
        old.Connect(server.Address);
        world.Until(() => old.IsOpen, "open");
    }

    [Fact]
    public void OrderIsRestoredAndDuplicatesAreDropped()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        world.Until(() => client.IsOpen, "open");
        byte[] data = RandomNumberGenerator.GetBytes(100 * 300);
        int[] order = [.. Enumerable.Range(0, 300)];
        new Random(1).Shuffle(order);
        foreach (int i in order)
        {
            client.SendAs((ulong)i, data.AsSpan(i * 100, 100));
            client.SendAs((ulong)i, "duplicate"u8);
        }

        world.Until(() => client.Received.Length == data.Length, "echo");
        Assert.Equal(data, client.Received);
        Assert.Equal(300, world.Read(Counter.NetworkRequester_SendsDuplicate));
    }

    [Fact]
    public void AForeignSendReachesNobodysConnection()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld();
        TestClient tagged = world.Anonymous(1);
        TestClient exposed = world.Exposed(2);
        tagged.Connect(server.Address);
        exposed.Connect(server.Address);
        world.Until(() => tagged.IsOpen && exposed.IsOpen, "open");
        world.Anonymous(1).SendAs(0, "other tag"u8);
        world.Exposed(1).SendAs(0, "no tag"u8);
        world.Anonymous(2).SendAs(0, "a tag"u8);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_SendsForeignPeer));
        tagged.Send("mine"u8);
        exposed.Send("mine"u8);
        world.Until(() => tagged.Received.Length >= 4 && exposed.Received.Length >= 4, "echo");
        world.For(30);
        Assert.Equal("mine"u8.ToArray(), tagged.Received);
        Assert.Equal("mine"u8.ToArray(), exposed.Received);
    }

    [Fact]
    public void TheClientsHalfCloseLeavesTheOtherDirectionOpen()
    {
        using var release = new ManualResetEventSlim();
        byte[]? request = null;
        using var server = new LoopbackServer(s =>
        {
            request = LoopbackServer.ReadToEnd(s);
            release.Wait();
            s.Send("late answer"u8);
            s.Dispose();
        });
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        client.Send("request"u8, closed: true);
        world.Until(() => request is not null, "the destination sees the end");
        Assert.Equal("request"u8.ToArray(), request);
        world.Pass(TimeSpan.FromSeconds(50));
        Assert.False(client.IsClosed);
        release.Set();
        world.Until(() => client.IsClosed, "closed");
        Assert.Equal("late answer"u8.ToArray(), client.Received);
        world.Until(() => world.Shard.Records == 0, "gone");
    }

    [Fact]
    public void TheDestinationsHalfCloseLeavesTheOtherDirectionOpen()
    {
        byte[]? rest = null;
        using var server = new LoopbackServer(s =>
        {
            s.Send("banner"u8);
            s.Shutdown(SocketShutdown.Send);
            rest = LoopbackServer.ReadToEnd(s);
        });
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        world.Until(() => client.IsClosed, "closed");
        Assert.Equal("banner"u8.ToArray(), client.Received);
        client.Send("still "u8);
        world.For(20);
        client.Send("here"u8, closed: true);
        world.Until(() => rest is not null, "the destination reads on");
        Assert.Equal("still here"u8.ToArray(), rest);
        world.Until(() => world.Shard.Records == 0, "gone");
    }

    [Fact]
    public void AHalfClosedConnectionDoesNotLiveForEver()
    {
        using var server = new LoopbackServer(s => LoopbackServer.ReadToEnd(s));
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        client.Send("x"u8, closed: true);
        world.Until(() => world.Read(Counter.NetworkRequester_BytesToDestinations) == 1, "sent");
        world.Pass(TimeSpan.FromSeconds(61));
        Assert.True(client.IsClosed || world.Shard.Records == 0);
        world.Until(() => world.Shard.Records == 0, "gone");
        Assert.True(client.IsClosed);
    }

    [Fact]
    public void TheCloseRidesOnTheLastDataWhenTheEndIsKnown()
    {
        using var server = new LoopbackServer(s =>
        {
            s.Send(new byte[5000]);
            s.Dispose();
        });
        using var world = new ShardWorld();
        int riding = 0;
        for (ulong id = 1; id <= 20; id++)
        {
            TestClient client = world.Anonymous(id);
            world.Gate.Silent = true;
            client.Connect(server.Address);
            world.Gate.Silent = false;
            world.Until(() => client.IsClosed, "closed");
            Assert.Equal(5000, client.Received.Length);
            riding += client.Data().Last().Bytes.Length > 0 ? 1 : 0;
        }

        Assert.True(riding > 0);
    }

    [Fact]
    public void AResetIsOneClose()
    {
        using var server = new LoopbackServer(s =>
        {
            s.Receive(new byte[16]);
            s.LingerState = new LingerOption(true, 0);
            s.Dispose();
        });
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        client.Send("provoke"u8);
        world.Until(() => client.IsClosed, "closed");
        for (int i = 0; i < 5; i++)
            client.Send("more"u8);
        world.Until(() => world.Shard.Records == 0, "gone");
        world.For(30);
        Assert.Single(client.Data(), r => r.Closed);
        Assert.Equal(5, world.Read(Counter.NetworkRequester_SendsUnknownConnection));
    }

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
