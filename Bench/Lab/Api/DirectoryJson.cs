using System.Globalization;
using System.Text.Json;

namespace FastExit.Bench.Lab.Api;

/// <summary>The answers of the directory as clients and nodes of the network read them (entry-and-directory.md §1, mix-link.md §6.8).</summary>
internal static class DirectoryJson
{
    public static void RotationInfo(Utf8JsonWriter json, RotationClock clock)
    {
        uint epoch = clock.Epoch, rotation = clock.RotationOf(epoch);
        json.WriteStartObject();
        json.WriteStartObject("key_rotation_state");
        json.WriteNumber("validity_epochs", clock.Validity);
        json.WriteNumber("initial_epoch_id", 0);
        json.WriteEndObject();
        json.WriteNumber("current_absolute_epoch_id", epoch);
        json.WriteString("current_epoch_start", Time(clock.StartOf(epoch)));
        json.WriteStartObject("epoch_duration");
        json.WriteNumber("secs", (long)clock.EpochLength.TotalSeconds);
        json.WriteNumber("nanos", clock.EpochLength.Ticks % TimeSpan.TicksPerSecond * 100);
        json.WriteEndObject();
        json.WriteStartObject("progress");
        json.WriteNumber("current_key_rotation_id", rotation);
        json.WriteNumber("current_rotation_starting_epoch", rotation * clock.Validity);
        json.WriteNumber("current_rotation_ending_epoch", ((rotation + 1) * clock.Validity) - 1);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    public static void RewardedSet(Utf8JsonWriter json, IReadOnlyList<DirectoryNode> nodes, RotationClock clock)
    {
        void Ids(string name, Func<DirectoryNode, bool> which)
        {
            json.WriteStartArray(name);
            foreach (DirectoryNode node in nodes.Where(which))
                json.WriteNumberValue(node.Id);
            json.WriteEndArray();
        }

        json.WriteStartObject();
        json.WriteNumber("epoch_id", clock.Epoch);
        Ids("entry_gateways", node => node.Role == Topology.TopologyRole.Entry);
        Ids("exit_gateways", node => node.Role == Topology.TopologyRole.Exit);
        for (int layer = 1; layer <= Topology.NetworkTopology.Layers; layer++)
            Ids($"layer{layer}", node => node.IsMix && node.Layer == layer);
        Ids("standby", _ => false);
        json.WriteEndObject();
    }

    /// <param name="json">Gets metadata and nodes.</param>
    /// <param name="nodes">Those that were asked for.</param>
    /// <param name="page">Everything is on page 0.</param>
    /// <param name="semi">With the Noise key, for nodes.</param>
    public static void Skimmed(Utf8JsonWriter json, IReadOnlyList<DirectoryNode> nodes, RotationClock clock, int page, bool semi)
    {
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteNull("status");
        json.WriteNumber("absolute_epoch_id", clock.Epoch);
        json.WriteNumber("rotation_id", clock.Rotation);
        json.WriteString("refreshed_at", Time(clock.StartOf(clock.Epoch)));
        json.WriteEndObject();
        json.WritePropertyName("nodes");
        Page(json, nodes, page, node =>
        {
            if (!semi)
            {
                Basic(json, node);
                return;
            }

            json.WriteStartObject();
            json.WritePropertyName("basic");
            Basic(json, node);
            json.WritePropertyName("x25519_noise_versioned_key");
            Noise(json, node);
            json.WriteEndObject();
        });
        json.WriteEndObject();
    }

    public static void Described(Utf8JsonWriter json, IReadOnlyList<DirectoryNode> nodes, RotationClock clock, int page, string version) =>
        Page(json, nodes, page, node =>
        {
            json.WriteStartObject();
            json.WriteNumber("node_id", node.Id);
            json.WriteString("contract_node_type", "nym_node");
            json.WriteStartObject("description");
            json.WriteString("last_polled", Time(clock.StartOf(clock.Epoch)));
            Host(json, node, clock.Rotation);
            Flags(json, "declared_role", node);
            json.WriteStartObject("auxiliary_details");
            json.WriteNull("location");
            json.WriteStartObject("announce_ports");
            json.WriteNull("verloc_port");
            json.WriteNumber("mix_port", node.MixPort);
            json.WriteEndObject();
            json.WriteBoolean("accepted_operator_terms_and_conditions", true);
            json.WriteEndObject();
            json.WritePropertyName("build_information");
            if (node.Build is { } build)
                json.WriteRawValue(build);
            else
                Build(json, version);
            Service(json, "network_requester", node.NetworkRequester, node.UsesExitPolicy);
            Service(json, "ip_packet_router", node.IpPacketRouter, null);
            json.WriteNull("authenticator");
            json.WriteNull("wireguard");
            json.WriteStartObject("mixnet_websockets");
            json.WriteNumber("ws_port", node.WebsocketPort ?? 0);
            WritePort(json, "wss_port", node.SecureWebsocketPort);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        });

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static void Page(Utf8JsonWriter json, IReadOnlyList<DirectoryNode> nodes, int page, Action<DirectoryNode> write)
    {
        json.WriteStartObject();
        json.WriteStartObject("pagination");
        json.WriteNumber("total", nodes.Count);
        json.WriteNumber("page", page);
        json.WriteNumber("size", page == 0 ? nodes.Count : 0);
        json.WriteEndObject();
        json.WriteStartArray("data");
        foreach (DirectoryNode node in page == 0 ? nodes : [])
            write(node);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Basic(Utf8JsonWriter json, DirectoryNode node)
    {
        json.WriteStartObject();
        json.WriteNumber("node_id", node.Id);
        json.WriteString("ed25519_identity_pubkey", node.Identity);
        Addresses(json, "ip_addresses", node);
        json.WriteNumber("mix_port", node.MixPort);
        json.WriteString("x25519_sphinx_pubkey", node.SphinxKey);
        if (node.IsMix)
        {
            json.WriteStartObject("role");
            json.WriteStartObject("Mixnode");
            json.WriteNumber("layer", node.Layer);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        else
        {
            json.WriteString("role", node.Role == Topology.TopologyRole.Entry ? "EntryGateway" : "ExitGateway");
        }

        Flags(json, "supported_roles", node);
        if (node.WebsocketPort is { } port)
        {
            json.WriteStartObject("entry");
            json.WriteString("hostname", node.Hostname);
            json.WriteNumber("ws_port", port);
            WritePort(json, "wss_port", node.SecureWebsocketPort);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("entry");
        }

        json.WriteString("performance", node.Performance);
        json.WriteEndObject();
    }

    private static void Flags(Utf8JsonWriter json, string name, DirectoryNode node)
    {
        json.WriteStartObject(name);
        json.WriteBoolean("mixnode", node.IsMix);
        json.WriteBoolean("entry", !node.IsMix);
        json.WriteBoolean("exit_nr", node.NetworkRequester is not null);
        json.WriteBoolean("exit_ipr", node.IpPacketRouter is not null);
        json.WriteEndObject();
    }

    private static void Host(Utf8JsonWriter json, DirectoryNode node, uint rotation)
    {
        json.WriteStartObject("host_information");
        Addresses(json, "ip_address", node);
        json.WriteString("hostname", node.Hostname);
        json.WriteStartObject("keys");
        json.WriteString("ed25519", node.Identity);
        json.WriteString("x25519", node.SphinxKey);
        SphinxKey(json, "current_x25519_sphinx_key", node.SphinxKey, rotation);
        SphinxKey(json, "pre_announced_x25519_sphinx_key", node.NextSphinxKey, rotation + 1);
        json.WriteString("x25519_noise", node.NoiseKey);
        json.WritePropertyName("x25519_versioned_noise");
        Noise(json, node);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void SphinxKey(Utf8JsonWriter json, string name, string? key, uint rotation)
    {
        if (key is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartObject(name);
        json.WriteNumber("rotation_id", rotation);
        json.WriteString("public_key", key);
        json.WriteEndObject();
    }

    private static void Noise(Utf8JsonWriter json, DirectoryNode node)
    {
        if (node.NoiseKey is null)
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartObject();
        json.WriteNumber("supported_version", 1);
        json.WriteString("x25519_pubkey", node.NoiseKey);
        json.WriteEndObject();
    }

    private static void Addresses(Utf8JsonWriter json, string name, DirectoryNode node)
    {
        json.WriteStartArray(name);
        foreach (System.Net.IPAddress address in node.Addresses)
            json.WriteStringValue(address.ToString());
        json.WriteEndArray();
    }

    private static void Service(Utf8JsonWriter json, string name, string? address, bool? policy)
    {
        if (address is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartObject(name);
        json.WriteString("address", address);
        if (policy is { } uses)
            json.WriteBoolean("uses_exit_policy", uses);
        json.WriteEndObject();
    }

    private static void Build(Utf8JsonWriter json, string version)
    {
        (string Name, string Value)[] members =
        [
            ("binary_name", "fastexit-bench"), ("build_timestamp", "unknown"), ("build_version", version), ("commit_sha", "unknown"),
            ("commit_timestamp", "unknown"), ("commit_branch", "unknown"), ("rustc_version", "none"), ("rustc_channel", "none"),
            ("cargo_profile", "release"), ("cargo_triple", "unknown"),
        ];
        json.WriteStartObject();
        foreach ((string name, string value) in members)
            json.WriteString(name, value);
        json.WriteEndObject();
    }

    private static void WritePort(Utf8JsonWriter json, string name, int? port)
    {
        if (port is { } number)
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }
}
