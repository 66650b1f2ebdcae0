using System.Net;
using System.Text.Encodings.Web;
using System.Text.Json;
using FastExit.Crypto.Primitives;
using FastExit.Topology;
using SimpleBase;

namespace FastExit.Bench.Lab.Api;

/// <summary>What an exit says of itself by HTTP (mix-link.md §6), as the network's directory asks for it.</summary>
internal sealed record ExitDescription
{
    /// <summary>The only source that counts, character by character (mix-link.md §6.1).</summary>
    private const string PolicySource = "https://nymtech.net/.wellknown/network-requester/exit-policy.txt";

    private static readonly JsonSerializerOptions s_compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public required string Identity { get; init; }

    public required IReadOnlyList<IPAddress> Addresses { get; init; }

    public string? Hostname { get; init; }

    /// <summary>Rotation id and base58 key: the primary one, then the one announced ahead.</summary>
    public required IReadOnlyList<(uint Rotation, string Key)> SphinxKeys { get; init; }

    public string? NoiseKey { get; init; }

    public required string Build { get; init; }

    public int? MixPort { get; init; }

    public string? NetworkRequester { get; init; }

    public string? IpPacketRouter { get; init; }

    public bool UsesExitPolicy { get; init; }

    /// <summary>Asks for everything; the order is the network's: health, then who it is, then the rest.</summary>
    /// <exception cref="HttpRequestException">It does not answer.</exception>
    /// <exception cref="LabException">It answers something that the network would refuse.</exception>
    public static async Task<ExitDescription> AskAsync(HttpClient http, Uri api, CancellationToken stop)
    {
        async Task<JsonElement?> Get(string path)
        {
            using HttpResponseMessage answer = await http.GetAsync(new Uri(api, "/api/v1/" + path), stop).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode)
                return null;
            using JsonDocument document = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(stop).ConfigureAwait(false));
            return document.RootElement.Clone();
        }

        async Task<JsonElement> Must(string path) =>
            await Get(path).ConfigureAwait(false) ?? throw new LabException($"the exit's API has no {path}");

        try
        {
            if ((await Must("health").ConfigureAwait(false)).GetProperty("status").GetString() != "up")
                throw new LabException("the exit's API is not up");
            JsonElement host = await Must("host-information").ConfigureAwait(false);
            JsonElement build = await Must("build-information").ConfigureAwait(false);
            JsonElement roles = await Must("roles").ConfigureAwait(false);
            JsonElement websockets = await Must("gateway/client-interfaces/mixnet-websockets").ConfigureAwait(false);
            JsonElement? auxiliary = await Get("auxiliary-details").ConfigureAwait(false);
            JsonElement? requester = await Get("network-requester").ConfigureAwait(false);
            JsonElement? router = await Get("ip-packet-router").ConfigureAwait(false);
            bool policy = requester is not null && UsesPolicy(await Must("network-requester/exit-policy").ConfigureAwait(false));
            bool gateway = roles.GetProperty("gateway_enabled").GetBoolean();
            if (Port(websockets, "ws_port") is null)
                throw new LabException("the exit's API names no websocket port");
            return Read(host) with
            {
                Build = build.GetRawText(),
                MixPort = auxiliary is { } details && details.TryGetProperty("announce_ports", out JsonElement ports) ? Port(ports, "mix_port") : null,
                NetworkRequester = gateway && roles.GetProperty("network_requester_enabled").GetBoolean() ? Address(requester) : null,
                IpPacketRouter = gateway && roles.GetProperty("ip_packet_router_enabled").GetBoolean() ? Address(router) : null,
                UsesExitPolicy = policy,
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new LabException($"the exit's API answers what nobody expects: {e.Message}");
        }
    }

    /// <summary>The signed host information alone (mix-link.md §6.3).</summary>
    /// <exception cref="LabException">The signature is not the identity's.</exception>
    internal static ExitDescription Read(JsonElement signed)
    {
        JsonElement data = signed.GetProperty("data"), keys = data.GetProperty("keys");
        string identity = keys.GetProperty("ed25519_identity").GetString()!;
        byte[] compact = JsonSerializer.SerializeToUtf8Bytes(data, s_compact);
        if (!Ed25519.Verify(Bytes(identity), compact, Bytes(signed.GetProperty("signature").GetString()!)))
            throw new LabException("the exit's host information is not signed by its identity");
        var sphinx = new List<(uint, string)>();
        foreach (string name in new[] { "primary_x25519_sphinx_key", "pre_announced_x25519_sphinx_key" })
        {
            if (keys.TryGetProperty(name, out JsonElement key) && key.ValueKind == JsonValueKind.Object)
                sphinx.Add((key.GetProperty("rotation_id").GetUInt32(), key.GetProperty("public_key").GetString()!));
        }

        return new ExitDescription
        {
            Identity = identity,
            Addresses = [.. data.GetProperty("ip_address").EnumerateArray().Select(text => IPAddress.Parse(text.GetString()!))],
            Hostname = data.GetProperty("hostname").GetString(),
            SphinxKeys = sphinx,
            NoiseKey = keys.TryGetProperty("x25519_versioned_noise", out JsonElement noise) && noise.ValueKind == JsonValueKind.Object
                ? noise.GetProperty("x25519_pubkey").GetString()
                : null,
            Build = "{}",
        };
    }

    /// <summary>The node with what it says itself.</summary>
    public DirectoryNode Describe(DirectoryNode node, uint rotation)
    {
        string Key(uint wanted) => SphinxKeys.Where(key => key.Rotation == wanted).Select(key => key.Key).FirstOrDefault() ?? "";
        string current = Key(rotation), next = Key(rotation + 1);
        return node with
        {
            Addresses = Addresses.Count > 0 ? Addresses : node.Addresses,
            MixPort = MixPort ?? node.MixPort,
            Hostname = Hostname,
            SphinxKey = current.Length > 0 ? current : SphinxKeys.Count > 0 ? SphinxKeys[0].Key : node.SphinxKey,
            NextSphinxKey = next.Length > 0 ? next : null,
            NoiseKey = NoiseKey,
            NetworkRequester = NetworkRequester,
            IpPacketRouter = IpPacketRouter,
            UsesExitPolicy = UsesExitPolicy,
            Build = Build,
        };
    }

    private static bool UsesPolicy(JsonElement policy) =>
        policy.GetProperty("enabled").GetBoolean() && policy.GetProperty("upstream_source").GetString() == PolicySource;

    private static int? Port(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement port) && port.ValueKind == JsonValueKind.Number ? port.GetUInt16() : null;

    private static string? Address(JsonElement? service) =>
        service is { } details && details.TryGetProperty("address", out JsonElement address) ? address.GetString() : null;

    private static byte[] Bytes(string text) =>
        text.Length is > 0 and < 128 && !text.AsSpan().ContainsAnyExcept(TopologyFile.Base58Characters) ? Base58.Bitcoin.Decode(text) : [];
}
