using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using FastExit.Configuration;
using FastExit.Identity;
using Spectre.Console;

namespace FastExit.Commands;

/// <summary>`fastexit address`: what clients and the topology need to know of this node.</summary>
internal static class AddressCommand
{
    private static readonly JsonWriterOptions s_json = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var dataDirectory = CommandLine.DataDirectory(required: true);
        var json = new Option<bool>("--json") { Description = "Prints JSON" };
        var service = new Option<string?>("--service") { Description = "Prints the address of this service alone" };
        service.AcceptOnlyFromAmong("nr", "ipr");
        var command = new Command("address", "Prints this node's addresses and public keys") { dataDirectory, json, service };
        command.SetAction(parsed => Print(parsed.GetRequiredValue(dataDirectory), parsed.GetValue(json), parsed.GetValue(service)));
        return command;
    }

    private static int Print(string dataDirectory, bool json, string? service)
    {
        var settings = ConfigurationFile.Load(dataDirectory, []);
        using var keys = NodeKeys.Load(dataDirectory);
        if (service is not null)
        {
            Console.WriteLine(service == "nr" ? keys.NetworkRequester.Address : Router(keys, dataDirectory).Address);
            return CommandLine.Done;
        }

        // A node of before the IP packet router or of before Noise gets these keys when it first runs with them.
        (string Name, string Value)[] router = keys.IpPacketRouter is { } triple ? [("ip_packet_router", triple.Address.ToString())] : [];
        (string Name, string Value)[] noise = keys.NoisePublicKey is { IsEmpty: false } key ? [("noise_key", NodeKeys.Base58Text(key))] : [];
        (string Name, string Value)[] rows =
        [
            ("network_requester", keys.NetworkRequester.Address.ToString()),
            .. router,
            ("identity", NodeKeys.Base58Text(keys.Identity)),
            ("sphinx_key", NodeKeys.Base58Text(keys.CurrentSphinxKey.PublicKey)),
            .. noise,
            ("mix_address", settings.MixLink.Announced.ToString()),
        ];
        if (json)
        {
            using var output = Console.OpenStandardOutput();
            using (var writer = new Utf8JsonWriter(output, s_json))
            {
                writer.WriteStartObject();
                foreach (var (name, value) in rows)
                    writer.WriteString(name, value);
                writer.WriteEndObject();
            }

            output.Write("\n"u8);
            return CommandLine.Done;
        }

        if (Console.IsOutputRedirected)
        {
            foreach (var (name, value) in rows)
                Console.WriteLine($"{name} {value}");
            return CommandLine.Done;
        }

        var table = new Table().Border(TableBorder.Rounded).AddColumns("", "address or key");
        foreach (var (name, value) in rows)
            table.AddRow(name.Replace('_', ' ').EscapeMarkup(), value.EscapeMarkup());
        AnsiConsole.Write(table);
        return CommandLine.Done;
    }

    private static ServiceKeyTriple Router(NodeKeys keys, string dataDirectory) => keys.IpPacketRouter
        ?? throw new CommandException($"{dataDirectory}: has no keys of the IP packet router; `fastexit run` makes them when ipr.enabled is true");
}
