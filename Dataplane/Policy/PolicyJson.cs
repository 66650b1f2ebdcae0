using System.Text.Json;

namespace FastExit.Policy;

/// <summary>
/// The JSON form of the node HTTP interface (network-requester.md §2.6):
/// <c>{"rules":[{"action":"reject","pattern":{"ip_pattern":"5.188.10.0/23","ports":{"start":1,"end":65535}}}]}</c>.
/// Host rules are left out (<see cref="ExitPolicy.WireRules"/>).
/// </summary>
public static class PolicyJson
{
    /// <summary>Writes the policy as one JSON object.</summary>
    public static void Write(Utf8JsonWriter writer, ExitPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(policy);
        writer.WriteStartObject();
        writer.WriteStartArray("rules"u8);
        foreach (var rule in policy.WireRules)
        {
            writer.WriteStartObject();
            writer.WriteString("action"u8, rule.ActionText);
            writer.WriteStartObject("pattern"u8);
            writer.WriteString("ip_pattern"u8, rule.PatternText);
            writer.WriteStartObject("ports"u8);
            writer.WriteNumber("start"u8, rule.Ports.Start);
            writer.WriteNumber("end"u8, rule.Ports.End);
            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <summary>The same as UTF-8 text without white space.</summary>
    public static byte[] ToBytes(ExitPolicy policy)
    {
        using var text = new MemoryStream();
        using (var writer = new Utf8JsonWriter(text))
            Write(writer, policy);
        return text.ToArray();
    }

    /// <summary>Reads the JSON form; the rules' lines are their positions from 1.</summary>
    public static ExitPolicy Parse(ReadOnlyMemory<byte> json, string source)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var rules = new List<PolicyRule>();
            foreach (var element in document.RootElement.GetProperty("rules"u8).EnumerateArray())
                rules.Add(ReadRule(element, rules.Count + 1, source));
            return ExitPolicy.FromRules(source, rules);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new PolicyFormatException(
                source, 0, $"this is not a policy in JSON ({error.Message.TrimEnd('.')})", "give an object with a 'rules' list");
        }
    }

    private static PolicyRule ReadRule(JsonElement element, int position, string source)
    {
        var action = element.GetProperty("action"u8).GetString();
        var pattern = element.GetProperty("pattern"u8);
        var ports = pattern.GetProperty("ports"u8);
        if (!PortRange.TryCreate(ports.GetProperty("start"u8).GetInt32(), ports.GetProperty("end"u8).GetInt32(), out var range))
        {
            throw new PolicyFormatException(
                source, position, "the ports are out of order", "use 1 <= start <= end <= 65535, or 0 and 0");
        }

        var line = $"{action} {pattern.GetProperty("ip_pattern"u8).GetString()}:{range}";
        if (!PolicyLine.TryRead(line, position, out var rule, out var problem, out var mend))
            throw new PolicyFormatException(source, position, problem, mend);
        return rule is { IsHostRule: false }
            ? rule
            : throw new PolicyFormatException(source, position, "the rule has no address pattern", "give an ip_pattern");
    }
}
