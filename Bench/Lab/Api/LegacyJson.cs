using System.Text.Json;

namespace FastExit.Bench.Lab.Api;

/// <summary>Two routes of the network's older directory, for clients of 2023 (entry-and-directory.md §1.8).</summary>
internal static class LegacyJson
{
    private const string Version = "1.1.31";

    public static void Gateways(Utf8JsonWriter json, IReadOnlyList<DirectoryNode> nodes)
    {
        json.WriteStartArray();
        foreach (DirectoryNode node in nodes.Where(node => !node.IsMix))
        {
            json.WriteStartObject();
            json.WriteStartObject("bond");
            Coin(json, "pledge_amount");
            json.WriteString("owner", "lab");
            json.WriteNumber("block_height", 1);
            json.WriteStartObject("gateway");
            json.WriteString("host", node.Addresses[0].ToString());
            json.WriteNumber("mix_port", node.MixPort);
            json.WriteNumber("clients_port", node.WebsocketPort ?? 0);
            json.WriteString("location", "lab");
            json.WriteString("sphinx_key", node.SphinxKey);
            json.WriteString("identity_key", node.Identity);
            json.WriteString("version", Version);
            json.WriteEndObject();
            json.WriteNull("proxy");
            json.WriteEndObject();
            json.WriteNull("self_described");
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void Mixes(Utf8JsonWriter json, IReadOnlyList<DirectoryNode> nodes)
    {
        json.WriteStartArray();
        foreach (DirectoryNode node in nodes.Where(node => node.IsMix))
        {
            json.WriteStartObject();
            json.WriteStartObject("bond_information");
            json.WriteNumber("mix_id", node.Id);
            json.WriteString("owner", "lab");
            Coin(json, "original_pledge");
            json.WriteNumber("layer", node.Layer);
            json.WriteStartObject("mix_node");
            json.WriteString("host", node.Addresses[0].ToString());
            json.WriteNumber("mix_port", node.MixPort);
            json.WriteNumber("verloc_port", 1790);
            json.WriteNumber("http_api_port", 8000);
            json.WriteString("sphinx_key", node.SphinxKey);
            json.WriteString("identity_key", node.Identity);
            json.WriteString("version", Version);
            json.WriteEndObject();
            json.WriteNull("proxy");
            json.WriteNumber("bonding_height", 1);
            json.WriteBoolean("is_unbonding", false);
            json.WriteEndObject();
            json.WriteStartObject("rewarding_details");
            json.WriteStartObject("cost_params");
            json.WriteString("profit_margin_percent", "0.1");
            Coin(json, "interval_operating_cost");
            json.WriteEndObject();
            json.WriteString("operator", "100");
            json.WriteString("delegates", "0");
            json.WriteString("total_unit_reward", "0");
            json.WriteString("unit_delegation", "1000000000");
            json.WriteNumber("last_rewarded_epoch", 0);
            json.WriteNumber("unique_delegations", 0);
            json.WriteEndObject();
            json.WriteStartObject("pending_changes");
            json.WriteNull("pledge_change");
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Coin(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject(name);
        json.WriteString("denom", "unym");
        json.WriteString("amount", "100000000");
        json.WriteEndObject();
    }
}
