using System.Text;
using System.Text.Json;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

/// <summary>network-requester.md §5.2 (grammar rows), §10.1 V10 (file), §10.2 (wire form of eight rules).</summary>
public class PolicyTextTests
{
    private const string FileText = """
        # comment

           # indented comment
        ExitPolicy reject 1.2.3.4/32:*
        ExitPolicy reject 1.2.3.5:* #comment
        ExitPolicy reject 1.2.3.6/16:*
        ExitPolicy reject 1.2.3.6/16:123-456 # comment
        ExitPolicy accept *:53#glued
        ExitPolicy accept6 *6:119
        ExitPolicy accept *4:120
        ExitPolicy reject6 [FC00::]/7:*
        # ExitPolicy reject 9.9.9.9:*
        #ExitPolicy reject 9.9.9.9:*
        ExitPolicy accept *:0
        ExitPolicy accept *4:0
        ExitPolicy accept *6:0
        ExitPolicy reject *:0
        ExitPolicy reject *4:0
        ExitPolicy reject *6:0
        ExitPolicy reject FE80:0000:0000:0000:0202:B3FF:FE1E:8329:*
        ExitPolicy reject FE80:0000:0000:0000:0202:B3FF:FE1E:8328:1234
        ExitPolicy reject FE80:0000:0000:0000:0202:B3FF:FE1E:8328/64:1235
        ExitPolicy reject *:*#comment
        """;

    private static readonly string[] FileRules =
    [
        "reject 1.2.3.4/32:*", "reject 1.2.3.5/32:*", "reject 1.2.3.6/16:*", "reject 1.2.3.6/16:123-456", "accept *:53",
        "accept6 *6:119", "accept *4:120", "reject6 fc00::/7:*", "accept *:0", "accept *4:0", "accept *6:0", "reject *:0",
        "reject *4:0", "reject *6:0", "reject fe80::202:b3ff:fe1e:8329/128:*", "reject fe80::202:b3ff:fe1e:8328/128:1234",
        "reject fe80::202:b3ff:fe1e:8328/64:1235", "reject *:*",
    ];

    [Theory]
    [InlineData("\n", "")]
    [InlineData("\r\n", "")]
    [InlineData("\r\n", "\uFEFF")]
    public void AFileIsReadRuleByRule(string lineEnd, string mark)
    {
        var policy = ExitPolicy.Parse(mark + FileText.ReplaceLineEndings(lineEnd), "test");
        Assert.Equal(FileRules, policy.Rules.Select(rule => rule.ToString()));
        Assert.Equal((4, 5, 23), (policy.Rules[0].Line, policy.Rules[1].Line, policy.Rules[^1].Line));
        Assert.True(policy.EndsWithReject);
    }

    [Fact]
    public void CanonicalTextReadsBackTheSame()
    {
        var text = ExitPolicy.Parse(FileText, "test").ToCanonicalText();
        Assert.Equal(string.Concat(FileRules.Select(rule => rule + "\n")), text);
        Assert.Equal(text, ExitPolicy.Parse(text, "test").ToCanonicalText());
    }

    [Theory]
    [InlineData("ExitPolicyaccept *:80", "accept *:80")]
    [InlineData("ExitPolicy\taccept *:80", "accept *:80")]
    [InlineData("ExitPolicy accept  *:80", "accept *:80")]
    [InlineData("ExitPolicy accept\t*:80", "accept *:80")]
    [InlineData("accept *:80", "accept *:80")]
    [InlineData("  reject 1.2.3.4/8:*  ", "reject 1.2.3.4/8:*")]
    [InlineData("ExitPolicy reject 1.2.3.4/8:*", "reject 1.2.3.4/8:*")]
    [InlineData("accept *:080", "accept *:80")]
    [InlineData("accept *:+80", "accept *:80")]
    [InlineData("accept 1.2.3.4/+8:80", "accept 1.2.3.4/8:80")]
    [InlineData("accept FE80::1:80", "accept fe80::1/128:80")]
    [InlineData("accept 9.9.9.9/0:80", "accept *4:80")]
    [InlineData("accept [::1]/0:80", "accept *6:80")]
    [InlineData("accept *:1-65535", "accept *:*")]
    [InlineData("accept [1:0:0:2::3]:80", "accept 1:0:0:2::3/128:80")]
    [InlineData("accept [1:0:2:3:4:5:6:7]:80", "accept 1:0:2:3:4:5:6:7/128:80")]
    [InlineData("accept [::1.2.3.4]:80", "accept ::102:304/128:80")]
    public void AcceptedLines(string line, string canonical) =>
        Assert.Equal(canonical, Assert.Single(ExitPolicy.Parse(line, "test").Rules).ToString());

