using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace FastExit.Tests.EndToEnd;

internal enum SocksForm
{
    Five,
    Four,

    /// <summary>SOCKS4 with a name.</summary>
    FourA,
}

/// <summary>A connection after the proxy's answer. The code is RFC 1928's, or 0x5A and 0x5B for SOCKS4.</summary>
internal sealed record SocksConnection(Socket Socket, byte Code) : IDisposable
{
    public bool Granted => Code is 0 or 0x5A;

    public void Dispose() => Socket.Dispose();
}

/// <summary>A SOCKS client of the tests' own, which sees the exact answer.</summary>
internal static class SocksDialer
{
    public static async Task<SocksConnection> DialAsync(
        IPEndPoint proxy, SocksForm form, string host, int port, CancellationToken stop)
    {
        var socket = new Socket(proxy.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(proxy, stop);
            byte[] reply;
            if (form == SocksForm.Five)
            {
                await SendAllAsync(socket, new byte[] { 5, 1, 0 }, stop);
                Assert.Equal([5, 0], await ReceiveExactlyAsync(socket, 2, stop));
                await SendAllAsync(socket, Request5(host, port), stop);
                reply = await ReceiveExactlyAsync(socket, 10, stop);
                Assert.Equal([5, reply[1], 0, 1], reply[..4]);
            }
            else
            {
                await SendAllAsync(socket, Request4(form, host, port), stop);
                reply = await ReceiveExactlyAsync(socket, 8, stop);
                Assert.Equal(0, reply[0]);
            }

            return new SocksConnection(socket, reply[1]);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken stop)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await socket.SendAsync(bytes, stop)..];
    }

    public static async Task<byte[]> ReceiveExactlyAsync(Socket socket, int count, CancellationToken stop)
    {
        byte[] bytes = new byte[count];
        for (int filled = 0; filled < count;)
        {
            int received = await socket.ReceiveAsync(bytes.AsMemory(filled), stop);
            Assert.True(received > 0, $"the connection ended after {filled} of {count} bytes");
            filled += received;
        }

        return bytes;
    }

    public static async Task<byte[]> ReceiveToEndAsync(Socket socket, CancellationToken stop)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 << 10];
        int received;
        while ((received = await socket.ReceiveAsync(buffer.AsMemory(), stop)) > 0)
            all.Write(buffer, 0, received);
        return all.ToArray();
    }

    private static byte[] Request5(string host, int port)
    {
        byte[] address = IPAddress.TryParse(host, out IPAddress? parsed)
            ? [(byte)(parsed.AddressFamily == AddressFamily.InterNetwork ? 1 : 4), .. parsed.GetAddressBytes()]
            : [3, (byte)host.Length, .. Encoding.ASCII.GetBytes(host)];
        byte[] request = [5, 1, 0, .. address, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(request.Length - 2), (ushort)port);
        return request;
    }

    private static byte[] Request4(SocksForm form, string host, int port)
    {
        byte[] address = form == SocksForm.FourA ? [0, 0, 0, 1] : IPAddress.Parse(host).GetAddressBytes();
        byte[] name = form == SocksForm.FourA ? [.. Encoding.ASCII.GetBytes(host), 0] : [];
        byte[] request = [4, 1, 0, 0, .. address, (byte)'u', 0, .. name];
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(2), (ushort)port);
        return request;
    }
}
