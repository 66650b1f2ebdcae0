using System.Text.Json;

namespace FastExit.Bench.Tunnel;

/// <summary>The end of what `iperf3 --json` prints.</summary>
/// <param name="BitsPerSecond">As the receiver counted, after the omitted time; 0 where the report has none.</param>
/// <param name="Retransmissions">TCP segments that the sender sent again.</param>
/// <param name="Error">Why it failed; null: it did not.</param>
internal readonly record struct IperfReport(double BitsPerSecond, long Retransmissions, string? Error)
{
    /// <summary>False: no such report.</summary>
    public static bool TryParse(string text, out IperfReport report)
    {
        report = default;
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                return false;
            string? error = root.TryGetProperty("error", out JsonElement told) ? told.ToString() : null;
            if (!root.TryGetProperty("end", out JsonElement end) || end.ValueKind != JsonValueKind.Object)
            {
                report = new IperfReport(0, 0, error);
                return error is not null;
            }

            report = new IperfReport(
                Number(end, "sum_received", "bits_per_second"), (long)Number(end, "sum_sent", "retransmits"), error);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static double Number(JsonElement end, string sum, string name) =>
        end.TryGetProperty(sum, out JsonElement part) && part.ValueKind == JsonValueKind.Object
        && part.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetDouble(out double number) && double.IsFinite(number)
            ? number
            : 0;
}
