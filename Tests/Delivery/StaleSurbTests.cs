using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Delivery;

/// <summary>SURBs around a change of the key rotation (end-to-end.md §8.6).</summary>
public sealed class StaleSurbTests : IDisposable
{
    private const long Start = 1_000_000;
    private const long Turn = Start + 1000;
    private const long Hour = 3_600_000;
    private readonly MixLab _lab = new();
    private readonly LabClient _maker;
    private readonly CoreCounters _counters = new(0);
    private readonly Clients _clients;
    private readonly int _peer;

    public StaleSurbTests()
    {
        _maker = new LabClient(_lab);
        _clients = new Clients(
            new DeliverySettings { SurbBytes = 1 << 20, MaximumPeers = 8, MaximumSurbsPerPeer = 40 }, hugePages: false, _counters);
        _clients.UseRotation(1, Start);
        Assert.True(_clients.TryTouch(new PeerTag(1, 2), mayOpen: true, Start, out _peer));
        Peer.References++;
    }

    private ref Peer Peer => ref _clients.Peers[_peer];

    public void Dispose()
    {
        _clients.Dispose();
        _lab.Dispose();
    }

    [Fact]
    public void TheRotationBeforeIsUsedLastAndReplaced()
    {
        Add(14, KeyRotation.Odd, Start);
        Add(2, KeyRotation.Unknown, Start);
        Assert.False(_clients.IsRefreshDue(ref Peer, Start));
        Assert.Equal(0, _clients.AmountToRequest(ref Peer, Start));

        _clients.UseRotation(2, Turn);
        Assert.False(_clients.Age(_peer, Turn));
        Assert.Equal((2, 14), (Peer.Surbs.Count, Peer.StaleSurbs.Count));
        Assert.True(_clients.IsRefreshDue(ref Peer, Turn));
        Assert.Equal(12, _clients.AmountToRequest(ref Peer, Turn));
        Peer.Requested = 12;
        Peer.RequestedAt = Turn;
        Assert.False(_clients.IsRefreshDue(ref Peer, Turn + 59_999));
        Assert.Equal(0, _clients.AmountToRequest(ref Peer, Turn));
        Assert.True(_clients.IsRefreshDue(ref Peer, Turn + 60_000));

        // Beyond the ten that are kept anyway, each new one makes an old one superfluous.
        Add(12, KeyRotation.Even, Turn + 1, requested: true);
        Assert.Equal((14, 10), (Peer.Surbs.Count, Peer.StaleSurbs.Count));
        Assert.Equal(4, _counters.Read(Counter.Delivery_SurbsExpired));
        KeyRotation[] order = [.. Enumerable.Range(0, 24).Select(_ => Take())];
        Assert.Equal(
            [.. Enumerable.Repeat(KeyRotation.Unknown, 2), .. Enumerable.Repeat(KeyRotation.Even, 12), .. Enumerable.Repeat(KeyRotation.Odd, 10)],
            order);
        Assert.Equal(SurbStore.None, _clients.TakeSurb(ref Peer));
        Assert.Equal(0, _clients.Surbs.Count);
    }

    [Fact]
    public void WhatNodesAcceptNoMoreIsDropped()
    {
        Add(20, KeyRotation.Odd, Start);
        _clients.UseRotation(2, Turn);
        _clients.Age(_peer, Turn + Hour - 1);
        Assert.Equal(20, Peer.StaleSurbs.Count);
        _clients.Age(_peer, Turn + Hour);
        Assert.Equal((0, 0, 20L), (Peer.SurbCount, _clients.Surbs.Count, _counters.Read(Counter.Delivery_SurbsExpired)));

        // Another change: stale ones of the one before it cannot be told from new ones by their parity, and are gone.
        Add(5, KeyRotation.Even, Turn + Hour);
        _clients.UseRotation(3, Turn + (2 * Hour));
        _clients.Age(_peer, Turn + (2 * Hour));
        Assert.Equal((0, 5), (Peer.Surbs.Count, Peer.StaleSurbs.Count));
        _clients.UseRotation(4, Turn + (2 * Hour) + 1);
        _clients.Age(_peer, Turn + (2 * Hour) + 1);
        Assert.Equal(0, Peer.SurbCount);
    }

    [Fact]
    public void LateAndEarlyClientsAreToldApartByTheTimeOfTheChange()
    {
        // A client that has the new keys before this node.
        Add(3, KeyRotation.Even, Start);
        Assert.Equal((3, 0), (Peer.Surbs.Count, Peer.StaleSurbs.Count));
        _clients.UseRotation(2, Turn);
        Add(4, KeyRotation.Odd, Turn + 1);
        Assert.Equal((3, 4), (Peer.Surbs.Count, Peer.StaleSurbs.Count));
        Add(4, KeyRotation.Odd, Turn + Hour);
        Assert.Equal((7, 4), (Peer.Surbs.Count, Peer.StaleSurbs.Count));

        // The same keys read again change nothing.
        _clients.UseRotation(2, Turn + Hour);
        _clients.Age(_peer, Turn + 1);
        Assert.Equal((7, 4), (Peer.Surbs.Count, Peer.StaleSurbs.Count));
    }

