using System.Buffers.Binary;
using System.Net;
using FastExit.Cores;
using FastExit.Topology;
using Xunit;

namespace FastExit.Tests.MixLink;

public sealed class EgressTopologyTests
{
    [Fact]
    public void Packets_to_a_node_that_stays_survive_and_its_connection_too()
    {
        using var stays = new FrameCollector { Pause = TimeSpan.FromMilliseconds(1) };
        using var leaves = new FrameCollector();
        using var comes = new FrameCollector();
        using var link = new LinkFixture(known: [leaves.EndPoint, stays.EndPoint]);
        link.Send(leaves.EndPoint, 0);
        Assert.True(leaves.WaitFor(1, link.Turn));
        for (int i = 0; i < 100; i++)
            link.Send(stays.EndPoint, i);
        link.Turn();
        for (int i = 100; i < 200; i++)
            link.Send(stays.EndPoint, i);

        link.Egress.Use(Of(stays.EndPoint, comes.EndPoint), link.Now);

        link.Send(comes.EndPoint, 1);
        link.Send(leaves.EndPoint, 2);
        Assert.Equal(1, link[Counter.MixLink_EgressUnknownPeer]);
        Assert.True(stays.WaitFor(200, link.Turn));
        Assert.True(comes.WaitFor(1, link.Turn));
        Assert.Equal(Enumerable.Range(0, 200), stays.Frames.Select(f => BinaryPrimitives.ReadInt32LittleEndian(f.Packet)));
        Assert.Equal(1, stays.Accepted);
        Assert.True(link.Until(() => link.Egress.ActivePeers == 2), "the node that left is still connected");
        Assert.True(link.Until(() => link.SlotsInUse == 0 && link.Egress.Queued == 0));
    }

    [Fact]
    public void What_waits_for_a_node_that_leaves_is_dropped_and_counted()
    {
        using var other = new FrameCollector();
        using var peer = new FrameCollector();
        using var link = new LinkFixture(known: [peer.EndPoint]);
        for (int i = 0; i < 7; i++)
            link.Send(peer.EndPoint, i);
        link.Egress.Use(Of(other.EndPoint), link.Now);
        Assert.Equal(7, link[Counter.MixLink_EgressPeerLeft]);
        Assert.True(link.Until(() => link.Egress.ActivePeers == 0 && link.SlotsInUse == 0));
        link.Egress.Use(Of(peer.EndPoint), link.Now);
        link.Send(peer.EndPoint, 9);
        Assert.True(peer.WaitFor(1, link.Turn));
    }

    [Fact]
    public void Many_changes_reuse_places()
    {
        using var peer = new FrameCollector();
        using var link = new LinkFixture(known: [peer.EndPoint]);
        for (int round = 0; round < 300; round++)
        {
            link.Egress.Use(Of(peer.EndPoint, new IPEndPoint(IPAddress.Parse("192.0.2.1"), 1 + round)), link.Now);
            link.Send(peer.EndPoint, round);
        }

        Assert.True(peer.WaitFor(300, link.Turn));
        Assert.Equal(1, peer.Accepted);
        Assert.InRange(link.Egress.Places, 2, 32);
    }

    private static NetworkTopology Of(params IPEndPoint[] addresses) => new(1, [.. addresses.Select((address, i) =>
        new TopologyNode([.. Enumerable.Repeat((byte)(i + 1), 32)], [.. Enumerable.Repeat((byte)(i + 9), 32)], address, TopologyRole.Mix1))]);
}
