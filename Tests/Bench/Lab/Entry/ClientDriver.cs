using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FastExit.Bench.Lab.Entry;
using FastExit.Crypto.Primitives;
using SimpleBase;

namespace FastExit.Tests.Bench.Lab.Entry;

/// <summary>
/// A client of an entry gateway, written from entry-and-directory.md §2 alone: the system's websocket, the text messages by hand, the
/// handshake step by step. It shares only ciphers with the gateway.
/// </summary>
internal sealed class ClientDriver(Uri address, byte[] gatewayIdentity) : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private ClientWebSocket _socket = new();

    public byte[] Seed { get; init; } = RandomNumberGenerator.GetBytes(32);

    public byte[] Identity => Ed25519.PublicKey(Seed);

    /// <summary>As agreed at registration.</summary>
    public byte[] Key { get; set; } = [];

    public async Task ConnectAsync()
    {
        _socket.Dispose();
        _socket = new ClientWebSocket();
        using var stop = new CancellationTokenSource(s_patience);
        await _socket.ConnectAsync(address, stop.Token);
    }

    public void Dispose() => _socket.Dispose();

    public void Abort() => _socket.Abort();

    public async Task CloseAsync()
    {
        using var stop = new CancellationTokenSource(s_patience);
        await _socket.CloseAsync(WebSocketCloseStatus.Empty, null, stop.Token);
    }

    public Task SendAsync(JsonObject message) => SendTextAsync(message.ToJsonString());

    public async Task SendTextAsync(string text)
    {
        using var stop = new CancellationTokenSource(s_patience);
        await _socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, stop.Token);
    }

    public async Task SendBinaryAsync(byte[] frame)
    {
        using var stop = new CancellationTokenSource(s_patience);
        await _socket.SendAsync(frame, WebSocketMessageType.Binary, true, stop.Token);
    }

    /// <summary>The next message; null: the gateway closed.</summary>
    public async Task<(bool Text, byte[] Bytes)?> ReceiveAsync(TimeSpan? patience = null)
    {
        byte[] buffer = new byte[64 << 10];
        int bytes = 0;
        using var stop = new CancellationTokenSource(patience ?? s_patience);
        while (true)
        {
            try
            {
                WebSocketReceiveResult result = await _socket.ReceiveAsync(buffer.AsMemory(bytes).ToArraySegment(), stop.Token);
                if (result.MessageType == WebSocketMessageType.Close)
                    return null;
                bytes += result.Count;
                if (result.EndOfMessage)
                    return (result.MessageType == WebSocketMessageType.Text, buffer[..bytes]);
            }
            catch (WebSocketException)
            {
                return null;
            }
        }
    }

    /// <summary>The next text message; pushes before it are dropped.</summary>
    public async Task<JsonObject?> ReceiveTextAsync()
    {
        while (await ReceiveAsync() is { } message)
        {
            if (message.Text)
                return JsonNode.Parse(message.Bytes)!.AsObject();
        }

        return null;
    }

    /// <summary>The next push, opened; null: closed. Text is an error here.</summary>
    public async Task<byte[]?> ReceivePushAsync(TimeSpan? patience = null)
    {
        if (await ReceiveAsync(patience) is not { } message)
            return null;
        if (message.Text)
            throw new InvalidOperationException(Encoding.UTF8.GetString(message.Bytes));
        return OpenPush(message.Bytes);
    }

    public byte[] OpenPush(byte[] frame)
    {
        if (frame[0] != 1 || frame[1] != 1)
            throw new InvalidOperationException("no encrypted push");
        byte[] data = frame[14..^16];
        return new AesGcmSiv(Key).TryDecrypt(frame.AsSpan(2, 12), data, frame.AsSpan(frame.Length - 16))
            ? data
            : throw new InvalidOperationException("a push by another key");
    }

    public async Task<int> SupportedProtocolAsync()
    {
        await SendAsync(new JsonObject { ["type"] = "supportedProtocol" });
        JsonObject answer = (await ReceiveTextAsync())!;
        return (string)answer["type"]! == "supportedProtocol" ? (int)answer["version"]! : throw new InvalidOperationException(answer.ToJsonString());
    }

    /// <summary>Steps 1 to 5 of §2.5; the answer is the gateway's last message, whatever it is.</summary>
    public async Task<JsonObject?> RegisterAsync(int protocol, bool spoilSignature = false)
    {
        byte[] ephemeral = RandomNumberGenerator.GetBytes(32), publicKey = new byte[32], salt = protocol < 3 ? [] : RandomNumberGenerator.GetBytes(16);
        X25519.MultiplyBase(ephemeral, publicKey);
        await SendAsync(Handshake(protocol, [.. Identity, .. publicKey, .. salt]));
        JsonObject second = (await ReceiveTextAsync())!;
        if ((string)second["type"]! != "handshakePayload")
            return second;
        if ((int)second["protocol_version"]! != protocol)
            throw new InvalidOperationException("another protocol in step 2");
        byte[] data = Bytes(second["data"]!);
        int sealedBytes = protocol < 3 ? 64 : 64 + 16 + 12;
        if (data.Length != 32 + sealedBytes)
            throw new InvalidOperationException($"step 2 has {data.Length} bytes");
        byte[] shared = new byte[32];
        X25519.Multiply(ephemeral, data.AsSpan(0, 32), shared);
        Key = new byte[32];
        HkdfBlake3.DeriveKey(salt, shared, Key);
        byte[] signature = protocol < 3 ? Ctr(new byte[16], data[32..]) : OpenJson(data[112..], data[32..112])
            ?? throw new InvalidOperationException("step 2 is by another key");
        if (!Ed25519.Verify(gatewayIdentity, [.. data[..32], .. publicKey], signature))
            throw new InvalidOperationException("step 2 is not signed by the gateway");
        byte[] own = Ed25519.Sign(Seed, [.. publicKey, .. data[..32]]);
        if (spoilSignature)
            own[5] ^= 1;
        byte[] nonce = RandomNumberGenerator.GetBytes(12);
        await SendAsync(Handshake(protocol, protocol < 3 ? Ctr(new byte[16], own) : [.. SealJson(nonce, own), .. nonce]));
        JsonObject fourth = (await ReceiveTextAsync())!;
        if (!Bytes(fourth["data"]!).SequenceEqual(new byte[] { 1 }))
            return fourth;
        return await ReceiveTextAsync();
    }

    public JsonObject AuthenticateV2(int protocol, long timestamp, bool spoilSignature = false, byte[]? key = null)
    {
        byte[] nonce = RandomNumberGenerator.GetBytes(12), time = new byte[8];
        byte[] address = SealJson(nonce, Identity, key);
        BinaryPrimitives.WriteInt64BigEndian(time, timestamp);
        byte[] signature = Ed25519.Sign(Seed, [(byte)protocol, .. Identity, .. address, .. nonce, .. time]);
        if (spoilSignature)
            signature[0] ^= 1;
        return new JsonObject
        {
            ["type"] = "authenticateV2",
            ["protocolVersion"] = protocol,
            ["clientIdentity"] = Numbers(Identity),
            ["addressCiphertext"] = Convert.ToBase64String(address),
            ["nonce"] = Convert.ToBase64String(nonce),
            ["requestUnixTimestamp"] = timestamp,
            ["requestSignature"] = Numbers(signature),
        };
    }

    public JsonObject AuthenticateV1(int protocol)
    {
        byte[] iv = RandomNumberGenerator.GetBytes(protocol < 3 ? 16 : 12);
        return new JsonObject
        {
            ["type"] = "authenticate",
            ["protocol_version"] = protocol,
            ["address"] = Base58.Bitcoin.Encode(Identity),
            ["enc_address"] = Base58.Bitcoin.Encode(protocol < 3 ? Ctr(iv, Identity) : SealJson(iv, Identity)),
            ["iv"] = Base58.Bitcoin.Encode(iv),
        };
    }

    /// <summary>A frame of protocols from 3 on around a mix packet.</summary>
    public byte[] Frame(byte kind, byte[] mixPacket)
    {
        byte[] nonce = RandomNumberGenerator.GetBytes(12);
        return [kind, 1, .. nonce, .. SealJson(nonce, mixPacket)];
    }

    public byte[]? OpenJson(byte[] nonce, byte[] sealedBytes)
    {
        byte[] data = sealedBytes[..^16];
        return new AesGcmSiv(Key).TryDecrypt(nonce, data, sealedBytes.AsSpan(data.Length)) ? data : null;
    }

    public byte[] SealJson(byte[] nonce, byte[] plaintext, byte[]? key = null)
    {
        byte[] output = [.. plaintext, .. new byte[16]];
        new AesGcmSiv(key ?? Key).Encrypt(nonce, output.AsSpan(0, plaintext.Length), output.AsSpan(plaintext.Length));
        return output;
    }

    public static byte[] Bytes(JsonNode numbers) => [.. numbers.AsArray().Select(number => (byte)number!)];

    public static JsonArray Numbers(byte[] bytes) => new([.. bytes.Select(b => (JsonNode)b)]);

    private static JsonObject Handshake(int protocol, byte[] data) =>
        new() { ["type"] = "handshakePayload", ["protocol_version"] = protocol, ["data"] = Numbers(data) };

    private byte[] Ctr(byte[] iv, byte[] data)
    {
        byte[] output = [.. data];
        AesCtr.Transform(Key.AsSpan(0, 16), iv, output);
        return output;
    }
}

internal static class MemorySegments
{
    public static ArraySegment<byte> ToArraySegment(this Memory<byte> memory) =>
        System.Runtime.InteropServices.MemoryMarshal.TryGetArray(memory, out ArraySegment<byte> segment) ? segment : default;
}
