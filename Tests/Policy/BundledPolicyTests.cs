using System.Net;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

public class BundledPolicyTests
{
    // network-requester.md §5.4, written out once more so that a slip in the file shows.
    private const string Ports =
        "20-21 22 43 53 79 80-81 88 110 119 123 143 220 223 389 443 445 464 465 554 563 587 636 706 749 853 873 "
        + "902-904 981 989-990 991 992 993 995 1119-1120 1194 1220 1293 1433 1500 1521 1533 1677 1723 1755 1863 2049 "
        + "2053 2082-2083 2086-2087 2095-2096 2102-2104 2222 2703 3022-3025 3074 3306 3333 3478-3484 3690 3724 4000 "
        + "4321 4379-4380 4444 4643 5000-5005 5050 5060-5062 5190 5222-5223 5228 5432 6012 6112-6120 6250 6300 8080 "
        + "8082 8085 8087-8088 8232-8233 8332-8333 8443 8767 8883 8888 9001 9030 9053 9333 9339 9418 9443 9735 9987 "
        + "9999 10000 10011-10080 10443 11371 14444 18080-18081 18089 19294-19344 19638 22021 25551 25565 26661 "
        + "27000-27050 41144 50000-65535";

    [Fact]
    public void ExactlyTheListedPortsAreOpen()
    {
        var open = new bool[65536];
        foreach (var range in Ports.Split(' '))
        {
            var ends = range.Split('-').Select(int.Parse).ToArray();
            for (var port = ends[0]; port <= ends[^1]; port++) open[port] = true;
        }

        var address = NumericAddress.From(IPAddress.Parse("93.184.216.34"));
        var policy = ExitPolicy.Bundled;
        for (var port = 1; port <= ushort.MaxValue; port++)
            Assert.True(open[port] == policy.Evaluate(address, (ushort)port).IsAllowed, $"port {port}");
    }

    [Fact]
    public void RejectsComeFirstAndLast()
    {
        var policy = ExitPolicy.Bundled;
        Assert.True(policy.EndsWithReject);
        Assert.Equal(0, policy.HostRuleCount);
        Assert.False(policy.Evaluate(NumericAddress.From(IPAddress.Parse("5.188.11.7")), 443).IsAllowed);
        var kinds = policy.Rules.Select(rule => rule.Accepts).ToList();
        Assert.Equal(kinds.LastIndexOf(true) - kinds.IndexOf(true) + 1, kinds.Count(accepts => accepts));
    }

    [Fact]
    public void TheTextSaysThatItIsAFallback()
    {
        using var stream = typeof(ExitPolicy).Assembly.GetManifestResourceStream("FastExit.Policy.default-policy.txt");
        using var reader = new StreamReader(stream!);
        Assert.Contains("bundled fallback", reader.ReadToEnd(), StringComparison.OrdinalIgnoreCase);
    }
}
