using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using Xunit;

namespace FastExit.Tests.Delivery;

/// <summary>Two services behind one exit, through real Sphinx hops: each has its own clients, SURBs and acks.</summary>
public sealed class ServiceRoomTests : IDisposable
{
    private static readonly DeliverySettings s_quiet = new()
    {
        SurbBytes = 1 << 20,
        MaximumPeers = 64,
        MaximumSets = 256,
        MaximumPendingAcks = 512,
        SurbMinimum = 0,
    };

    private readonly MixLab _lab = new();
    private readonly LabClient _client;

    public ServiceRoomTests() => _client = new LabClient(_lab);

    public void Dispose() => _lab.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void OneTagAtTwoServicesIsTwoClients(int cores)
    {
        using var exit = new ExitBench(_lab, cores: cores, delivery: s_quiet, second: true);
        ClientPacket[] greeting = _client.Send(_client.Message([1], surbs: 12));
        exit.Deliver(greeting);
        _client.Destination = _lab.Second;
        // In several fragments, which arrive at every core.
        byte[] large = [7, .. new byte[9000]];
        int packets = greeting.Length;
        int turn = 0;
        foreach (byte[] data in new[] { [EchoService.Once, 2], large })
        {
            foreach (ClientPacket packet in _client.Send(_client.Message(data, surbs: 4)))
            {
                exit.Deliver(packet, turn++ % cores);
                packets++;
            }

            exit.Run();
        }

        CoreRooms home = exit.Cores.Single(c => c.Service.Messages.Count == 1);
        ServiceRoom second = home.Second!;
        var echo = (EchoService)second.Shard;
        Assert.Equal([[EchoService.Once, 2], large], echo.Messages);
        Assert.All(exit.Cores.Where(c => c != home), c => Assert.Empty(((EchoService)c.Second!.Shard).Messages));
        Assert.Equal([1], home.Service.Messages[0].Data);
        Assert.Equal(12, home.Clients.Surbs.Count);
        Assert.Equal(4 + 4 - 2, second.Clients.Surbs.Count);
        Assert.Equal((1, 1), (home.Clients.Peers.Count, second.Clients.Peers.Count));
        Assert.Equal(packets, exit.Count(Counter.Sphinx_AcksReleased));

        Assert.Equal(1, home.Replies.Send(home.Service.Messages[0].Peer, [4], 77));
        List<ClientFragment> fragments = exit.Receive(_client);
        Assert.Equal(3, fragments.Count);
        Assert.Equal(
            [[4], [7, .. new byte[ReplyLayout.MaximumInPlaceBytes - 1]], [EchoService.Once, 2]],
            fragments.Select(f => LabClient.Assemble([f])[^MessageBytes(f)..]).OrderBy(m => m[0]));
        Assert.Equal((11, 6), (home.Clients.Surbs.Count, second.Clients.Surbs.Count));
        Assert.Equal((1, 1), (home.Replies.Pending, second.Replies.Pending));

        for (int i = 0; i < fragments.Count; i++)
            exit.Acknowledge(fragments[i], core: i % cores);
        exit.Run();
        Assert.Equal((77, true), Assert.Single(home.Service.Acknowledged));
        Assert.Equal((2, true), Assert.Single(echo.Acknowledged));
        Assert.Equal(2, exit.Count(Counter.Delivery_AcksReceived));
        Assert.Equal(1, exit.Count(Counter.Delivery_AcksUnawaited));
        Assert.Equal(0, exit.Count(Counter.Delivery_AcksUnknown) + exit.Count(Counter.Delivery_BadAck));
        Assert.Equal((0, 0), (home.Replies.Pending, second.Replies.Pending));
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void AnAbsentServiceIsAnUnknownDestination()
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        _client.Destination = _lab.Second;
        exit.Deliver(_client.Send(_client.Message([1], surbs: 1)));
        Assert.Equal(1, exit.Count(Counter.Sphinx_UnknownDestination));
        Assert.Empty(exit.One.Service.Messages);
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Theory]
    [InlineData(0, 1, true)]
    [InlineData(1, 2, false)]
    [InlineData(2, 3, false)]
    public void RetransmissionsAreLimitedPerMessage(int retransmissions, int sent, bool delivered)
    {
        using var exit = new ExitBench(_lab, delivery: s_quiet);
        exit.Deliver(_client.Send(_client.Message([1], surbs: 20)));
        exit.Flush();
        Assert.True(exit.One.Pool.TryRent(SlotClass.Regular, out SlotHandle slot));
        exit.One.Pool.Slot(slot)[ReplyLayout.MessageOffset] = 9;
        Assert.Equal(0, exit.One.Replies.Backlog);
        exit.One.Replies.SendInPlace(exit.One.Service.LastPeer, slot, ReplyLayout.MessageOffset, 1, 5, retransmissions);
        Assert.Equal(1, exit.One.Replies.Backlog);
        exit.Flush();
        Assert.Equal(0, exit.One.Replies.Backlog);
        Assert.Equal(retransmissions == 0 ? 0 : 1, exit.One.Replies.Pending);
        Assert.Equal(retransmissions == 0 ? 0 : 1, exit.SlotsInUse);
        for (int i = 0; i < 20; i++)
        {
            exit.Pass(20_000);
            exit.Flush();
        }

        Assert.Equal(sent, exit.Count(Counter.Delivery_RepliesSent));
        Assert.Equal((5, delivered), Assert.Single(exit.One.Service.Acknowledged));
        Assert.Equal(0, exit.One.Replies.Pending);
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Theory]
    [InlineData(100, 160)]
    [InlineData(300, 160)]
    [InlineData(1000, 50)]
    public void AStreamThatIsAskedForEarlyNeverRunsDry(int packetsPerSecond, int least)
    {
        const int RoundTrip = 300;
        var settings = new IpPacketRouterSettings { MaximumSessions = 4, SurbBytes = 2 << 20 }.DeliveryFrom(new DeliverySettings());
        var counters = new CoreCounters(0);
        using var clients = new Clients(settings, hugePages: false, counters);
        byte[][] surbs = _client.Surbs(100);
        var tag = PeerTag.Read(_client.Tag);
        Assert.True(clients.TryTouch(tag, mayOpen: true, 0, out int index));
        Bring(10, requested: false, 0);
        var under = new Queue<(long At, int Amount)>();
        int due = 0;
        int lowest = int.MaxValue;
        for (long now = 1; now <= 20_000; now++)
        {
            while (under.TryPeek(out (long At, int Amount) next) && next.At <= now)
                Bring(under.Dequeue().Amount, requested: true, now);
            ref Peer peer = ref clients.Peers[index];
            // Demand grows for three seconds from when the client has answered the first request, as a transfer does.
            due += (int)(packetsPerSecond * Math.Clamp(now - 1000, 0, 3000) / 3000);
            for (; due >= 1000 && clients.Available(in peer) > 0; due -= 1000)
                Use(ref peer, now);
            if (now > 4000)
            {
                Assert.True(due < 1000, $"no SURB at {now} ms");
                lowest = Math.Min(lowest, peer.Surbs.Count);
            }

            for (int amount; (amount = clients.AmountToRequest(ref peer, now)) > 0;)
            {
                Use(ref peer, now);
                peer.Requested += amount;
                peer.RequestedAt = now;
                under.Enqueue((now + RoundTrip, amount));
            }

            Assert.True(peer.Surbs.Count + peer.Requested <= settings.SurbMaximum + settings.SurbRequestMaximum);
        }

        Assert.True(lowest >= least, $"{lowest} SURBs left");
        Assert.Equal(0, counters.Read(Counter.Delivery_SurbsDropped));

        void Use(ref Peer peer, long now)
        {
            clients.Surbs.Free(clients.Surbs.Take(ref peer.Surbs));
            clients.CountUse(ref peer, now);
        }

        void Bring(int count, bool requested, long now)
        {
            byte[] header = new byte[MessageWriter.RepliableHeaderBytes];
            MessageWriter.WriteAdditionalSurbsHeader(header, _client.Tag, count, 4, KeyRotation.Unknown);
            byte[] message = [.. header, .. surbs.Take(count).SelectMany(s => s)];
            Assert.True(EndToEndMessage.TryRead(message, out EndToEndMessage read));
            clients.AddSurbs(index, read.Surbs, requested, now);
        }
    }

    private static int MessageBytes(ClientFragment fragment) =>
        LabClient.Assemble([fragment]).Length - MessageWriter.ReplyHeaderBytes;
}
