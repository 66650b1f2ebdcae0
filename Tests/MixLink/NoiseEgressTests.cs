using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using FastExit.Bench.Lab;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Noise;
using FastExit.MixLink;
using Xunit;

namespace FastExit.Tests.MixLink;

public sealed class NoiseEgressTests
{
    private static readonly LabNoise s_noise = new(NoisePeer.Identity, _ => null);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void PacketsArriveInOrderAndWhole(bool legacy)
    {
        using var peer = new EncryptedCollector();
        using LinkFixture link = Link(peer.EndPoint, LinkFixture.Settings with { LegacyFraming = legacy });
        for (int i = 0; i < 600; i++)
        {
            link.Send(peer.EndPoint, i);
            if (i % 70 == 0)
                link.Turn();
        }

        Assert.True(peer.WaitFor(600, link.Turn));
        peer.AssertNumbers(Enumerable.Range(0, 600));
        Assert.True(link.Until(() => link.Egress.Queued == 0));
        Assert.Equal(1, link[Counter.MixLink_EgressHandshakes]);
        Assert.Equal(600, link[Counter.MixLink_PacketsSent]);
        Assert.Equal(0, link.SlotsInUse);
    }

    [Fact]
    public void FromOneLinkToItselfWithoutAllocation()
    {
        using LinkFixture link = new(identity: NoisePeer.Identity);
        var topology = NoisePeer.Topology(link.Bound);
        using LinkFixture sender = new(known: [link.Bound], identity: NoisePeer.Identity, topology: topology);
        long allocated = 0;
        for (int round = 0; round < 60; round++)
        {
            if (round == 30)
                allocated = GC.GetAllocatedBytesForCurrentThread();
            int sent = (round + 1) * 100;
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
                sender.Send(link.Bound, i);
            // Naming the next hop is the test's own.
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            for (int turns = 0; turns < 5000 && link[Counter.MixLink_FramesReceived] < sent; turns++)
            {
                sender.Turn();
                link.Turn();
            }

            if (link[Counter.MixLink_FramesReceived] != sent)
                Assert.Fail($"{link[Counter.MixLink_FramesReceived]} of {sent}");
        }

        Assert.Equal(allocated, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(6000, link[Counter.Sphinx_BadMac] + link[Counter.Sphinx_BadKey]);
        Assert.Equal(1, link[Counter.MixLink_Handshakes]);
        Assert.True(link[Counter.MixLink_RecordsReceived] is > 60 and < 3000);
    }

    /// <summary>What was encrypted for a connection that broke is sent again under the keys of the next.</summary>
    [Fact]
    public void ABrokenConnectionLosesNothingThatIsNotOnItsWay()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Server.ReceiveBufferSize = 2048;
        listener.Start();
        var address = (IPEndPoint)listener.LocalEndpoint;
        using LinkFixture link = Link(address, LinkFixture.Settings with { EgressQueuePackets = 20_000 }, regularSlots: 20_000);
        for (int round = 0; round < 3; round++)
        {
            link.Send(address, round * 3000);
            link.Turn();
            Assert.True(link.Until(listener.Pending));
            using Socket socket = listener.AcceptSocket();
            Task<NoiseStream?> accepting = NoiseStream.AcceptAsync(socket, NoisePeer.Identity, default, CancellationToken.None);
            Assert.True(link.Until(() => accepting.IsCompleted && link[Counter.MixLink_EgressHandshakes] == round + 1));
            for (int i = 1; i < 3000; i++)
                link.Send(address, (round * 3000) + i);
            link.Until(() => false, 0.3);
            Assert.True(link.Egress.Queued > 10);
            socket.LingerState = new LingerOption(true, 0);
            socket.Close();
            Assert.True(link.Until(() => link[Counter.MixLink_EgressConnectionsLost] == round + 1));
        }

        listener.Stop();
        int waiting = link.Egress.Queued;
        using var peer = new EncryptedCollector(address.Port);
        Assert.True(peer.WaitFor(waiting, link.Turn));
        Assert.True(link.Until(() => link.Egress.Queued == 0));
        // From some packet on, all of them, each once.
        int[] numbers = peer.Numbers();
        peer.AssertNumbers(Enumerable.Range(9000 - waiting, waiting));
        Assert.Equal(8999, numbers[^1]);
        Assert.Equal(0, link.SlotsInUse);
    }

    [Fact]
    public void AnotherKeyIsAFailureThatBacksOff()
    {
        using var peer = new EncryptedCollector(identity: new NoiseIdentity(Enumerable.Repeat((byte)9, 32).ToArray()));
        using LinkFixture link = Link(peer.EndPoint);
        for (int i = 0; i < 5; i++)
            link.Send(peer.EndPoint, i);
        Assert.True(link.Until(() => link[Counter.MixLink_EgressHandshakeFailures] == 2));
        long connects = link[Counter.MixLink_EgressConnects];
        link.Until(() => false, seconds: 0.15);
        // The pause after the second failure is 200 ms.
        Assert.InRange(link[Counter.MixLink_EgressConnects], connects, connects + 1);
        Assert.Equal(5, link.Egress.Queued);
        Assert.Equal(0, link[Counter.MixLink_EgressHandshakes]);
        Assert.Equal(0, peer.Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("01")]
    [InlineData("0101000030000000ff")]
    public void AResponderThatStallsIsGivenUpInTime(string answer)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = (IPEndPoint)listener.LocalEndpoint;
        using LinkFixture link = Link(address);
        link.Send(address, 1);
        Assert.True(link.Until(listener.Pending));
        using Socket socket = listener.AcceptSocket();
        socket.Send(Convert.FromHexString(answer));
        link.Until(() => false, 0.1);
        link.Skew = 1000;
        link.Turn();
        Assert.Equal(0, link[Counter.MixLink_EgressHandshakeTimeouts]);
        link.Skew = 1600;
        Assert.True(link.Until(() => link[Counter.MixLink_EgressHandshakeTimeouts] == 1));
        Assert.Equal(1, link.Egress.Queued);
    }