    [Theory]
    [InlineData("exitpolicy accept *:80")]
    [InlineData("Accept *:80")]
    [InlineData("ExitPolicy Accept *:80")]
    [InlineData("ExitPolicy ExitPolicy accept *:80")]
    [InlineData("accept *:80,443")]
    [InlineData("accept 1.2.3.4,1.2.3.5:80")]
    [InlineData("accept private:*")]
    [InlineData("accept 1.2.3.4/255.0.0.0:80")]
    [InlineData("accept *4/8:80")]
    [InlineData("accept *:0-80")]
    [InlineData("accept *:0-0")]
    [InlineData("accept 01.2.3.4:80")]
    [InlineData("accept 1.2.3:80")]
    [InlineData("accept 0x7f.0.0.1:80")]
    [InlineData("accept 1.2.3.4/:80")]
    [InlineData("accept 1.2.3.4/-1:80")]
    [InlineData("accept 1.2.3.4/33:80")]
    [InlineData("accept ::1/129:80")]
    [InlineData("accept [::1:80")]
    [InlineData("accept []:80")]
    [InlineData("accept :80")]
    [InlineData("accept *")]
    [InlineData("accept")]
    [InlineData("accept *: 80")]
    [InlineData("accept * :80")]
    [InlineData("accept *:80 extra")]
    [InlineData("accept fe80::1%eth0:80")]
    [InlineData("accept 1:2:3:4:5:6:7::8:80")]
    [InlineData("<!doctype html>")]
    public void RefusedLines(string line)
    {
        var error = Assert.Throws<PolicyFormatException>(() => ExitPolicy.Parse($"accept *:443\n\n{line}\n", "exit-policy.txt"));
        Assert.Equal(3, error.Line);
        Assert.StartsWith("exit-policy.txt, line 3: ", error.Message, StringComparison.Ordinal);
        Assert.NotEmpty(error.Problem);
        Assert.Contains("To mend it, ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ErrorsCarryNoControlCharacters()
    {
        var error = Assert.Throws<PolicyFormatException>(() => ExitPolicy.Parse("accept \u001b[31m" + new string('x', 5000) + ":80", "test"));
        Assert.DoesNotContain(error.Message, char.IsControl);
        Assert.True(error.Message.Length < 400);
    }

    [Fact]
    public void AnEmptyPolicyDeniesEverything()
    {
        var policy = ExitPolicy.Parse("", "test");
        Assert.Empty(policy.Rules);
        Assert.False(policy.EndsWithReject);
        Assert.Equal(PolicyDecision.NotCovered, policy.Evaluate(NumericAddress.IPv4(0x08080808), 443).Decision);
        Assert.True(policy.TryRefuseName("example.org", 443, out var verdict));
        Assert.False(verdict.IsAllowed);
    }

    [Theory]
    [InlineData("reject *:*", true)]
    [InlineData("reject6 *:1-65535", true)]
    [InlineData("accept *:*", false)]
    [InlineData("reject *4:*", false)]
    [InlineData("reject *:1-65534", false)]
    [InlineData("reject *.com:*", false)]
    public void TheFinalRejectIsRecognised(string last, bool expected) =>
        Assert.Equal(expected, ExitPolicy.Parse($"accept *:80\n{last}", "test").EndsWithReject);

    [Fact]
    public void TheWireFormOfEightRulesIsTheNetworks()
    {
        var policy = ExitPolicy.Parse(
            """
            reject 5.188.10.0/23:*
            accept *:80-81
            reject example.org:*
            accept6 *6:443
            reject6 [FC00::]/7:*
            accept *:250
            accept *:251
            accept *:0
            reject *:*
            """,
            "test");
        Assert.Equal(1, policy.HostRuleCount);

        // Big-endian bincode with varint integers (§2.6), written here from the rules' data alone.
        var wire = new List<byte>();
        Varint(wire, policy.WireRules.Length);
        foreach (var rule in policy.WireRules)
        {
            Varint(wire, (int)rule.Action);
            Varint(wire, rule.PatternText.Length);
            wire.AddRange(Encoding.UTF8.GetBytes(rule.PatternText));
            Varint(wire, rule.Ports.Start);
            Varint(wire, rule.Ports.End);
        }

        const string expected =
            "08010d352e3138382e31302e302f323301fbffff00012a505102022a36fb01bbfb01bb0308666330303a3a2f3701fbffff"
            + "00012afafa00012afb00fbfb00fb00012a000001012a01fbffff";
        Assert.Equal(expected, Convert.ToHexStringLower([.. wire]));
    }

    [Fact]
    public void JsonIsLosslessForAddressRules()
    {
        var policy = ExitPolicy.Parse(FileText, "test");
        var json = ToJson(policy);
        Assert.Equal(policy.ToCanonicalText(), PolicyJson.Parse(json, "json").ToCanonicalText());
        Assert.Equal(
            """{"rules":[{"action":"reject","pattern":{"ip_pattern":"5.188.10.0/23","ports":{"start":1,"end":65535}}}]}""",
            Encoding.UTF8.GetString(ToJson(ExitPolicy.Parse("reject 5.188.10.0/23:*\nreject example.org:*", "test"))));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"rules":[1]}""")]
    [InlineData("""{"rules":[{"action":"reject","pattern":{"ip_pattern":"*","ports":{"start":2,"end":1}}}]}""")]
    [InlineData("""{"rules":[{"action":"reject","pattern":{"ip_pattern":"a.example","ports":{"start":1,"end":1}}}]}""")]
    [InlineData("""{"rules":[{"action":"#","pattern":{"ip_pattern":"*","ports":{"start":1,"end":1}}}]}""")]
    public void BadJsonIsOneClearError(string json) =>
        Assert.Throws<PolicyFormatException>(() => PolicyJson.Parse(Encoding.UTF8.GetBytes(json), "json"));

    [Fact]
    public void AMissingFileIsOneClearError()
    {
        var path = Path.Combine(Path.GetTempPath(), $"absent-{Guid.NewGuid():N}.txt");
        var error = Assert.Throws<PolicyFormatException>(() => ExitPolicy.Load(path));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileBeyondTheLimitIsRefused()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "reject *:*\n" + new string('#', ExitPolicy.MaximumBytes - 11));
            Assert.Single(ExitPolicy.Load(path).Rules);
            File.AppendAllText(path, "#");
            Assert.Contains("larger than 1 MiB", Assert.Throws<PolicyFormatException>(() => ExitPolicy.Load(path)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static byte[] ToJson(ExitPolicy policy)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream)) PolicyJson.Write(writer, policy);
        return stream.ToArray();
    }

    private static void Varint(List<byte> wire, int value)
    {
        if (value <= 250) wire.Add((byte)value);
        else wire.AddRange([0xfb, (byte)(value >> 8), (byte)value]);
    }
}
