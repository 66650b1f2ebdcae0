using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.MixLink;
using Xunit;

namespace FastExit.Tests.MixLink;

public sealed class MixEgressTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void PacketsArriveInOrder(bool legacy)
    {
        using var peer = new FrameCollector();
        using var link = new LinkFixture(LinkFixture.Settings with { LegacyFraming = legacy }, [peer.EndPoint]);
        for (int i = 0; i < 500; i++)
        {
            link.Send(peer.EndPoint, i);
            if (i % 50 == 0)
                link.Turn();
        }

        Assert.True(peer.WaitFor(500, link.Turn));
        Assert.Equal(Enumerable.Range(0, 500), Numbers(peer));
        Assert.Equal(1, peer.Accepted);
        Assert.All(peer.Frames, f => Assert.Equal(
            legacy ? (7, KeyRotation.Unknown) : (8, KeyRotation.Odd), ((int)f.Header.Version, f.Header.Rotation)));
        Assert.True(link.Until(() => link.Egress.Queued == 0));
        Assert.Equal(500, link[Counter.MixLink_PacketsSent]);
        Assert.Equal(500 * (2413 + (legacy ? 3 : 4)), link[Counter.MixLink_BytesSent]);
        Assert.Equal(0, link.SlotsInUse);
    }

    [Fact]
    public void SlowPeerWithATinyWindowGetsEverythingWhole()
    {
        using var peer = new FrameCollector(receiveBufferBytes: 2048) { Pause = TimeSpan.FromMilliseconds(1) };
        using var link = new LinkFixture(known: [peer.EndPoint]);
        for (int i = 0; i < 400; i++)
            link.Send(peer.EndPoint, i);
        Assert.True(peer.WaitFor(400, link.Turn, seconds: 30));
        Assert.Equal(Enumerable.Range(0, 400), Numbers(peer));
        Assert.All(peer.Frames, f => Assert.False(f.Packet.AsSpan(4).ContainsAnyExcept(f.Packet[4])));
        Assert.True(link.Until(() => link.SlotsInUse == 0));
    }

    [Fact]
    public void QueueIsBoundedAndStrangersGetNothing()
    {
        using var peer = new FrameCollector();
        using var link = new LinkFixture(LinkFixture.Settings with { EgressQueuePackets = 10 }, [peer.EndPoint]);
        for (int i = 0; i < 25; i++)
            link.Send(peer.EndPoint, i);
        link.Send(new IPEndPoint(IPAddress.Loopback, 9), 1);
        Assert.Equal(15, link[Counter.MixLink_EgressQueueFull]);
        Assert.Equal(1, link[Counter.MixLink_EgressUnknownPeer]);
        Assert.Equal(10, link.SlotsInUse);
        Assert.True(peer.WaitFor(10, link.Turn));
    }

    [Fact]
    public void RefusedBacksOffUntilThePeerComesUp()
    {
        IPEndPoint address = FreePort();
        using var link = new LinkFixture(known: [address]);
        for (int i = 0; i < 5; i++)
            link.Send(address, i);
        link.Until(() => false, seconds: 0.5);
        // At 0, 100 and 300 ms: not once for each turn.
        Assert.InRange(link[Counter.MixLink_EgressConnectFailures], 2, 4);
        using var peer = new FrameCollector(address.Port);
        Assert.True(peer.WaitFor(5, link.Turn));
        Assert.Equal(Enumerable.Range(0, 5), Numbers(peer));
    }

    [Fact]
    public void ClosedMidStreamIsMadeAgainAndNothingQueuedIsLost()
    {
        using var peer = new FrameCollector();
        using var link = new LinkFixture(known: [peer.EndPoint]);
        link.Send(peer.EndPoint, 0);
        Assert.True(peer.WaitFor(1, link.Turn));
        peer.CloseAfter = 2;
        link.Send(peer.EndPoint, 1);
        Assert.True(link.Until(() => link[Counter.MixLink_EgressConnectionsLost] == 1));
        peer.CloseAfter = 0;
        for (int i = 2; i < 10; i++)
            link.Send(peer.EndPoint, i);
        Assert.True(peer.WaitFor(10, link.Turn));
        Assert.Equal(Enumerable.Range(0, 10), Numbers(peer));
        Assert.Equal(2, peer.Accepted);
        Assert.True(link.Until(() => link.SlotsInUse == 0));
    }

    [Fact]
    public void PeerThatAcceptsAndClosesIsNotHammered()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = (IPEndPoint)listener.LocalEndpoint;
        using var link = new LinkFixture(known: [address]);
        DateTime end = DateTime.UtcNow.AddSeconds(1);
        for (int i = 0; DateTime.UtcNow < end; i++)
        {
            if (link.Egress.Queued < 5)
                link.Send(address, i);
            link.Turn();
            while (listener.Pending())
            {
                using Socket accepted = listener.AcceptSocket();
                accepted.LingerState = new LingerOption(true, 0);
            }
        }

        Assert.InRange(link[Counter.MixLink_EgressConnects], 2, 6);
    }

    [Fact]
    public void OldPacketsExpireAndIdleConnectionsEnd()
    {
        IPEndPoint address = FreePort();
        using (var link = new LinkFixture(known: [address]))
        {
            for (int i = 0; i < 5; i++)
                link.Send(address, i);
            link.Turn();
            link.Skew = 61_000;
            link.Turn();
            Assert.Equal(5, link[Counter.MixLink_EgressExpired]);
            Assert.Equal(0, link.SlotsInUse);
            Assert.Equal(0, link.Egress.Queued);
        }

        using var peer = new FrameCollector();
        using var idle = new LinkFixture(known: [peer.EndPoint]);
        idle.Send(peer.EndPoint, 1);
        Assert.True(peer.WaitFor(1, idle.Turn));
        Assert.Equal(1, idle.Egress.ActivePeers);
        idle.Skew = 301_000;
        Assert.True(idle.Until(() => idle.Egress.ActivePeers == 0 && peer.Ended == 1));
        idle.Send(peer.EndPoint, 2);
        Assert.True(peer.WaitFor(2, idle.Turn));
    }

    [Fact]
    public void PeerThatTakesNothingIsGivenUp()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Server.ReceiveBufferSize = 2048;
        listener.Start();
        var address = (IPEndPoint)listener.LocalEndpoint;
        using var link = new LinkFixture(known: [address], regularSlots: 4096);
        for (int i = 0; i < 2000; i++)
            link.Send(address, i);
        link.Until(() => false, seconds: 0.3);
        Assert.True(link.Egress.Queued > 100);
        link.Skew = 61_000;
        Assert.True(link.Until(() => link[Counter.MixLink_EgressConnectionsLost] == 1 && link.SlotsInUse == 0));
        Assert.Equal(0, link.Egress.Queued);
    }

    private static IEnumerable<int> Numbers(FrameCollector peer) =>
        peer.Frames.Select(f => BinaryPrimitives.ReadInt32LittleEndian(f.Packet));

    private static IPEndPoint FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return (IPEndPoint)probe.LocalEndpoint;
    }
}
