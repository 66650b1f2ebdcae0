using FastExit.Cores;
using FastExit.Delivery;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Memory;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

/// <summary>Versions 6 and 7, whose requests name their sender and come without a tag: ip-packet-router.md §1.7, bytes of §10.3.</summary>
public sealed class IprShardLegacyTests
{
    private const string Recipient =
        "b2849e728e3eb226d2d864963f8ca9f5ec81c92558a9f263bdbea29d34edf8a0"
        + "7d7e8a80c987c261bd435fda2099b1d714cc6c46f404b54b82c2fc92a67e6612"
        + "e371277338835b77367d464fc87d5cbe735b44c29cca0ae3633ca54d92733e99";

    private const string SignedConnect =
        "07017b60" + "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
        + "5dfedd3b6bd47f6fa28ee15d969d5bb0ea53774d488bdaf9df1c6e0124b3ef22"
        + "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394"
        + "000000fb0fd488061b34000000000140"
        + "699cf15f8439ceaa054ad935ae4ca8fc5da1470a638414d7e1d34d70e5ec0efcd83a56a8fae38d41b3691fe790cc6c8035b97606c732213914e89e5e19a1520b";

    [Theory]
    [InlineData("06017b60" + Recipient + "000000", Counter.IpPacketRouter_LegacyConnects)]
    [InlineData("06007b0a000001fc00000000000000000000000000000160" + Recipient + "000000", Counter.IpPacketRouter_LegacyConnects)]
    [InlineData(SignedConnect, Counter.IpPacketRouter_LegacyConnects)]
    [InlineData("0603050102040205", Counter.IpPacketRouter_LegacyData)]
    [InlineData("0703050102040205", Counter.IpPacketRouter_LegacyData)]
    [InlineData("06027b60" + Recipient, Counter.IpPacketRouter_LegacyOther)]
    [InlineData("06047b60" + Recipient, Counter.IpPacketRouter_LegacyOther)]
    [InlineData("07047b60" + Recipient + "fb0fd0010c3b3bfc1dcd6500000000", Counter.IpPacketRouter_LegacyOther)]
    [InlineData("0605", Counter.IpPacketRouter_LegacyMalformed)]
    [InlineData("070601", Counter.IpPacketRouter_LegacyMalformed)]
    [InlineData("060305010204020500", Counter.IpPacketRouter_LegacyMalformed)]
    public void They_are_decoded_when_asked_for_and_unknown_otherwise_and_never_served(string hex, Counter decoded)
    {
        foreach (bool diagnostics in new[] { true, false })
        {
            foreach (bool tagged in new[] { true, false })
            {
                using var world = new IprWorld(new IprLimits { LegacyDiagnostics = diagnostics });
                IprClient client = world.Client();
                Deliver(world, Convert.FromHexString(hex), tagged ? client.Peer : InboundMessage.NoPeer);
                world.Turn();
                Assert.Equal(diagnostics ? 1 : 0, world.Read(decoded));
                Assert.Equal(diagnostics ? 0 : 1, world.Read(Counter.IpPacketRouter_UnknownVersion));
                Assert.Equal((0, 0), (world.Shard.Sessions, world.Device.Packets.Count));
                Assert.Empty(world.Replies.Messages);
            }
        }
    }

    [Fact]
    public void Other_messages_without_a_tag_have_no_way_back()
    {
        using var world = new IprWorld(new IprLimits { LegacyDiagnostics = true });
        Deliver(world, Convert.FromHexString("0801010207fb0fd488061b3400000000"), InboundMessage.NoPeer);
        Assert.Equal(1, world.Read(Counter.IpPacketRouter_NoReturnPath));
    }

    [Fact]
    public void Who_gets_anothers_place_is_answered_at_once()
    {
        using var world = new IprWorld();
        IprClient client = world.Client();
        for (ulong id = 1; id <= 3; id++)
            client.Control(IprRequestKind.Ping, id);
        Assert.Equal(1ul, Assert.Single(client.Said()).RequestId);
        world.Replies.Reuse(client.Peer);
        for (ulong id = 4; id <= 6; id++)
            client.Control(IprRequestKind.Ping, id);
        Assert.Equal(4ul, Assert.Single(client.Said()).RequestId);
        Assert.Equal(4, world.Read(Counter.IpPacketRouter_AnswersWithheld));
    }

    private static void Deliver(IprWorld world, byte[] message, int peer)
    {
        Assert.True(world.Core.Memory.Own.TryRent(SlotClass.Regular, out SlotHandle slot));
        message.CopyTo(world.Core.Memory.Slot(slot)[200..]);
        world.Shard.OnMessage(new InboundMessage(slot, 200, message.Length, peer), world.Now);
    }
}
