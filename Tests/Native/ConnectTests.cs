using System.Net;
using System.Net.Sockets;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class ConnectTests
{
    [SkippableTheory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void Connecting_reaches_the_listener_and_its_linked_timeout_is_cancelled(string host)
    {
        Skip.If(host == "::1" && !LoopbackIPv6.IsPresent, LoopbackIPv6.Missing);
        using var fixture = new RingFixture();
        using SocketDescriptor listener = SocketDescriptor.ListenTcp(
            EndpointAddress.From(new IPEndPoint(IPAddress.Parse(host), 0)),
            16,
            reusePort: true,
            out EndpointAddress bound);
        int direct = NewDirect(fixture.Ring, bound.IsIPv6);
        fixture.Ring.PrepareAcceptMultishot(listener.Fd, 1);
        fixture.Ring.PrepareConnect(direct, bound, 2);
        fixture.Ring.LinkNext();
        fixture.Ring.PrepareLinkedTimeout(TimeSpan.FromSeconds(30), 3);
        Assert.Equal(0, fixture.Await(2).Result);
        Assert.Equal(-Errno.ECANCELED, fixture.Await(3).Result);
        int accepted = fixture.Await(1).Result;
        Assert.True(accepted >= 0 && accepted != direct);

        fixture.Region.Slice(0, 4).Fill(0x5A);
        fixture.Ring.PrepareSend(direct, fixture.Region, 0, 4, true, 4);
        fixture.Ring.PrepareReceive(accepted, RingFixture.Group, 0, bundle: false, 5);
        Assert.Equal(4, fixture.Await(4).Result);
        Assert.Equal(4, fixture.Await(5).Result);
    }

    [SkippableFact]
    public void A_listener_on_every_IPv6_address_takes_IPv4_connections()
    {
        Skip.IfNot(LoopbackIPv6.IsPresent, LoopbackIPv6.Missing);
        using SocketDescriptor listener = SocketDescriptor.ListenTcp(
            EndpointAddress.From(new IPEndPoint(IPAddress.IPv6Any, 0)),
            16,
            reusePort: false,
            out EndpointAddress bound);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(IPAddress.Loopback, bound.Port);
        Assert.True(client.Connected);
    }

    [Fact]
    public void A_refused_connection_says_so_and_cancels_its_timeout()
    {
        using var fixture = new RingFixture();
        int direct = NewDirect(fixture.Ring, ipv6: false);
        fixture.Ring.PrepareConnect(direct, EndpointAddress.IPv4(0x7F000001, 1), 1);
        fixture.Ring.LinkNext();
        fixture.Ring.PrepareLinkedTimeout(TimeSpan.FromSeconds(30), 2);
        Assert.Equal(-Errno.ECONNREFUSED, fixture.Await(1).Result);
        Assert.Equal(-Errno.ECANCELED, fixture.Await(2).Result);
    }

    [Fact]
    public void A_connection_that_hangs_ends_by_its_linked_timeout_or_by_cancelling()
    {
        using var fixture = new RingFixture();
        // A full accept queue makes the kernel ignore further SYNs.
        using SocketDescriptor listener = SocketDescriptor.ListenTcp(
            EndpointAddress.IPv4(127, 0, 0, 1, 0), 0, reusePort: false, out EndpointAddress bound);
        var waiting = new List<Socket>();
        try
        {
            for (int index = 0; index < 4; index++)
            {
                var filler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                filler.Blocking = false;
                waiting.Add(filler);
                Assert.Throws<SocketException>(() => filler.Connect(bound.ToIPEndPoint()));
            }

            Thread.Sleep(50);
            int first = NewDirect(fixture.Ring, ipv6: false);
            fixture.Ring.PrepareConnect(first, bound, 1);
            fixture.Ring.LinkNext();
            fixture.Ring.PrepareLinkedTimeout(TimeSpan.FromMilliseconds(50), 2);
            Assert.Equal(-Errno.ECANCELED, fixture.Await(1).Result);
            Assert.Equal(-Errno.ETIME, fixture.Await(2).Result);

            int second = NewDirect(fixture.Ring, ipv6: false);
            fixture.Ring.PrepareConnect(second, bound, 3);
            fixture.Ring.Submit();
            Assert.True(fixture.StaysQuiet(3));
            fixture.Ring.PrepareCancel(3, all: false, 4);
            Assert.Equal(-Errno.ECANCELED, fixture.Await(3).Result);
            Assert.Equal(0, fixture.Await(4).Result);
        }
        finally
        {
            waiting.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public void Many_connects_in_one_submission_keep_their_own_addresses()
    {
        using var fixture = new RingFixture();
        var listeners = new List<SocketDescriptor>();
        try
        {
            for (ulong index = 0; index < 16; index++)
            {
                listeners.Add(SocketDescriptor.ListenTcp(
                    EndpointAddress.IPv4(0x7F000001 + (uint)index, 0), 4, reusePort: false, out EndpointAddress bound));
                fixture.Ring.PrepareAcceptMultishot(listeners[^1].Fd, 100 + index);
                int direct = NewDirect(fixture.Ring, ipv6: false);
                fixture.Ring.PrepareConnect(direct, bound, index);
            }

            for (ulong index = 0; index < 16; index++)
            {
                Assert.Equal(0, fixture.Await(index).Result);
                Assert.True(fixture.Await(100 + index).Result >= 0);
            }
        }
        finally
        {
            listeners.ForEach(listener => listener.Dispose());
        }
    }

    [Fact]
    public void An_accept_in_flight_can_be_cancelled()
    {
        using var fixture = new RingFixture();
        fixture.Ring.PrepareAcceptMultishot(fixture.Listener.Fd, 1);
        fixture.Ring.Submit();
        fixture.Ring.PrepareCancel(1, all: true, 2);
        Completion ended = fixture.Await(1);
        Assert.Equal(-Errno.ECANCELED, ended.Result);
        Assert.False(ended.More);
        Assert.Equal(1, fixture.Await(2).Result);
    }

    [Fact]
    public void A_taken_port_is_refused_with_errno_and_mend()
    {
        using SocketDescriptor first = SocketDescriptor.ListenTcp(
            EndpointAddress.IPv4(127, 0, 0, 1, 0), 4, reusePort: false, out EndpointAddress bound);
        var refused = Assert.Throws<NativeException>(
            () => SocketDescriptor.ListenTcp(bound, 4, reusePort: false, out _));
        Assert.Equal(Errno.EADDRINUSE, refused.Errno);
        Assert.Contains("EADDRINUSE", refused.Message, StringComparison.Ordinal);
        Assert.Contains($"{bound}", refused.Message, StringComparison.Ordinal);
        Assert.Contains("choose another port", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Listeners_that_reuse_a_port_share_it()
    {
        using SocketDescriptor first = SocketDescriptor.ListenTcp(
            EndpointAddress.IPv4(127, 0, 0, 1, 0), 4, reusePort: true, out EndpointAddress bound);
        using SocketDescriptor second = SocketDescriptor.ListenTcp(bound, 4, reusePort: true, out EndpointAddress same);
        Assert.Equal(bound, same);
        Assert.Equal(bound, second.LocalAddress());
    }

    private static int NewDirect(IoRing ring, bool ipv6)
    {
        Assert.Equal(0, SocketDescriptor.TryCreateTcp(ipv6, out SocketDescriptor? socket));
        using (socket)
        {
            int direct = ring.Install(socket!.Fd);
            Assert.True(direct >= 0, Errno.Name(direct));
            return direct;
        }
    }
}
