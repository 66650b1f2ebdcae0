using System.Net;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Native.Tun;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class NetlinkTests
{
    [SkippableFact]
    public void Addresses_and_routes_read_back_as_set_and_as_ip_shows_them()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create();
        space.Run(() =>
        {
            using TunDevice device = TunDevice.Open(new TunOptions { Name = "nl%d" });
            using var netlink = new RouteNetlink();
            Link link = netlink.GetLink(device.Name);
            Assert.Equal(device.InterfaceIndex, link.Index);
            Assert.False(link.IsUp);

            netlink.SetMtu(link.Index, 1420);
            netlink.SetUp(link.Index, up: true);
            netlink.AddAddress(link.Index, IPAddress.Parse("10.0.0.1"), 16);
            netlink.AddAddress(link.Index, IPAddress.Parse("fc00::1"), 112);
            netlink.AddAddress(link.Index, IPAddress.Parse("fc00::1"), 112);
            netlink.AddRoute(IPNetwork.Parse("198.51.100.0/24"), link.Index, IPAddress.Parse("10.0.0.9"));
            netlink.AddRoute(IPNetwork.Parse("2001:db8:7::/48"), link.Index, table: 1000);
            netlink.AddRoute(IPNetwork.Parse("0.0.0.0/0"), link.Index);

            link = netlink.GetLink(device.Name);
            Assert.True(link.IsUp);
            Assert.Equal(1420, link.Mtu);
            IReadOnlyList<LinkAddress> addresses = netlink.Addresses();
            Assert.Contains(new LinkAddress(link.Index, IPAddress.Parse("10.0.0.1"), 16), addresses);
            Assert.Contains(new LinkAddress(link.Index, IPAddress.Parse("fc00::1"), 112), addresses);
            IReadOnlyList<Route> routes = netlink.Routes();
            Assert.Contains(
                new Route(IPNetwork.Parse("198.51.100.0/24"), link.Index, IPAddress.Parse("10.0.0.9"), 254), routes);
            Assert.Contains(new Route(IPNetwork.Parse("2001:db8:7::/48"), link.Index, null, 1000), routes);
            Assert.Contains(new Route(IPNetwork.Parse("0.0.0.0/0"), link.Index, null, 254), routes);
            Assert.Contains("inet 10.0.0.1/16", space.Ip($"addr show dev {device.Name}"));
            Assert.DoesNotContain("tentative", space.Ip($"-6 addr show dev {device.Name}"));
            Assert.Contains("198.51.100.0/24 via 10.0.0.9", space.Ip("route"));

            netlink.DeleteRoute(IPNetwork.Parse("198.51.100.0/24"), link.Index, IPAddress.Parse("10.0.0.9"));
            netlink.DeleteAddress(link.Index, IPAddress.Parse("fc00::1"), 112);
            Assert.DoesNotContain("198.51.100.0/24", space.Ip("route"));
            Assert.DoesNotContain("fc00::1/112", space.Ip("addr"));
        });
    }

    [SkippableFact]
    public void A_refusal_carries_errno_and_the_kernels_words()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create();
        space.Run(() =>
        {
            using var netlink = new RouteNetlink();
            NativeException missing = Assert.Throws<NativeException>(() => netlink.GetLink("nosuch"));
            Assert.Equal(Errno.ENODEV, missing.Errno);
            Assert.Throws<NativeException>(() => netlink.SetUp(4711, up: true));
            NativeException unreachable = Assert.Throws<NativeException>(() =>
                netlink.AddRoute(IPNetwork.Parse("198.51.100.0/24"), 0, IPAddress.Parse("203.0.113.1")));
            Assert.Equal(Errno.ENETUNREACH, unreachable.Errno);
            Assert.Contains("the kernel says: Nexthop has invalid gateway", unreachable.Message);
            // The socket stays usable.
            Assert.Equal("lo", netlink.GetLink("lo").Name);
        });
    }

    [SkippableFact]
    public void The_monitor_hears_that_a_device_goes_down_and_away()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create();
        space.Run(() =>
        {
            TunDevice device = TunDevice.Open(new TunOptions { Name = "mon0" });
            using var netlink = new RouteNetlink();
            netlink.SetUp(device.InterfaceIndex, up: true);
            using var monitor = new LinkMonitor();
            space.Ip("link set dev mon0 down");
            Assert.False(Await(monitor, change => !change.Link.IsUp).Deleted);
            space.Ip("link del dev mon0");
            Assert.Equal("mon0", Await(monitor, change => change.Deleted).Link.Name);
            Assert.Equal(-Errno.EBADFD, device.Queues[0].Read(new byte[100]));
            device.Dispose();
            Assert.False(monitor.TryNext(TimeSpan.Zero, out _));
        });
    }

    [SkippableFact]
    public void Forwarding_is_set_in_this_namespace_only_and_put_back()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create();
        using NetworkNamespace other = NetworkNamespace.Create();
        space.Run(() =>
        {
            string before = ForwardingSysctl.Read(ForwardingSysctl.IPv4Key)!;
            using (var settings = new ForwardingSysctl(restore: true))
            {
                string wanted = before == "1" ? "0" : "1";
                Assert.Equal($"net/ipv4/ip_forward: {before} -> {wanted}",
                    settings.Set(ForwardingSysctl.IPv4Key, wanted)!.ToString());
                Assert.Null(settings.Set(ForwardingSysctl.IPv4Key, wanted));
                Assert.Equal(wanted == "1", ForwardingSysctl.ForwardsIPv4);
                Assert.Equal(before, other.Run(() => ForwardingSysctl.Read(ForwardingSysctl.IPv4Key)));
            }

            Assert.Equal(before, ForwardingSysctl.Read(ForwardingSysctl.IPv4Key));
            Assert.Equal(-1, ForwardingSysctl.ReversePathFilter("nosuch"));
            Assert.InRange(ForwardingSysctl.ReversePathFilter("lo"), 0, 2);
            using var none = new ForwardingSysctl(restore: false);
            Assert.Equal(Errno.ENOENT, Assert.Throws<NativeException>(() => none.Set("net/nosuch", "1")).Errno);
        });
    }

    private static LinkChange Await(LinkMonitor monitor, Func<LinkChange, bool> wanted)
    {
        while (monitor.TryNext(TimeSpan.FromSeconds(5), out LinkChange? change))
        {
            if (wanted(change!))
                return change!;
        }

        throw new TimeoutException("no such change was heard of");
    }
}
