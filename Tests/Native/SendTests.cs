using System.Net.Sockets;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class SendTests
{
    [Fact]
    public void A_gather_list_counts_skips_and_refuses_what_does_not_fit()
    {
        using PinnedRegion region = PinnedRegion.Allocate(4096);
        using var list = new GatherList(3);
        Assert.True(list.TryAdd(region, 0, 10));
        Assert.True(list.TryAdd(region, 100, 0));
        Assert.True(list.TryAdd(region, 200, 20));
        Assert.True(list.TryAdd(region, 300, 30));
        Assert.False(list.TryAdd(region, 400, 40));
        Assert.Equal((3, 60L), (list.Count, list.Bytes));
        list.Skip(0);
        list.Skip(15);
        Assert.Equal((2, 45L), (list.Count, list.Bytes));
        list.Skip(15);
        Assert.Equal((1, 30L), (list.Count, list.Bytes));
        Assert.Throws<ArgumentOutOfRangeException>(() => list.Skip(31));
        list.Skip(30);
        Assert.Equal((0, 0L), (list.Count, list.Bytes));
        Assert.True(list.TryAdd(region, 0, 4096));
        Assert.Throws<ArgumentOutOfRangeException>(() => list.TryAdd(region, 1, 4096));
        list.Clear();
        Assert.Equal(0, list.Count);
    }

    [Fact]
    public void A_vectored_send_with_short_writes_is_finished_by_skipping()
    {
        using var fixture = new RingFixture();
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        client.ReceiveBufferSize = 400_000;
        const int Parts = 300;
        const int PartBytes = 30_011;
        using PinnedRegion region = PinnedRegion.Allocate((long)Parts * PartBytes);
        Random.Shared.NextBytes(region.Slice(0, Parts * PartBytes));
        using var list = new GatherList(Parts);
        // Backwards, so that order comes from the list and not from the memory.
        for (int part = Parts - 1; part >= 0; part--)
            Assert.True(list.TryAdd(region, (long)part * PartBytes, PartBytes));

        byte[] received = new byte[Parts * PartBytes];
        var reader = new Thread(() => Fill(client, received));

        int sends = 0;
        while (list.Bytes > 0)
        {
            fixture.Ring.PrepareSendVectored(direct, list, waitAll: false, 1);
            Completion sent = fixture.Await(1);
            Assert.True(sent.Result > 0, Errno.Name(sent.Result));
            list.Skip(sent.Result);
            if (sends++ == 0)
                reader.Start();
        }

        reader.Join();
        Assert.True(sends > 1, "every write was complete");
        for (int part = 0; part < Parts; part++)
        {
            Assert.True(received.AsSpan((Parts - 1 - part) * PartBytes, PartBytes)
                .SequenceEqual(region.Slice((long)part * PartBytes, PartBytes)));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Waiting_for_all_sends_everything_in_one_operation(bool vectored)
    {
        using var fixture = new RingFixture();
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        client.ReceiveBufferSize = 400_000;
        const int Bytes = 8_000_000;
        using PinnedRegion region = PinnedRegion.Allocate(Bytes);
        Random.Shared.NextBytes(region.Slice(0, Bytes));
        byte[] received = new byte[Bytes];
        var reader = new Thread(() => Fill(client, received));

        using var list = new GatherList(2);
        Assert.True(list.TryAdd(region, 0, 3_000_001));
        Assert.True(list.TryAdd(region, 3_000_001, Bytes - 3_000_001));
        if (vectored)
            fixture.Ring.PrepareSendVectored(direct, list, waitAll: true, 1);
        else
            fixture.Ring.PrepareSend(direct, region, 0, Bytes, waitAll: true, 1);
        fixture.Ring.Submit();
        Assert.True(fixture.StaysQuiet(1, 20));
        reader.Start();
        Assert.Equal(Bytes, fixture.Await(1).Result);
        reader.Join();
        Assert.True(region.Slice(0, Bytes).SequenceEqual(received));
    }

    [Fact]
    public void A_send_outside_its_region_is_refused_before_it_is_prepared()
    {
        using var fixture = new RingFixture();
        long bytes = fixture.Region.Bytes;
        foreach ((long offset, int length) in new[] { (bytes, 1), (-1, 1), (0, -1) })
        {
            Assert.Throws<ArgumentOutOfRangeException>(
                () => fixture.Ring.PrepareSend(0, fixture.Region, offset, length, true, 1));
        }

        Assert.Equal(0, fixture.Ring.Submit());
    }

    // Stops at a failed connection; what is missing shows when the bytes are compared.
    private static void Fill(Socket socket, byte[] destination)
    {
        for (int at = 0; at < destination.Length;)
        {
            int received = socket.Receive(destination, at, destination.Length - at, SocketFlags.None, out _);
            if (received == 0)
                return;
            at += received;
        }
    }
}
