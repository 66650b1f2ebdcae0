using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class AllocationTests
{
    private const int MessageBytes = 2400;
    private const ulong Accept = 1;
    private const ulong Connect = 2;
    private const ulong Near = 3;
    private const ulong Far = 4;
    private const ulong Sent = 5;
    private const ulong Other = 6;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    [Fact]
    public void A_steady_echo_loop_allocates_nothing()
    {
        using var fixture = new RingFixture(buffers: 32, bufferBytes: 4096);
        using var list = new GatherList(4);
        using var signal = new EventSignal();
        IoRing ring = fixture.Ring;
        ring.PrepareAcceptMultishot(fixture.Listener.Fd, Accept);
        Assert.Equal(0, SocketDescriptor.TryCreateTcp(ipv6: false, out SocketDescriptor? socket));
        int near = ring.Install(socket!.Fd);
        socket.Dispose();
        ring.PrepareConnect(near, fixture.Bound, Connect);
        int far = fixture.Await(Accept).Result;
        Assert.Equal(0, fixture.Await(Connect).Result);
        ring.PrepareReceiveMultishot(near, RingFixture.Group, bundle: true, Near);
        ring.PrepareReceiveMultishot(far, RingFixture.Group, bundle: true, Far);
        ring.PrepareSend(near, fixture.Region, 0, MessageBytes, waitAll: true, Sent);

        Echo(fixture, list, signal, near, far, 200);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int messages = Echo(fixture, list, signal, near, far, 5000);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(5000, messages);
        Assert.Equal(0, allocated);
    }

    private static int Echo(RingFixture fixture, GatherList list, EventSignal signal, int near, int far, int messages)
    {
        IoRing ring = fixture.Ring;
        int echoed = 0;
        int pending = 0;
        while (echoed < messages)
        {
            if (ring.SubmitAndWait(1, Patience) < 0)
                return -1;
            while (ring.TryTake(out Completion completion))
            {
                if (completion.UserData is not (Near or Far))
                    continue;
                if (completion.Result <= 0 || !completion.More)
                    return -1;
                pending += completion.Result;
                fixture.AddBuffer(completion.BufferId);
                if (completion.Result > fixture.BufferBytes || pending < MessageBytes)
                    return -1;
                pending -= MessageBytes;
                echoed++;
                int other = completion.UserData == Near ? near : far;
                list.Clear();
                list.TryAdd(fixture.Region, 0, 400);
                list.TryAdd(fixture.Region, 400, MessageBytes - 400);
                ring.PrepareSendVectored(other, list, waitAll: true, Sent);
                ring.PrepareTimeout(TimeSpan.FromMinutes(1), Other);
                ring.PrepareTimeoutRemove(Other, Other + 1);
                signal.Signal();
                signal.Wait(TimeSpan.Zero);
            }

            fixture.Buffers.Publish();
        }

        return echoed;
    }
}
