using System.Text;
using System.Text.Json;

namespace FastExit.SelfDescription;

/// <summary>A JSON value as YAML 1.2 in block style. Texts keep their JSON form, which is YAML's double-quoted one.</summary>
internal static class YamlText
{
    public static byte[] From(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        var text = new StringBuilder();
        Write(text, document.RootElement, 0, afterDash: true);
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    // `afterDash`: the line has been begun, so the first entry needs no indentation of its own.
    private static void Write(StringBuilder text, JsonElement value, int indent, bool afterDash)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object when value.EnumerateObject().Any():
                foreach (var member in value.EnumerateObject())
                {
                    Begin(text, indent, ref afterDash);
                    text.Append(member.Name).Append(':');
                    WriteBehind(text, member.Value, indent);
                }

                break;
            case JsonValueKind.Array when value.GetArrayLength() > 0:
                foreach (var entry in value.EnumerateArray())
                {
                    Begin(text, indent, ref afterDash);
                    text.Append("- ");
                    Write(text, entry, indent + 1, afterDash: true);
                }

                break;
            default:
                text.Append(value.GetRawText()).Append('\n');
                break;
        }
    }

    private static void WriteBehind(StringBuilder text, JsonElement value, int indent)
    {
        var isBlock = (value.ValueKind == JsonValueKind.Object && value.EnumerateObject().Any()) || (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0);
        text.Append(isBlock ? '\n' : ' ');
        Write(text, value, indent + 1, afterDash: !isBlock);
    }

    private static void Begin(StringBuilder text, int indent, ref bool afterDash)
    {
        if (!afterDash)
            text.Append(' ', 2 * indent);
        afterDash = false;
    }
}