    [Theory]
    [InlineData("02")]
    [InlineData("0102")]
    [InlineData("0101010030000000")]
    [InlineData("01010000310000")]
    [InlineData("0101000030000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000")]
    public void AWrongAnswerEndsTheConnection(string answer)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = (IPEndPoint)listener.LocalEndpoint;
        using LinkFixture link = Link(address);
        link.Send(address, 1);
        Assert.True(link.Until(listener.Pending));
        using Socket socket = listener.AcceptSocket();
        byte[] bytes = Convert.FromHexString(answer);
        socket.Send(bytes.Length == 7 ? [.. bytes, .. new byte[49]] : bytes);
        Assert.True(link.Until(() => link[Counter.MixLink_EgressHandshakeFailures] == 1));
    }

    [Theory]
    [InlineData("127.0.0.5", true, "127.0.0.5", 0)]
    [InlineData("127.0.0.5", false, "127.0.0.1", 0)]
    [InlineData("192.0.2.1", true, "127.0.0.1", 1)]
    public void ConnectionsComeFromTheAnnouncedAddress(string announced, bool binds, string seen, int failures)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = (IPEndPoint)listener.LocalEndpoint;
        using LinkFixture link = Link(
            address, LinkFixture.Settings with { Announced = new IPEndPoint(IPAddress.Parse(announced), 1789), BindAnnounced = binds });
        link.Send(address, 1);
        Assert.True(link.Until(listener.Pending));
        using Socket socket = listener.AcceptSocket();
        Assert.Equal(seen, ((IPEndPoint)socket.RemoteEndPoint!).Address.ToString());
        Assert.Equal(failures, link[Counter.MixLink_EgressBindFailures]);
    }

    [Fact]
    public void WithoutRoutingFilterGlobalAddressesAreServedAndTheirNumberIsBounded()
    {
        using var listed = new FrameCollector();
        using var guest = new FrameCollector();
        using var link = new LinkFixture(
            LinkFixture.Settings with { RoutingFilter = false, InitialBackoff = TimeSpan.FromMinutes(1), MaximumBackoff = TimeSpan.FromMinutes(1) }, [listed.EndPoint],
            descriptors: 2048);
        link.Send(new IPEndPoint(IPAddress.Parse("10.0.0.1"), 1789), 1);
        link.Send(new IPEndPoint(IPAddress.Loopback, 0), 1);
        Assert.Equal(2, link[Counter.MixLink_EgressUnknownPeer]);
        link.Send(guest.EndPoint, 1);
        Assert.True(guest.WaitFor(1, link.Turn));
        // Nobody listens there; what waits for them keeps their places.
        for (int i = 1; i < MixEgress.GuestPeers; i++)
            link.Send(new IPEndPoint(IPAddress.Parse($"127.1.{i >> 8}.{i & 255}"), 9), i);
        Assert.Equal(2, link[Counter.MixLink_EgressUnknownPeer]);
        link.Send(new IPEndPoint(IPAddress.Parse("127.2.0.1"), 9), 1);
        Assert.Equal(3, link[Counter.MixLink_EgressUnknownPeer]);
        link.Send(listed.EndPoint, 1);
        Assert.True(listed.WaitFor(1, link.Turn));
        // Their packets expire, and then there is room.
        link.Skew = 61_000;
        Assert.True(link.Until(() => link.Egress.Queued == 0 && link.Egress.ActivePeers == 2));
        using var late = new FrameCollector();
        link.Send(late.EndPoint, 1);
        Assert.True(late.WaitFor(1, link.Turn));
    }

    private static LinkFixture Link(IPEndPoint peer, FastExit.Configuration.MixLinkSettings? settings = null, int regularSlots = 2048) => new(
        settings, [peer], regularSlots, identity: NoisePeer.Identity, topology: NoisePeer.Topology(peer));

    /// <summary>A next hop that speaks Noise alone.</summary>
    private sealed class EncryptedCollector : IDisposable
    {
        private readonly ConcurrentQueue<byte[]> _packets = new();
        private readonly FramedListener _listener;

        public EncryptedCollector(int port = 0, NoiseIdentity? identity = null)
        {
            _listener = new FramedListener(
                new IPEndPoint(IPAddress.Loopback, port),
                packet =>
                {
                    _packets.Enqueue(packet.Span.ToArray());
                    packet.Return();
                },
                identity is null ? s_noise : new LabNoise(identity, _ => null));
            _listener.Start();
        }

        public IPEndPoint EndPoint => _listener.Address;

        public int Count => _packets.Count;

        public int[] Numbers() => [.. _packets.Select(p => BinaryPrimitives.ReadInt32LittleEndian(p))];

        public bool WaitFor(int packets, Action pump)
        {
            DateTime deadline = DateTime.UtcNow.AddSeconds(15);
            while (Count < packets && DateTime.UtcNow < deadline)
                pump();
            return Count >= packets;
        }

        public void AssertNumbers(IEnumerable<int> expected)
        {
            Assert.Equal(expected, Numbers());
            Assert.All(_packets, p => Assert.False(p.AsSpan(4).ContainsAnyExcept((byte)BinaryPrimitives.ReadInt32LittleEndian(p))));
            Assert.Equal(0, _listener.Malformed);
        }

        public void Dispose() => _listener.Dispose();
    }
}
