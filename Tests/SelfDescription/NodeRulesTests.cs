using System.Net;
using FastExit.Commands;
using FastExit.Configuration;
using FastExit.Policy;
using FastExit.SelfDescription;
using Xunit;

namespace FastExit.Tests.SelfDescription;

/// <summary>Each rule of the network against a node that breaks it alone.</summary>
public sealed class NodeRulesTests
{
    [Fact]
    public void A_node_as_the_network_wants_it_has_nothing_to_mend()
    {
        var findings = Judge(settings => settings);
        Assert.All(findings, finding => Assert.True(finding.Level == FindingLevel.Ok, $"{finding.Subject}: {finding.Seen}"));
        Assert.Contains(findings, finding => finding.Seen.Contains("recognised as an exit gateway", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding.Seen.Contains("connect by version 9", StringComparison.Ordinal));
    }

    public static TheoryData<string, string, string, string> Broken => new()
    {
        // Finding, its level in the public network, its level in a private one, part of what is seen.
        { "loopback", "addresses", "fail warn", "127.0.0.1 (loopback); the API refuses the node" },
        { "private", "addresses", "fail warn", "10.0.0.1 (private); nobody outside reaches it" },
        { "six first", "addresses", "warn warn", "the first one is IPv6" },
        { "short hostname", "hostname", "fail fail", "no full DNS name" },
        { "own name", "build", "fail warn", "scored 0" },
        { "behind", "version", "fail warn", "scored about 0.50; default clients leave the node out" },
        { "behind", "version", "warn warn", "want 1.30.0 or newer" },
        { "no semver", "version", "fail warn", "no semantic version" },
        { "no terms", "terms", "fail warn", "not accepted" },
        { "no router", "roles", "warn warn", "exit for TCP through the network requester alone" },
        { "no requester", "roles", "warn warn", "exit for IP packets alone" },
        { "nothing", "roles", "fail fail", "no exit role" },
        { "no noise", "noise", "warn warn", "link in plain" },
        { "open", "exit policy", "warn warn", "everything is allowed" },
        { "bundled", "exit policy", "warn warn", "this node's own" },
        { "similar policy", "exit policy", "warn warn", "from https://nymtech.net/.wellknown/network-requester/exit-policy.txt?" },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public void Breaking_one_rule_is_found_with_what_it_means(string what, string subject, string levels, string seen)
    {
        foreach (var (isPublic, level) in new[] { (true, levels.Split(' ')[0]), (false, levels.Split(' ')[1]) })
        {
            var origin = what == "bundled" ? PolicyOrigin.Bundled : PolicyOrigin.Fetched;
            var findings = Judge(settings => Break(settings, what), isPublic, NodeFixture.NetworkPolicy with { Origin = origin });
            var finding = Assert.Single(findings, finding => finding.Subject == subject && finding.Seen.Contains(seen, StringComparison.Ordinal));
            Assert.Equal(level, finding.Level.ToString().ToLowerInvariant());
            Assert.NotEmpty(finding.Mend);
            Assert.All(findings, other => Assert.True(other.Subject == subject || other.Level == FindingLevel.Ok || what == "nothing", $"{other.Subject}: {other.Seen}"));
        }
    }

    [Fact]
    public void Another_identity_and_changed_data_are_refused()
    {
        using var node = new NodeFixture();
        var answers = NodeAnswers.From(node.Documents);
        Assert.Contains("another identity", Fails(new NodeRules(new DescribedNode(answers), true) { Identity = new byte[32] }), StringComparison.Ordinal);
        var body = node.Documents.Find("/host-information")!.Read();
        Assert.Contains("not that of the identity", Fails(With("/host-information", Text(body).Replace("1.1.1.1", "1.1.1.2", StringComparison.Ordinal))), StringComparison.Ordinal);
        // The signed text does not have members that the verifier does not know.
        Assert.Empty(Fails(With("/host-information", Text(body).Replace("\"hostname\"", "\"new\":1,\"hostname\"", StringComparison.Ordinal))));

        static string Text(byte[] body) => System.Text.Encoding.UTF8.GetString(body);

        NodeRules With(string path, string text) => new(new DescribedNode(node.Answers((path, 200, text))), true);
    }

    [Theory]
    [InlineData("/health", 200, "{\"status\":\"down\",\"uptime\":1}", "the API skips the node")]
    [InlineData("/health", 500, "", "the API skips the node")]
    [InlineData("/roles", 500, "", "/roles: status 500; the API does not describe the node")]
    [InlineData("/roles", 200, "{\"mixnode_enabled\":false}", "gateway_enabled is neither true nor false")]
    [InlineData("/roles", 200, "{\"mixnode_enabled\":true,\"gateway_enabled\":true,\"network_requester_enabled\":true,\"ip_packet_router_enabled\":true}", "leave out gateways that could be mix nodes")]
    [InlineData("/host-information", 200, "[]", "no object that could have data")]
    [InlineData("/host-information", 200, "{", "no valid JSON")]
    [InlineData("/build-information", 200, "{\"binary_name\":\"nym-node\",\"build_version\":\"1.31.0\"}", "build_timestamp is missing")]
    [InlineData("/gateway/client-interfaces/mixnet-websockets", 200, "{\"ws_port\":65536}", "ws_port is no whole number from 0 to 65535")]
    [InlineData("/gateway/client-interfaces/mixnet-websockets", 200, "{\"ws_port\":0,\"wss_port\":null}", "websocket port 0")]
    [InlineData("/auxiliary-details", 404, "", "taken as terms not accepted")]
    [InlineData("/auxiliary-details", 200, "{\"location\":null,\"announce_ports\":{\"verloc_port\":null,\"mix_port\":0},\"accepted_operator_terms_and_conditions\":true}", "nobody can send packets")]
    [InlineData("/network-requester", 501, "", "enabled by the roles, but its section does not answer")]
    [InlineData("/network-requester/exit-policy", 501, "", "while the network requester's does")]
    [InlineData("/network-requester/exit-policy", 200, "{\"enabled\":true,\"upstream_source\":\"\",\"last_updated\":0,\"policy\":{\"rules\":[{}]}}", "the API does not describe the node")]
    [InlineData("/ip-packet-router", 200, "{\"encoded_identity_key\":\"2\",\"encoded_x25519_key\":\"2\",\"address\":\"\"}", "no key of 32 bytes")]
    public void Broken_answers_keep_the_node_out(string path, int status, string body, string seen)
    {
        using var node = new NodeFixture();
        var findings = new NodeRules(new DescribedNode(node.Answers((path, status, body))), true).Judge();
        Assert.Contains(findings, finding => finding.Level != FindingLevel.Ok && finding.Seen.Contains(seen, StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding.Level == FindingLevel.Fail);
    }

    [Fact]
    public void A_million_broken_answers_are_judged_without_failing()
    {
        using var node = new NodeFixture();
        var bodies = NodeAnswers.Paths.Where(path => node.Documents.Find(path) is not null).ToDictionary(path => path, path => node.Documents.Find(path)!.Read());
        // Keys on curves and long policies are slow to read and are judged less often.
        var quick = bodies.Keys.Except(["/host-information", "/network-requester", "/ip-packet-router", "/network-requester/exit-policy"]).ToArray();
        var refused = GeneratedInputs.Accepted(7305, (random, count) =>
        {
            var faults = 0;
            for (var i = 0; i < count; i++)
            {
                var path = i % 50 == 0 ? bodies.Keys.ElementAt(random.Next(bodies.Count)) : quick[random.Next(quick.Length)];
                var body = bodies[path].ToArray();
                for (var changes = random.Next(1, 4); changes > 0; changes--)
                    body[random.Next(body.Length)] = (byte)(random.Next(3) == 0 ? random.Next(256) : "{}[]\",:0123456789nulltruefalse\\u"[random.Next(32)]);
                if (random.Next(8) == 0)
                    body = body[..random.Next(body.Length)];
                var section = DescribedNode.Section(path, body, out var fault);
                Assert.Equal(section is null, fault is not null);
                faults += fault is null ? 0 : 1;
            }

            return faults;
        });
        Assert.InRange(refused, GeneratedInputs.Count / 4, GeneratedInputs.Count - 1);
    }

    private static IReadOnlyList<Finding> Judge(Func<ExitSettings, ExitSettings> change, bool isPublic = true, PolicySnapshot? policy = null)
    {
        using var node = new NodeFixture(change) { Policy = policy ?? NodeFixture.NetworkPolicy };
        return new NodeRules(new DescribedNode(NodeAnswers.From(node.Documents)), isPublic)
        {
            Identity = node.Keys.Identity.ToArray(),
            Newest = new SemanticVersion(1, 31, 0, ""),
        }.Judge();
    }

    private static string Fails(NodeRules rules) =>
        string.Join('\n', rules.Judge().Where(finding => finding.Level == FindingLevel.Fail).Select(finding => finding.Seen));

    private static ExitSettings Break(ExitSettings settings, string what)
    {
        var node = settings.Node;
        return what switch
        {
            "loopback" => settings with { Node = node with { AnnouncedAddresses = ["127.0.0.1"] } },
            "private" => settings with { Node = node with { AnnouncedAddresses = ["10.0.0.1"] } },
            "six first" => settings with { Node = node with { AnnouncedAddresses = ["2606:4700:4700::1111", "1.1.1.1"] } },
            "short hostname" => settings with { Node = node with { Hostname = "localhost" } },
            "own name" => settings with { Node = node with { BinaryName = "fastexit" } },
            "behind" => settings with { Node = node with { BuildVersion = "1.29.0" } },
            "no semver" => settings with { Node = node with { BuildVersion = "1.31" } },
            "no terms" => settings with { Node = node with { AcceptOperatorTerms = false } },
            "no router" => settings with { Ipr = settings.Ipr with { Enabled = false } },
            "no requester" => settings with { NetworkRequester = settings.NetworkRequester with { Enabled = false } },
            "nothing" => settings with { NetworkRequester = settings.NetworkRequester with { Enabled = false }, Ipr = settings.Ipr with { Enabled = false } },
            "no noise" => settings with { MixLink = settings.MixLink with { Noise = false } },
            "open" => settings with { Policy = settings.Policy with { OpenProxy = true } },
            "bundled" => settings,
            "similar policy" => settings with { Policy = settings.Policy with { Url = new Uri(PolicySourceOptions.NetworkPolicyUrl + "?") } },
            _ => throw new ArgumentOutOfRangeException(nameof(what), what, null),
        };
    }
}
