using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace FastExit.Bench.Lab.Entry;

/// <summary>The HTTP exchange in front of a websocket (RFC 6455 §4), from both sides; no extension, no subprotocol.</summary>
internal static class WebSocketUpgrade
{
    private const string Suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    private const int LargestAnswerBytes = 8 << 10;
    private const int KeyBytes = 16;

    /// <summary>The server's side. Null: the request was none for a websocket and got its answer.</summary>
    public static async Task<WebSocketChannel?> AcceptAsync(HttpContext context)
    {
        IHeaderDictionary headers = context.Request.Headers;
        string? key = headers.SecWebSocketKey;
        IHttpUpgradeFeature? upgrade = context.Features.Get<IHttpUpgradeFeature>();
        if (upgrade is not { IsUpgradableRequest: true } || !HttpMethods.IsGet(context.Request.Method)
            || !string.Equals(headers.Upgrade, "websocket", StringComparison.OrdinalIgnoreCase) || !IsKey(key))
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return null;
        }

        if (headers.SecWebSocketVersion != "13")
        {
            context.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            context.Response.Headers.SecWebSocketVersion = "13";
            return null;
        }

        context.Response.Headers.Upgrade = "websocket";
        context.Response.Headers.Connection = "Upgrade";
        context.Response.Headers.SecWebSocketAccept = Answer(key!);
        return new WebSocketChannel(await upgrade.UpgradeAsync().ConfigureAwait(false), client: false);
    }

    /// <summary>The client's side: connects, asks and checks the answer.</summary>
    /// <exception cref="IOException">Refused, or no websocket.</exception>
    public static async Task<WebSocketChannel> ConnectAsync(Uri address, CancellationToken stop)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address.DnsSafeHost, address.Port, stop).ConfigureAwait(false);
            var stream = new NetworkStream(socket, ownsSocket: true);
            string key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(KeyBytes));
            string request = $"GET {address.PathAndQuery} HTTP/1.1\r\nHost: {address.Authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + $"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n";
            await stream.WriteAsync(Encoding.ASCII.GetBytes(request), stop).ConfigureAwait(false);
            byte[] answer = new byte[LargestAnswerBytes];
            int bytes = 0;
            int end;
            while ((end = answer.AsSpan(0, bytes).IndexOf("\r\n\r\n"u8)) < 0)
            {
                int received = bytes == answer.Length ? 0 : await stream.ReadAsync(answer.AsMemory(bytes), stop).ConfigureAwait(false);
                if (received == 0)
                    throw new IOException($"{address} does not answer as a websocket");
                bytes += received;
            }

            Check(address, Encoding.ASCII.GetString(answer, 0, end), key);
            return new WebSocketChannel(stream, client: true, answer.AsSpan((end + 4)..bytes));
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"cannot connect to {address}: {e.Message}", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Check(Uri address, string answer, string key)
    {
        string[] lines = answer.Split("\r\n");
        if (!lines[0].StartsWith("HTTP/1.1 101", StringComparison.Ordinal))
            throw new IOException($"{address} refuses a websocket: {lines[0]}");
        foreach (string line in lines.Skip(1))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line.AsSpan(0, colon).Equals("Sec-WebSocket-Accept", StringComparison.OrdinalIgnoreCase)
                && line.AsSpan(colon + 1).Trim().SequenceEqual(Answer(key)))
                return;
        }

        throw new IOException($"{address} answers a websocket request of somebody else");
    }

    private static bool IsKey(string? key)
    {
        Span<byte> bytes = stackalloc byte[KeyBytes];
        return key is { Length: 24 } && Convert.TryFromBase64String(key, bytes, out int written) && written == KeyBytes;
    }

    [SuppressMessage("Security", "CA5350", Justification = "RFC 6455 §4.2.2 prescribes SHA-1; it protects nothing here.")]
    private static string Answer(string key) => Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + Suffix)));
}
