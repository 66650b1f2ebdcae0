using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Text.Json;
using FastExit.Crypto.Primitives;
using FastExit.Topology;
using SimpleBase;

namespace FastExit.NetworkDirectory;

/// <summary>`v1/nym-nodes/rewarded-set`: the mix layer of each node id, 1 to 3, and the epoch it is for.</summary>
internal sealed record RewardedSet(uint EpochId, IReadOnlyDictionary<uint, int> Layers);

/// <summary>What all pages of one answer must agree in.</summary>
internal sealed record PageMetadata(uint EpochId, uint RotationId);

/// <summary>One node of a page; <see cref="Node"/> has the role of a gateway until the rewarded set gives it a layer.</summary>
internal sealed record ListedNode(uint Id, TopologyNode Node, bool IsGateway, double Performance);

/// <summary>`semi-skimmed`: nodes, how many were not usable, and how many the list has in all.</summary>
internal sealed record NodePage(PageMetadata Metadata, int Total, int Entries, IReadOnlyList<ListedNode> Nodes, int Skipped);

/// <summary>
/// Decodes answers of the network's API (mix-link.md §6.8). Members that are not known are ignored; a node with a wrong value is skipped
/// and counted; anything else that is wrong makes the whole answer false. Never throws for what it reads.
/// </summary>
internal static class DirectoryJson
{
    public const int MaximumNodes = TopologyFile.MaximumNodes;

    private static readonly JsonDocumentOptions s_options = new() { MaxDepth = 16 };

    public static bool TryReadRewardedSet(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out RewardedSet? set)
    {
        set = null;
        using JsonDocument? document = Parse(json);
        if (document is null)
            return false;
        JsonElement root = document.RootElement;
        // Left out, it is 0 (entry-and-directory.md §1.3).
        uint epoch = 0;
        if (TryMember(root, "epoch_id", out JsonElement member) && !TryUInt32(member, out epoch))
            return false;
        var layers = new Dictionary<uint, int>();
        for (int layer = 1; layer <= NetworkTopology.Layers; layer++)
        {
            if (!TryMember(root, "layer" + layer.ToString(CultureInfo.InvariantCulture), out JsonElement ids)
                || ids.ValueKind != JsonValueKind.Array || ids.GetArrayLength() > MaximumNodes)
                return false;
            foreach (JsonElement id in ids.EnumerateArray())
            {
                if (TryUInt32(id, out uint value))
                    layers.TryAdd(value, layer);
            }
        }

        set = new RewardedSet(epoch, layers);
        return true;
    }

    public static bool TryReadPage(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out NodePage? page)
    {
        page = null;
        using JsonDocument? document = Parse(json);
        if (document is null
            || !TryMember(document.RootElement, "metadata", out JsonElement metadata)
            || !TryUInt32(metadata, "absolute_epoch_id", out uint epoch)
            || !TryUInt32(metadata, "rotation_id", out uint rotation)
            || !TryMember(document.RootElement, "nodes", out JsonElement nodes)
            || !TryMember(nodes, "pagination", out JsonElement pagination)
            || !TryUInt32(pagination, "total", out uint total) || total > MaximumNodes
            || !TryMember(nodes, "data", out JsonElement data)
            || data.ValueKind != JsonValueKind.Array || data.GetArrayLength() > MaximumNodes)
            return false;
        var listed = new List<ListedNode>();
        int skipped = 0;
        foreach (JsonElement element in data.EnumerateArray())
        {
            if (TryReadNode(element, out ListedNode? node))
                listed.Add(node);
            else
                skipped++;
        }

        page = new NodePage(new PageMetadata(epoch, rotation), (int)total, data.GetArrayLength(), listed, skipped);
        return true;
    }

