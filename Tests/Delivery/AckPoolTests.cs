using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using Xunit;

namespace FastExit.Tests.Delivery;

/// <summary>Acks built ahead: they come home like others, fit one packet each, and go with their key.</summary>
public sealed class AckPoolTests : IDisposable
{
    private const int Batch = 8;
    private readonly MixLab _lab = new();
    private readonly LabClient _client;
    private readonly KeyRotation _rotation;

    public AckPoolTests()
    {
        _client = new LabClient(_lab);
        _rotation = KeyRotation.FromId(_lab.Topology.RotationId);
    }

    public void Dispose() => _lab.Dispose();

    [Fact]
    public void A_reply_with_a_pooled_ack_is_acknowledged_by_it()
    {
        using ExitBench exit = Greeted(_rotation, out int peer);
        exit.One.Replies.BuildAcks(Batch);
        Assert.Equal(Batch, exit.One.Replies.PooledAcks);
        for (int i = 0; i < Batch + 1; i++)
            Send(exit, peer, connection: i + 1);
        List<ClientFragment> fragments = exit.Receive(_client);
        Assert.Equal(Batch + 1, fragments.Count);
        Assert.Equal(Batch + 1, fragments.Select(f => LabClient.Header(f).SetId).Distinct().Count());
        Assert.Equal(Batch, exit.Count(Counter.Delivery_AcksTakenFromPool));
        foreach (ClientFragment fragment in fragments)
            exit.Acknowledge(fragment);
        Assert.Equal(
            Enumerable.Range(1, Batch + 1).Select(i => ((long)i, true)), exit.One.Service.Acknowledged.OrderBy(a => a.Connection));
        Assert.Equal((0, 0), (exit.One.Replies.Pending, exit.SlotsInUse));
    }

    [Fact]
    public void What_is_sent_again_has_an_ack_of_its_own()
    {
        using ExitBench exit = Greeted(_rotation, out int peer);
        exit.One.Replies.BuildAcks(1);
        Send(exit, peer, connection: 5);
        ClientFragment first = Assert.Single(exit.Receive(_client));
        exit.Pass(10_000);
        ClientFragment second = Assert.Single(exit.Receive(_client));
        Assert.Equal(first.Fragment, second.Fragment);
        Assert.NotEqual(first.AckPacket, second.AckPacket);
        Assert.Equal(1, exit.Count(Counter.Delivery_AcksTakenFromPool));
        exit.Acknowledge(second);
        Assert.Equal((5, true), Assert.Single(exit.One.Service.Acknowledged));
    }

    [Fact]
    public void Other_rotations_and_new_keys_get_fresh_acks()
    {
        KeyRotation other = _rotation == KeyRotation.Odd ? KeyRotation.Even : KeyRotation.Odd;
        using ExitBench exit = Greeted(other, out int peer);
        exit.One.Replies.BuildAcks(2);
        Send(exit, peer, connection: 1);
        exit.Acknowledge(Assert.Single(exit.Receive(_client)));
        Assert.Equal(0, exit.Count(Counter.Delivery_AcksTakenFromPool));
        exit.One.Replies.DiscardAcks();
        Assert.Equal(0, exit.One.Replies.PooledAcks);

        using ExitBench renewed = Greeted(_rotation, out peer);
        renewed.One.Replies.BuildAcks(1);
        Send(renewed, peer, connection: 2);
        renewed.One.Replies.DiscardAcks();
        renewed.Acknowledge(Assert.Single(renewed.Receive(_client)));
        Assert.Equal((2, true), Assert.Single(renewed.One.Service.Acknowledged));
        Assert.Equal(0, renewed.Count(Counter.Delivery_AcksTakenFromPool));
    }

    [Fact]
    public void The_pool_is_bounded_and_every_place_comes_back()
    {
        using ExitBench exit = Greeted(_rotation, out int peer);
        for (int round = 0; round < 3; round++)
        {
            while (exit.One.Replies.WantsAcks)
                exit.One.Replies.BuildAcks(Batch);
            Assert.Equal(64, exit.One.Replies.PooledAcks);
            exit.One.Replies.BuildAcks(Batch);
            Assert.Equal(64, exit.One.Replies.PooledAcks);
            for (int i = 0; i < 12; i++)
                Send(exit, peer, connection: 1);
            List<ClientFragment> fragments = exit.Receive(_client);
            foreach (ClientFragment fragment in fragments)
                exit.Acknowledge(fragment);
            exit.Deliver(_client.Send(_client.Message([1], 20, _rotation)));
            exit.Flush();
            if (round == 1)
                exit.One.Replies.DiscardAcks();
        }
    }

    [Fact]
    public void Building_ahead_allocates_nothing()
    {
        using ExitBench exit = Greeted(_rotation, out _);
        exit.One.Replies.BuildAcks(Batch);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 5; i++)
            exit.One.Replies.BuildAcks(Batch);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void Send(ExitBench exit, int peer, long connection)
    {
        Assert.True(exit.One.Pool.TryRent(SlotClass.Regular, out SlotHandle slot));
        exit.One.Pool.Slot(slot).Slice(ReplyLayout.MessageOffset, 100).Fill((byte)connection);
        exit.One.Replies.SendInPlace(peer, slot, ReplyLayout.MessageOffset, 100, connection);
    }

    private ExitBench Greeted(KeyRotation rotation, out int peer)
    {
        var exit = new ExitBench(_lab, delivery: new()
        {
            SurbBytes = 1 << 20,
            MaximumPeers = 64,
            MaximumSets = 256,
            MaximumPendingAcks = 512,
            SurbMinimum = 1,
            SurbMaximum = 1,
            PooledAcks = 64,
        });
        exit.Deliver(_client.Send(_client.Message([1], 40, rotation)));
        peer = exit.One.Service.Messages[0].Peer;
        exit.Flush();
        return exit;
    }
}
