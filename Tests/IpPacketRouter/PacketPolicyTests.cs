using System.Net;
using FastExit.IpPacketRouter;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

public class PacketPolicyTests
{
    [Theory]
    [InlineData("8.8.8.8", true, true)]
    [InlineData("2001:4860:4860::8888", true, true)]
    [InlineData("8.8.8.8", false, false)]
    [InlineData("10.1.2.3", true, false)]
    public void The_bundled_policy_lets_pings_out(string address, bool icmp, bool accepted) =>
        Assert.Equal(accepted, IsAccepted(ExitPolicy.Bundled, address, icmp ? PacketKind.Icmp : PacketKind.Portless));

    [Theory]
    [InlineData("reject 9.9.9.9:*\naccept *:443\nreject *:*", false)]
    [InlineData("reject 9.9.9.9:25\naccept *:443\nreject *:*", true)]
    [InlineData("accept *:443", true)]
    [InlineData("reject *:*\naccept *:443", false)]
    [InlineData("accept 1.1.1.1:*", false)]
    [InlineData("accept *6:443", false)]
    public void Icmp_goes_where_some_port_is_open(string rules, bool accepted) =>
        Assert.Equal(accepted, IsAccepted(ExitPolicy.Parse(rules, "test"), "9.9.9.9", PacketKind.Icmp));

    [Theory]
    [InlineData("accept *:443", false)]
    [InlineData("accept *:443\naccept *:0\nreject *:*", true)]
    [InlineData("accept *:*", true)]
    public void Other_protocols_need_a_rule_for_all_ports(string rules, bool accepted) =>
        Assert.Equal(accepted, IsAccepted(ExitPolicy.Parse(rules, "test"), "9.9.9.9", PacketKind.Portless));

    private static bool IsAccepted(ExitPolicy rules, string address, PacketKind kind)
    {
        NumericAddress parsed = NumericAddress.From(IPAddress.Parse(address));
        var policy = new PacketPolicy(rules, AddressGuard.Default);
        PacketVerdict direct = policy.Judge(parsed, 0, kind);
        Assert.Equal(direct, new VerdictCache(new PublishedPacketPolicy(policy)).Judge(parsed, 0, kind));
        return direct == PacketVerdict.Accepted;
    }
}
