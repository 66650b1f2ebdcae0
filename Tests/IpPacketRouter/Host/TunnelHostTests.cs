using System.Collections.Concurrent;
using FastExit.Commands;
using FastExit.Configuration;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Host;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Tests.Native;
using Xunit;
using NetworkNamespace = FastExit.Tests.Native.NetworkNamespace;

namespace FastExit.Tests.IpPacketRouter.Host;

/// <summary>The host's side of the tunnel in network namespaces of its own: what it makes, mends, and takes away.</summary>
public sealed class TunnelHostTests
{
    private static readonly IpPacketRouterSettings s_settings = new() { Enabled = true };
    private readonly ConcurrentQueue<string> _log = new();
    private readonly PublishedHealth _health = new(["", "", "", "", "", "", "", "", "", ""]);

    [SkippableFact]
    public void It_makes_everything_and_takes_everything_away_but_the_switches()
    {
        using NetworkNamespace space = Space();
        Tool.Require("nft");
        Foreign(space, "accept");
        string rules = space.Execute("nft", "-j list ruleset");
        string links = space.Ip("-br link");
        space.Run(() =>
        {
            using (TunnelHost host = Start(queues: 2))
            {
                Assert.Equal(("nymtun0", "fastexit_nymtun0"), (host.DeviceName, host.TableName));
                string address = space.Ip("addr show nymtun0");
                Assert.Contains("mtu 1500", address);
                Assert.Contains("inet 10.0.0.1/16 ", address);
                Assert.Contains("inet6 fc00::1/112 ", address);
                Assert.Contains(",UP", address);
                Assert.Contains("oifname != \"nymtun0\" masquerade", space.Execute("nft", "list table inet fastexit_nymtun0"));
                Assert.True(ForwardingSysctl.ForwardsIPv4 && ForwardingSysctl.ForwardsIPv6);
                Assert.Contains(_log, line => line.StartsWith("changed net.ipv4.ip_forward from 0 to 1; it stays", StringComparison.Ordinal));
                Assert.Contains(_log, line => line.StartsWith("changed net.ipv6.conf.all.forwarding", StringComparison.Ordinal));
                Assert.DoesNotContain(_log, line => line.Contains("Chain", StringComparison.Ordinal));

                // No way out of this namespace.
                Assert.False(_health.Routable);
                Assert.Contains(_log, line => line.Contains("no default route for IPv4, this host has no default route for IPv6", StringComparison.Ordinal));

                using TunnelHost second = Start(new() { Ipv4 = "10.9.0.1/16", Ipv6 = null });
                Assert.Equal(("nymtun1", "fastexit_nymtun1"), (second.DeviceName, second.TableName));
            }

            Assert.Equal(links, space.Ip("-br link"));
            Assert.Equal(rules, space.Execute("nft", "-j list ruleset"));
            Assert.True(ForwardingSysctl.ForwardsIPv4);
        });
    }

    [SkippableFact]
    public void A_way_out_makes_it_routable_and_forwarding_turned_off_is_said_once()
    {
        using NetworkNamespace space = Space();
        space.Ip("link add up0 type veth peer name up1");
        space.Ip("link set up1 up");
        space.Ip("addr add 192.0.2.1/24 dev up0");
        space.Ip("link set up0 up");
        space.Ip("route add default via 192.0.2.2");
        space.Run(() =>
        {
            using TunnelHost host = Start(s_settings with { Ipv6 = null });
            Assert.True(_health.Routable);
            Assert.DoesNotContain(_log, line => line.Contains("WARNING", StringComparison.Ordinal));
            space.Execute("sysctl", "-qw net.ipv4.ip_forward=0");
            Until(() => _health.Routable == false);
            Assert.Single(_log, line => line.Contains("net.ipv4.ip_forward is off", StringComparison.Ordinal));
        });
    }

    [SkippableFact]
    public void A_router_keeps_the_default_route_that_was_advertised_to_it()
    {
        using NetworkNamespace space = Space();
        space.Ip("link add up0 type veth peer name up1");
        space.Ip("link set up1 up");
        space.Ip("link set up0 up");
        space.Ip("-6 route add default dev up0");
        space.Run(() =>
        {
            Assert.Equal("1", ForwardingSysctl.Read("net/ipv6/conf/up0/accept_ra"));
            using TunnelHost host = Start();
            Assert.Equal("2", ForwardingSysctl.Read("net/ipv6/conf/up0/accept_ra"));
            Assert.Contains(_log, line => line.StartsWith("changed net.ipv6.conf.up0.accept_ra from 1 to 2", StringComparison.Ordinal));
        });
    }

