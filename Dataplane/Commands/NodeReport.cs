using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using FastExit.Identity;
using FastExit.SelfDescription;
using Spectre.Console;

namespace FastExit.Commands;

/// <summary>A described node and its findings, for a person or as JSON.</summary>
internal static class NodeReport
{
    private static readonly JsonWriterOptions s_json = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static bool IsUsable(IReadOnlyList<Finding> findings) => findings.All(finding => finding.Level != FindingLevel.Fail);

    public static void Print(DescribedNode node, IReadOnlyList<Finding> findings)
    {
        if (Console.IsOutputRedirected)
        {
            foreach (var (name, value) in Rows(node))
                Console.WriteLine($"{name}: {value}");
            Console.WriteLine();
        }
        else
        {
            var table = new Table().Border(TableBorder.Rounded).AddColumns("", "what the network sees");
            foreach (var (name, value) in Rows(node))
                table.AddRow(name.EscapeMarkup(), value.EscapeMarkup());
            AnsiConsole.Write(table);
        }

        FindingReport.Print(findings);
    }

    /// <summary>`{"usable", "findings": [{"level", "subject", "seen", "mend"}], "answers": {path: …}}`; answers that are no JSON are null.</summary>
    public static void PrintJson(DescribedNode node, IReadOnlyList<Finding> findings)
    {
        using var output = Console.OpenStandardOutput();
        using (var writer = new Utf8JsonWriter(output, s_json))
        {
            writer.WriteStartObject();
            writer.WriteBoolean("usable", IsUsable(findings));
            writer.WriteStartArray("findings");
            foreach (var finding in findings)
            {
                writer.WriteStartObject();
                writer.WriteString("level", FindingReport.Word(finding.Level).ToLowerInvariant());
                writer.WriteString("subject", finding.Subject);
                writer.WriteString("seen", finding.Seen);
                writer.WriteString("mend", finding.Mend);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteStartObject("answers");
            foreach (var path in NodeAnswers.Paths)
            {
                writer.WritePropertyName(path);
                WriteBody(writer, node.Answers[path]);
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        output.Write("\n"u8);
    }

    private static void WriteBody(Utf8JsonWriter writer, NodeAnswer answer)
    {
        if (answer.IsFound && Utf8.IsValid(answer.Body))
        {
            try
            {
                using var document = JsonDocument.Parse(answer.Body);
                writer.WriteRawValue(document.RootElement.GetRawText());
                return;
            }
            catch (JsonException)
            {
                // A finding says so.
            }
        }

        writer.WriteNullValue();
    }

    private static IEnumerable<(string Name, string Value)> Rows(DescribedNode node)
    {
        if (node.Host is { } host)
        {
            yield return ("identity", NodeKeys.Base58Text(host.Identity));
            yield return ("addresses", string.Join(", ", host.Addresses.Select(IpAddressText.Format)));
            yield return ("hostname", Text(host.Hostname));
            yield return ("sphinx key", $"{NodeKeys.Base58Text(host.Primary.PublicKey)} (rotation {host.Primary.RotationId})");
            if (host.PreAnnounced is { } next)
                yield return ("next sphinx key", $"{NodeKeys.Base58Text(next.PublicKey)} (rotation {next.RotationId})");
            yield return ("noise key", host.Noise is { } noise ? $"{NodeKeys.Base58Text(noise.PublicKey)} (version {noise.SupportedVersion})" : "-");
        }

        if (node.Details is { } details)
        {
            yield return ("mix port", (details.MixPort ?? 1789).ToString(CultureInfo.InvariantCulture));
            yield return ("location", Text(details.Location));
            yield return ("operators' terms", details.AcceptedTerms ? "accepted" : "not accepted");
        }

        if (node.Websockets is { } ports)
            yield return ("websocket ports", $"{ports.Ws}{(ports.Wss is { } secure ? $", {secure} under TLS" : "")}");
        if (node.Roles is { } roles)
        {
            string[] names = [.. new[] { (roles.Mixnode, "mix node"), (roles.Gateway, "entry"), (roles.Gateway && roles.NetworkRequester, "exit by network requester"), (roles.Gateway && roles.IpPacketRouter, "exit by IP packet router") }.Where(role => role.Item1).Select(role => role.Item2)];
            yield return ("roles", names.Length == 0 ? "none" : string.Join(", ", names));
        }

        if (node.Build is { } build)
            yield return ("program", $"{Text(build.BinaryName)} {Text(build.BuildVersion)}");
        if (node.Requester?.Address is { } requester)
            yield return ("network requester", requester.ToString());
        if (node.Router?.Address is { } router)
            yield return ("IP packet router", router.ToString());
        if (node.Policy is { } policy)
            yield return ("exit policy", $"{(policy.Enabled ? "in force" : "off")}, {policy.Policy?.Rules.Length.ToString(CultureInfo.InvariantCulture) ?? "no"} rules{(policy.Source.Length == 0 ? "" : $" from {Text(policy.Source)}")}, of {policy.LastUpdated.UtcDateTime:u}");
    }

    // Another node's words must not reach a terminal as control sequences.
    private static string Text(string? text) => text is null ? "-" : string.Concat(text.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
}
