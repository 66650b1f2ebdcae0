using System.Net;
using System.Text;
using System.Text.Json;
using FastExit.Bench.Lab;
using FastExit.Bench.Lab.Api;
using FastExit.Crypto.Primitives;
using FastExit.Topology;
using SimpleBase;
using Xunit;

namespace FastExit.Tests.Bench.Lab.Api;

/// <summary>What an exit says of itself, mix-link.md §6.3, and what the directory makes of it.</summary>
public sealed class ExitDescriptionTests
{
    private readonly NodeKeys _keys = NodeKeys.Generate();

    [Fact]
    public void A_signed_description_is_read_and_changes_the_node()
    {
        ExitDescription description = Parse(Signed(Data()));
        Assert.Equal(Base58.Bitcoin.Encode(_keys.Identity), description.Identity);
        Assert.Equal([IPAddress.Parse("203.0.113.5"), IPAddress.Parse("2001:db8::5")], description.Addresses);
        DirectoryNode node = new(5, description.Identity, TopologyRole.Exit, [IPAddress.Loopback], 1789) { SphinxKey = "old", Performance = "0.99" };
        DirectoryNode first = description.Describe(node, 4), second = description.Describe(node, 5), late = description.Describe(node, 9);
        Assert.Equal(("primary", "next"), (first.SphinxKey, first.NextSphinxKey));
        Assert.Equal(("next", null), (second.SphinxKey, second.NextSphinxKey));
        Assert.Equal(("primary", null), (late.SphinxKey, late.NextSphinxKey));
        Assert.Equal("noise", first.NoiseKey);
        Assert.Equal("exit.example", first.Hostname);
        Assert.Equal(2, first.Addresses.Count);
    }

    [Fact]
    public void White_space_does_not_matter_the_content_does()
    {
        string signed = Signed(Data());
        string spread = signed.Replace(",\"keys\"", " ,\n \"keys\"", StringComparison.Ordinal);
        Assert.Equal(Base58.Bitcoin.Encode(_keys.Identity), Parse(spread).Identity);
        Assert.Throws<LabException>(() => Parse(signed.Replace("203.0.113.5", "203.0.113.6", StringComparison.Ordinal)));
        Assert.Throws<LabException>(() => Parse(signed.Replace("exit.example", "exit.examplf", StringComparison.Ordinal)));
    }

    /// <summary>A small exit's API by HTTP; each section as it stands, or missing.</summary>
    [Theory]
    [InlineData("", true, true, true)]
    [InlineData("health", false, false, false)]
    [InlineData("roles", false, false, false)]
    [InlineData("network-requester", true, false, true)]
    [InlineData("network-requester/exit-policy", false, false, false)]
    [InlineData("ip-packet-router", true, true, false)]
    [InlineData("auxiliary-details", true, true, true)]
    public async Task It_is_asked_as_the_network_asks(string missing, bool described, bool requester, bool router)
    {
        var sections = new Dictionary<string, string>
        {
            ["health"] = """{"status":"up","uptime":1}""",
            ["host-information"] = Signed(Data()),
            ["build-information"] = """{"binary_name":"fastexit","build_version":"9.8.7"}""",
            ["roles"] = """{"mixnode_enabled":false,"gateway_enabled":true,"network_requester_enabled":true,"ip_packet_router_enabled":true}""",
            ["gateway/client-interfaces/mixnet-websockets"] = """{"ws_port":9000,"wss_port":null}""",
            ["auxiliary-details"] = """{"location":null,"announce_ports":{"verloc_port":null,"mix_port":1799},"accepted_operator_terms_and_conditions":true}""",
            ["network-requester"] = """{"encoded_identity_key":"a","encoded_x25519_key":"b","address":"a.b@c"}""",
            ["network-requester/exit-policy"] = """{"enabled":true,"upstream_source":"https://nymtech.net/.wellknown/network-requester/exit-policy.txt","last_updated":0,"policy":null}""",
            ["ip-packet-router"] = """{"encoded_identity_key":"a","encoded_x25519_key":"b","address":"d.e@c"}""",
        };
        sections.Remove(missing);
        using var http = new HttpClient(new Sections(sections));
        var api = new Uri("http://exit.test:8080");
        if (!described)
        {
            await Assert.ThrowsAsync<LabException>(() => ExitDescription.AskAsync(http, api, default));
            return;
        }

        ExitDescription description = await ExitDescription.AskAsync(http, api, default);
        Assert.Equal(requester ? "a.b@c" : null, description.NetworkRequester);
        Assert.Equal(router ? "d.e@c" : null, description.IpPacketRouter);
        Assert.Equal(requester, description.UsesExitPolicy);
        Assert.Equal(missing == "auxiliary-details" ? null : 1799, description.MixPort);
        Assert.Contains("9.8.7", description.Build, StringComparison.Ordinal);
    }

    private sealed class Sections(Dictionary<string, string> sections) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(sections.TryGetValue(request.RequestUri!.AbsolutePath["/api/v1/".Length..], out string? body)
                ? new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(body) }
                : new HttpResponseMessage(HttpStatusCode.NotImplemented));
    }

    private static ExitDescription Parse(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return ExitDescription.Read(document.RootElement);
    }

    private string Data() =>
        $$$$"""{"ip_address":["203.0.113.5","2001:db8::5"],"hostname":"exit.example","keys":{"ed25519_identity":"{{{{Base58.Bitcoin.Encode(_keys.Identity)}}}}","x25519_sphinx":"primary","primary_x25519_sphinx_key":{"rotation_id":4,"public_key":"primary"},"pre_announced_x25519_sphinx_key":{"rotation_id":5,"public_key":"next"},"x25519_versioned_noise":{"supported_version":1,"x25519_pubkey":"noise"}}}""";

    private string Signed(string data) =>
        $$"""{"data":{{data}},"signature":"{{Base58.Bitcoin.Encode(Ed25519.Sign(_keys.IdentitySeed, Encoding.UTF8.GetBytes(data)))}}"}""";
}