    private static bool TryReadNode(JsonElement element, [NotNullWhen(true)] out ListedNode? node)
    {
        node = null;
        if (!TryMember(element, "basic", out JsonElement basic)
            || !TryUInt32(basic, "node_id", out uint id)
            || !TryKey(basic, "ed25519_identity_pubkey", out byte[]? identity)
            || !TryKey(basic, "x25519_sphinx_pubkey", out byte[]? sphinx) || X25519.HasLowOrder(sphinx)
            || !TryUInt32(basic, "mix_port", out uint port) || port is 0 or > ushort.MaxValue
            || !TryText(basic, "performance", out string? text)
            || !double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double performance)
            || performance is not (>= 0 and <= 1)
            || !TryAddresses(basic, out List<IPAddress>? addresses))
            return false;
        byte[]? noise = null;
        // Absent or null: its mix link is plain. One that is there and wrong must not make it so.
        if (TryMember(element, "x25519_noise_versioned_key", out JsonElement versioned) && versioned.ValueKind != JsonValueKind.Null
            && (!TryKey(versioned, "x25519_pubkey", out noise) || X25519.HasLowOrder(noise)))
            return false;
        node = new ListedNode(
            id,
            new TopologyNode(identity, sphinx, new IPEndPoint(addresses[0], (int)port), IsExit(basic) ? TopologyRole.Exit : TopologyRole.Entry)
            {
                NoiseKey = noise,
                OtherAddresses = addresses[1..],
            },
            IsGateway(basic),
            performance);
        return true;
    }

    private static bool TryAddresses(JsonElement basic, [NotNullWhen(true)] out List<IPAddress>? addresses)
    {
        addresses = null;
        if (!TryMember(basic, "ip_addresses", out JsonElement list) || list.ValueKind != JsonValueKind.Array
            || list.GetArrayLength() is 0 or > TopologyNode.MaximumOtherAddresses)
            return false;
        addresses = [];
        foreach (JsonElement entry in list.EnumerateArray())
        {
            if (!TryText(entry, out string? text) || !TopologyNode.TryParseAddress(text, out IPAddress? address))
                return false;
            addresses.Add(address);
        }

        return true;
    }

    private static bool IsExit(JsonElement basic) => HasRole(basic, "exit_nr") || HasRole(basic, "exit_ipr");

    private static bool IsGateway(JsonElement basic) => HasRole(basic, "entry") || IsExit(basic)
        || (TryText(basic, "role", out string? role) && role is "EntryGateway" or "ExitGateway" or "entry" or "gateway" or "exit");

    private static bool HasRole(JsonElement basic, string name) =>
        TryMember(basic, "supported_roles", out JsonElement roles) && TryMember(roles, name, out JsonElement role)
        && role.ValueKind == JsonValueKind.True;

    private static JsonDocument? Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            return JsonDocument.Parse(json, s_options);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static bool TryMember(JsonElement element, string name, out JsonElement member)
    {
        member = default;
        try
        {
            return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out member);
        }
        catch (InvalidOperationException)
        {
            // A name beside it is half of a surrogate pair, which surfaces only when names are compared.
            return false;
        }
    }

    private static bool TryUInt32(JsonElement element, out uint value)
    {
        value = 0;
        return element.ValueKind == JsonValueKind.Number && element.TryGetUInt32(out value);
    }

    private static bool TryUInt32(JsonElement element, string name, out uint value)
    {
        value = 0;
        return TryMember(element, name, out JsonElement member) && TryUInt32(member, out value);
    }

    private static bool TryText(JsonElement element, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (element.ValueKind != JsonValueKind.String)
            return false;
        try
        {
            text = element.GetString();
        }
        catch (InvalidOperationException)
        {
            // Not UTF-8, or half of a surrogate pair: it surfaces only here.
        }

        return text is not null;
    }

    private static bool TryText(JsonElement element, string name, [NotNullWhen(true)] out string? text)
    {
        text = null;
        return TryMember(element, name, out JsonElement member) && TryText(member, out text);
    }

    private static bool TryKey(JsonElement element, string name, [NotNullWhen(true)] out byte[]? key)
    {
        key = null;
        Span<byte> decoded = stackalloc byte[88];
        if (!TryText(element, name, out string? text) || text.Length is < 32 or > 44 || text.AsSpan().ContainsAnyExcept(TopologyFile.Base58Characters)
            || !Base58.Bitcoin.TryDecode(text, decoded, out int written) || written != TopologyNode.KeyBytes
            || !decoded[..written].ContainsAnyExcept((byte)0))
            return false;
        key = decoded[..written].ToArray();
        return true;
    }
}