    [Fact]
    public void StaleOnesCountAgainstTheLimitAndLeaveWithTheClient()
    {
        Add(30, KeyRotation.Odd, Start);
        _clients.UseRotation(2, Turn);
        Add(30, KeyRotation.Even, Turn + 1);
        Assert.InRange(Peer.SurbCount, 10, 40);
        Assert.Equal(20, _counters.Read(Counter.Delivery_SurbsDropped));
        _clients.Close(_peer, Counter.Delivery_PeersExpired);
        Assert.Equal(0, _clients.Surbs.Count);
    }

    [Fact]
    public void OutdatedOnesMoveInOrder()
    {
        using var store = new SurbStore(new DeliverySettings { SurbBytes = 100_000 }, hugePages: false);
        var random = new SeededBytes(11);
        for (int round = 0; round < 20_000; round++)
        {
            SurbQueue queue = SurbQueue.Empty;
            SurbQueue outdated = SurbQueue.Empty;
            var made = new List<(byte Name, KeyRotation Rotation)>();
            int count = random.Below(12);
            for (int i = 0; i < count; i++)
            {
                made.Add(((byte)i, (KeyRotation)random.Below(3)));
                Assert.True(store.TryAdd(ref queue, new byte[460].Select(_ => (byte)i).ToArray(), made[i].Rotation, 1));
            }

            var current = (KeyRotation)random.Below(3);
            store.MoveOutdated(ref queue, ref outdated, current);
            bool IsOld(KeyRotation r) => current != KeyRotation.Unknown && r != KeyRotation.Unknown && r != current;
            Assert.Equal(made.Where(m => !IsOld(m.Rotation)).Select(m => m.Name), Drain(store, queue));
            Assert.Equal(made.Where(m => IsOld(m.Rotation)).Select(m => m.Name), Drain(store, outdated));
            Assert.Equal(0, store.Count);
        }
    }

    [Fact]
    public void AClientInUseIsAskedOnceByOneOfItsOldSurbs()
    {
        using var exit = new ExitBench(_lab);
        exit.One.Clients.UseRotation(1, exit.Now);
        exit.Deliver(_maker.Send(_maker.Message([1], 20, KeyRotation.Odd)));
        exit.Flush();
        int peer = exit.One.Service.Messages[0].Peer;
        exit.One.Clients.UseRotation(2, exit.Now);

        // Who uses nothing is not asked: thousands of such clients may be known.
        exit.Pass(100);
        Assert.Equal(0, exit.Count(Counter.Delivery_SurbRequests));
        exit.One.Replies.Retain(peer);
        exit.Pass(100);
        ClientFragment request = Assert.Single(exit.Receive(_maker));
        Assert.True(EndToEndMessage.TryRead(LabClient.Assemble([request]), out EndToEndMessage message));
        Assert.Equal((MessageKind.SurbRequest, 20), (message.Kind, (int)message.Amount));
        exit.Acknowledge(request);
        Assert.Equal((0, 19), (exit.One.Clients.Peers[peer].Surbs.Count, exit.One.Clients.Peers[peer].StaleSurbs.Count));
        for (int i = 0; i < 50; i++)
            exit.Pass(1000);
        Assert.Equal(1, exit.Count(Counter.Delivery_SurbRequests));
        exit.Deliver(_maker.Send(_maker.Message([1], 20, KeyRotation.Even)));
        Assert.Equal((20, 9), (exit.One.Clients.Peers[peer].Surbs.Count, exit.One.Clients.Peers[peer].StaleSurbs.Count));
    }

    private static List<byte> Drain(SurbStore store, SurbQueue queue)
    {
        var names = new List<byte>();
        for (int id = store.Take(ref queue); id != SurbStore.None; id = store.Take(ref queue))
        {
            names.Add(store.Surb(id)[0]);
            store.Free(id);
        }

        return names;
    }

    private KeyRotation Take()
    {
        int id = _clients.TakeSurb(ref Peer);
        KeyRotation rotation = _clients.Surbs.Rotation(id);
        _clients.Surbs.Free(id);
        return rotation;
    }

    private void Add(int surbs, KeyRotation rotation, long now, bool requested = false)
    {
        Assert.True(EndToEndMessage.TryRead(_maker.Message([1], surbs, rotation), out EndToEndMessage message));
        _clients.AddSurbs(_peer, message.Surbs, requested, now);
    }
}
