using System.Net;
using System.Net.Sockets;
using FastExit.Cores;
using FastExit.Tests.Native;
using Xunit;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>Everyday programs behind a tunnel, both families.</summary>
[Collection(OneCoreTunnelRun.Name)]
public sealed class ApplicationTests(OneCoreTunnel lab)
{
    // The last that fit into one packet of 1500 bytes, the first that do not, and several fragments.
    [SkippableTheory]
    [InlineData(false, 56)]
    [InlineData(false, 1472)]
    [InlineData(false, 1473)]
    [InlineData(false, 4000)]
    [InlineData(true, 56)]
    [InlineData(true, 1452)]
    [InlineData(true, 1453)]
    [InlineData(true, 4000)]
    public async Task Pings_of_all_sizes_are_answered(bool ipv6, int payloadBytes)
    {
        TunnelLab.Require();
        await Traffic.PingAsync(lab.Clients[0].Space, ipv6 ? TunnelWorld.WebIPv6 : TunnelWorld.WebIPv4, payloadBytes);
    }

    [SkippableTheory]
    [InlineData("10.0.0.1", 56)]
    [InlineData("10.0.0.1", 1472)]
    [InlineData("10.0.0.1", 1473)]
    [InlineData("10.0.0.1", 9000)]
    [InlineData("fc00::1", 56)]
    [InlineData("fc00::1", 1452)]
    [InlineData("fc00::1", 1453)]
    [InlineData("fc00::1", 9000)]
    public async Task The_gateway_answers_pings_inside_the_tunnel(string own, int payloadBytes)
    {
        TunnelLab.Require();
        await Traffic.PingAsync(lab.Clients[0].Space, IPAddress.Parse(own), payloadBytes);
    }

    /// <summary>
    /// Over the wider link answers come in one piece longer than the tunnel carries: IPv4 is cut by the gateway, as nothing forbids it;
    /// IPv6 is answered "too big", and cut by the sender from then on.
    /// </summary>
    [SkippableFact]
    public async Task What_comes_in_over_a_wider_link_is_cut_for_the_tunnel()
    {
        TunnelLab.Require();
        double before = await lab.CountAsync(Counter.IpPacketRouter_DownlinkTooBig);
        SetOutsideMtu(9000);
        try
        {
            NetworkNamespace space = lab.Clients[0].Space;
            foreach (int payloadBytes in new[] { 1473, 4000, 8000 })
            {
                await Traffic.PingAsync(space, TunnelWorld.WebIPv4, payloadBytes);
                await Traffic.PingAsync(space, TunnelWorld.WebIPv6, payloadBytes);
            }

            await Traffic.FetchAsync(space, "web.test", 200_000, "-4");
            await Traffic.FetchAsync(space, "web.test", 200_000, "-6");
            Assert.Equal(before, await lab.CountAsync(Counter.IpPacketRouter_DownlinkTooBig));
        }
        finally
        {
            SetOutsideMtu(1500);
        }
    }

    [SkippableTheory]
    [InlineData(false, "+notcp")]
    [InlineData(false, "+tcp")]
    [InlineData(true, "+notcp")]
    [InlineData(true, "+tcp")]
    public async Task Names_are_resolved_over_udp_and_tcp(bool ipv6, string transport)
    {
        TunnelLab.Require();
        IPAddress server = ipv6 ? TunnelWorld.NamesIPv6 : TunnelWorld.NamesIPv4;
        string text = await Traffic.DigAsync(
            lab.Clients[0].Space, "+short", transport, $"@{server}", "web.test", "A", "web.test", "AAAA");
        Assert.Equal([$"{TunnelWorld.WebIPv4}", $"{TunnelWorld.WebIPv6}"], text.Split('\n'));
    }

    [SkippableFact]
    public async Task An_answer_too_long_for_udp_is_asked_for_over_tcp()
    {
        TunnelLab.Require();
        string text = await Traffic.DigAsync(
            lab.Clients[0].Space, "+notcp", "+bufsize=1232", $"@{TunnelWorld.NamesIPv4}", "long.test", "TXT");
        Assert.Contains("Truncated, retrying in TCP mode", text, StringComparison.Ordinal);
        Assert.Contains($"\"23{new string('x', 200)}\"", text, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("-4")]
    [InlineData("-6")]
    public async Task Pages_come_by_name_whole_and_right(string family)
    {
        TunnelLab.Require();
        await Traffic.FetchAsync(lab.Clients[0].Space, "web.test", 1_500_000, family);
    }

    [SkippableTheory]
    [InlineData("-4")]
    [InlineData("-6")]
    public async Task Files_go_up_whole_and_right(string family)
    {
        TunnelLab.Require();
        await Traffic.UploadAsync(lab.Clients[0].Space, "web.test", 400_000, family);
    }

    [SkippableTheory]
    [InlineData(false, false, false)]
    [InlineData(false, false, true)]
    [InlineData(false, true, false)]
    [InlineData(false, true, true)]
    [InlineData(true, false, true)]
    [InlineData(true, true, true)]
    public async Task Iperf3_moves_data_both_ways(bool ipv6, bool udp, bool downwards)
    {
        TunnelLab.Require();
        double bytes = await Traffic.SpeedAsync(
            lab.Clients[0].Space, lab.World.Internet, ipv6 ? TunnelWorld.WebIPv6 : TunnelWorld.WebIPv4, udp, downwards);

        // 300 kbit/s for three seconds are 112,500 bytes and whole blocks of 128 KiB with TCP; how many arrive in time is the machine's affair.
        Assert.InRange(bytes, 20_000, 400_000);
    }

    [SkippableFact]
    public async Task Two_clients_fetch_at_once()
    {
        TunnelLab.Require();
        await Task.WhenAll(
            Traffic.FetchAsync(lab.Clients[0].Space, "web.test", 200_000, "-4"),
            Traffic.FetchAsync(lab.Clients[1].Space, "web.test", 200_000, "-6"),
            Traffic.FetchAsync(lab.Clients[1].Space, "web.test", 200_000, "-4"),
            Traffic.FetchAsync(lab.Clients[0].Space, "web.test", 200_000, "-6"));
    }

    [SkippableFact]
    public void The_tunnel_is_the_only_way_out()
    {
        TunnelLab.Require();
        Assert.Contains("dev nym0", lab.Clients[0].Space.Ip("route show default"), StringComparison.Ordinal);
        Assert.Contains("dev nym0", lab.Clients[0].Space.Ip("-6 route show default"), StringComparison.Ordinal);
        Assert.Equal(AddressFamily.InterNetwork, lab.Clients[0].IPv4.AddressFamily);
        Assert.NotEqual(lab.Clients[0].IPv4, lab.Clients[1].IPv4);
    }

    private void SetOutsideMtu(int bytes)
    {
        lab.World.Gateway.Ip($"link set {TunnelWorld.GatewayDevice} mtu {bytes}");
        lab.World.Internet.Ip($"link set {TunnelWorld.OutsideDevice} mtu {bytes}");
    }
}
