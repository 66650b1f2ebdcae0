using System.Net;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.NetworkRequester;
using FastExit.NetworkRequester.Protocol;
using FastExit.Tests.Native;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>Connects: success, every failure, and what each kind of client hears of it (network-requester.md §4.10, §7.4).</summary>
public sealed class NrShardConnectTests
{
    public enum ClientKind
    {
        LegacyExposed,
        LegacyAnonymous,
        Anonymous,
        ExposedQuiet,
        ExposedEmptyFirst,
        ExposedDataFirst,
        ExposedClosedEarly,
    }

    [Theory]
    [InlineData(ClientKind.LegacyExposed)]
    [InlineData(ClientKind.LegacyAnonymous)]
    [InlineData(ClientKind.Anonymous)]
    [InlineData(ClientKind.ExposedQuiet)]
    public void AnEstablishedConnectionSaysSoAtOnce(ClientKind kind)
    {
        using var server = new LoopbackServer(s => LoopbackServer.ReadToEnd(s));
        using var world = new ShardWorld();
        TestClient client = Client(world, kind);
        client.Connect(server.Address);
        world.Until(() => client.IsOpen, "open");
        TestClient.Said first = Assert.Single(client.Responses());
        Assert.Equal((ResponseKind.NetworkData, 0ul, false, 0), (first.Kind, first.Sequence, first.Closed, first.Bytes.Length));
        Assert.Equal(1, world.Shard.Connections);
    }

