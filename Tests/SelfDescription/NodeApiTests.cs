using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Identity;
using FastExit.Metrics;
using FastExit.Policy;
using FastExit.SelfDescription;
using Xunit;

namespace FastExit.Tests.SelfDescription;

/// <summary>The interface as the network's API and others use it, over HTTP.</summary>
public sealed class NodeApiTests
{
    [Theory]
    [InlineData("/roles", """{"mixnode_enabled":false,"gateway_enabled":true,"network_requester_enabled":true,"ip_packet_router_enabled":true}""")]
    [InlineData("/auxiliary-details", """{"location":"CH","announce_ports":{"verloc_port":null,"mix_port":1789},"accepted_operator_terms_and_conditions":true}""")]
    [InlineData("/gateway", """{"enforces_zk_nyms":false,"client_interfaces":{"wireguard":null,"mixnet_websockets":{"ws_port":9000,"wss_port":null}}}""")]
    [InlineData("/gateway/client-interfaces", """{"wireguard":null,"mixnet_websockets":{"ws_port":9000,"wss_port":null}}""")]
    [InlineData("/gateway/client-interfaces/mixnet-websockets", """{"ws_port":9000,"wss_port":null}""")]
    [InlineData("/description", """{"moniker":"Zürich \"1\" \\ <exit>","website":"","security_contact":"","details":""}""")]
    [InlineData("/network-requester/exit-policy", """{"enabled":true,"upstream_source":"https://nymtech.net/.wellknown/network-requester/exit-policy.txt","last_updated":1778900000,"policy":{"rules":[{"action":"reject","pattern":{"ip_pattern":"5.188.10.0/23","ports":{"start":1,"end":65535}}},{"action":"accept","pattern":{"ip_pattern":"*","ports":{"start":443,"end":443}}},{"action":"reject","pattern":{"ip_pattern":"*","ports":{"start":1,"end":65535}}}]}}""")]
    [InlineData("/metrics/packets-stats", """{"ingress_mixing":{"forward_hop_packets_received":4,"final_hop_packets_received":20,"malformed_packets_received":3,"replayed_packets_received":2,"excessive_delay_packets":0,"forward_hop_packets_dropped":4,"final_hop_packets_dropped":0},"egress_mixing":{"forward_hop_packets_sent":11,"forward_hop_packets_dropped":1,"ack_packets_sent":19}}""")]
    public async Task Each_section_is_this_text(string path, string expected)
    {
        using var node = new NodeFixture();
        node.Counters[0].Add(Counter.Sphinx_FinalHops, 13);
        node.Counters[1].Add(Counter.Sphinx_FinalHops, 7);
        node.Counters[1].Add(Counter.Sphinx_Replays, 2);
        node.Counters[1].Add(Counter.Sphinx_BadMac, 3);
        node.Counters[0].Add(Counter.Sphinx_ForwardHopsRefused, 4);
        node.Counters[0].Add(Counter.Sphinx_AcksReleased, 19);
        node.Counters[0].Add(Counter.MixLink_PacketsSent, 30);
        node.Counters[0].Add(Counter.MixLink_EgressExpired, 1);
        await using var api = await StartAsync(node);
        using var client = new HttpClient();
        using var response = await client.GetAsync(new Uri(api.Address, NodeApi.Root + path));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.ToString());
        Assert.Equal(expected, await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Host_information_verifies_and_follows_the_keys()
    {
        using var node = new NodeFixture();
        await using var api = await StartAsync(node);
        var (host, first) = await HostAsync(api);
        Assert.Equal(node.Keys.Identity.ToArray(), host.Identity);
        Assert.Equal(1234u, host.Primary.RotationId);
        Assert.Null(host.PreAnnounced);
        Assert.Equal(node.Keys.NoisePublicKey.ToArray(), host.Noise?.PublicKey);
        Assert.Equal(first, (await HostAsync(api)).Body);

        var next = SphinxKey.Generate(1235);
        var before = node.Announced;
        node.Announced = before with { NextRotationId = 1235, NextPublicKey = next.PublicKey.ToArray() };
        (host, _) = await HostAsync(api);
        Assert.Equal(1235u, host.PreAnnounced?.RotationId);
        Assert.Equal(next.PublicKey.ToArray(), host.PreAnnounced?.PublicKey);
        Assert.Equal(1u, host.Noise?.SupportedVersion);

        using var plain = new NodeFixture(settings => settings with { MixLink = settings.MixLink with { Noise = false } });
        await using var plainApi = await StartAsync(plain);
        Assert.Null((await HostAsync(plainApi)).Host.Noise);

        node.Announced = new AnnouncedSphinxKeys(1235, next.PublicKey.ToArray(), 1234, before.PublicKey);
        (host, _) = await HostAsync(api);
        Assert.Equal(1235u, host.Primary.RotationId);
        Assert.Equal(host.SphinxKey, host.Primary.PublicKey);
        Assert.Null(host.PreAnnounced);
    }

    [Fact]
    public async Task Services_are_named_by_their_keys_and_are_501_where_they_are_off()
    {
        using var node = new NodeFixture();
        await using var api = await StartAsync(node);
        foreach (var (path, address) in new[] { ("/network-requester", node.Keys.NetworkRequester.Address), ("/ip-packet-router", node.Keys.IpPacketRouter!.Address) })
        {
            using var document = JsonDocument.Parse(await GetAsync(api, path));
            Assert.True(Recipient.TryParse(document.RootElement.GetProperty("address").GetString(), out var read));
            Assert.Equal(address, read);
            Assert.Equal(NodeKeys.Base58Text(address.Identity), document.RootElement.GetProperty("encoded_identity_key").GetString());
            Assert.Equal(NodeKeys.Base58Text(address.EncryptionKey), document.RootElement.GetProperty("encoded_x25519_key").GetString());
        }

        using var bare = new NodeFixture(settings => settings with
        {
            Ipr = settings.Ipr with { Enabled = false },
            NetworkRequester = settings.NetworkRequester with { Enabled = false },
        });
        await using var bareApi = await StartAsync(bare);
        Assert.Equal("""{"mixnode_enabled":false,"gateway_enabled":false,"network_requester_enabled":false,"ip_packet_router_enabled":false}""", Encoding.UTF8.GetString(await GetAsync(bareApi, "/roles")));
        foreach (var path in new[] { "/network-requester", "/network-requester/exit-policy", "/ip-packet-router" })
            Assert.Equal(HttpStatusCode.NotImplemented, await StatusAsync(bareApi, NodeApi.Root + path));
    }

    [Fact]
    public async Task The_policys_source_is_named_only_while_it_is_in_force()
    {
        using var node = new NodeFixture();
        await using var api = await StartAsync(node);
        node.Policy = NodeFixture.NetworkPolicy with { Origin = PolicyOrigin.Bundled };
        Assert.Equal(("", true), Source(await GetAsync(api, "/network-requester/exit-policy")));
        node.Policy = NodeFixture.NetworkPolicy with { Origin = PolicyOrigin.Cache };
        Assert.Equal((PolicySourceOptions.NetworkPolicyUrl, true), Source(await GetAsync(api, "/network-requester/exit-policy")));

        using var open = new NodeFixture(settings => settings with { Policy = settings.Policy with { OpenProxy = true } });
        await using var openApi = await StartAsync(open);
        Assert.Equal(("", false), Source(await GetAsync(openApi, "/network-requester/exit-policy")));

        static (string?, bool) Source(byte[] json)
        {
            using var document = JsonDocument.Parse(json);
            return (document.RootElement.GetProperty("upstream_source").GetString(), document.RootElement.GetProperty("enabled").GetBoolean());
        }
    }

    [Fact]
    public async Task Build_health_load_and_system_are_what_they_should_be()
    {
        using var node = new NodeFixture(settings => settings with { Node = settings.Node with { BinaryName = "fastexit", BuildVersion = null, ExposeSystemInfo = true } });
        await using var api = await StartAsync(node);
        using (var build = JsonDocument.Parse(await GetAsync(api, "/build-information")))
        {
            Assert.Equal(
                ["binary_name", "build_timestamp", "build_version", "commit_sha", "commit_timestamp", "commit_branch", "rustc_version", "rustc_channel", "cargo_profile", "cargo_triple"],
                build.RootElement.EnumerateObject().Select(member => member.Name));
            Assert.Equal("fastexit", build.RootElement.GetProperty("binary_name").GetString());
            Assert.True(SemanticVersion.TryParse(build.RootElement.GetProperty("build_version").GetString(), out _));
        }

        Assert.Matches("""^\{"status":"up","uptime":\d+\}$""", Encoding.UTF8.GetString(await GetAsync(api, "/health")));
        const string Word = "(unknown|negligible|low|medium|high|very_high|at_capacity)";
        Assert.Matches($$"""^\{"total":"{{Word}}","machine":"{{Word}}","network":"{{Word}}"\}$""", Encoding.UTF8.GetString(await GetAsync(api, "/load")));
        using (var system = JsonDocument.Parse(await GetAsync(api, "/system-info")))
        {
            Assert.Equal(File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), system.RootElement.GetProperty("kernel_version").GetString());
            Assert.True(system.RootElement.GetProperty("hardware").GetProperty("total_memory").GetInt64() > 1 << 20);
            Assert.True(system.RootElement.GetProperty("hardware").GetProperty("cpu").GetArrayLength() > 0);
        }

        using var hidden = new NodeFixture();
        await using var hiddenApi = await StartAsync(hidden);
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(hiddenApi, "/api/v1/system-info"));
    }

    [Theory]
    [InlineData("/", HttpStatusCode.OK)]
    [InlineData("/api/v1/health/", HttpStatusCode.OK)]
    [InlineData("/api/v1", HttpStatusCode.NotFound)]
    [InlineData("/api/v1/nothing", HttpStatusCode.NotFound)]
    [InlineData("/api/v2/health", HttpStatusCode.NotFound)]
    [InlineData("/api/v1/../../etc/passwd", HttpStatusCode.NotFound)]
    [InlineData("/api/v1/authenticator", HttpStatusCode.NotImplemented)]
    [InlineData("/api/v1/gateway/client-interfaces/wireguard", HttpStatusCode.NotImplemented)]
    [InlineData("/api/v1/lewes-protocol", HttpStatusCode.NotImplemented)]
    [InlineData("/api/v1/metrics/verloc", HttpStatusCode.NotImplemented)]
    [InlineData("/api/v1/metrics/prometheus", HttpStatusCode.NotFound)]
    [InlineData("/api/v1/roles?output=json", HttpStatusCode.OK)]
    [InlineData("/api/v1/roles?output=yaml", HttpStatusCode.OK)]
    [InlineData("/api/v1/roles?output=bincode", HttpStatusCode.NotAcceptable)]
    [InlineData("/api/v1/roles?output=xml", HttpStatusCode.BadRequest)]
    [InlineData("/api/v1/roles?output=json&output=yaml", HttpStatusCode.BadRequest)]
    [InlineData("/hardware", HttpStatusCode.PermanentRedirect)]
    [InlineData("/description", HttpStatusCode.PermanentRedirect)]
    [InlineData("/stats", HttpStatusCode.PermanentRedirect)]
    [InlineData("/verloc", HttpStatusCode.PermanentRedirect)]
    [InlineData("/metrics", HttpStatusCode.PermanentRedirect)]
    public async Task Paths_answer_with_their_status(string path, HttpStatusCode status)
    {
        using var node = new NodeFixture();
        await using var api = await StartAsync(node);
        Assert.Equal(status, await StatusAsync(api, path));
    }

    [Fact]
    public async Task Yaml_has_the_same_members()
    {
        using var node = new NodeFixture();
        await using var api = await StartAsync(node);
        Assert.Equal("location: \"CH\"\nannounce_ports:\n  verloc_port: null\n  mix_port: 1789\naccepted_operator_terms_and_conditions: true\n", Encoding.UTF8.GetString(await GetAsync(api, "/auxiliary-details?output=yaml")));
        Assert.Equal(
            "a:\n  - 1\n  - b: []\n    c:\n      - - 2\n        - 3\n      - {}\nd: \"x: #\\n\"\n",
            Encoding.UTF8.GetString(YamlText.From(Encoding.UTF8.GetBytes("""{"a":[1,{"b":[],"c":[[2,3],{}]}],"d":"x: #\n"}"""))));
    }

    [Fact]
    public async Task Metrics_need_the_token()
    {
        using var node = new NodeFixture();
        var collector = new CoreCollector(() => node.Counters);
        await using var api = await NodeApi.StartAsync(new IPEndPoint(IPAddress.Loopback, 0), node.Documents, collector.Registry, "0123456789abcdef");
        var url = new Uri(api.Address, "/api/v1/metrics/prometheus");
        using var client = new HttpClient();
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync(url)).StatusCode);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "0123456789abcdeF");
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync(url)).StatusCode);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "0123456789abcdef");
        Assert.Contains("fastexit_core_loops_total{core=\"1\"} 0\n", await client.GetStringAsync(url), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Head_has_no_body_and_other_methods_and_bodies_are_refused()
    {
        using var node = new NodeFixture();
        await using var api = await StartAsync(node);
        using var client = new HttpClient();
        using var head = await client.SendAsync(new HttpRequestMessage(HttpMethod.Head, new Uri(api.Address, "/api/v1/roles")));
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.True(head.Content.Headers.ContentLength > 50);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
        using var post = await client.PostAsync(new Uri(api.Address, "/api/v1/roles"), null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, post.StatusCode);
        using var body = await client.PostAsync(new Uri(api.Address, "/api/v1/roles"), new ByteArrayContent(new byte[100]));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, body.StatusCode);
    }

    internal static Task<NodeApi> StartAsync(NodeFixture node) => NodeApi.StartAsync(new IPEndPoint(IPAddress.Loopback, 0), node.Documents);

    private static async Task<byte[]> GetAsync(NodeApi api, string path)
    {
        using var client = new HttpClient();
        return await client.GetByteArrayAsync(new Uri(api.Address, NodeApi.Root + path));
    }

    private static async Task<HttpStatusCode> StatusAsync(NodeApi api, string path)
    {
        using var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
        using var response = await client.GetAsync(new Uri(api.Address, path));
        if (response.StatusCode == HttpStatusCode.PermanentRedirect)
            Assert.StartsWith("/api/v1/", response.Headers.Location?.OriginalString, StringComparison.Ordinal);
        return response.StatusCode;
    }

    private static async Task<(HostInformation Host, byte[] Body)> HostAsync(NodeApi api)
    {
        var body = await GetAsync(api, "/host-information");
        using var document = JsonDocument.Parse(body);
        var host = HostInformation.Read(document.RootElement.GetProperty("data"));
        Assert.True(SignedObject.Verify(document.RootElement, host.Identity, SerdeJson.Of(host.Write)));
        return (host, body);
    }
}
