using System.Globalization;
using System.Net;
using System.Text;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

public class PolicyPropertyTests
{
    private const int GeneratedPolicies = 4_000;
    private const int RequestsPerPolicy = 50;
    private const int GeneratedLines = 1_200_000;

    private static readonly string[] Hosts =
        ["example.org", "www.example.org", "a.b.example.org", "example.com", "xn--bcher-kva.example", "other.net", "org.example"];

    private static readonly string[] HostPatterns =
        ["example.org", "*.example.org", "*.org", "*.b.example.org", "example.com", "*.example", "nothing.net"];

    [Fact]
    public void RandomPoliciesAgreeWithANaiveReading()
    {
        var random = new Random(4242);
        var decided = new int[3];
        for (var i = 0; i < GeneratedPolicies; i++)
        {
            var lines = Enumerable.Range(0, random.Next(0, 12)).Select(_ => RandomRule(random)).ToArray();
            var policy = ExitPolicy.Parse(string.Join('\n', lines), "random");
            for (var j = 0; j < RequestsPerPolicy; j++)
            {
                var host = random.Next(3) == 0 ? null : random.GetItems(Hosts, 1)[0];
                var address = RandomAddress(random);
                var port = RandomPort(random);
                var expected = NaiveLine(lines, host, address, port);
                var verdict = host is null
                    ? policy.Evaluate(NumericAddress.From(address), port)
                    : policy.Evaluate(host, NumericAddress.From(address), port);
                Assert.Equal(expected, verdict.Rule?.Line ?? 0);
                var allowed = expected > 0 && lines[expected - 1].StartsWith("accept", StringComparison.Ordinal);
                Assert.Equal(allowed, verdict.IsAllowed);
                decided[(int)verdict.Decision]++;

                // A refusal before resolution must be the verdict for every address.
                if (host is null || !policy.TryRefuseName(host, port, out var refusal)) continue;
                Assert.Equal(expected, refusal.Rule?.Line ?? 0);
                Assert.False(allowed);
            }
        }

        Assert.All(decided, count => Assert.True(count > GeneratedPolicies));
    }

    [Fact]
    public void RandomLinesNeverThrowAndAcceptedOnesReadBack()
    {
        var random = new Random(99);
        string[] words =
        [
            "ExitPolicy", "accept", "reject", "accept6", "reject6", " ", " ", "\t", "*", "*4", "*6", ":", ":", "-", "/", "[", "]", "1.2.3.4", "fe80::1",
            "::", "80", "443", "0", "65535", "65536", "8", "+", "#", "example.org", "*.", ".", "ü", "\uFEFF", "\0", "x", "127", "\r", "%", ",",
        ];
        var line = new StringBuilder();
        int accepted = 0, blank = 0;
        for (var i = 0; i < GeneratedLines; i++)
        {
            line.Clear();
            switch (i % 4)
            {
                case 0:
                    for (var n = random.Next(1, 9); n > 0; n--) line.Append(words[random.Next(words.Length)]);
                    break;
                case 1:
                    line.Append(random.Next(2) == 0 ? "accept " : "reject ").Append(words[random.Next(8, words.Length)]).Append(words[random.Next(8, words.Length)]).Append(':').Append(words[random.Next(8, words.Length)]);
                    break;
                case 2:
                    line.Append(RandomRule(random));
                    if (random.Next(2) == 0) line[random.Next(line.Length)] = (char)random.Next(1, 256);
                    break;
                default:
                    for (var n = random.Next(0, 24); n > 0; n--) line.Append((char)random.Next(0, random.Next(4) == 0 ? 0x10000 : 128));
                    break;
            }

            var text = line.ToString();
            if (!PolicyLine.TryRead(text, 1, out var rule, out var problem, out var mend))
            {
                Assert.Null(rule);
                Assert.True(problem.Length > 0 && mend.Length > 0, text);
                continue;
            }

            if (rule is null)
            {
                blank++;
                continue;
            }

            accepted++;
            var canonical = rule.ToString();
            Assert.True(PolicyLine.TryRead(canonical, 1, out var again, out _, out _), canonical);
            Assert.Equal(canonical, again!.ToString());
            Assert.Equal((rule.Action, rule.IsHostRule, rule.Ports), (again.Action, again.IsHostRule, again.Ports));
        }

        Assert.True(accepted > GeneratedLines / 10, $"{accepted} accepted");
        Assert.True(blank > 100, $"{blank} blank");
    }