    [Theory]
    [InlineData(ClientKind.LegacyExposed, "closed error")]
    [InlineData(ClientKind.LegacyAnonymous, "closed error")]
    [InlineData(ClientKind.Anonymous, "closed error")]
    [InlineData(ClientKind.ExposedEmptyFirst, "closed error")]
    [InlineData(ClientKind.ExposedQuiet, "closed")]
    [InlineData(ClientKind.ExposedDataFirst, "closed")]
    [InlineData(ClientKind.ExposedClosedEarly, "closed")]
    public void RefusedConnects(ClientKind kind, string expected)
    {
        using var world = new ShardWorld();
        TestClient client = Client(world, kind);
        client.Connect(LoopbackServer.Nobody());
        world.Until(() => client.Responses().Count > 0, "failure");
        AssertFailure(client, ConnectFailure.Refused, expected);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_ConnectRefused));
        Assert.Equal(0, world.Shard.Connections);
    }

    [Theory]
    [InlineData(ClientKind.LegacyExposed, "closed error")]
    [InlineData(ClientKind.Anonymous, "closed error")]
    [InlineData(ClientKind.ExposedEmptyFirst, "closed error")]
    [InlineData(ClientKind.ExposedQuiet, "closed")]
    [InlineData(ClientKind.ExposedDataFirst, "closed")]
    [InlineData(ClientKind.ExposedClosedEarly, "closed")]
    public void VerdictsAgainst(ClientKind kind, string expected)
    {
        using var world = new ShardWorld();
        (GateOutcome Outcome, ConnectFailure Failure, Counter Counter)[] cases =
        [
            (GateOutcome.DeniedByPolicy, ConnectFailure.Denied, Counter.NetworkRequester_DeniedByPolicy),
            (GateOutcome.DeniedByGuard, ConnectFailure.Denied, Counter.NetworkRequester_DeniedByGuard),
            (GateOutcome.NameNotFound, ConnectFailure.NotFound, Counter.NetworkRequester_NameNotFound),
            (GateOutcome.ResolverFailed, ConnectFailure.Resolver, Counter.NetworkRequester_ResolverFailed),
            (GateOutcome.Malformed, ConnectFailure.Malformed, Counter.NetworkRequester_MalformedAddress),
            (GateOutcome.Allowed, ConnectFailure.NotFound, Counter.NetworkRequester_NameNotFound),
        ];
        ulong id = 100;
        foreach ((GateOutcome outcome, ConnectFailure failure, Counter counter) in cases)
        {
            long before = world.Read(counter);
            world.Gate.Tell("example.com:25", TestGate.Verdict(outcome));
            TestClient client = Client(world, kind, id++);
            client.Connect("example.com:25");
            world.Until(() => client.Responses().Count > 0, "failure");
            AssertFailure(client, failure, expected);
            Assert.Equal(before + 1, world.Read(counter));
        }
    }

    [Theory]
    [InlineData("example.com")]
    [InlineData("example.com:0")]
    [InlineData("example.com:65536")]
    [InlineData(":80")]
    [InlineData("")]
    public void MalformedAddressesNeverReachTheGate(string hostPort)
    {
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(hostPort);
        AssertFailure(client, ConnectFailure.Malformed, "closed error");
        Assert.Equal(0, world.Gate.Asked);
    }

    [Fact]
    public void AnUnreachableDestination()
    {
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(new IPEndPoint(IPAddress.Broadcast, 80));
        world.Until(() => client.Responses().Count > 0, "failure");
        AssertFailure(client, ConnectFailure.NetworkUnreachable, "closed error");
        Assert.Equal(1, world.Read(Counter.NetworkRequester_ConnectUnreachable));
    }

    [Fact]
    public void ADestinationThatDoesNotAnswer()
    {
        using var silent = new SilentServer();
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(silent.Address);
        world.For(50);
        world.Pass(TimeSpan.FromSeconds(9));
        Assert.Empty(client.Responses());
        world.Pass(TimeSpan.FromSeconds(1.1));
        AssertFailure(client, ConnectFailure.Timeout, "closed error");
        Assert.Equal(1, world.Read(Counter.NetworkRequester_ConnectTimeouts));
    }

    [Fact]
    public void AGateThatDoesNotAnswer()
    {
        using var world = new ShardWorld();
        world.Gate.Silent = true;
        TestClient client = world.Anonymous(1);
        client.Connect("example.com:80");
        world.Pass(TimeSpan.FromSeconds(5.1));
        AssertFailure(client, ConnectFailure.Resolver, "closed error");

        // Its late answer opens nothing.
        world.Gate.Tell("example.com:80", TestGate.Verdict(GateOutcome.Allowed, LoopbackServer.Nobody()));
        world.Gate.Silent = false;
        world.For(30);
        Assert.Equal(2, client.Responses().Count);
    }

    [Fact]
    public void AFullGateIsALimit()
    {
        using var world = new ShardWorld();
        world.Gate.Full = true;
        TestClient client = world.Anonymous(1);
        client.Connect("example.com:80");
        AssertFailure(client, ConnectFailure.Limit, "closed error");
        Assert.Equal(1, world.Read(Counter.NetworkRequester_ResolveQueueFull));
    }

    [Fact]
    public void TheSecondAddressIsTriedWhileTheFirstIsSilent()
    {
        using var silent = new SilentServer();
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld();
        world.Gate.Tell("two:80", TestGate.Verdict(GateOutcome.Allowed, silent.Address, server.Address));
        TestClient client = world.Anonymous(1);
        client.Connect("two:80");
        world.For(100);
        Assert.Equal(0, server.Accepted);
        long start = Environment.TickCount64;
        world.Until(() => client.IsOpen, "open");
        Assert.InRange(Environment.TickCount64 - start, 50, 3000);
        client.Send("hello"u8);
        world.Until(() => client.Received.Length == 5, "echo");
    }

    [Fact]
    public void AFailedAddressHandsOverAtOnce()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld(new NetworkRequesterSettings { ConnectStagger = TimeSpan.FromHours(1) });
        world.Gate.Tell(
            "three:80",
            TestGate.Verdict(GateOutcome.Allowed, LoopbackServer.Nobody(), new IPEndPoint(IPAddress.Broadcast, 80), server.Address));
        TestClient client = world.Anonymous(1);
        client.Connect("three:80");
        world.Until(() => client.IsOpen, "open");
    }

    [Fact]
    public void TheMostTellingFailureIsReported()
    {
        using var world = new ShardWorld();
        world.Gate.Tell(
            "two:80", TestGate.Verdict(GateOutcome.Allowed, LoopbackServer.Nobody(), new IPEndPoint(IPAddress.Broadcast, 80)));
        TestClient client = world.Anonymous(1);
        client.Connect("two:80");
        world.Until(() => client.Responses().Count > 0, "failure");
        AssertFailure(client, ConnectFailure.Refused, "closed error");
    }

    [Fact]
    public void DuplicateConnectsOpenNothing()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld();
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        client.Connect(server.Address);
        world.Until(() => client.IsOpen, "open");
        client.Connect(server.Address);
        client.Send("once"u8, closed: true);
        world.Until(() => client.IsClosed, "closed");
        client.Connect(server.Address);
        world.For(50);
        Assert.Equal(1, server.Accepted);
        Assert.Equal(3, world.Read(Counter.NetworkRequester_DuplicateConnects));
        Assert.Equal("once"u8.ToArray(), client.Received);

        // The tombstone has an age.
        world.Pass(TimeSpan.FromMinutes(11));
        Assert.Equal(0, world.Shard.TombstoneCount);
        client.Connect(server.Address);
        world.Until(() => server.Accepted == 2, "second connection");
        world.Replies.Messages.Clear();
    }

    [Fact]
    public void OutOfDescriptorsIsALimit()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld(directDescriptors: 8);
        Assert.All(world.TakeDescriptors(6), direct => Assert.True(direct >= 0));
        TestClient[] clients = [world.Anonymous(1), world.Anonymous(2), world.Anonymous(3)];
        clients[0].Connect(server.Address);
        clients[1].Connect(server.Address);
        world.Until(() => clients[0].IsOpen && clients[1].IsOpen, "two open");
        int open = LoweredDescriptorLimit.OpenDescriptors();
        clients[2].Connect(server.Address);
        world.Until(() => clients[2].Responses().Count > 0, "failure");
        AssertFailure(clients[2], ConnectFailure.Limit, "closed error");
        Assert.Equal(1, world.Read(Counter.NetworkRequester_DescriptorsExhausted));

        // Other tests open some of their own meanwhile.
        const int Attempts = 200;
        for (int i = 1; i <= Attempts; i++)
        {
            world.Anonymous((ulong)(100 + i)).Connect(server.Address);
            world.Until(() => world.Read(Counter.NetworkRequester_DescriptorsExhausted) == 1 + i, "refused");
        }

        Assert.InRange(LoweredDescriptorLimit.OpenDescriptors(), 0, open + (Attempts / 2));
        clients[0].Send([], closed: true);
        world.Until(() => world.Shard.Records == 1, "one closed");
        world.Pump();
        TestClient next = world.Anonymous(4);
        next.Connect(server.Address);
        world.Until(() => next.IsOpen, "the slot is used again");
    }

    [Fact]
    public void DestinationsLeaveDescriptorsToTheMixLink()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld(directDescriptors: 8);
        TestClient[] clients = [.. Enumerable.Range(1, 6).Select(id => world.Anonymous((ulong)id))];
        foreach (TestClient client in clients)
            client.Connect(server.Address);
        world.Until(() => clients.All(client => client.IsOpen), "six open");
        TestClient refused = world.Anonymous(7);
        refused.Connect(server.Address);
        AssertFailure(refused, ConnectFailure.Limit, "closed error");
        Assert.Equal(0, world.Read(Counter.NetworkRequester_DescriptorsExhausted));
        Assert.All(world.TakeDescriptors(2), direct => Assert.True(direct >= 0));
    }

    [Theory]
    [InlineData(3, 100, 100, 100)]
    [InlineData(100, 3, 100, 100)]
    [InlineData(100, 100, 3, 100)]
    [InlineData(100, 100, 100, 3)]
    public void Limits(int perClient, int halfOpen, int all, int perSecond)
    {
        using var world = new ShardWorld(new NetworkRequesterSettings
        {
            MaximumConnectionsPerClient = perClient,
            MaximumHalfOpen = halfOpen,
            MaximumConnections = all,
            ConnectsPerSecond = perSecond,
        });
        world.Gate.Silent = true;
        int peer = world.Replies.AddPeer(anonymous: true);
        for (ulong id = 1; id <= 3; id++)
            world.Anonymous(id, peer: peer).Connect("example.com:80");
        TestClient refused = world.Anonymous(4, peer: peer);
        refused.Connect("example.com:80");
        AssertFailure(refused, ConnectFailure.Limit, "closed error");
        Assert.Equal(3, world.Shard.Connections);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_LimitRefused));
        TestClient other = world.Anonymous(5);
        other.Connect("example.com:80");
        Assert.Equal(perClient == 3 ? 0 : 2, other.Responses().Count);
    }

    [Fact]
    public void ConnectsWithoutAWayBackAreDropped()
    {
        using var world = new ShardWorld();
        TestClient client = world.Exposed(1);
        client.Connect("example.com:80", returnAddress: []);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_NoReturnPath));

        // V4 of network-requester.md §10.1.
        Assert.True(Recipient.TryParse(
            "CytBseW6yFXUMzz4SGAKdNLGR7q3sJLLYxyBGvutNEQV.4QXYyEVc5fUDjmmi8PrHN9tdUFV4PCvSJE1278cHyvoe@4sBbL1ngf1vtNqykydQKTFh26sQCw888GpUqvPvyNB4f",
            out Recipient intact));
        byte[] malformed = new byte[Recipient.Bytes];
        intact.CopyTo(malformed);
        malformed[0] = 255;
        malformed[15] ^= 1;
        malformed[31] ^= 1;
        client.Connect("example.com:80", malformed);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_BadRequest));
        world.Replies.RefuseRecipients = true;
        client.Connect("example.com:80");
        Assert.Equal(2, world.Read(Counter.NetworkRequester_NoReturnPath));
        Assert.Equal(0, world.Gate.Asked);
        Assert.Empty(world.Replies.Messages);

        // A tagged client with a broken address is answered by SURB.
        TestClient tagged = world.Anonymous(2);
        tagged.Connect("example.com", malformed);
        AssertFailure(tagged, ConnectFailure.Malformed, "closed error");
    }

    private static TestClient Client(ShardWorld world, ClientKind kind, ulong id = 1)
    {
        TestClient client = kind switch
        {
            ClientKind.LegacyExposed => world.Exposed(id, MessageForm.Legacy),
            ClientKind.LegacyAnonymous => world.Anonymous(id, MessageForm.Legacy),
            ClientKind.Anonymous => world.Anonymous(id),
            _ => world.Exposed(id),
        };
        if (kind == ClientKind.ExposedEmptyFirst)
            client.Send([]);
        if (kind is ClientKind.ExposedDataFirst or ClientKind.ExposedClosedEarly)
            client.Send("GET / HTTP/1.1\r\n\r\n"u8);
        if (kind == ClientKind.ExposedClosedEarly)
            client.Send([], closed: true);
        return client;
    }

    private static void AssertFailure(TestClient client, ConnectFailure failure, string expected)
    {
        string said = string.Join(' ', client.Responses().Select(r =>
            r.Kind == ResponseKind.ConnectionError ? "error" : r.Closed && r.Sequence == 0 ? "closed" : "data"));
        Assert.Equal(expected, said);
        foreach (TestClient.Said error in client.Responses().Where(r => r.Kind == ResponseKind.ConnectionError))
            Assert.Equal(failure, error.Failure);
    }
}
