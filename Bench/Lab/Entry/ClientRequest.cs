using System.Text.Json;
using FastExit.Topology;
using SimpleBase;

namespace FastExit.Bench.Lab.Entry;

internal enum ClientRequestKind : byte
{
    Unknown,
    SupportedProtocol,
    Handshake,
    HandshakeError,
    Authenticate,
    AuthenticateV2,
    ClaimBandwidth,
    Encrypted,
}

/// <summary>
/// One text message of a client (entry-and-directory.md §2.3): a JSON object with a <c>type</c>. Byte strings are arrays of numbers, base64
/// or base58, as the member has it; a member that is missing is empty here.
/// </summary>
internal sealed record ClientRequest(ClientRequestKind Kind)
{
    /// <summary>Longest byte string that any member may hold.</summary>
    public const int LargestBytes = 4096;

    /// <summary>Null: the request names none.</summary>
    public byte? Protocol { get; private init; }

    /// <summary>Handshake: its data. Encrypted and authentication: the ciphertext.</summary>
    public byte[] Data { get; private init; } = [];

    public byte[] Identity { get; private init; } = [];

    public byte[] Nonce { get; private init; } = [];

    public byte[] Signature { get; private init; } = [];

    public ulong Timestamp { get; private init; }

    /// <returns>False: no JSON object, or a member of a wrong form. An unknown type is <see cref="ClientRequestKind.Unknown"/>.</returns>
    public static bool TryParse(ReadOnlyMemory<byte> text, out ClientRequest request)
    {
        request = new ClientRequest(ClientRequestKind.Unknown);
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("type", out JsonElement type) || type.ValueKind != JsonValueKind.String)
                return false;
            request = Parse(type.GetString()!, document.RootElement);
            return true;
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or ArgumentException)
        {
            return false;
        }
    }

    private static ClientRequest Parse(string type, JsonElement root) => type switch
    {
        "supportedProtocol" => new ClientRequest(ClientRequestKind.SupportedProtocol),
        "handshakePayload" or "registerHandshakeInitRequest" => new ClientRequest(ClientRequestKind.Handshake)
        {
            Protocol = Version(root, "protocol_version"),
            Data = Numbers(root, "data"),
        },
        "handshakeError" => new ClientRequest(ClientRequestKind.HandshakeError),
        "authenticate" => new ClientRequest(ClientRequestKind.Authenticate)
        {
            Protocol = Version(root, "protocol_version"),
            Identity = Base58Bytes(root, "address"),
            Data = Base58Bytes(root, "enc_address"),
            Nonce = Base58Bytes(root, "iv"),
        },
        "authenticateV2" => new ClientRequest(ClientRequestKind.AuthenticateV2)
        {
            Protocol = Version(root, "protocolVersion"),
            Identity = Numbers(root, "clientIdentity"),
            Data = Base64Bytes(root, "addressCiphertext"),
            Nonce = Base64Bytes(root, "nonce"),
            Timestamp = root.TryGetProperty("requestUnixTimestamp", out JsonElement time) ? time.GetUInt64() : 0,
            Signature = Numbers(root, "requestSignature"),
        },
        "claimFreeTestnetBandwidth" => new ClientRequest(ClientRequestKind.ClaimBandwidth),
        "encryptedRequest" => new ClientRequest(ClientRequestKind.Encrypted)
        {
            Data = Numbers(root, "ciphertext"),
            Nonce = Numbers(root, "nonce"),
        },
        _ => new ClientRequest(ClientRequestKind.Unknown),
    };

    private static byte? Version(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value.GetByte() : null;

    private static byte[] Numbers(JsonElement root, string name)
    {
        if (!root.TryGetProperty(name, out JsonElement value))
            return [];
        int length = value.GetArrayLength();
        if (length > LargestBytes)
            throw new FormatException($"{name} is too long");
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
            bytes[i] = value[i].GetByte();
        return bytes;
    }

    private static byte[] Base64Bytes(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) ? value.GetBytesFromBase64() : [];

    private static byte[] Base58Bytes(JsonElement root, string name)
    {
        if (!root.TryGetProperty(name, out JsonElement value))
            return [];
        string text = value.GetString() ?? "";

        // The decoder's work grows with the square of the length, and it fails in its own way on other characters.
        if (text.Length > 256 || text.AsSpan().ContainsAnyExcept(TopologyFile.Base58Characters))
            throw new FormatException($"{name} is not base58");
        return Base58.Bitcoin.Decode(text);
    }
}