    [SkippableTheory]
    [InlineData("10.0.0.1/16", null)]
    [InlineData(null, "fc00::1/112")]
    public void One_family_is_enough(string? ipv4, string? ipv6)
    {
        using NetworkNamespace space = Space();
        space.Run(() =>
        {
            using TunnelHost host = Start(s_settings with { Ipv4 = ipv4, Ipv6 = ipv6 });
            Assert.Equal(ipv4 ?? ipv6, Assert.Single(host.Prefixes).ToString());
            using var routes = new RouteNetlink();
            int index = routes.GetLink("nymtun0").Index;
            Assert.DoesNotContain(routes.Addresses(), address => address.Index == index && !address.Address.IsIPv6LinkLocal
                && (address.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork) == (ipv4 is null));
            Assert.Equal((ipv4 is not null, ipv6 is not null), (ForwardingSysctl.ForwardsIPv4, ForwardingSysctl.ForwardsIPv6));
        });
    }

    [SkippableFact]
    public void Without_IPv6_in_the_kernel_it_carries_IPv4_and_says_so()
    {
        using NetworkNamespace space = Space();
        space.Execute("sysctl", "-qw net.ipv6.conf.all.disable_ipv6=1");
        space.Run(() =>
        {
            using (TunnelHost host = Start())
                Assert.Equal("10.0.0.1/16", Assert.Single(host.Prefixes).ToString());
            Assert.Contains(_log, line => line.StartsWith("WARNING: IPv6 is switched off here", StringComparison.Ordinal));
            string refused = Assert.Throws<CommandException>(() => Start(s_settings with { Ipv4 = null })).Message;
            Assert.Contains("give ipr.ipv4 a prefix", refused);
        });
    }

    [SkippableFact]
    public void IPv6_switched_off_for_new_devices_is_switched_on_for_the_tunnel_alone()
    {
        using NetworkNamespace space = Space();
        space.Execute("sysctl", "-qw net.ipv6.conf.default.disable_ipv6=1");
        space.Run(() =>
        {
            using TunnelHost host = Start();
            Assert.Contains("fc00::1/112", space.Ip("addr show nymtun0"));
            Assert.Equal("1", ForwardingSysctl.Read("net/ipv6/conf/default/disable_ipv6"));
        });
    }

    [SkippableFact]
    public void Forwarding_that_may_not_be_turned_on_stops_the_start_and_leaves_nothing()
    {
        using NetworkNamespace space = Space();
        space.Run(() =>
        {
            string refused = Assert.Throws<CommandException>(() => Start(s_settings with { SetForwarding = false })).Message;
            Assert.Contains("sysctl -w net.ipv4.ip_forward=1", refused);
            Assert.Equal("0", ForwardingSysctl.Read(ForwardingSysctl.IPv4Key));
            Assert.DoesNotContain("nymtun", space.Ip("-br link"));
        });
    }

    [SkippableFact]
    public void A_name_in_use_and_a_missing_capability_are_said_with_their_mend()
    {
        using NetworkNamespace space = Space();
        space.Ip("link add taken type veth peer name taken1");
        space.Run(() => Assert.Contains(
            "choose another", Assert.Throws<NativeException>(() => Start(s_settings with { Name = "taken" })).Message));
        NativeException? refused = null;
        space.Start(() =>
        {
            ThreadCapabilities.DropAll();
            refused = Record.Exception(() => Start()) as NativeException;
        }).Join();
        Assert.Equal(Errno.EPERM, refused?.Errno);
        Assert.Contains("AmbientCapabilities=CAP_NET_ADMIN", refused!.Message);
        Assert.DoesNotContain("nymtun", space.Ip("-br link"));
    }

    [SkippableFact]
    public void A_table_that_drops_is_warned_of_and_stays_byte_for_byte()
    {
        using NetworkNamespace space = Space();
        Tool.Require("nft");
        Foreign(space, "drop");
        string before = space.Execute("nft", "-j list ruleset");
        space.Run(() =>
        {
            foreach (bool nat in new[] { true, false })
            {
                _log.Clear();
                using TunnelHost host = Start(s_settings with { Nat = nat });
                Assert.Equal(nat, host.TableName is not null);
                Assert.Single(_log, line => line.StartsWith("WARNING: Chain forward of nftables table inet foreign drops", StringComparison.Ordinal));
            }
        });
        Assert.Equal(before, space.Execute("nft", "-j list ruleset"));
    }