    private static string RandomRule(Random random)
    {
        var action = random.GetItems(["accept", "reject", "accept6", "reject6"], 1)[0];
        var ports = random.Next(4) switch
        {
            0 => "*",
            1 => RandomPort(random).ToString(CultureInfo.InvariantCulture),
            2 => "0",
            _ => string.Create(CultureInfo.InvariantCulture, $"{random.Next(1, 100)}-{random.Next(100, 65536)}"),
        };
        var target = random.Next(6) switch
        {
            0 => random.GetItems(["*", "*4", "*6"], 1)[0],
            1 or 2 => random.GetItems(HostPatterns, 1)[0],
            _ => RandomPrefix(random),
        };
        return $"{action} {target}:{ports}";
    }

    private static string RandomPrefix(Random random)
    {
        var address = RandomAddress(random);
        var six = address.GetAddressBytes().Length == 16;
        var length = random.Next(0, six ? 129 : 33);
        return six
            ? string.Create(CultureInfo.InvariantCulture, $"[{address}]/{length}")
            : string.Create(CultureInfo.InvariantCulture, $"{address}/{length}");
    }

    // Few leading bytes and mostly zeros, so that random prefixes and random requests meet.
    private static IPAddress RandomAddress(Random random)
    {
        var bytes = new byte[random.Next(2) == 0 ? 4 : 16];
        bytes[0] = (byte)random.GetItems([0x20, 0x22, 0xa0], 1)[0];
        for (var i = 1; i < bytes.Length; i++) bytes[i] = random.Next(8) == 0 ? (byte)random.Next(256) : (byte)0;
        return new IPAddress(bytes);
    }

    private static ushort RandomPort(Random random) => (ushort)random.GetItems([0, 1, 25, 80, 99, 100, 101, 443, 65535], 1)[0];

    private static int NaiveLine(string[] lines, string? host, IPAddress address, ushort port)
    {
        for (var i = 0; i < lines.Length; i++)
        {
            var pattern = lines[i].Split(' ')[1];
            var colon = pattern.LastIndexOf(':');
            if (NaivePorts(pattern[(colon + 1)..], port) && NaiveTarget(pattern[..colon], host, address)) return i + 1;
        }

        return 0;
    }

    private static bool NaivePorts(string ports, ushort port)
    {
        if (port == 0) return true;
        if (ports == "*") return true;
        var ends = ports.Split('-').Select(int.Parse).ToArray();
        return ends[0] <= port && port <= ends[^1];
    }

    private static bool NaiveTarget(string target, string? host, IPAddress address)
    {
        var bits = string.Concat(address.GetAddressBytes().Select(b => Convert.ToString(b, 2).PadLeft(8, '0')));
        if (target == "*") return true;
        if (target == "*4") return bits.Length == 32;
        if (target == "*6") return bits.Length == 128;
        if (target.StartsWith("*.", StringComparison.Ordinal)) return host is not null && host.EndsWith(target[1..], StringComparison.Ordinal);
        var slash = target.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0) return host == target;
        var prefix = string.Concat(IPAddress.Parse(target[..slash].Trim('[', ']')).GetAddressBytes().Select(b => Convert.ToString(b, 2).PadLeft(8, '0')));
        var length = int.Parse(target[(slash + 1)..], CultureInfo.InvariantCulture);
        return prefix.Length == bits.Length && prefix[..length] == bits[..length];
    }
}
