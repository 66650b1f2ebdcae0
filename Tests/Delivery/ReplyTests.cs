using System.Diagnostics;
using System.Reflection;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using Xunit;

namespace FastExit.Tests.Delivery;

/// <summary>Answers of a service until the client that made the SURBs has opened them, and their acks.</summary>
public sealed class ReplyTests : IDisposable
{
    private readonly MixLab _lab = new();
    private readonly LabClient _client;

    public ReplyTests() => _client = new LabClient(_lab);

    public void Dispose() => _lab.Dispose();

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 1601)]
    [InlineData(8, 1)]
    [InlineData(8, 700)]
    [InlineData(3, 1601)]
    public void InPlaceReplyIsOpenedByTheMakerOfTheSurb(int offset, int bytes)
    {
        using ExitBench exit = Greeted(20, out int peer);
        byte[] data = Data(bytes);
        SendInPlace(exit, peer, data, offset, 42);
        ClientFragment fragment = Assert.Single(exit.Receive(_client));
        byte[] message = LabClient.Assemble([fragment]);
        Assert.True(EndToEndMessage.TryRead(message, out EndToEndMessage read));
        Assert.Equal(MessageKind.ReplyData, read.Kind);
        Assert.Equal(data, read.Data.ToArray());
        Assert.Empty(exit.One.Service.Acknowledged);
        exit.Acknowledge(fragment);
        Assert.Equal((42, true), Assert.Single(exit.One.Service.Acknowledged));
        Assert.Equal(0, exit.One.Replies.Pending);
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void LegacySurbsWork()
    {
        using var exit = new ExitBench(_lab);
        exit.Deliver(_client.Send(_client.LegacyMessage([1], surbs: 4)));
        exit.Flush();
        Assert.Equal(4, exit.Count(Counter.Delivery_SurbsReceived));
        SendInPlace(exit, exit.One.Service.Messages[0].Peer, [1, 2, 3], 0, 1);
        byte[][] messages = [.. exit.Receive(_client).Select(f => LabClient.Assemble([f]))];
        Assert.Contains(messages, m => m.AsSpan().SequenceEqual<byte>([2, 0, 1, 2, 3]));
    }

    [Fact]
    public void LongReplyIsPutTogetherAgain()
    {
        using ExitBench exit = Greeted(40, out int peer);
        byte[] data = Data(20_000);
        int packets = exit.One.Replies.Send(peer, data, 7);
        Assert.Equal(13, packets);
        List<ClientFragment> fragments = [.. exit.Receive(_client).Where(f => LabClient.Header(f).Total > 1)];
        Assert.Equal(13, fragments.Count);
        Assert.Equal(data, LabClient.Assemble(fragments)[2..]);
        foreach (ClientFragment fragment in fragments)
            exit.Acknowledge(fragment);
        Assert.Equal(13, exit.One.Service.Acknowledged.Count(a => a == (7, true)));
        Assert.Equal(0, exit.One.Replies.Send(peer, [], 7));
    }

    [Fact]
    public void LongReplyThatWaitsForSurbsStaysOneSet()
    {
        using ExitBench exit = Greeted(4, out int peer);
        byte[] data = Data(16_000);
        Assert.Equal(10, exit.One.Replies.Send(peer, data, 7));
        List<ClientFragment> fragments = exit.Receive(_client);
        Assert.True(exit.One.Replies.Parked > 0);
        exit.Deliver(_client.Send(_client.MoreSurbs(40)));
        fragments.AddRange(exit.Receive(_client));
        fragments.RemoveAll(f => LabClient.Header(f).Total == 1);
        Assert.Equal(10, fragments.Count);
        Assert.Single(fragments.Select(f => LabClient.Header(f).SetId).Distinct());
        Assert.Equal(data, LabClient.Assemble(fragments)[2..]);
        Assert.Equal(0, exit.One.Replies.Parked);
    }

    [Fact]
    public void LostAckBringsACopyWithANewSurb()
    {
        using ExitBench exit = Greeted(20, out int peer);
        SendInPlace(exit, peer, [1, 2, 3], 0, 5);
        ClientFragment first = Assert.Single(exit.Receive(_client));
        exit.Pass(1000);
        Assert.Empty(exit.Receive(_client));
        exit.Pass(2000);
        ClientFragment second = Assert.Single(exit.Receive(_client));
        Assert.Equal(first.Fragment, second.Fragment);
        Assert.Equal(1, exit.Count(Counter.Delivery_Retransmissions));
        Assert.Equal(2, exit.Count(Counter.Delivery_SurbsUsed));
        exit.Acknowledge(first);
        Assert.Equal((5, true), Assert.Single(exit.One.Service.Acknowledged));
        // The copy's ack comes too, for nothing.
        exit.Acknowledge(second);
        Assert.Single(exit.One.Service.Acknowledged);
        Assert.Equal(1, exit.Count(Counter.Delivery_AcksUnknown));
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void NeverAcknowledgedIsGivenUp()
    {
        using ExitBench exit = Greeted(60, out int peer, new DeliverySettings
        {
            SurbBytes = 1 << 20,
            MaximumPeers = 8,
            MaximumSets = 8,
            MaximumPendingAcks = 512,
            MaximumRetransmissions = 3,
        });
        SendInPlace(exit, peer, [1], 0, 5);
        for (int i = 0; i < 100; i++)
        {
            exit.Pass(1000);
            exit.Flush();
        }

        Assert.Equal(3, exit.Count(Counter.Delivery_Retransmissions));
        Assert.Equal((5, false), Assert.Single(exit.One.Service.Acknowledged));
        Assert.Equal(0, exit.SlotsInUse);
    }

    [Fact]
    public void SurbsAreAskedForBeforeTheyRunOutAndNotTwice()
    {
        using ExitBench exit = Greeted(20, out int peer);
        Assert.Equal(0, exit.Count(Counter.Delivery_SurbRequests));
        for (int i = 0; i < 12; i++)
            SendInPlace(exit, peer, [(byte)i], 0, 1);
        List<ClientFragment> fragments = exit.Receive(_client);
        int asked = Asked(fragments).Sum();
        Assert.True(exit.Count(Counter.Delivery_SurbRequests) >= 1);
        Assert.InRange(asked, 10, 60);
        // Nothing more while that is under way.
        long requests = exit.Count(Counter.Delivery_SurbRequests);
        exit.Pass(100);
        exit.Pass(100);
        Assert.Equal(requests, exit.Count(Counter.Delivery_SurbRequests));
        exit.Deliver(_client.Send(_client.MoreSurbs(asked)));
        Assert.Equal(0, exit.One.Clients.Peers[peer].Requested);
    }

    [Fact]
    public void StarvedClientIsAskedAndFlushedOrLost()
    {
        using ExitBench exit = Greeted(3, out int peer);
        for (int i = 0; i < 5; i++)
            SendInPlace(exit, peer, [(byte)i], 0, 10 + i);
        List<ClientFragment> fragments = exit.Receive(_client);
        Assert.Single(Asked(fragments));
        Assert.True(exit.One.Replies.Parked >= 4);
        Assert.Equal(0, exit.One.Replies.Credit(peer));
        exit.Deliver(_client.Send(_client.MoreSurbs(20)));
        Assert.Equal(0, exit.One.Replies.Parked);
        Assert.Contains(peer, exit.One.Service.Credits);
        fragments.AddRange(exit.Receive(_client));
        var data = fragments.Select(f => LabClient.Assemble([f])).Where(m => m[1] == 0).Select(m => (int)m[2]).Order();
        Assert.Equal([0, 1, 2, 3, 4], data);

        for (int i = 0; i < 30; i++)
            SendInPlace(exit, peer, [1], 0, 50);
        exit.Flush();
        for (int i = 0; i < 120; i++)
        {
            exit.Pass(1000);
            exit.Flush();
        }

        Assert.Equal(peer, Assert.Single(exit.One.Service.Lost));
        Assert.Equal(0, exit.One.Replies.Parked);
    }

    [Fact]
    public void ParkedPacketsAreBounded()
    {
        using ExitBench exit = Greeted(2, out int peer);
        for (int i = 0; i < 100; i++)
            SendInPlace(exit, peer, [1], 0, i + 1);
        exit.Flush();
        Assert.InRange(exit.One.Replies.Parked, 1, 64);
        Assert.True(exit.Count(Counter.Delivery_RepliesDroppedNoSurbs) >= 30);
        Assert.Equal(0, exit.One.Replies.Send(peer, Data(20_000), 9));
    }

    [Fact]
    public void ReturnAddressIsAnsweredByPlainMessages()
    {
        using var exit = new ExitBench(_lab);
        Assert.True(exit.One.Replies.TryPeerFor(_client.Address, out int peer));
        Assert.True(exit.One.Replies.TryPeerFor(_client.Address, out int again));
        Assert.Equal(peer, again);
        Assert.False(exit.One.Replies.IsAnonymous(peer));
        byte[] data = Data(5000);
        Assert.Equal(4, exit.One.Replies.Send(peer, data, 3));
        List<ClientFragment> fragments = exit.Receive(_client);
        byte[] message = LabClient.Assemble(fragments);
        Assert.Equal(0, message[0]);
        Assert.Equal(data, message[1..]);
        SendInPlace(exit, peer, data.AsSpan(0, 1601), 0, 3);
        ClientFragment one = Assert.Single(exit.Receive(_client));
        Assert.Equal(data[..1601], LabClient.Assemble([one])[1..]);
        exit.Acknowledge(one);
        fragments.ForEach(f => exit.Acknowledge(f));
        Assert.Equal(0, exit.SlotsInUse);
        Recipient stranger = MixLab.Recipient(FastExit.Crypto.Primitives.Ed25519.GenerateSeed(), new byte[32], new MixLab.Node(_lab.Entry.Address, null));
        Assert.False(exit.One.Replies.TryPeerFor(stranger, out _));
    }

    [Fact]
    public void StrangersAcksAreRefused()
    {
        using ExitBench exit = Greeted(20, out int peer);
        SendInPlace(exit, peer, [1], 0, 5);
        exit.Flush();
        byte[] content = new byte[21];
        for (int i = 0; i < 1000; i++)
        {
            Random.Shared.NextBytes(content);
            exit.One.Inbox.OnAck(content);
        }

        exit.One.Inbox.OnAck(content.AsSpan(0, 20));
        // One in 512 of them reads as the ack of a packet that nobody waits for.
        Assert.Equal(
            1001,
            exit.Count(Counter.Delivery_BadAck) + exit.Count(Counter.Delivery_AcksUnknown) + exit.Count(Counter.Delivery_AcksUnawaited));
        Assert.Equal(1, exit.One.Replies.Pending);
    }

    [Fact]
    public void PeersAreBoundedAndTheStalestGivesWay()
    {
        using var exit = new ExitBench(_lab, delivery: new DeliverySettings
        {
            SurbBytes = 1 << 20,
            MaximumPeers = 64,
            MaximumSets = 8,
            MaximumPendingAcks = 512,
            SurbMinimum = 0,
        });
        for (int i = 0; i < 70; i++)
        {
            _client.Tag = BitConverter.GetBytes((ulong)i).Concat(new byte[8]).ToArray();
            exit.Deliver(_client.Send(_client.Message([1], surbs: 1)));
        }

        Assert.Equal(64, exit.One.Clients.Peers.Count);
        Assert.Equal(6, exit.Count(Counter.Delivery_PeersRefusedLimit));
        exit.Now += 31_000;
        _client.Tag = BitConverter.GetBytes(1000UL).Concat(new byte[8]).ToArray();
        exit.Deliver(_client.Send(_client.Message([1], surbs: 1)));
        Assert.Equal(65, exit.One.Service.Messages.Count);
    }

    [SkippableFact]
    public void SteadyStateAllocatesNothing()
    {
        var debuggable = typeof(PacketSizes).Assembly.GetCustomAttribute<DebuggableAttribute>();
        Skip.If(debuggable is { IsJITOptimizerDisabled: true }, "unoptimised vector code boxes: run with -c Release");
        using ExitBench exit = Greeted(100, out int peer, new DeliverySettings
        {
            SurbBytes = 4 << 20,
            MaximumPeers = 64,
            MaximumSets = 64,
            MaximumPendingAcks = 2048,
            SurbMinimum = 1,
            SurbMaximum = 1,
            MaximumSurbsPerPeer = 4000,
        });
        exit.One.Service.Silent = true;
        ClientPacket[] packets = [.. Enumerable.Range(0, 1500).Select(i => _client.Send(_client.Message(Data(300), surbs: 2))[0])];
        int next = 0;
        void Round(int count)
        {
            for (int i = 0; i < count; i++)
            {
                exit.Deliver(packets[next++]);
                if (i % 8 != 7)
                    continue;
                exit.Run();
                for (int k = 0; k < 8; k++)
                    SendInPlace(exit, peer, packets[0].Bytes.AsSpan(0, 500), 0, 3);
                exit.Run();
                exit.Now += 1;
            }
        }

        // Sockets carry the packets on meanwhile; their queues are large enough to take what they do not.
        Round(400);
        Thread.Sleep(300);
        exit.Run();
        Round(96);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Round(1000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(exit.Count(Counter.Delivery_RepliesSent) >= 1000);
        Assert.Equal(1497, exit.One.Service.Count);
    }

    private static byte[] Data(int bytes) => [.. Enumerable.Range(0, bytes).Select(i => (byte)((i * 31) + 1))];

    private static void SendInPlace(ExitBench exit, int peer, ReadOnlySpan<byte> data, int offset, long connection)
    {
        Assert.True(exit.One.Pool.TryRent(SlotClass.Regular, out SlotHandle slot));
        data.CopyTo(exit.One.Pool.Slot(slot)[(ReplyLayout.MessageOffset + offset)..]);
        exit.One.Replies.SendInPlace(peer, slot, ReplyLayout.MessageOffset + offset, data.Length, connection);
    }

    private static IEnumerable<int> Asked(IEnumerable<ClientFragment> fragments)
    {
        foreach (ClientFragment fragment in fragments.Where(f => LabClient.Header(f).Total == 1))
        {
            byte[] message = LabClient.Assemble([fragment]);
            if (EndToEndMessage.TryRead(message, out EndToEndMessage read) && read.Kind == MessageKind.SurbRequest)
                yield return (int)read.Amount;
        }
    }

    private ExitBench Greeted(int surbs, out int peer, DeliverySettings? settings = null)
    {
        var exit = new ExitBench(_lab, delivery: settings);
        exit.Deliver(_client.Send(_client.Message([1], surbs)));
        peer = exit.One.Service.Messages[0].Peer;
        if (surbs >= 10)
            exit.Flush();
        return exit;
    }
}
