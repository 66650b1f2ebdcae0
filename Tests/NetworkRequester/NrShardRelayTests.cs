using System.Net.Sockets;
using System.Security.Cryptography;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.NetworkRequester;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>The relay over real sockets: data, order, half closes, resets.</summary>
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

        // It was told so: without that data its stream could never be whole.
        Assert.Equal(ConnectFailure.Unknown, old.Responses()[^1].Failure);
        old.Connect(server.Address);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_DuplicateConnects));
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
}
