using FastExit.Configuration;
using Xunit;

namespace FastExit.Tests.Configuration;

public sealed class IpPacketRouterSettingsTests
{
    private const string Announce = "[mix_link]\nannounced = \"192.0.2.1:1789\"\n";

    [Theory]
    [InlineData("ipr.device = \"tap\"", "ipr.device")]
    [InlineData("ipr.device = \"\"", "ipr.device")]
    [InlineData("ipr.name = \"\"", "ipr.name")]
    [InlineData("ipr.name = \"nymtun/1\"", "ipr.name")]
    [InlineData("ipr.name = \"nymtun%s\"", "ipr.name")]
    [InlineData("ipr.name = \"a-name-of-16-chrs\"", "ipr.name")]
    [InlineData("ipr.ipv4 = \"10.0.0.1\"", "ipr.ipv4")]
    [InlineData("ipr.ipv4 = \"10.1/16\"", "ipr.ipv4")]
    [InlineData("ipr.ipv4 = \"fc00::1/112\"", "ipr.ipv4")]
    [InlineData("ipr.ipv4 = \"10.0.0.1/7\"", "8 to 29")]
    [InlineData("ipr.ipv4 = \"10.0.0.1/30\"", "8 to 29")]
    [InlineData("ipr.ipv4 = \"10.0.0.1/-9\"", "ipr.ipv4")]
    [InlineData("ipr.ipv4 = \"10.0.0.0/16\"", "one host")]
    [InlineData("ipr.ipv4 = \"10.0.255.255/16\"", "one host")]
    [InlineData("ipr.ipv4 = \"127.0.0.1/16\"", "ipr.ipv4")]
    [InlineData("ipr.ipv4 = \"224.0.0.1/16\"", "ipr.ipv4")]
    [InlineData("ipr.ipv6 = \"fc00::1/113\"", "8 to 112")]
    [InlineData("ipr.ipv6 = \"fc00::/112\"", "one host")]
    [InlineData("ipr.ipv6 = \"ff02::1/112\"", "ipr.ipv6")]
    [InlineData("ipr.ipv6 = \"fe80::1%1/112\"", "ipr.ipv6")]
    [InlineData("ipr.ipv6 = \"10.0.0.1/16\"", "ipr.ipv6")]
    [InlineData("ipr.mtu = 1279", "1280 to 1578")]
    [InlineData("ipr.mtu = 1579", "1280 to 1578")]
    [InlineData("ipr.surb_minimum = 501", "ipr.surb_maximum")]
    [InlineData("ipr.maximum_sessions = 65534", "ipr.maximum_sessions")]
    public void What_is_wrong_is_named(string setting, string named)
    {
        var error = Assert.Throws<ConfigurationException>(() => Parse(setting));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("10.0.0.1/8", "fc00::1/8")]
    [InlineData("192.168.7.6/29", "fd00:1:2:3::1/64")]
    [InlineData("", "fc00::1/112")]
    [InlineData("172.16.0.1/12", "")]
    public void One_family_is_enough(string ipv4, string ipv6)
    {
        var ipr = Parse($"ipr.ipv4 = \"{ipv4}\"", $"ipr.ipv6 = \"{ipv6}\"").Ipr;
        Assert.Equal(ipv4, ipr.Ipv4 ?? "");
        Assert.Equal(ipv6, ipr.Ipv6 ?? "");
        Assert.False(ipr.Enabled);
    }

    [Fact]
    public void Neither_family_is_refused() =>
        Assert.Contains("both", Assert.Throws<ConfigurationException>(() => Parse("ipr.ipv4 = \"\"", "ipr.ipv6 = \"\"")).Message, StringComparison.Ordinal);

    private static ExitSettings Parse(params string[] overrides) => ConfigurationFile.Parse("/data", "test", Announce, overrides);
}
