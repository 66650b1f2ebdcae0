using System.Net;
using System.Threading.Channels;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Tun;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Tests.Native;
using SimpleBase;
using Xunit;
using Entered = FastExit.Native.Netlink.NetworkNamespace;
using NetworkNamespace = FastExit.Tests.Native.NetworkNamespace;

namespace FastExit.Tests.Bench;

/// <summary>A real device in a namespace whose only way out it is; the mixnet's sockets stay outside.</summary>
public class TunnelDeviceTests
{
    private static readonly IPNetwork[] s_everything = [new(IPAddress.Any, 0), new(IPAddress.IPv6Any, 0)];

    [SkippableFact]
    public async Task ANamespaceReachesTheOutsideThroughItsDeviceAlone()
    {
        NetworkNamespace.Require();
        Tool.Require("ping");
        using NetworkNamespace space = NetworkNamespace.Create("tc");
        using Entered entered = Entered.OpenNamed(space.Name);
        using var net = new InProcessMixnet();
        using TunnelDevice device = TunnelDevice.Open("nym%d", entered, new ClientCounters());
        using TunnelEngine tunnel = net.Tunnel(device);
        TunnelState state = await UpAsync(tunnel);
        Assert.Empty(device.Configure(state, s_everything));
        device.StartReading(tunnel.Send);

        Assert.Contains($"dev {device.Name}", space.Ip("route get 192.0.2.1"));
        Assert.Contains($"dev {device.Name}", space.Ip("-6 route get 2001:db8::1"));
        Assert.Contains("mtu 1400", space.Ip($"link show dev {device.Name}"));
        using (var here = new RouteNetlink())
            Assert.DoesNotContain(here.Addresses(), address => address.Address.Equals(state.IPv4));
        Ping(space, "192.0.2.1");
        Ping(space, "-6 2001:db8::1");

        // As large as the device takes.
        Ping(space, "-s 1372 192.0.2.1");

        net.Router.EndSessions();
        TunnelState next = await UpAsync(tunnel);
        Assert.NotEqual(state.Pair, next.Pair);
        Assert.Empty(device.Configure(next, s_everything));
        string addresses = space.Ip($"addr show dev {device.Name}");
        Assert.DoesNotContain(state.IPv4.ToString(), addresses);
        Assert.DoesNotContain(state.IPv6.ToString(), addresses);
        Assert.Contains(next.IPv4.ToString(), addresses);
        Ping(space, "192.0.2.1");
        Ping(space, "-6 2001:db8::1");
        await tunnel.CloseAsync();
    }

    [SkippableFact]
    public void WhatRunsInsideStaysThereAndTheProcessStaysOutside()
    {
        NetworkNamespace.Require();
        using NetworkNamespace space = NetworkNamespace.Create("tc");
        using Entered entered = Entered.Open($"/run/netns/{space.Name}");
        int outside = Links();
        using RouteNetlink inside = entered.Run(() => new RouteNetlink());
        Assert.Equal("lo", Assert.Single(inside.Links()).Name);
        Assert.Equal(outside, Links());
        Assert.Equal("thrown inside", Assert.Throws<InvalidOperationException>(
            () => entered.Run<int>(() => throw new InvalidOperationException("thrown inside"))).Message);
    }

    [Fact]
    public void AMissingNamespaceIsNamedWithItsMend()
    {
        NativeException missing = Assert.Throws<NativeException>(() => Entered.OpenNamed("fx-no-such"));
        Assert.Contains("ip netns add fx-no-such", missing.Message);
        Assert.Throws<ArgumentException>(() => Entered.OpenNamed("../etc"));
    }

    [SkippableFact]
    public void AFileThatIsNoNamespaceIsRefused()
    {
        NetworkNamespace.Require();
        using Entered entered = Entered.Open("/proc/self/status");
        Assert.Contains("no network namespace", Assert.Throws<NativeException>(() => entered.Run(() => 1)).Message);
    }

    [Fact]
    public void AnExitWithoutARouterIsSaid()
    {
        string folder = Directory.CreateTempSubdirectory("fx").FullName;
        try
        {
            string key = Base58.Bitcoin.Encode(new byte[32]);
            File.WriteAllText(
                Path.Combine(folder, "exit.json"),
                $$"""{"network_requester":"a.b@c","identity":"{{key}}","sphinx_key":"{{key}}","mix_address":"127.0.0.1:1"}""");
            LabException none = Assert.Throws<LabException>(() => TunSession.Start(new TunnelOptions { Target = ClientTarget.Of(new LabDirectory(folder)) }, _ => { }));
            Assert.Contains("routes no IP packets", none.Message);
            Assert.Contains("lab --ipr", none.Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // `ping` waits for the last answer as long as its interval, or twice the longest round trip.
    private static void Ping(NetworkNamespace space, string target)
    {
        string said = space.Execute("ping", $"-c 3 -i 1 -W 20 {target}");
        Assert.True(said.Contains(" 0% packet loss", StringComparison.Ordinal), said);
    }

    private static int Links()
    {
        using var netlink = new RouteNetlink();
        return netlink.Links().Count;
    }

    private static async Task<TunnelState> UpAsync(TunnelEngine tunnel)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        ChannelReader<TunnelState> changes = tunnel.Changes;
        while (true)
        {
            TunnelState state = await changes.ReadAsync(patience.Token);
            if (state.Phase == TunnelPhase.Up)
                return state;
        }
    }
}
