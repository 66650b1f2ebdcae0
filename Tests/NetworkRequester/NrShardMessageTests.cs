using FastExit.Cores;
using FastExit.Delivery;
using FastExit.NetworkRequester;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>Messages that concern no connection: control requests, queries, and what cannot be read.</summary>
public sealed class NrShardMessageTests
{
    [Fact]
    public void ControlRequestsAndQueries()
    {
        using var world = new ShardWorld();
        int peer = world.Replies.AddPeer(anonymous: true);
        byte[] request = new byte[8];
        foreach (ControlKind kind in new[] { ControlKind.Health, ControlKind.BinaryInformation, ControlKind.SupportedVersions })
        {
            RequestWriter.TryWriteControl(request, kind, out int bytes);
            TestClient.Deliver(world, request.AsSpan(0, bytes), peer);
            Assert.Equal(ResponseStatus.Ok, Response.TryRead(world.Replies.Messages[^1].Message, out Response answer));
            Assert.Equal((ResponseKind.Control, kind), (answer.Kind, answer.Control));
            if (kind == ControlKind.BinaryInformation)
            {
                Assert.True(BinaryInformation.TryParse(answer.Text, out BinaryInformation information));
                Assert.Equal("fastexit", information.BuildBinaryName);
            }
        }

        world.Answers.Publish(new ServiceAnswers(true, "changed", string.Empty, []));
        foreach (MessageForm form in Enum.GetValues<MessageForm>())
        {
            RequestWriter.TryWriteQuery(request, form, QueryKind.OpenProxy, out int bytes);
            TestClient.Deliver(world, request.AsSpan(0, bytes), peer);
            Assert.Equal(RequestHex("030103030001"), world.Replies.Messages[^1].Message);
        }

        TestClient.Deliver(world, RequestHex("0301030203"), peer);
        Assert.Equal(ResponseStatus.Ok, Response.TryRead(world.Replies.Messages[^1].Message, out Response error));
        Assert.Equal((ResponseKind.Query, QueryKind.Error), (error.Kind, error.Query));
        TestClient.Deliver(world, RequestHex("030009"), peer);
        Assert.Equal(ResponseStatus.Ok, Response.TryRead(world.Replies.Messages[^1].Message, out error));
        Assert.Equal((ResponseKind.Control, ControlKind.Error), (error.Kind, error.Control));

        // Without a tag there is no way back.
        int answered = world.Replies.Messages.Count;
        TestClient.Deliver(world, RequestHex("030000"), InboundMessage.NoPeer);
        TestClient.Deliver(world, RequestHex("0301030200"), InboundMessage.NoPeer);
        TestClient.Deliver(world, RequestHex("0301030203"), InboundMessage.NoPeer);
        Assert.Equal(answered, world.Replies.Messages.Count);
    }

    [Fact]
    public void BadMessagesCostNothingButACount()
    {
        using var world = new ShardWorld();
        var random = new Random(7);
        int peer = world.Replies.AddPeer(anonymous: true);
        byte[] message = new byte[200];
        for (int i = 0; i < 200_000; i++)
        {
            int length = random.Next(1, 60);
            random.NextBytes(message.AsSpan(0, length));
            message[0] = (byte)random.Next(5);
            if (length > 3)
                (message[1], message[2], message[3]) = ((byte)random.Next(3), (byte)random.Next(5), (byte)random.Next(4));
            TestClient.Deliver(world, message.AsSpan(0, length), random.Next(2) == 0 ? peer : InboundMessage.NoPeer);
            if (i % 4096 == 0)
                world.Pump(0);
            world.Replies.Messages.Clear();
        }

        Assert.True(world.Read(Counter.NetworkRequester_BadRequest) > 10_000);
        Assert.InRange(world.Shard.Records, 0, 8192);
    }

    private static byte[] RequestHex(string hex) => Convert.FromHexString(hex);
}
