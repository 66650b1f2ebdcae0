using System.Net.Sockets;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class SubmissionTests
{
    [Fact]
    public void Preparing_three_times_the_queue_completes_every_operation_exactly_once_in_order()
    {
        using var ring = new IoRing(Sizes(8, 64, 4));
        for (ulong index = 0; index < 24; index++)
            ring.PrepareNop(index);
        Assert.Equal(8, ring.Submit());
        Assert.Equal(0, ring.Submit());

        for (ulong index = 0; index < 24; index++)
        {
            Assert.True(ring.TryTake(out Completion completion));
            Assert.Equal(index, completion.UserData);
            Assert.Equal(0, completion.Result);
        }

        Assert.False(ring.TryTake(out _));
        Assert.Equal(0, ring.Overflows);
    }

    [Fact]
    public void A_completion_queue_that_overflows_loses_nothing()
    {
        using var ring = new IoRing(Sizes(8, 16, 4));
        const ulong Operations = 1000;
        for (ulong index = 0; index < Operations; index++)
            ring.PrepareNop(index);

        ulong next = 0;
        for (int round = 0; round < 200 && next < Operations; round++)
        {
            ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(100));
            while (ring.TryTake(out Completion completion))
                Assert.Equal(next++, completion.UserData);
        }

        Assert.Equal(Operations, next);
        Assert.True(ring.Overflows > 0);
        Assert.Equal(0, ring.Dropped);
        Assert.Equal(0, ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(5)));
        Assert.False(ring.TryTake(out _));
    }

    [Fact]
    public void A_multishot_whose_completions_overflow_still_delivers_all_bytes_in_order()
    {
        using var fixture = new RingFixture(
            buffers: 256,
            bufferBytes: 64,
            Sizes(8, 8, 8));
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: false, 1);
        byte[] sent = new byte[64 * 100];
        Random.Shared.NextBytes(sent);
        client.Send(sent);

        var received = new List<byte>();
        while (received.Count < sent.Length)
        {
            Completion completion = fixture.Await(1);
            if (completion.Result > 0)
                received.AddRange(fixture.Buffer(completion.BufferId)[..completion.Result]);
            if (!completion.More)
                fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: false, 1);
        }

        Assert.Equal(sent, received);
        Assert.True(fixture.Ring.Overflows > 0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void A_linked_timeout_keeps_its_operation_across_a_full_queue(int before)
    {
        using var fixture = new RingFixture(
            options: Sizes(8, 64, 8));
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        for (int index = 0; index < before; index++)
            fixture.Ring.PrepareNop(100 + (ulong)index);
        fixture.Ring.PrepareReceive(direct, RingFixture.Group, 0, bundle: false, 1);
        fixture.Ring.LinkNext();
        fixture.Ring.PrepareLinkedTimeout(TimeSpan.FromMilliseconds(20), 2);

        Assert.Equal(-Errno.ECANCELED, fixture.Await(1).Result);
        Assert.Equal(-Errno.ETIME, fixture.Await(2).Result);
        for (int index = 0; index < before; index++)
            Assert.Equal(0, fixture.Await(100 + (ulong)index).Result);
    }

    [Fact]
    public void A_chain_longer_than_the_queue_is_refused()
    {
        using var ring = new IoRing(Sizes(4, 16, 4));
        Assert.Throws<InvalidOperationException>(ring.LinkNext);
        for (ulong index = 0; index < 4; index++)
        {
            ring.PrepareNop(index);
            if (index < 3)
                ring.LinkNext();
        }

        Assert.Throws<InvalidOperationException>(ring.LinkNext);
        Assert.Throws<ArgumentOutOfRangeException>(() => ring.PrepareReceive(0, 0, -1, false, 0));
    }

    [Fact]
    public void Installing_while_the_completion_queue_is_full_still_yields_the_slot()
    {
        using var ring = new IoRing(Sizes(4, 4, 16));
        for (ulong index = 0; index < 40; index++)
            ring.PrepareNop(index);
        var slots = new List<int>();
        for (int index = 0; index < 17; index++)
        {
            Assert.Equal(0, SocketDescriptor.TryCreateTcp(ipv6: false, out SocketDescriptor? socket));
            using (socket)
                slots.Add(ring.Install(socket!.Fd));
        }

        Assert.Equal(16, slots.Where(slot => slot >= 0).Distinct().Count());
        Assert.True(slots[16] < 0);

        ulong next = 0;
        for (int round = 0; round < 100; round++)
        {
            ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(1));
            while (ring.TryTake(out Completion completion))
                Assert.Equal(next++, completion.UserData);
        }

        Assert.Equal(40UL, next);
    }

    [Fact]
    public void A_slot_that_equals_its_descriptor_number_is_told_from_a_failure()
    {
        using var ring = new IoRing(Sizes(4, 64, 2048));
        int equal = 0;
        for (int index = 0; index < 1000 && equal == 0; index++)
        {
            Assert.Equal(0, SocketDescriptor.TryCreateTcp(ipv6: false, out SocketDescriptor? socket));
            int slot = ring.Install(socket!.Fd);
            Assert.True(slot >= 0, Errno.Name(slot));
            equal += slot == socket.Fd ? 1 : 0;
            // Descriptors stay at the lowest free number while slots climb until they meet.
            socket.Dispose();
        }

        Assert.Equal(1, equal);
        Assert.Equal(-Errno.EBADF, ring.Install(100_000));
        ring.Submit();
        Assert.False(ring.TryTake(out _));
    }

    [Fact]
    public void Timeouts_fire_and_can_be_removed()
    {
        using var fixture = new RingFixture();
        long start = Environment.TickCount64;
        fixture.Ring.PrepareTimeout(TimeSpan.FromMilliseconds(30), 1);
        fixture.Ring.PrepareTimeout(TimeSpan.FromSeconds(60), 2);
        Assert.Equal(-Errno.ETIME, fixture.Await(1).Result);
        Assert.InRange(Environment.TickCount64 - start, 25, 5000);

        fixture.Ring.PrepareTimeoutRemove(2, 3);
        Assert.Equal(-Errno.ECANCELED, fixture.Await(2).Result);
        Assert.Equal(0, fixture.Await(3).Result);
        fixture.Ring.PrepareTimeoutRemove(2, 4);
        Assert.Equal(-Errno.ENOENT, fixture.Await(4).Result);
    }

    [Fact]
    public void Waiting_ends_with_its_timeout_and_zero_does_not_wait()
    {
        using var ring = new IoRing(Sizes(4, 16, 4));
        long start = Environment.TickCount64;
        Assert.Equal(0, ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(40)));
        Assert.InRange(Environment.TickCount64 - start, 35, 5000);

        start = Environment.TickCount64;
        ring.PrepareNop(1);
        Assert.Equal(1, ring.SubmitAndWait(5, TimeSpan.Zero));
        Assert.InRange(Environment.TickCount64 - start, 0, 500);
        ring.PrepareNop(2);
        Assert.Equal(1, ring.SubmitAndWait(2, Timeout.InfiniteTimeSpan));
        Assert.True(ring.TryTake(out _) && ring.TryTake(out _));
    }

    [Fact]
    public void Another_thread_cannot_submit()
    {
        using var ring = new IoRing(Sizes(4, 16, 4));
        int result = 0;
        ring.PrepareNop(1);
        var thread = new Thread(() => result = ring.Submit());
        thread.Start();
        thread.Join();
        Assert.True(result < 0, $"{result}");
        Assert.Equal(1, ring.Submit());
    }

    private static IoRingOptions Sizes(int submission, int completion, int direct) => new()
    {
        SubmissionEntries = submission,
        CompletionEntries = completion,
        DirectDescriptors = direct,
    };
}
