using System.Security.Cryptography;
using System.Text.Json;
using FastExit.Bench.Lab.Entry;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Client;

/// <summary>The text messages between a client and its gateway, from the client's side (entry-and-directory.md §2.3, §2.4).</summary>
internal static class GatewayText
{
    public static byte[] SupportedProtocol() => GatewayAnswer.Write("supportedProtocol", _ => { });

    public static byte[] ClaimBandwidth() => GatewayAnswer.Write("claimFreeTestnetBandwidth", _ => { });

    public static byte[] Handshake(byte protocol, byte[] data) => GatewayAnswer.Handshake(protocol, data);

    /// <param name="timestamp">UNIX seconds, larger than the last one used.</param>
    public static byte[] Authenticate(byte protocol, ClientIdentity client, SharedKey key, ulong timestamp)
    {
        byte[] identity = client.Address.Identity.ToArray(), nonce = RandomNumberGenerator.GetBytes(key.NonceBytes);
        byte[] ciphertext = key.Encrypt(nonce, identity);
        byte[] signature = Ed25519.Sign(client.Seed, Authentication.Signed(protocol, identity, ciphertext, nonce, timestamp));
        return GatewayAnswer.Write("authenticateV2", json =>
        {
            json.WriteNumber("protocolVersion", protocol);
            GatewayAnswer.WriteNumbers(json, "clientIdentity", identity);
            json.WriteBase64String("addressCiphertext", ciphertext);
            json.WriteBase64String("nonce", nonce);
            json.WriteNumber("requestUnixTimestamp", timestamp);
            GatewayAnswer.WriteNumbers(json, "requestSignature", signature);
        });
    }

    /// <summary>A message of the gateway; members that it lacks are left at nothing.</summary>
    /// <returns>False: no message.</returns>
    public static bool TryRead(ReadOnlyMemory<byte> text, out GatewayMessage message)
    {
        message = default;
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            message = new GatewayMessage(root.GetProperty("type").GetString()!)
            {
                Version = Number(root, "version") ?? Number(root, "protocol_version") ?? 0,
                Data = root.TryGetProperty("data", out JsonElement data) ? [.. data.EnumerateArray().Select(number => number.GetByte())] : [],
                Status = root.TryGetProperty("status", out JsonElement status) && status.ValueKind == JsonValueKind.True,
                Bandwidth = Number(root, "bandwidth_remaining") ?? Number(root, "available_total") ?? Number(root, "remaining_bandwidth"),
                Text = root.TryGetProperty("message", out JsonElement said) ? said.GetString() ?? "" : "",
            };
            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return false;
        }
    }

    private static long? Number(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetInt64() : null;
}

internal readonly record struct GatewayMessage(string Type)
{
    public long Version { get; init; }

    public required byte[] Data { get; init; }

    public bool Status { get; init; }

    public long? Bandwidth { get; init; }

    public required string Text { get; init; }
}
