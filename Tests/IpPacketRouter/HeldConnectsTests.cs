using FastExit.Cores;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Protocol;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

public sealed class HeldConnectsTests
{
    /// <summary>Mixes reorder: what opens the stream and brings the SURBs may come second.</summary>
    [Theory]
    [InlineData(0, true)]
    [InlineData(4_900, true)]
    [InlineData(5_100, false)]
    public void A_connect_that_overtook_its_surbs_is_answered_when_they_come(int milliseconds, bool answered)
    {
        using var world = new IprWorld();
        IprClient client = world.Client(), other = world.Client();
        world.Replies.SetCredit(client.Peer, 0);
        client.Deliver(Convert.FromHexString("08010100010114fb0fd488061b3400000000"));
        Assert.Empty(client.Said());
        world.Pass(milliseconds);
        world.Shard.OnCredit(other.Peer);
        Assert.Equal(0, world.Shard.Sessions);
        world.Replies.SetCredit(client.Peer, 10);
        world.Shard.OnCredit(client.Peer);
        Assert.Equal(answered ? 1 : 0, world.Shard.Sessions);
        Assert.Equal(answered ? 1 : 0, client.Said().Count);
        world.Shard.OnCredit(client.Peer);
        Assert.Equal(answered ? 1 : 0, world.Shard.Sessions);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_Connects));
    }

    [Fact]
    public void The_oldest_connect_that_waits_for_surbs_gives_way()
    {
        var held = new HeldConnects();
        IprRequest.TryRead(Convert.FromHexString("08010100010114fb0fd488061b3400000000"), out IprRequest request);
        for (int peer = 0; peer <= HeldConnects.Capacity; peer++)
            held.Add(peer, request, peer);
        held.Add(5, request, 1_000);
        Assert.Equal(HeldConnects.Capacity, held.Count);
        Assert.False(held.TryTake(0, 1_000, out _));
        Assert.True(held.TryTake(1, 1_000, out IprRequest taken));
        Assert.Equal(request.RequestId, taken.RequestId);
        Assert.False(held.TryTake(1, 1_000, out _));
        Assert.True(held.TryTake(5, 1_000 + HeldConnects.Milliseconds, out _));
        Assert.False(held.TryTake(6, 7 + HeldConnects.Milliseconds, out _));
        Assert.Equal(HeldConnects.Capacity - 3, held.Count);
    }
}
