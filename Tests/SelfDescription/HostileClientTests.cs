using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using FastExit.SelfDescription;
using Xunit;

namespace FastExit.Tests.SelfDescription;

/// <summary>Clients that mean no good: broken requests, slow ones, too many.</summary>
public sealed class HostileClientTests
{
    [Theory]
    [InlineData("GARBAGE\r\n\r\n")]
    [InlineData("GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 505 ")]
    [InlineData("GET /api/v1/health HTTP/1.1\r\n\r\n")]
    [InlineData("GET /api/v1/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")]
    [InlineData("GET /\u0001 HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("GET /api/v1/health HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("GET /api/v1/health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")]
    [InlineData("GET /api/v1/health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("GET /api/v1/health HTTP/1.1\r\nHost: a\r\nBad Header\r\n\r\n")]
    [InlineData("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002")]
    public async Task A_broken_request_gets_an_error_and_nobody_else_notices(string request, string refusal = "HTTP/1.1 4")
    {
        using var node = new NodeFixture();
        await using var api = await NodeApiTests.StartAsync(node);
        var answer = await ExchangeAsync(api, Encoding.Latin1.GetBytes(request));
        Assert.True(answer.Length == 0 || answer.StartsWith(refusal, StringComparison.Ordinal), answer);
        await AssertServesAsync(api);
    }

    [Theory]
    [InlineData(3_000, 0)]
    [InlineData(10, 20_000)]
    public async Task Long_lines_and_headers_are_refused(int path, int header)
    {
        using var node = new NodeFixture();
        await using var api = await NodeApiTests.StartAsync(node);
        var answer = await ExchangeAsync(api, Encoding.ASCII.GetBytes($"GET /{new string('a', path)} HTTP/1.1\r\nHost: a\r\nX: {new string('b', header)}\r\n\r\n"));
        Assert.True(answer.Length == 0 || answer.StartsWith("HTTP/1.1 4", StringComparison.Ordinal), answer);
        await AssertServesAsync(api);
    }

    [Fact]
    public async Task Random_bytes_never_end_the_service()
    {
        using var node = new NodeFixture();
        await using var api = await NodeApiTests.StartAsync(node);
        var random = new Random(7304);
        for (var i = 0; i < 200; i++)
        {
            var bytes = new byte[random.Next(1, 600)];
            random.NextBytes(bytes);
            if (i % 2 == 0)
                "GET /api/v1/"u8[..Math.Min(12, bytes.Length)].CopyTo(bytes);
            await ExchangeAsync(api, bytes, half: true);
        }

        await AssertServesAsync(api);
    }

    [Fact]
    public async Task Slow_clients_lose_their_connections_and_others_are_answered_meanwhile()
    {
        using var node = new NodeFixture();
        await using var api = await NodeApiTests.StartAsync(node);
        var slow = new List<TcpClient>();
        try
        {
            for (var i = 0; i < 100; i++)
            {
                var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, api.Address.Port);
                await client.GetStream().WriteAsync("GET /api/v1/health HTTP/1.1\r\nHost: a\r\nX: "u8.ToArray());
                slow.Add(client);
            }

            var clock = Stopwatch.StartNew();
            var open = slow.Count;
            while (open > 0 && clock.Elapsed < TimeSpan.FromSeconds(20))
            {
                await AssertServesAsync(api);
                open = 0;
                foreach (var client in slow)
                    open += await DripAsync(client) ? 1 : 0;
                await Task.Delay(500);
            }

            Assert.Equal(0, open);
        }
        finally
        {
            slow.ForEach(client => client.Dispose());
        }
    }

    [Fact]
    public void One_address_gets_its_share_and_is_forgotten()
    {
        var share = new AddressShare(2);
        var one = AddressShare.Network(IPAddress.Parse("192.0.2.1"));
        Assert.True(share.TryEnter(one));
        Assert.True(share.TryEnter(one));
        Assert.False(share.TryEnter(one));
        Assert.True(share.TryEnter(AddressShare.Network(IPAddress.Parse("192.0.2.2"))));
        share.Leave(one);
        Assert.True(share.TryEnter(one));
        share.Leave(one);
        share.Leave(one);
        share.Leave(AddressShare.Network(IPAddress.Parse("192.0.2.2")));
        Assert.Equal(0, share.Addresses);

        Assert.Equal(one, AddressShare.Network(IPAddress.Parse("::ffff:192.0.2.1")));
        Assert.Equal(AddressShare.Network(IPAddress.Parse("2001:db8:1:2::1")), AddressShare.Network(IPAddress.Parse("2001:db8:1:2:3:4:5:6")));
        Assert.NotEqual(AddressShare.Network(IPAddress.Parse("2001:db8:1:2::1")), AddressShare.Network(IPAddress.Parse("2001:db8:1:3::1")));
    }

    [Fact]
    public void Shares_are_right_when_many_come_and_go_at_once()
    {
        var share = new AddressShare(8);
        var highest = 0;
        var inside = 0;
        Parallel.For(0, 100_000, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            if (!share.TryEnter(1))
                return;
            var now = Interlocked.Increment(ref inside);
            for (var seen = Volatile.Read(ref highest); now > seen; seen = Volatile.Read(ref highest))
                Interlocked.CompareExchange(ref highest, now, seen);
            Interlocked.Decrement(ref inside);
            share.Leave(1);
        });
        Assert.InRange(highest, 1, 8);
        Assert.Equal(0, share.Addresses);
    }

    private static async Task<bool> DripAsync(TcpClient client)
    {
        try
        {
            await client.Client.SendAsync(new byte[] { (byte)'a' });
            // The 408 that came before the end is data too.
            while (client.Client.Poll(0, SelectMode.SelectRead))
            {
                if (client.Client.Receive(new byte[256]) == 0)
                    return false;
            }

            return true;
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            return false;
        }
    }

    private static async Task AssertServesAsync(NodeApi api)
    {
        using var client = new HttpClient { Timeout = NodeAnswers.Patience };
        Assert.StartsWith("{\"status\":\"up\"", await client.GetStringAsync(new Uri(api.Address, "/api/v1/health")), StringComparison.Ordinal);
    }

    private static async Task<string> ExchangeAsync(NodeApi api, byte[] request, bool half = false)
    {
        using var client = new TcpClient();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(15));
        await client.ConnectAsync(IPAddress.Loopback, api.Address.Port);
        var stream = client.GetStream();
        var answer = new MemoryStream();
        try
        {
            await stream.WriteAsync(request, patience.Token);
            if (half)
                return "";
            client.Client.Shutdown(SocketShutdown.Send);
            await stream.CopyToAsync(answer, patience.Token);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            // A reset is an answer too.
        }

        return Encoding.Latin1.GetString(answer.ToArray());
    }
}
