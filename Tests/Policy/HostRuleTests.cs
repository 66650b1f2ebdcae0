using System.Net;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

public class HostRuleTests
{
    private static readonly NumericAddress Public = NumericAddress.From(IPAddress.Parse("93.184.216.34"));

    [Theory]
    [InlineData("example.org", "example.org", true)]
    [InlineData("example.org", "EXAMPLE.Org", true)]
    [InlineData("Example.ORG.", "example.org", true)]
    [InlineData("example.org", "example.org.", true)]
    [InlineData("example.org", "www.example.org", false)]
    [InlineData("example.org", "badexample.org", false)]
    [InlineData("example.org", "example.org.evil.net", false)]
    [InlineData("*.example.org", "www.example.org", true)]
    [InlineData("*.example.org", "a.b.EXAMPLE.org.", true)]
    [InlineData("*.example.org", "example.org", false)]
    [InlineData("*.example.org", "badexample.org", false)]
    [InlineData("*.example.org", ".example.org", false)]
    [InlineData("*.org", "example.org", true)]
    [InlineData("*.org", "org", false)]
    [InlineData("bücher.example", "xn--bcher-kva.example", true)]
    [InlineData("BÜCHER.example", "XN--BCHER-KVA.example", true)]
    [InlineData("*.bücher.example", "www.xn--bcher-kva.example", true)]
    [InlineData("_dmarc.example.org", "_dmarc.example.org", true)]
    public void NamesMatch(string pattern, string host, bool matches)
    {
        var policy = ExitPolicy.Parse($"accept {pattern}:443\nreject *:*", "test");
        Assert.Equal(matches, policy.Evaluate(host, Public, 443).IsAllowed);
        Assert.False(policy.Evaluate(host, Public, 444).IsAllowed);
        Assert.False(policy.Evaluate(Public, 443).IsAllowed);
    }

    [Theory]
    [InlineData("localhost")]
    [InlineData("*.")]
    [InlineData("*example.org")]
    [InlineData("*.*.org")]
    [InlineData("www.*.org")]
    [InlineData("-a.example.org")]
    [InlineData("a-.example.org")]
    [InlineData("a..org")]
    [InlineData("a.b..")]
    [InlineData("[example.org]")]
    [InlineData("example.org/24")]
    [InlineData("example.1")]
    [InlineData("exa mple.org")]
    [InlineData("exam!ple.org")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org")]
    public void BadNamesAreErrors(string pattern) =>
        Assert.Throws<PolicyFormatException>(() => ExitPolicy.Parse($"reject {pattern}:*", "test"));

    [Fact]
    public void OrderAcrossBothKindsDecides()
    {
        var policy = ExitPolicy.Parse(
            """
            accept good.example.org:25
            reject *.example.org:*
            reject 93.184.216.0/24:*
            accept *:443
            reject *:*
            """,
            "test");
        Assert.Equal(1, policy.Evaluate("good.example.org", Public, 25).Rule!.Line);
        Assert.Equal(2, policy.Evaluate("good.example.org", Public, 443).Rule!.Line);
        Assert.Equal(3, policy.Evaluate("other.net", Public, 443).Rule!.Line);
        Assert.Equal(4, policy.Evaluate("other.net", NumericAddress.IPv4(0x08080808), 443).Rule!.Line);
        Assert.Equal("reject *.example.org:*", policy.Evaluate("a.example.org", Public, 80).Rule!.ToString());
    }

    [Theory]
    [InlineData("reject example.org:*\naccept *:*", 443, true, 1)]
    [InlineData("accept *:80\nreject example.org:*\naccept *:*", 443, true, 2)]
    [InlineData("reject 1.2.3.4:80\nreject example.org:*\naccept *:*", 443, true, 2)]
    [InlineData("reject 1.2.3.4:*\nreject example.org:*\naccept *:*", 443, false, 0)]
    [InlineData("accept *4:*\nreject example.org:*", 443, false, 0)]
    [InlineData("accept example.org:443\nreject *:*", 443, false, 0)]
    [InlineData("accept *:443\nreject *:*", 25, true, 2)]
    [InlineData("accept *:443\nreject *:*", 443, false, 0)]
    [InlineData("accept *:443", 25, true, 0)]
    [InlineData("reject other.org:*\naccept *:*", 443, false, 0)]
    public void NamesAreRefusedBeforeResolutionOnlyWhenNoAddressCouldChangeIt(string text, ushort port, bool refused, int line)
    {
        Assert.Equal(refused, ExitPolicy.Parse(text, "test").TryRefuseName("example.org", port, out var verdict));
        Assert.Equal(line, verdict.Rule?.Line ?? 0);
        Assert.False(verdict.IsAllowed);
    }

    [Fact]
    public void CanonicalTextKeepsHostRulesAndTheWireLeavesThemOut()
    {
        var policy = ExitPolicy.Parse("accept Bücher.example:443\nreject *.Example.org.:*\nreject *:*", "test");
        Assert.Equal("accept xn--bcher-kva.example:443\nreject *.example.org:*\nreject *:*\n", policy.ToCanonicalText());
        Assert.Equal(2, policy.HostRuleCount);
        Assert.Equal(["reject *:*"], policy.WireRules.Select(rule => rule.ToString()));
    }
}
