using System.Net;
using System.Net.Sockets;
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

    [SkippableFact]
    public async Task The_gateway_answers_pings_inside_the_tunnel()
    {
        TunnelLab.Require();
        await Traffic.PingAsync(lab.Clients[0].Space, IPAddress.Parse("10.0.0.1"));
        await Traffic.PingAsync(lab.Clients[0].Space, IPAddress.Parse("fc00::1"));
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
            lab.Clients[0].Space, ipv6 ? TunnelWorld.WebIPv6 : TunnelWorld.WebIPv4, udp, downwards);

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
}
