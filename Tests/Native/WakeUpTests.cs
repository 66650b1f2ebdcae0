using System.Diagnostics;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class WakeUpTests
{
    private static readonly IoRingOptions Small =
        new() { SubmissionEntries = 16, CompletionEntries = 64, DirectDescriptors = 4 };

    [Fact]
    public void A_message_wakes_the_ring_of_another_thread()
    {
        const int Messages = 2000;
        int targetFd = -1;
        using var ready = new ManualResetEventSlim();
        var values = new List<int>();
        var problems = new List<string>();
        var sleeper = new Thread(() =>
        {
            using var ring = new IoRing(Small);
            targetFd = ring.Fd;
            ready.Set();
            long deadline = Environment.TickCount64 + 10_000;
            while (values.Count < Messages && Environment.TickCount64 < deadline)
            {
                ring.SubmitAndWait(1, TimeSpan.FromSeconds(10));
                while (ring.TryTake(out Completion completion))
                {
                    if (completion.UserData != 0xFEED)
                        problems.Add($"user data {completion.UserData:x}");
                    values.Add(completion.Result);
                }
            }
        });
        sleeper.Start();
        ready.Wait();

        using var sender = new IoRing(Small);
        var clock = Stopwatch.StartNew();
        int confirmed = 0;
        for (int value = 1; value <= Messages; value++)
        {
            sender.PrepareMessage(targetFd, 0xFEED, value, (ulong)value);
            if (value % 10 == 0)
                confirmed += Confirm(sender);
        }

        while (confirmed < Messages && clock.Elapsed < TimeSpan.FromSeconds(10))
            confirmed += Confirm(sender);
        sleeper.Join();
        Assert.Empty(problems);
        Assert.Equal(Messages, confirmed);
        Assert.Equal(Enumerable.Range(1, Messages), values);

        sender.PrepareMessage(-1, 0, 0, 1);
        sender.SubmitAndWait(1, TimeSpan.FromSeconds(1));
        Assert.True(sender.TryTake(out Completion gone));
        Assert.Equal(-Errno.EBADF, gone.Result);
    }

    [Fact]
    public void Submitting_nothing_enters_the_kernel_only_when_it_has_work()
    {
        using var fixture = new RingFixture();
        using var signal = new EventSignal();
        fixture.Ring.PrepareRead(signal.Fd, fixture.Region, 0, EventSignal.ReadBytes, 1);
        Assert.Equal(1, fixture.Ring.Submit());
        long enters = fixture.Ring.Enters;
        for (int round = 0; round < 1000; round++)
            Assert.Equal(0, fixture.Ring.Submit());
        Assert.Equal(enters, fixture.Ring.Enters);

        signal.Signal();
        long deadline = Environment.TickCount64 + 5000;
        Completion read = default;
        while (!fixture.Ring.TryTake(out read) && Environment.TickCount64 < deadline)
            fixture.Ring.Submit();
        Assert.Equal(8, read.Result);
        Assert.InRange(fixture.Ring.Enters - enters, 1, 3);
    }

    [Fact]
    public void An_event_signal_is_read_through_the_ring()
    {
        using var fixture = new RingFixture();
        using var signal = new EventSignal();
        fixture.Ring.PrepareRead(signal.Fd, fixture.Region, 0, EventSignal.ReadBytes, 1);
        Assert.True(fixture.StaysQuiet(1, 20));
        var thread = new Thread(() =>
        {
            Thread.Sleep(20);
            signal.Signal();
        });
        thread.Start();
        Assert.Equal(8, fixture.Await(1).Result);
        thread.Join();

        signal.Signal();
        signal.Signal();
        fixture.Ring.PrepareRead(signal.Fd, fixture.Region, 8, EventSignal.ReadBytes, 2);
        Assert.Equal(8, fixture.Await(2).Result);
        Assert.Equal(2, BitConverter.ToInt64(fixture.Region.Slice(8, 8)));
    }

    [Fact]
    public void A_multishot_poll_reports_every_signal()
    {
        using var fixture = new RingFixture();
        using var signal = new EventSignal();
        fixture.Ring.PreparePollMultishot(signal.Fd, 1);
        fixture.Ring.Submit();
        for (int round = 0; round < 3; round++)
        {
            signal.Signal();
            Completion readable = fixture.Await(1);
            Assert.Equal(1, readable.Result & 1);
            Assert.True(readable.More);
            Assert.True(signal.Wait(TimeSpan.Zero));
        }
    }

    [Fact]
    public void Waiting_for_a_signal_times_out_and_takes_it_once()
    {
        using var signal = new EventSignal();
        long start = Environment.TickCount64;
        Assert.False(signal.Wait(TimeSpan.FromMilliseconds(30)));
        Assert.InRange(Environment.TickCount64 - start, 25, 5000);
        Assert.False(signal.Wait(TimeSpan.Zero));
        signal.Signal();
        Assert.True(signal.Wait(TimeSpan.FromSeconds(5)));
        Assert.False(signal.Wait(TimeSpan.Zero));
        var thread = new Thread(() =>
        {
            Thread.Sleep(20);
            signal.Signal();
            Thread.Sleep(20);
            signal.Signal();
        });
        thread.Start();
        signal.Wait();
        Assert.True(signal.Wait(Timeout.InfiniteTimeSpan));
        thread.Join();
    }

    private static int Confirm(IoRing ring)
    {
        ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(100));
        int confirmed = 0;
        while (ring.TryTake(out Completion completion))
        {
            Assert.Equal(0, completion.Result);
            confirmed++;
        }

        return confirmed;
    }
}
