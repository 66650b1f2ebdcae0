using System.Net.Sockets;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class ReceiveTests
{
    [Fact]
    public void A_dry_buffer_ring_answers_ENOBUFS_and_receives_again_after_refilling()
    {
        using var fixture = new RingFixture(buffers: 4, bufferBytes: 256);
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        byte[] sent = new byte[256 * 7];
        Random.Shared.NextBytes(sent);
        client.Send(sent);
        fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: false, 1);

        var received = new List<byte>();
        var taken = new List<ushort>();
        for (int index = 0; index < 4; index++)
        {
            Completion completion = fixture.Await(1);
            Assert.Equal(256, completion.Result);
            received.AddRange(fixture.Buffer(completion.BufferId)[..256]);
            taken.Add(completion.BufferId);
        }

        Completion dry = fixture.Await(1);
        Assert.Equal(-Errno.ENOBUFS, dry.Result);
        Assert.False(dry.More);
        Assert.False(dry.HasBuffer);
        Assert.Equal([0, 1, 2, 3], taken);

        foreach (ushort id in taken)
            fixture.AddBuffer(id);
        Assert.True(fixture.StaysQuiet(1));
        fixture.Buffers.Publish();
        fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: false, 1);
        while (received.Count < sent.Length)
        {
            Completion completion = fixture.Await(1);
            Assert.True(completion.Result > 0, Errno.Name(completion.Result));
            received.AddRange(fixture.Buffer(completion.BufferId)[..completion.Result]);
        }

        Assert.Equal(sent, received);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(1024)]
    public void A_single_receive_never_exceeds_its_byte_limit(int bufferBytes)
    {
        const int Buffers = 1024;
        using var fixture = new RingFixture(Buffers, bufferBytes);
        Assert.True(fixture.Ring.BundlesGranted);
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        var published = new Queue<ushort>(Enumerable.Range(0, Buffers).Select(id => (ushort)id));
        var random = new Random(7);
        int[] edges = [1, bufferBytes - 1, bufferBytes, bufferBytes + 1, (2 * bufferBytes) - 1, 2 * bufferBytes,
            (3 * bufferBytes) + 7, 8 * bufferBytes, 255 * bufferBytes, 256 * bufferBytes, 300 * bufferBytes];
        int several = 0;
        for (int round = 0; round < 300; round++)
        {
            int limit = round < 2 * edges.Length ? edges[round % edges.Length] : random.Next(1, 12 * bufferBytes);
            bool bundle = round % 7 != 6;
            byte[] sent = new byte[2 * 300 * 64];
            random.NextBytes(sent);
            client.Send(sent);

            int at = 0;
            while (at < sent.Length)
            {
                fixture.Ring.PrepareReceive(direct, RingFixture.Group, limit, bundle, 1);
                Completion completion = fixture.Await(1);
                Assert.InRange(completion.Result, 1, limit);
                Assert.False(completion.More);
                int taken = 0;
                for (int left = completion.Result; left > 0; left -= bufferBytes, taken++)
                {
                    ushort id = published.Dequeue();
                    if (taken == 0)
                        Assert.Equal(completion.BufferId, id);
                    int part = Math.Min(left, bufferBytes);
                    Assert.True(fixture.Buffer(id)[..part].SequenceEqual(sent.AsSpan(at, part)));
                    at += part;
                    fixture.AddBuffer(id);
                    published.Enqueue(id);
                }

                several += taken > 1 ? 1 : 0;
                fixture.Buffers.Publish();
                if (limit < bufferBytes && at > 20 * limit)
                    limit = bufferBytes;
            }
        }

        Assert.True(several > 100, $"only {several} receives used more than one buffer");
    }

    [Fact]
    public void A_byte_limit_holds_when_fewer_buffers_are_published_than_it_needs()
    {
        using var fixture = new RingFixture(buffers: 4, bufferBytes: 256);
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        client.Send(new byte[5000]);
        fixture.Ring.PrepareReceive(direct, RingFixture.Group, 700, bundle: true, 1);
        Assert.Equal(512, fixture.Await(1).Result);
        fixture.Ring.PrepareReceive(direct, RingFixture.Group, 2000, bundle: true, 2);
        Assert.Equal(512, fixture.Await(2).Result);
        fixture.Ring.PrepareReceive(direct, RingFixture.Group, 2000, bundle: true, 3);
        Assert.Equal(-Errno.ENOBUFS, fixture.Await(3).Result);
    }

    [Fact]
    public void A_byte_limit_holds_when_the_bytes_come_after_the_receive()
    {
        using var fixture = new RingFixture(buffers: 64, bufferBytes: 256);
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        fixture.Ring.PrepareReceive(direct, RingFixture.Group, 1024, bundle: true, 1);
        Assert.True(fixture.StaysQuiet(1, 20));
        client.Send(new byte[10_000]);
        Assert.Equal(768, fixture.Await(1).Result);
    }

    [Fact]
    public void A_bundle_of_buffers_with_different_lengths_falls_back_to_one_buffer_under_a_limit()
    {
        using var fixture = new RingFixture(buffers: 4, bufferBytes: 256);
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        using var mixed = new ProvidedBufferRing(fixture.Ring, 9, 4);
        mixed.Add(fixture.Region, 0, 100, 40);
        mixed.Add(fixture.Region, 100, 50, 41);
        mixed.Publish();
        client.Send(new byte[500]);
        fixture.Ring.PrepareReceive(direct, 9, 150, bundle: true, 1);
        Completion completion = fixture.Await(1);
        Assert.Equal(100, completion.Result);
        Assert.Equal(40, completion.BufferId);
    }

    [Fact]
    public void A_multishot_bundle_delivers_the_stream_in_order()
    {
        const int Buffers = 64;
        using var fixture = new RingFixture(Buffers, 512);
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        var published = new Queue<ushort>(Enumerable.Range(0, Buffers).Select(id => (ushort)id));
        fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: true, 1);
        byte[] sent = new byte[400_000];
        Random.Shared.NextBytes(sent);
        var sender = new Thread(() => client.Send(sent));
        sender.Start();

        int at = 0;
        int largest = 0;
        while (at < sent.Length)
        {
            Completion completion = fixture.Await(1);
            Assert.True(completion.Result > 0 || completion.Result == -Errno.ENOBUFS, Errno.Name(completion.Result));
            largest = Math.Max(largest, completion.Result);
            for (int left = completion.Result; left > 0; left -= 512)
            {
                ushort id = published.Dequeue();
                int part = Math.Min(left, 512);
                Assert.True(fixture.Buffer(id)[..part].SequenceEqual(sent.AsSpan(at, part)));
                at += part;
                fixture.AddBuffer(id);
                published.Enqueue(id);
            }

            fixture.Buffers.Publish();
            if (!completion.More)
                fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: true, 1);
        }

        sender.Join();
        Assert.True(largest > 512, "no completion spanned several buffers");
    }

    [Fact]
    public void A_peer_reset_is_ECONNRESET_to_the_receiver_and_an_errno_to_the_sender()
    {
        using var fixture = new RingFixture();
        (Socket client, int direct) = fixture.Pair();
        fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: false, 1);
        fixture.Ring.Submit();
        client.LingerState = new LingerOption(enable: true, 0);
        client.Close();
        Completion reset = fixture.Await(1);
        Assert.Equal(-Errno.ECONNRESET, reset.Result);
        Assert.False(reset.More);
        fixture.Ring.PrepareSend(direct, fixture.Region, 0, 10, true, 2);
        Assert.Equal(-Errno.EPIPE, fixture.Await(2).Result);
        fixture.Ring.PrepareClose(direct, 3);
        Assert.Equal(0, fixture.Await(3).Result);
    }

    [Fact]
    public void A_receive_in_flight_can_be_cancelled_by_value_and_by_descriptor()
    {
        using var fixture = new RingFixture();
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        fixture.Ring.PrepareReceive(direct, RingFixture.Group, 0, bundle: false, 1);
        fixture.Ring.Submit();
        fixture.Ring.PrepareCancel(1, all: false, 2);
        Assert.Equal(-Errno.ECANCELED, fixture.Await(1).Result);
        Assert.Equal(0, fixture.Await(2).Result);

        fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: true, 3);
        fixture.Ring.PrepareReceive(direct, RingFixture.Group, 10, bundle: false, 4);
        fixture.Ring.Submit();
        fixture.Ring.PrepareCancelDescriptor(direct, 5);
        Assert.Equal(-Errno.ECANCELED, fixture.Await(3).Result);
        Assert.Equal(-Errno.ECANCELED, fixture.Await(4).Result);
        Assert.Equal(2, fixture.Await(5).Result);

        fixture.Ring.PrepareCancel(1, all: false, 6);
        Assert.Equal(-Errno.ENOENT, fixture.Await(6).Result);
        client.Send(new byte[5]);
        fixture.Ring.PrepareReceive(direct, RingFixture.Group, 0, bundle: false, 7);
        Assert.Equal(5, fixture.Await(7).Result);
    }

    [Fact]
    public void Half_close_ends_one_direction_only()
    {
        using var fixture = new RingFixture();
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        fixture.Ring.PrepareShutdown(direct, write: true, read: false, 1);
        Assert.Equal(0, fixture.Await(1).Result);
        Assert.Equal(0, client.Receive(new byte[10]));

        client.Send(new byte[10]);
        fixture.Ring.PrepareReceive(direct, RingFixture.Group, 0, bundle: false, 2);
        Assert.Equal(10, fixture.Await(2).Result);
        fixture.Ring.PrepareSend(direct, fixture.Region, 0, 1, true, 3);
        Assert.Equal(-Errno.EPIPE, fixture.Await(3).Result);
    }

    [Fact]
    public void Disposing_the_ring_closes_what_it_held_at_once()
    {
        var fixture = new RingFixture();
        (Socket client, int direct) = fixture.Pair();
        using Socket closing = client;
        fixture.Ring.PrepareReceiveMultishot(direct, RingFixture.Group, bundle: true, 1);
        fixture.Ring.PrepareAcceptMultishot(fixture.Listener.Fd, 2);
        fixture.Ring.PrepareTimeout(TimeSpan.FromHours(1), 3);
        fixture.Ring.Submit();
        EndpointAddress bound = fixture.Bound;
        fixture.Dispose();
        fixture.Ring.Dispose();

        client.ReceiveTimeout = 2000;
        Assert.Equal(0, client.Receive(new byte[10]));
        Assert.Throws<SocketException>(() =>
        {
            using var late = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            late.Connect(bound.ToIPEndPoint());
        });
    }
}
