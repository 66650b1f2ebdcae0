using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Lab.Api;
using FastExit.Crypto.Primitives;
using FastExit.Topology;
using SimpleBase;
using Xunit;

namespace FastExit.Tests.Bench.Lab.Api;

/// <summary>The lab's directory by HTTP, as entry-and-directory.md §1 and mix-link.md §6.7 and §6.8 have it.</summary>
public sealed class DirectoryServiceTests : IAsyncLifetime, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fastexit-directory-").FullName;
    private readonly HttpClient _http = new();
    private readonly NodeKeys _exit = NodeKeys.Generate();
    private readonly MovableClock _clock = new();
    private LabDirectory _lab = null!;
    private DirectoryService _service = null!;

    private string Entry => Base58.Bitcoin.Encode(_lab.Entry(1).Identity);

    private string Exit => Base58.Bitcoin.Encode(_exit.Identity);

    public async Task InitializeAsync()
    {
        _lab = new LabDirectory(_folder);
        _lab.CreateKeys();
        string identity = Exit, sphinx = Base58.Bitcoin.Encode(_exit.SphinxKey);
        await File.WriteAllTextAsync(
            _lab.ExitFile,
            $$"""{"network_requester":"a.b@{{identity}}","ip_packet_router":"c.d@{{identity}}","identity":"{{identity}}","sphinx_key":"{{sphinx}}","mix_address":"127.0.0.1:1005"}""");
        _lab.WriteTopology([Loopback(1001), Loopback(1002), Loopback(1003)], [Loopback(1004)], _lab.Exit());
        _service = await StartAsync(new DirectorySettings());
    }

    public Task DisposeAsync() => _service.DisposeAsync().AsTask();

    public void Dispose()
    {
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Gateways_as_clients_choose_and_route_by_them()
    {
        JsonNode answer = await GetAsync("v2/unstable/nym-nodes/skimmed/entry-gateways?page=0&output=bincode");
        Assert.Equal("""{"total":2,"page":0,"size":2}""", answer["nodes"]!["pagination"]!.ToJsonString());
        Assert.Equal(["status", "absolute_epoch_id", "rotation_id", "refreshed_at"], answer["metadata"]!.AsObject().Select(member => member.Key));
        JsonArray nodes = answer["nodes"]!["data"]!.AsArray();
        Assert.Equal(
            $$"""
            {"node_id":4,"ed25519_identity_pubkey":"{{Entry}}","ip_addresses":["127.0.0.1"],"mix_port":1004,"x25519_sphinx_pubkey":"{{Base58.Bitcoin.Encode(_lab.Entry(1).SphinxKey)}}","role":"EntryGateway","supported_roles":{"mixnode":false,"entry":true,"exit_nr":false,"exit_ipr":false},"entry":{"hostname":null,"ws_port":9000,"wss_port":null},"performance":"0.99"}
            """,
            nodes[0]!.ToJsonString());
        Assert.Equal(
            $$"""
            {"node_id":5,"ed25519_identity_pubkey":"{{Exit}}","ip_addresses":["127.0.0.1"],"mix_port":1005,"x25519_sphinx_pubkey":"{{Base58.Bitcoin.Encode(_exit.SphinxKey)}}","role":"ExitGateway","supported_roles":{"mixnode":false,"entry":true,"exit_nr":true,"exit_ipr":true},"entry":null,"performance":"0.99"}
            """,
            nodes[1]!.ToJsonString());
        Assert.Empty((await GetAsync("v2/unstable/nym-nodes/skimmed/entry-gateways?page=1"))["nodes"]!["data"]!.AsArray());
    }

    [Fact]
    public async Task Mixes_and_the_rewarded_set_agree()
    {
        JsonNode mixes = await GetAsync("v2/unstable/nym-nodes/skimmed/mixnodes/active?page=0");
        JsonNode set = await GetAsync("v1/nym-nodes/rewarded-set");
        for (int layer = 1; layer <= 3; layer++)
        {
            JsonNode mix = mixes["nodes"]!["data"]!.AsArray()[layer - 1]!;
            Assert.Equal(layer, (int)mix["role"]!["Mixnode"]!["layer"]!);
            Assert.Equal([(int)mix["node_id"]!], set[$"layer{layer}"]!.AsArray().Select(id => (int)id!));
        }

        Assert.Equal("[4]", set["entry_gateways"]!.ToJsonString());
        Assert.Equal("[5]", set["exit_gateways"]!.ToJsonString());
        Assert.Equal("[]", set["standby"]!.ToJsonString());
        Assert.Equal((int)mixes["metadata"]!["absolute_epoch_id"]!, (int)set["epoch_id"]!);
        JsonNode all = await GetAsync("v2/unstable/nym-nodes/skimmed?page=0");
        Assert.Equal(5, all["nodes"]!["data"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v2")]
    public async Task Described_nodes_have_what_is_required(string version)
    {
        JsonNode answer = await GetAsync($"{version}/nym-nodes/described?page=0");
        JsonNode exit = answer["data"]!.AsArray()[4]!, description = exit["description"]!;
        Assert.Equal("nym_node", (string)exit["contract_node_type"]!);
        Assert.Equal("c.d@" + Exit, (string)description["ip_packet_router"]!["address"]!);
        Assert.Equal("a.b@" + Exit, (string)description["network_requester"]!["address"]!);
        Assert.True((bool)description["network_requester"]!["uses_exit_policy"]!);
        JsonNode keys = description["host_information"]!["keys"]!;
        Assert.Equal(Exit, (string)keys["ed25519"]!);
        Assert.Equal(1, (int)keys["current_x25519_sphinx_key"]!["rotation_id"]!);
        Assert.Equal("1.37.0", (string)description["build_information"]!["build_version"]!);
        foreach (string member in new[] { "binary_name", "build_timestamp", "commit_sha", "commit_timestamp", "commit_branch", "rustc_version", "rustc_channel", "cargo_profile" })
            Assert.NotNull((string?)description["build_information"]![member]);
        Assert.NotNull(description["mixnet_websockets"]!["ws_port"]);
        Assert.Equal(9000, (int)answer["data"]!.AsArray()[3]!["description"]!["mixnet_websockets"]!["ws_port"]!);
    }

    [Fact]
    public async Task Performance_and_version_can_be_turned_while_it_runs()
    {
        _service.Content.Settings = _service.Content.Settings with
        {
            Performance = new Dictionary<TopologyRole, string> { [TopologyRole.Exit] = "0.49" },
            BuildVersion = "1.36.9",
        };
        JsonArray nodes = (await GetAsync("v2/unstable/nym-nodes/skimmed?page=0"))["nodes"]!["data"]!.AsArray();
        Assert.Equal(["0.99", "0.99", "0.99", "0.99", "0.49"], nodes.Select(node => (string)node!["performance"]!));
        JsonNode described = await GetAsync("v2/nym-nodes/described?page=0");
        Assert.Equal("1.36.9", (string)described["data"]![4]!["description"]!["build_information"]!["build_version"]!);
        using var client = new DirectoryClient(_service.Url);
        DirectoryView view = await client.ReadAsync(default);
        Assert.False(view.Topology.TryGetGateway(_exit.Identity, out _), "below half of the performance a node is left out");
    }

    [Fact]
    public async Task Rotations_turn_with_the_epochs()
    {
        await _service.DisposeAsync();
        _service = await StartAsync(new DirectorySettings { Epoch = TimeSpan.FromSeconds(10), ValidityEpochs = 4 });
        JsonNode info = await GetAsync("v1/epoch/key-rotation-info");
        Assert.Equal(
            """{"validity_epochs":4,"initial_epoch_id":0} 4 {"secs":10,"nanos":0} {"current_key_rotation_id":1,"current_rotation_starting_epoch":4,"current_rotation_ending_epoch":7}""",
            $"{info["key_rotation_state"]!.ToJsonString()} {info["current_absolute_epoch_id"]} {info["epoch_duration"]!.ToJsonString()} {info["progress"]!.ToJsonString()}");
        var start = DateTimeOffset.Parse((string)info["current_epoch_start"]!, System.Globalization.CultureInfo.InvariantCulture);
        Assert.True((_clock.GetUtcNow() - start).Duration() < TimeSpan.FromMilliseconds(1));
        _clock.Offset += TimeSpan.FromSeconds(41);
        info = await GetAsync("v1/epoch/key-rotation-info");
        Assert.Equal((8, 2), ((int)info["current_absolute_epoch_id"]!, (int)info["progress"]!["current_key_rotation_id"]!));
        JsonNode metadata = (await GetAsync("v2/unstable/nym-nodes/skimmed?page=0"))["metadata"]!;
        Assert.Equal((8, 2), ((int)metadata["absolute_epoch_id"]!, (int)metadata["rotation_id"]!));
    }

    [Fact]
    public async Task Without_epochs_the_rotation_is_the_topologys()
    {
        _clock.Offset += TimeSpan.FromHours(100);
        JsonNode info = await GetAsync("v1/epoch/key-rotation-info");
        Assert.Equal((1, 45), ((int)info["progress"]!["current_key_rotation_id"]!, (int)info["current_absolute_epoch_id"]!));
        NetworkTopology old = _lab.Topology();
        new NetworkTopology(6, [.. old.Nodes]).Save(_lab.TopologyFile);
        File.SetLastWriteTimeUtc(_lab.TopologyFile, DateTime.UtcNow.AddSeconds(5));
        Assert.Equal(6, (int)(await GetAsync("v2/unstable/nym-nodes/skimmed?page=0"))["metadata"]!["rotation_id"]!);
    }

    [Fact]
    public async Task A_client_gets_the_topology_and_the_websockets()
    {
        NetworkTopology old = _lab.Topology();
        byte[] noise = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        new NetworkTopology(1, [.. old.Nodes.Select(node => node.Role == TopologyRole.Exit ? node with { NoiseKey = noise, OtherAddresses = [IPAddress.IPv6Loopback] } : node)])
            .Save(_lab.TopologyFile);
        using var client = new DirectoryClient(new Uri(_service.Url + "/"));
        DirectoryView view = await client.ReadAsync(default);
        NetworkTopology written = _lab.Topology();
        Assert.Equal(written.RotationId, view.Topology.RotationId);
        Assert.True(view.IsLike(new DirectoryView(written, view.Websockets)));
        Assert.Equal(new Uri("ws://127.0.0.1:9000"), view.Websockets[Entry]);
        Assert.Single(view.Websockets);
    }

    [Fact]
    public async Task Addresses_are_known_or_not()
    {
        using HttpResponseMessage answer = await _http.PostAsJsonAsync(
            Url("v1/unstable/nym-nodes/by-addresses"), new { addresses = new[] { "127.0.0.1", "192.0.2.1" } });
        Assert.Equal("""{"existence":{"127.0.0.1":1,"192.0.2.1":null}}""", await answer.Content.ReadAsStringAsync());
        foreach (string wrong in new[] { "{}", "[", """{"addresses":[1]}""", """{"addresses":["nowhere"]}""" })
        {
            using var content = new StringContent(wrong, Encoding.UTF8, "application/json");
            using HttpResponseMessage refused = await _http.PostAsync(Url("v1/unstable/nym-nodes/by-addresses"), content);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        }
    }

    [Fact]
    public async Task A_refresh_is_asked_for_by_a_known_node_with_its_signature_and_now()
    {
        long now = _clock.GetUtcNow().ToUnixTimeSeconds();
        Assert.Equal(HttpStatusCode.OK, await RefreshAsync(_exit, now));
        Assert.Equal(HttpStatusCode.BadRequest, await RefreshAsync(_exit, now - 31));
        Assert.Equal(HttpStatusCode.BadRequest, await RefreshAsync(_exit, now + 5));
        Assert.Equal(HttpStatusCode.BadRequest, await RefreshAsync(NodeKeys.Generate(), now));
        Assert.Equal(HttpStatusCode.BadRequest, await RefreshAsync(_exit, now, spoil: true));
    }

    [Theory]
    [InlineData("http")]
    [InlineData("https")]
    public async Task Browsers_may_ask_from_anywhere(string scheme)
    {
        X509Certificate2? shown = null;
        using var handler = new HttpClientHandler
        {
            ServerCertificateCustomValidationCallback = (_, certificate, _, _) =>
            {
                shown = certificate;
                return true;
            },
        };
        using var http = new HttpClient(handler);
        Uri url = new((scheme == "https" ? _service.SecureUrl : _service.Url) + "/v1/nym-nodes/rewarded-set");
        using var request = new HttpRequestMessage(HttpMethod.Options, url);
        using HttpResponseMessage preflight = await http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NoContent, preflight.StatusCode);
        using HttpResponseMessage answer = await http.GetAsync(url);
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.ToString());
        foreach (HttpResponseMessage response in new[] { preflight, answer })
        {
            foreach (string header in new[] { "Origin", "Headers", "Methods" })
                Assert.Equal("*", response.Headers.GetValues("Access-Control-Allow-" + header).Single());
        }

        Assert.Equal(scheme == "https", shown is not null);
    }

    [Theory]
    [InlineData("v1/nowhere", HttpStatusCode.NotFound)]
    [InlineData("v1/nym-nodes/rewarded-set/", HttpStatusCode.OK)]
    [InlineData("../v1/nym-nodes/rewarded-set", HttpStatusCode.OK)]
    public async Task Paths(string path, HttpStatusCode expected)
    {
        using HttpResponseMessage answer = await _http.GetAsync(Url(path));
        Assert.Equal(expected, answer.StatusCode);
    }

    [Fact]
    public async Task The_older_routes_list_gateways_and_mixes()
    {
        JsonArray gateways = (await GetAsync("v1/gateways/described")).AsArray(), mixes = (await GetAsync("v1/mixnodes/active")).AsArray();
        Assert.Equal([Entry, Exit], gateways.Select(gateway => (string)gateway!["bond"]!["gateway"]!["identity_key"]!));
        Assert.Equal(9000, (int)gateways[0]!["bond"]!["gateway"]!["clients_port"]!);
        Assert.Equal([1, 2, 3], mixes.Select(mix => (int)mix!["bond_information"]!["layer"]!));
        Assert.Equal([1001, 1002, 1003], mixes.Select(mix => (int)mix!["bond_information"]!["mix_node"]!["mix_port"]!));
    }

    private static IPEndPoint Loopback(int port) => new(IPAddress.Loopback, port);

    private Task<DirectoryService> StartAsync(DirectorySettings settings) => DirectoryService.StartAsync(_lab, settings with
    {
        ListenTls = Loopback(0),
        Clock = _clock,
        Websockets = new Dictionary<string, int> { [Entry] = 9000 },
    });

    private Uri Url(string path) => new(_service.Url + "/" + path);

    private async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await _http.GetStringAsync(Url(path)))!;

    private async Task<HttpStatusCode> RefreshAsync(NodeKeys keys, long timestamp, bool spoil = false)
    {
        byte[] time = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(time, timestamp);
        byte[] signature = Ed25519.Sign(keys.IdentitySeed, [.. keys.Identity, .. time, .. "describe-cache-refresh-request"u8]);
        if (spoil)
            signature[3] ^= 4;
        using HttpResponseMessage answer = await _http.PostAsJsonAsync(
            Url("v1/nym-nodes/refresh-described"),
            new { node_identity = Base58.Bitcoin.Encode(keys.Identity), request_timestamp = timestamp, signature = signature.Select(b => (int)b).ToArray() });
        return answer.StatusCode;
    }

    private sealed class MovableClock : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero) + Offset;
    }
}
