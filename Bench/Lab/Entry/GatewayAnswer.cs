using System.Buffers;
using System.Text.Json;

namespace FastExit.Bench.Lab.Entry;

/// <summary>The text messages of a gateway (entry-and-directory.md §2.4), ready to be sent.</summary>
internal static class GatewayAnswer
{
    public static byte[] SupportedProtocol(byte version) => Write("supportedProtocol", json => json.WriteNumber("version", version));

    public static byte[] Handshake(byte? protocol, ReadOnlyMemory<byte> data) => Write("handshakePayload", json =>
    {
        WriteProtocol(json, protocol);
        WriteNumbers(json, "data", data.Span);
    });

    public static byte[] Register(byte? protocol) => Write("register", json =>
    {
        WriteProtocol(json, protocol);
        json.WriteBoolean("status", true);
        json.WriteBoolean("upgrade_mode", false);
    });

    public static byte[] Authenticate(byte? protocol, long bandwidth) => Write("authenticate", json =>
    {
        WriteProtocol(json, protocol);
        json.WriteBoolean("status", true);
        json.WriteNumber("bandwidth_remaining", bandwidth);
        json.WriteBoolean("upgrade_mode", false);
    });

    public static byte[] Bandwidth(long available) => Write("bandwidth", json =>
    {
        json.WriteNumber("available_total", available);
        json.WriteBoolean("upgrade_mode", false);
    });

    public static byte[] OutOfBandwidth(long required, long available) => Write("typedError", json =>
    {
        json.WriteStartObject("error");
        json.WriteStartObject("out_of_bandwidth");
        json.WriteNumber("required", required);
        json.WriteNumber("available", available);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    public static byte[] Encrypted(byte[] ciphertext, byte[] nonce) => Write("encryptedResponse", json =>
    {
        WriteNumbers(json, "ciphertext", ciphertext);
        WriteNumbers(json, "nonce", nonce);
    });

    /// <summary>For those that are not authenticated: a client that is would never hear of its packets again.</summary>
    public static byte[] Error(string message) => Write("error", json => json.WriteString("message", message));

    public static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<byte> bytes)
    {
        json.WriteStartArray(name);
        foreach (byte b in bytes)
            json.WriteNumberValue(b);
        json.WriteEndArray();
    }

    public static byte[] Write(string type, Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("type", type);
            members(json);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    // What the request did not name, the answer leaves out.
    private static void WriteProtocol(Utf8JsonWriter json, byte? protocol)
    {
        if (protocol is { } version)
            json.WriteNumber("protocol_version", version);
    }
}
