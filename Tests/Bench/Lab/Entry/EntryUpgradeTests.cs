using System.Net.Sockets;
using System.Text;
using FastExit.Bench.Lab.Entry;
using Xunit;

namespace FastExit.Tests.Bench.Lab.Entry;

/// <summary>From a TCP connection to a websocket of the entry gateway, or not.</summary>
public sealed class EntryUpgradeTests
{
    [Theory]
    [InlineData("")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n")]
    public async Task A_connection_that_asks_for_no_websocket_in_time_is_closed(string begun)
    {
        await using EntryWorld world = await EntryWorld.StartAsync(new EntrySettings { UpgradeTimeout = TimeSpan.FromMilliseconds(500) });
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(world.Listener.Address);
        await socket.SendAsync(Encoding.ASCII.GetBytes(begun));
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        byte[] answer = new byte[1024];
        while (await socket.ReceiveAsync(answer, stop.Token) > 0)
        {
            // It may be told why.
        }

        Assert.Equal(0, world.Listener.Counters[EntryCounter.Connections]);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400")]
    [InlineData("GET /other HTTP/1.1\r\nHost: a\r\n\r\n", "404")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n", "400")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n", "426")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", "101")]
    public async Task Requests_for_a_websocket(string request, string status)
    {
        await using EntryWorld world = await EntryWorld.StartAsync();
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(world.Listener.Address);
        await socket.SendAsync(Encoding.ASCII.GetBytes(request));
        byte[] answer = new byte[1024];
        int bytes = await socket.ReceiveAsync(answer);
        string text = Encoding.ASCII.GetString(answer, 0, bytes);
        Assert.StartsWith($"HTTP/1.1 {status} ", text, StringComparison.Ordinal);

        // RFC 6455 §1.3.
        if (status == "101")
            Assert.Contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", text, StringComparison.Ordinal);
    }
}
