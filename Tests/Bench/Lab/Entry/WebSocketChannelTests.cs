using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Lab.Entry;
using Xunit;

namespace FastExit.Tests.Bench.Lab.Entry;

/// <summary>Our websocket against the system's, on both sides, and against bytes that no websocket sends.</summary>
public sealed class WebSocketChannelTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_speaks_with_the_systems_own(bool client)
    {
        (Stream ours, Stream theirs) = await PairAsync();
        using var channel = new WebSocketChannel(ours, client);
        using WebSocket other = WebSocket.CreateFromStream(theirs, new WebSocketCreationOptions { IsServer = client });
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        foreach (int bytes in new[] { 0, 1, 125, 126, 1000, 65535, 65536 })
        {
            byte[] sent = RandomNumberGenerator.GetBytes(bytes), received = new byte[70_000];
            await other.SendAsync(sent, WebSocketMessageType.Binary, true, stop.Token);
            WebSocketMessage message = await channel.ReceiveAsync(stop.Token);
            Assert.Equal(WebSocketOpcode.Binary, message.Kind);
            Assert.Equal(sent, message.Bytes.ToArray());

            await channel.SendAsync(WebSocketOpcode.Text, Encoding.ASCII.GetBytes(new string('x', bytes)), stop.Token);
            int got = 0;
            WebSocketReceiveResult result;
            do
            {
                result = await other.ReceiveAsync(new ArraySegment<byte>(received, got, received.Length - got), stop.Token);
                got += result.Count;
            }
            while (!result.EndOfMessage);
            Assert.Equal((WebSocketMessageType.Text, bytes), (result.MessageType, got));
        }

        // In parts, with a ping among them.
        await other.SendAsync("one "u8.ToArray(), WebSocketMessageType.Text, false, stop.Token);
        await other.SendAsync("two "u8.ToArray(), WebSocketMessageType.Text, false, stop.Token);
        await other.SendAsync("three"u8.ToArray(), WebSocketMessageType.Text, true, stop.Token);
        WebSocketMessage whole = await channel.ReceiveAsync(stop.Token);
        Assert.Equal("one two three", Encoding.ASCII.GetString(whole.Bytes.Span));
        Task<WebSocketReceiveResult> listening = other.ReceiveAsync(new ArraySegment<byte>(new byte[10]), stop.Token);
        Task<WebSocketMessage> answered = channel.ReceiveAsync(stop.Token).AsTask();
        Assert.True(await channel.AnswersAsync(TimeSpan.FromSeconds(5)));
        await other.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", stop.Token);
        Assert.Equal(WebSocketOpcode.Close, (await answered).Kind);
        Assert.Equal(WebSocketMessageType.Close, (await listening).MessageType);
    }

    [Theory]
    [InlineData("8203616263", 1002)] // not masked
    [InlineData("C280000000005A", 1002)] // an extension
    [InlineData("8380000000005A", 1002)] // an opcode that nobody knows
    [InlineData("0980000000005A", 1002)] // a ping in parts
    [InlineData("8080000000005A", 1002)] // the rest of nothing
    [InlineData("82FE007D00000000", 1002)] // not the shortest length
    [InlineData("82FF000000000001000100000000", 1009)] // too long
    [InlineData("82FF800000000000000000000000", 1002)] // a negative length
    public async Task A_broken_frame_closes_the_connection(string frame, int code)
    {
        (Stream ours, Stream theirs) = await PairAsync();
        using var channel = new WebSocketChannel(ours, client: false);
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await theirs.WriteAsync(Convert.FromHexString(frame), stop.Token);
        Assert.Equal(WebSocketOpcode.Close, (await channel.ReceiveAsync(stop.Token)).Kind);
        byte[] answer = new byte[4];
        await theirs.ReadExactlyAsync(answer, stop.Token);
        Assert.Equal([0x88, 2, (byte)(code >> 8), (byte)code], answer);
        await theirs.DisposeAsync();
    }

    [Fact]
    public async Task Many_messages_that_wait_arrive_in_order()
    {
        (Stream ours, Stream theirs) = await PairAsync();
        using var sender = new WebSocketChannel(ours, client: true);
        using var receiver = new WebSocketChannel(theirs, client: false);
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        const int Messages = 3000;
        Task sending = Task.Run(async () =>
        {
            for (int sent = 0; sent < Messages;)
            {
                await sender.EnterAsync(stop.Token);
                while (sent < Messages && sender.TryBegin(WebSocketOpcode.Binary, 2452, out Span<byte> payload))
                {
                    payload.Fill((byte)sent++);
                    sender.End();
                }

                await sender.FlushAsync(stop.Token);
                sender.Leave();
            }
        });
        for (int i = 0; i < Messages; i++)
        {
            WebSocketMessage message = await receiver.ReceiveAsync(stop.Token);
            Assert.Equal(2452, message.Bytes.Length);
            Assert.Equal(-1, message.Bytes.Span.IndexOfAnyExcept((byte)i));
        }

        await sending;
    }

    private static async Task<(Stream One, Stream Other)> PairAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var client = new TcpClient();
        Task<TcpClient> accepted = listener.AcceptTcpClientAsync();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        return (client.GetStream(), (await accepted).GetStream());
    }
}
