using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Lab;
using FastExit.Tests.Native;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>
/// A small web server inside a namespace: GET /N answers N repeatable bytes, a PUT the SHA-256 of what was sent. A connection carries one
/// request.
/// </summary>
internal sealed class TunnelWeb : IDisposable
{
    private const int ChunkBytes = 64 << 10;
    private readonly TcpListener _listener;

    public TunnelWeb(NetworkNamespace space, IPEndPoint address)
    {
        // A socket stays in the namespace where it was made, and so do the connections that it accepts.
        _listener = space.Run(() =>
        {
            var listener = new TcpListener(address);
            listener.Start();
            return listener;
        });
        _ = AcceptAsync();
    }

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end.
        }
    }

    private static async Task ServeAsync(TcpClient connection)
    {
        using (connection)
        {
            try
            {
                await AnswerAsync(connection.GetStream());
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                // The client's own fault, and it tells the test.
            }
        }
    }

    private static async Task AnswerAsync(NetworkStream stream)
    {
        (string head, byte[] body) = await ReadHeadAsync(stream);
        string[] words = head.Split(' ', 3);
        if (words[0] == "GET")
        {
            long count = long.Parse(words[1].AsSpan(1), CultureInfo.InvariantCulture);
            await WriteHeadAsync(stream, count);
            byte[] chunk = new byte[ChunkBytes];
            for (long sent = 0; sent < count; sent += ChunkBytes)
            {
                int bytes = (int)Math.Min(ChunkBytes, count - sent);
                LabWeb.Fill(chunk.AsSpan(0, bytes), sent);
                await stream.WriteAsync(chunk.AsMemory(0, bytes));
            }

            return;
        }

        long length = head.Split("\r\n").Where(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
            .Select(line => long.Parse(line.AsSpan(line.IndexOf(':', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture)).Single();
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(body);
        byte[] buffer = new byte[ChunkBytes];
        for (long left = length - body.Length; left > 0;)
        {
            int read = await stream.ReadAsync(buffer);
            if (read == 0)
                return;
            hash.AppendData(buffer, 0, read);
            left -= read;
        }

        byte[] digest = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash.GetHashAndReset()));
        await WriteHeadAsync(stream, digest.Length);
        await stream.WriteAsync(digest);
    }

    private static ValueTask WriteHeadAsync(NetworkStream stream, long bytes) => stream.WriteAsync(Encoding.ASCII.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n")));

    private static async Task<(string Head, byte[] Body)> ReadHeadAsync(NetworkStream stream)
    {
        byte[] buffer = new byte[16 << 10];
        for (int filled = 0; filled < buffer.Length;)
        {
            int read = await stream.ReadAsync(buffer.AsMemory(filled));
            if (read == 0)
                throw new IOException("ended before the request did");
            filled += read;
            int end = buffer.AsSpan(0, filled).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
                return (Encoding.ASCII.GetString(buffer, 0, end), buffer[(end + 4)..filled]);
        }

        throw new IOException("a request with too long a head");
    }
}
