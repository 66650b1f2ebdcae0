using System.Net;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

/// <summary>network-requester.md §10.1 V9: patterns, the four-rule policy, port ranges.</summary>
public class PolicyPatternTests
{
    [Theory]
    [InlineData("marzipan:80")]
    [InlineData("1.2.3.4:90-80")]
    [InlineData("1.2.3.4:0-80")]
    [InlineData("1.2.3.4/100:8888")]
    [InlineData("[1.2.3.4]/16:80")]
    [InlineData("[::1]/130:8888")]
    public void BadPatternsAreErrors(string pattern) =>
        Assert.Throws<PolicyFormatException>(() => ExitPolicy.Parse($"accept {pattern}", "test"));

    [Theory]
    [InlineData("1.2.3.4/16:80", "1.2.3.4:80 1.2.44.55:80", "9.9.9.9:80 1.3.3.4:80 1.2.3.4:81")]
    [InlineData("*:443-8000", "1.2.3.4:443 [::1]:500", "9.0.0.0:80 [::1]:80")]
    [InlineData("[face::]/8:80", "[fab0::7]:80", "[dd00::]:80 [face::7]:443")]
    [InlineData("0.0.0.0/0:*", "127.0.0.1:80", "[f00b::]:80")]
    [InlineData("[::]/0:*", "[f00b::]:80", "127.0.0.1:80")]
    [InlineData("*:0", "1.2.3.4:0 [::1]:0 9.0.0.0:0", "1.2.3.4:443 [::1]:500 9.0.0.0:80 [::1]:80")]
    [InlineData("*4:0", "1.2.3.4:0 9.0.0.0:0", "1.2.3.4:443 9.0.0.0:80 [::1]:0 [::1]:80")]
    [InlineData("*6:0", "[::1]:0", "[::1]:80 1.2.3.4:0 1.2.3.4:443")]
    public void PatternsMatch(string pattern, string matches, string others)
    {
        var policy = ExitPolicy.Parse($"accept {pattern}", "test");
        foreach (var endpoint in matches.Split(' ')) Assert.Equal(PolicyDecision.Accepted, Decide(policy, endpoint));
        foreach (var endpoint in others.Split(' ')) Assert.Equal(PolicyDecision.NotCovered, Decide(policy, endpoint));
    }

    [Theory]
    [InlineData("[::6]:443", PolicyDecision.Accepted, 1)]
    [InlineData("127.0.0.1:443", PolicyDecision.Accepted, 1)]
    [InlineData("[::1]:80", PolicyDecision.Accepted, 2)]
    [InlineData("[::2]:80", PolicyDecision.Rejected, 3)]
    [InlineData("127.0.0.1:80", PolicyDecision.Rejected, 3)]
    [InlineData("127.0.0.1:66", PolicyDecision.NotCovered, 0)]
    [InlineData("127.0.0.1:0", PolicyDecision.Accepted, 1)]
    public void FirstMatchDecides(string endpoint, PolicyDecision decision, int line)
    {
        var policy = ExitPolicy.Parse("accept *:443\naccept [::1]:80\nreject *:80\naccept *:0\n", "test");
        var (address, port) = Split(endpoint);
        var verdict = policy.Evaluate(address, port);
        Assert.Equal(decision, verdict.Decision);
        Assert.Equal(line, verdict.Rule?.Line ?? 0);
    }

    [Theory]
    [InlineData("1-100", 1, 100)]
    [InlineData("01-100", 1, 100)]
    [InlineData("1-65535", 1, 65535)]
    [InlineData("2-65535", 2, 65535)]
    [InlineData("10-30", 10, 30)]
    [InlineData("9001", 9001, 9001)]
    [InlineData("9001-9001", 9001, 9001)]
    [InlineData("*", 1, 65535)]
    [InlineData("0", 0, 0)]
    [InlineData("080", 80, 80)]
    [InlineData("+80", 80, 80)]
    public void PortRangesAreRead(string text, int start, int end)
    {
        Assert.True(PortRange.TryParse(text, out var range));
        Assert.Equal((start, end), (range.Start, range.End));
        Assert.Equal(start == 1 && end == 65535, range.IsAll);
        Assert.Equal(start == 0, range == PortRange.Zero);
    }

    [Theory]
    [InlineData("hello")]
    [InlineData("65536")]
    [InlineData("65537")]
    [InlineData("1-2-3")]
    [InlineData("10-5")]
    [InlineData("1-")]
    [InlineData("-2")]
    [InlineData("-")]
    [InlineData("0-1")]
    [InlineData("0-0")]
    [InlineData("")]
    [InlineData("+")]
    [InlineData("4294967376")]
    [InlineData("80 ")]
    public void BadPortRangesAreErrors(string text) => Assert.False(PortRange.TryParse(text, out _));

    [Fact]
    public void PortRangesContainTheirEnds()
    {
        Assert.True(PortRange.TryParse("20-30", out var range));
        Assert.Equal([20, 25, 30], new[] { 19, 20, 25, 30, 31 }.Where(port => range.Contains((ushort)port)));
    }

    [Fact]
    public void SuffixSixDoesNotRestrictTheFamily()
    {
        var policy = ExitPolicy.Parse("reject6 *:25\naccept6 *:*", "test");
        Assert.Equal(PolicyDecision.Rejected, Decide(policy, "8.8.8.8:25"));
        Assert.Equal(PolicyDecision.Accepted, Decide(policy, "8.8.8.8:443"));
    }

    [Fact]
    public void AMappedPatternMatchesTheIPv4AddressItStandsFor()
    {
        var policy = ExitPolicy.Parse("reject [::ffff:10.0.0.0]/104:*\naccept *:*", "test");
        Assert.Equal(PolicyDecision.Rejected, Decide(policy, "10.200.0.1:80"));
        Assert.Equal(PolicyDecision.Rejected, Decide(policy, "[::ffff:10.200.0.1]:80"));
        Assert.Equal(PolicyDecision.Accepted, Decide(policy, "11.0.0.1:80"));
        Assert.Equal("::ffff:10.0.0.0/104", policy.Rules[0].PatternText);
    }

    private static PolicyDecision Decide(ExitPolicy policy, string endpoint)
    {
        var (address, port) = Split(endpoint);
        return policy.Evaluate(address, port).Decision;
    }

    private static (NumericAddress Address, ushort Port) Split(string endpoint)
    {
        var parsed = IPEndPoint.Parse(endpoint);
        return (NumericAddress.From(parsed.Address), (ushort)parsed.Port);
    }
}