    [SkippableFact]
    public void What_is_deleted_or_set_down_underneath_is_made_again()
    {
        using NetworkNamespace space = Space();
        Tool.Require("nft");
        space.Run(() =>
        {
            using TunnelHost host = Start(queues: 2);
            using var routes = new RouteNetlink();
            int before = routes.GetLink("nymtun0").Index;
            space.Ip("link del nymtun0");
            Until(() => routes.FindLink("nymtun0") is { IsUp: true } link && link.Index != before);
            Assert.Single(_log, line => line == "WARNING: the tunnel device nymtun0 was deleted underneath; it is made again");
            Until(() => space.Ip("addr show nymtun0") is var text && text.Contains("10.0.0.1/16") && text.Contains("fc00::1/112"));
            Until(() => _log.Contains("the tunnel device nymtun0 carries packets again"));

            space.Ip("link set nymtun0 down");
            Until(() => routes.FindLink("nymtun0") is { IsUp: true });
            Until(() => space.Ip("addr show nymtun0").Contains("fc00::1/112"));
            Assert.Single(_log, line => line.Contains("was set down", StringComparison.Ordinal));

            space.Ip("link set nymtun0 down");
            space.Ip("link set nymtun0 name renamed");
            Until(() => routes.FindLink("nymtun0") is { IsUp: true } && routes.FindLink("renamed") is null);

            space.Ip("addr del 10.0.0.1/16 dev nymtun0");
            Until(() => space.Ip("addr show nymtun0").Contains("10.0.0.1/16"));

            space.Execute("nft", "flush ruleset");
            Assert.Contains("fastexit_nymtun0", space.Execute("nft", "list tables"));
        });
    }

    [SkippableFact]
    public void While_its_name_is_taken_it_waits_and_says_so_once()
    {
        using NetworkNamespace space = Space();
        space.Run(() =>
        {
            using TunnelHost host = Start();
            space.Ip("link add nymtun9 type veth peer name peer9");
            space.Ip("link del nymtun0");
            Until(() => Devices(space) == 2);

            // It rests for a second after each repair: time to take the name.
            space.Execute("sh", "-c \"ip link del nymtun0; ip link set nymtun9 name nymtun0\"");
            Until(() => _log.Any(line => line.Contains("EBUSY", StringComparison.Ordinal)));
            Thread.Sleep(2500);
            Assert.Single(_log, line => line.Contains("EBUSY", StringComparison.Ordinal));
            Assert.False(_health.Routable);
            space.Ip("link del nymtun0");
            Until(() => _log.Contains("the tunnel device nymtun0 carries packets again"));
        });
    }

    [Theory]
    [InlineData("nymtun0", "nymtun0")]
    [InlineData("a-b", "a_2db")]
    [InlineData("a_b", "a_5fb")]
    public void Every_device_has_a_table_name_of_its_own(string device, string table) =>
        Assert.Equal(table, TunnelHost.TableSuffix(device));

    private static int Devices(NetworkNamespace space) =>
        space.Ip("-br link").Split('\n').Count(line => line.StartsWith("nymtun", StringComparison.Ordinal));

    private static NetworkNamespace Space()
    {
        NetworkNamespace.Require();
        return NetworkNamespace.Create("h");
    }

    private static void Foreign(NetworkNamespace space, string policy)
    {
        string file = Path.GetTempFileName();
        File.WriteAllText(
            file,
            $"table inet foreign {{\n counter c {{ }}\n chain forward {{ type filter hook forward priority 0; policy {policy};\n"
            + " iifname \"eth9\" tcp dport { 25, 465 } drop comment \"mail\"\n }\n}\n");
        space.Execute("nft", $"-f {file}");
        File.Delete(file);
    }

    private static void Until(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(() => { Thread.Sleep(20); return condition(); }, TimeSpan.FromSeconds(30)), "30 s were not enough");

    private TunnelHost Start(IpPacketRouterSettings? settings = null, int queues = 1) =>
        TunnelHost.Start(settings ?? s_settings, queues, _health, _log.Enqueue);
}
