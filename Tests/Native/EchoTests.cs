using System.Net.Sockets;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class EchoTests
{
    private const ulong Accept = 1UL << 56;
    private const ulong Receive = 2UL << 56;
    private const ulong Send = 3UL << 56;

    [Fact]
    public void Multishot_accept_and_receive_echo_through_provided_buffers()
    {
        using var fixture = new RingFixture();
        fixture.Ring.PrepareAcceptMultishot(fixture.Listener.Fd, Accept);
        using Socket client = fixture.Connect();
        int direct = fixture.Await(Accept).Result;
        Assert.True(direct >= 0);
        fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: false, Receive);

        byte[] sent = new byte[1500];
        Random.Shared.NextBytes(sent);
        client.Send(sent);
        Completion received = fixture.Await(Receive);
        Assert.Equal(sent.Length, received.Result);
        Assert.True(received.More);
        Assert.True(received.HasBuffer);
        Assert.Equal(sent, fixture.Buffer(received.BufferId)[..received.Result].ToArray());

        fixture.Ring.PrepareSend(
            direct, fixture.Region, (long)received.BufferId * fixture.BufferBytes, received.Result, true, Send);
        Assert.Equal(sent.Length, fixture.Await(Send).Result);
        byte[] back = new byte[sent.Length];
        Assert.Equal(back.Length, client.Receive(back));
        Assert.Equal(sent, back);

        client.Shutdown(SocketShutdown.Send);
        Completion ended = fixture.Await(Receive);
        Assert.Equal(0, ended.Result);
        Assert.False(ended.More);
        fixture.Ring.PrepareClose(direct, 9);
        Assert.Equal(0, fixture.Await(9).Result);
    }
}
