using System.Net;
using System.Text.Json;
using FastExit.Bench.Lab;
using FastExit.Topology;
using SimpleBase;

namespace FastExit.Bench.Client;

/// <summary>What a directory knows at one moment: the nodes that clients may use, and where entry gateways take clients.</summary>
internal sealed record DirectoryView(NetworkTopology Topology, IReadOnlyDictionary<string, Uri> Websockets)
{
    /// <summary>Whether a client would notice the difference.</summary>
    public bool IsLike(DirectoryView other) =>
        Topology.RotationId == other.Topology.RotationId
        && Topology.Nodes.Select(Line).SequenceEqual(other.Topology.Nodes.Select(Line));

    private static string Line(TopologyNode node) =>
        $"{Convert.ToHexString(node.Identity)} {Convert.ToHexString(node.SphinxKey)} {node.MixAddress} {node.Role} {Convert.ToHexString(node.NoiseKey ?? [])}";
}

/// <summary>Reads a network's directory as clients do: layers from the rewarded set, nodes from the semi-skimmed list, both by JSON.</summary>
internal sealed class DirectoryClient : IDisposable
{
    /// <summary>Nodes below are left out, as by every client.</summary>
    private const decimal MinimumPerformance = 0.5m;

    private const int LargestAnswerBytes = 16 << 20;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(5), MaxResponseContentBufferSize = LargestAnswerBytes };
    private readonly Uri _base;

    /// <param name="url">With its path, for example <c>http://127.0.0.1:18080/api</c>.</param>
    public DirectoryClient(Uri url) => _base = new Uri(url.ToString().TrimEnd('/') + "/");

    /// <exception cref="LabException">It does not answer, or not as a directory.</exception>
    public async Task<DirectoryView> ReadAsync(CancellationToken stop)
    {
        try
        {
            using JsonDocument rewarded = await GetAsync("v1/nym-nodes/rewarded-set", stop).ConfigureAwait(false);
            using JsonDocument nodes = await GetAsync("v2/unstable/nym-nodes/semi-skimmed?page=0", stop).ConfigureAwait(false);
            return Read(rewarded.RootElement, nodes.RootElement);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !stop.IsCancellationRequested)
        {
            throw new LabException($"the directory {_base} does not answer: {e.Message}");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            throw new LabException($"the directory {_base} answers what nobody expects: {e.Message}");
        }
    }

    public void Dispose() => _http.Dispose();

    internal static DirectoryView Read(JsonElement rewarded, JsonElement skimmed)
    {
        var roles = new Dictionary<uint, TopologyRole>();
        for (int layer = 1; layer <= NetworkTopology.Layers; layer++)
        {
            foreach (JsonElement id in rewarded.GetProperty($"layer{layer}").EnumerateArray())
                roles[id.GetUInt32()] = TopologyRole.Mix1 + (layer - 1);
        }

        var nodes = new List<TopologyNode>();
        var websockets = new Dictionary<string, Uri>();
        foreach (JsonElement element in skimmed.GetProperty("nodes").GetProperty("data").EnumerateArray())
        {
            JsonElement basic = element.GetProperty("basic");
            IPAddress[] addresses = [.. basic.GetProperty("ip_addresses").EnumerateArray().Select(text => IPAddress.Parse(text.GetString()!))];
            decimal performance = decimal.Parse(basic.GetProperty("performance").GetString()!, System.Globalization.CultureInfo.InvariantCulture);
            if (addresses.Length == 0 || performance < MinimumPerformance)
                continue;
            JsonElement said = basic.GetProperty("role");
            TopologyRole? gateway = said.ValueKind != JsonValueKind.String ? null
                : said.GetString() is "ExitGateway" or "exit" ? TopologyRole.Exit
                : TopologyRole.Entry;
            if ((roles.TryGetValue(basic.GetProperty("node_id").GetUInt32(), out TopologyRole mix) ? mix : gateway) is not { } role)
                continue;
            string identity = basic.GetProperty("ed25519_identity_pubkey").GetString()!;
            nodes.Add(new TopologyNode(
                Key(identity), Key(basic.GetProperty("x25519_sphinx_pubkey").GetString()!),
                new IPEndPoint(addresses[0], basic.GetProperty("mix_port").GetUInt16()), role)
            {
                OtherAddresses = addresses[1..],
                NoiseKey = element.TryGetProperty("x25519_noise_versioned_key", out JsonElement noise) && noise.ValueKind == JsonValueKind.Object
                    ? Key(noise.GetProperty("x25519_pubkey").GetString()!)
                    : null,
            });
            if (Websocket(basic, addresses[0]) is { } websocket)
                websockets[identity] = websocket;
        }

        return new DirectoryView(new NetworkTopology(skimmed.GetProperty("metadata").GetProperty("rotation_id").GetUInt32(), nodes), websockets);
    }

    private static Uri? Websocket(JsonElement basic, IPAddress address)
    {
        if (!basic.TryGetProperty("entry", out JsonElement entry) || entry.ValueKind != JsonValueKind.Object)
            return null;
        string host = entry.TryGetProperty("hostname", out JsonElement name) && name.ValueKind == JsonValueKind.String
            ? name.GetString()!
            : address.ToString();
        return new UriBuilder("ws", host, entry.GetProperty("ws_port").GetUInt16()).Uri;
    }

    private static byte[] Key(string text) =>
        text.Length < 64 && !text.AsSpan().ContainsAnyExcept(TopologyFile.Base58Characters) && Base58.Bitcoin.Decode(text) is { Length: TopologyNode.KeyBytes } key
            ? key
            : throw new FormatException($"'{text}' is not base58 of {TopologyNode.KeyBytes} bytes");

    private async Task<JsonDocument> GetAsync(string path, CancellationToken stop) =>
        JsonDocument.Parse(await _http.GetByteArrayAsync(new Uri(_base, path), stop).ConfigureAwait(false));
}
