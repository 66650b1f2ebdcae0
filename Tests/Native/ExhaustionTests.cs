using System.Net.Sockets;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

[Collection(ProcessLimits.Name)]
public sealed class ExhaustionTests
{
    private static readonly IoRingOptions FourSlots =
        new() { SubmissionEntries = 16, CompletionEntries = 64, DirectDescriptors = 4 };

    // The runtime keeps descriptors of its own from the first use of a socket on; have them open before counting.
    public ExhaustionTests()
    {
        using var fixture = new RingFixture(options: FourSlots);
        (Socket client, int direct) = fixture.Pair();
        client.ReceiveTimeout = 2000;
        fixture.Ring.PrepareClose(direct, 1);
        Assert.Equal(0, fixture.Await(1).Result);
        Assert.Equal(0, ReceiveOrReset(client));
        client.Dispose();
    }

    [Fact]
    public void A_full_table_answers_ENFILE_and_accepts_again_after_a_close()
    {
        int before = LoweredDescriptorLimit.OpenDescriptors();
        using (var fixture = new RingFixture(options: FourSlots))
        {
            Assert.Equal(4, fixture.Ring.DirectDescriptorLimit);
            var clients = new List<Socket>();
            var slots = new List<int>();
            fixture.Ring.PrepareAcceptMultishot(fixture.Listener.Fd, 1);
            for (int index = 0; index < 4; index++)
            {
                clients.Add(fixture.Connect());
                Completion accepted = fixture.Await(1);
                Assert.True(accepted.More);
                slots.Add(accepted.Result);
            }

            Assert.Equal([0, 1, 2, 3], slots.Order());
            clients.Add(fixture.Connect());
            Completion full = fixture.Await(1);
            Assert.Equal(-Errno.ENFILE, full.Result);
            Assert.False(full.More);
            // The kernel drops the connection it had no slot for; its peer must learn of it.
            clients[4].ReceiveTimeout = 2000;
            Assert.Equal(0, ReceiveOrReset(clients[4]));

            Assert.Equal(0, SocketDescriptor.TryCreateTcp(ipv6: false, out SocketDescriptor? extra));
            Assert.Equal(-Errno.ENFILE, fixture.Ring.Install(extra!.Fd));

            fixture.Ring.PrepareClose(slots[2], 2);
            Assert.Equal(0, fixture.Await(2).Result);
            Assert.Equal(0, ReceiveOrReset(clients[2]));
            fixture.Ring.PrepareAcceptMultishot(fixture.Listener.Fd, 1);
            clients.Add(fixture.Connect());
            Assert.Equal(slots[2], fixture.Await(1).Result);

            fixture.Ring.PrepareClose(slots[0], 3);
            Assert.Equal(0, fixture.Await(3).Result);
            Assert.Equal(slots[0], fixture.Ring.Install(extra.Fd));
            extra.Dispose();
            clients.ForEach(client => client.Dispose());
        }

        Assert.InRange(LoweredDescriptorLimit.OpenDescriptors(), 1, before);
    }

    [Fact]
    public void A_process_without_descriptors_fails_clearly_and_keeps_its_rings_working()
    {
        int before = LoweredDescriptorLimit.OpenDescriptors();
        using (var fixture = new RingFixture(options: FourSlots))
        {
            Assert.Equal(0, SocketDescriptor.TryCreateTcp(ipv6: false, out SocketDescriptor? socket));
            int near = fixture.Ring.Install(socket!.Fd);
            socket.Dispose();
            using (new LoweredDescriptorLimit(LoweredDescriptorLimit.NextDescriptor()))
            {
                for (int round = 0; round < 100; round++)
                {
                    Assert.Equal(Errno.EMFILE, SocketDescriptor.TryCreateTcp(ipv6: false, out SocketDescriptor? none));
                    Assert.Null(none);
                }

                var listen = Assert.Throws<NativeException>(() => SocketDescriptor.ListenTcp(
                    EndpointAddress.IPv4(127, 0, 0, 1, 0), 4, reusePort: false, out _));
                Assert.Equal(Errno.EMFILE, listen.Errno);
                Assert.Contains("RLIMIT_NOFILE", listen.Message, StringComparison.Ordinal);
                var ring = Assert.Throws<NativeException>(() => new IoRing(FourSlots));
                Assert.Equal(Errno.EMFILE, ring.Errno);
                Assert.Throws<NativeException>(() => new EventSignal());

                // Direct descriptors are no process descriptors: connections still come and go.
                fixture.Ring.PrepareAcceptMultishot(fixture.Listener.Fd, 1);
                fixture.Ring.PrepareConnect(near, fixture.Bound, 2);
                Assert.Equal(0, fixture.Await(2).Result);
                int far = fixture.Await(1).Result;
                Assert.True(far >= 0, Errno.Name(far));
                fixture.Ring.PrepareReceive(far, RingFixture.Group, 0, bundle: true, 3);
                fixture.Ring.PrepareSend(near, fixture.Region, 0, 100, waitAll: true, 4);
                Assert.Equal(100, fixture.Await(4).Result);
                Assert.Equal(100, fixture.Await(3).Result);
            }

            Assert.Equal(0, SocketDescriptor.TryCreateTcp(ipv6: false, out SocketDescriptor? again));
            again!.Dispose();
        }

        Assert.InRange(LoweredDescriptorLimit.OpenDescriptors(), 1, before);
    }

    [Fact]
    public void Rings_listeners_signals_and_sockets_leak_no_descriptor()
    {
        int before = LoweredDescriptorLimit.OpenDescriptors();
        for (int round = 0; round < 50; round++)
        {
            using var fixture = new RingFixture(options: FourSlots);
            using var signal = new EventSignal();
            (Socket client, int direct) = fixture.Pair();
            fixture.Ring.PrepareReceive(direct, RingFixture.Group, 0, bundle: true, 1);
            fixture.Ring.PrepareRead(signal.Fd, fixture.Region, 0, EventSignal.ReadBytes, 2);
            fixture.Ring.Submit();
            client.Dispose();
            Assert.Equal(0, fixture.Await(1).Result);
        }

        Assert.InRange(LoweredDescriptorLimit.OpenDescriptors(), 1, before);
    }

    [Fact]
    public void More_direct_descriptors_than_the_limit_allows_are_capped_or_granted()
    {
        using var lowered = new LoweredDescriptorLimit(LoweredDescriptorLimit.NextDescriptor() + 40);
        using var ring = new IoRing(FourSlots with { DirectDescriptors = 2000 });
        int granted = (int)Math.Min(2000, lowered.Hard);
        Assert.Equal(granted, ring.DirectDescriptorLimit);
        var over = new IoRingOptions { SubmissionEntries = 4, CompletionEntries = 8, DirectDescriptors = 1 << 30 };
        using var capped = new IoRing(over);
        Assert.InRange(capped.DirectDescriptorLimit, granted, 1 << 24);
    }

    private static int ReceiveOrReset(Socket socket)
    {
        try
        {
            return socket.Receive(new byte[1]);
        }
        catch (SocketException reset) when (reset.SocketErrorCode == SocketError.ConnectionReset)
        {
            return 0;
        }
    }
}
