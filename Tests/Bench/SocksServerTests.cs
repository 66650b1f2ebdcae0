using System.Net;
using System.Net.Sockets;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Socks;
using Xunit;

namespace FastExit.Tests.Bench;

/// <summary>The SOCKS front over the whole path: what applications see on their socket.</summary>
public class SocksServerTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData("echo", "05000001000000000000")]
    [InlineData("fail-refused", "05050001000000000000")]
    [InlineData("fail-denied", "05020001000000000000")]
    [InlineData("fail-unreachable", "05040001000000000000")]
    [InlineData("fail-notfound", "05040001000000000000")]
    [InlineData("fail-timeout", "05060001000000000000")]
    [InlineData("closed", "05050001000000000000")]
    [InlineData("silent", "05060001000000000000")]
    public async Task Version5AnswersTellTheTruth(string host, string reply)
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client(net.Settings with { ConnectTimeout = TimeSpan.FromSeconds(8) });
        using var server = new SocksServer(client, Settings(), _ => { });
        using Socket socket = await ConnectAsync(server);
        await socket.SendAsync(Request5(host));
        Assert.Equal("0500" + reply, Convert.ToHexString(await ReadAsync(socket, 12)));
    }

    [Theory]
    [InlineData("echo", "005A000000000000")]
    [InlineData("fail-refused", "005B000000000000")]
    public async Task Version4AnswersTellTheTruth(string host, string reply)
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        using var server = new SocksServer(client, Settings(), _ => { });
        using Socket socket = await ConnectAsync(server);
        await socket.SendAsync((byte[])[4, 1, 0, 80, 0, 0, 0, 1, 0, .. System.Text.Encoding.ASCII.GetBytes(host), 0]);
        Assert.Equal(reply, Convert.ToHexString(await ReadAsync(socket, 8)));
    }

    [Fact]
    public async Task BytesPassBothWaysAndHalfClosesAreKept()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        using var server = new SocksServer(client, Settings(), _ => { });
        using Socket socket = await ConnectAsync(server);

        // The first bytes of the stream follow the request at once: they must not be lost.
        byte[] data = new byte[50_000];
        LabWeb.Fill(data, 0);
        await socket.SendAsync((byte[])[.. Request5("echo"), .. data.AsSpan(0, 100)]);
        await ReadAsync(socket, 12);
        await socket.SendAsync(data.AsMemory(100));
        socket.Shutdown(SocketShutdown.Send);
        Assert.Equal(data, await ReadAsync(socket, data.Length));
        Assert.Equal(0, await socket.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
    }

    [Fact]
    public async Task OptimisticSuccessIsFollowedByAReset()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        using var server = new SocksServer(client, Settings() with { Optimistic = true }, _ => { });
        using Socket socket = await ConnectAsync(server);
        await socket.SendAsync(Request5("fail-refused"));
        Assert.Equal("050005000001000000000000", Convert.ToHexString(await ReadAsync(socket, 12)));
        SocketException reset = await Assert.ThrowsAsync<SocketException>(() => socket.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
    }

    [Fact]
    public async Task WhoSaysNothingIsSentAway()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        using var server = new SocksServer(client, Settings() with { HandshakeTimeout = TimeSpan.FromMilliseconds(300) }, _ => { });
        using Socket socket = await ConnectAsync(server);
        await socket.SendAsync((byte[])[5]);
        Assert.Equal(0, await socket.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
    }

    [Fact]
    public async Task ConnectionsBeyondTheLimitAreClosed()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        using var server = new SocksServer(client, Settings() with { MaximumConnections = 1 }, _ => { });
        using Socket first = await ConnectAsync(server);
        await first.SendAsync((byte[])[5, 1, 0]);
        await ReadAsync(first, 2);
        using Socket second = await ConnectAsync(server);
        try
        {
            Assert.Equal(0, await second.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
        }
        catch (SocketException e)
        {
            Assert.Equal(SocketError.ConnectionReset, e.SocketErrorCode);
        }
    }

    private static SocksSettings Settings() => new() { Listen = new IPEndPoint(IPAddress.Loopback, 0) };

    private static byte[] Request5(string host) =>
        [5, 1, 0, 5, 1, 0, 3, (byte)host.Length, .. System.Text.Encoding.ASCII.GetBytes(host), 0, 80];

    private static async Task<Socket> ConnectAsync(SocksServer server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server.Address).WaitAsync(s_patience);
        return socket;
    }

    private static async Task<byte[]> ReadAsync(Socket socket, int bytes)
    {
        byte[] buffer = new byte[bytes];
        for (int filled = 0; filled < bytes;)
        {
            int received = await socket.ReceiveAsync(buffer.AsMemory(filled)).AsTask().WaitAsync(s_patience);
            if (received == 0)
                return buffer[..filled];
            filled += received;
        }

        return buffer;
    }
}
