using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Lab;
using FastExit.Cores;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>What a client sees of a working exit: SOCKS versions and addresses, sizes, concurrency, half close.</summary>
public abstract class RelayScenarios(ExitLab lab)
{
    private const string Page = "A small page from the lab.\n";
    private static readonly TimeSpan s_page = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_large = TimeSpan.FromMinutes(5);

    protected abstract long DownloadBytes { get; }

    protected abstract long UploadBytes { get; }

    [SkippableTheory]
    [InlineData("socks5h", "127.0.0.1")]
    [InlineData("socks5h", "[::1]")]
    [InlineData("socks5h", "web.test")]
    [InlineData("socks5h", "WEB.Test.")]
    [InlineData("socks5h", "web6.test")]
    [InlineData("socks5h", "both.test")]
    [InlineData("socks5", "127.0.0.1")]
    [InlineData("socks5", "[::1]")]
    [InlineData("socks4a", "127.0.0.1")]
    [InlineData("socks4a", "web.test")]
    [InlineData("socks4a", "web6.test")]
    [InlineData("socks4", "127.0.0.1")]
    public async Task Curl_gets_a_page(string proxy, string host)
    {
        Skip.If(!lab.HasIPv6 && (host.Contains(':', StringComparison.Ordinal) || host == "web6.test"), Native.LoopbackIPv6.Missing);
        CurlResult page = await CurlCommand.RunAsync(proxy, lab.Client.Address, lab.Web("/", host), s_page);
        Assert.Equal((0, Page), (page.ExitCode, page.Text + page.Errors));
    }

    [Theory]
    [InlineData("socks5")]
    [InlineData("socks4")]
    public async Task Curl_gets_a_page_by_a_name_that_it_resolved_itself(string proxy)
    {
        CurlResult page = await CurlCommand.RunAsync(
            proxy, lab.Client.Address, lab.Web("/", "here.test"), s_page, "--resolve", $"here.test:{lab.WebPort}:127.0.0.1");
        Assert.Equal((0, Page), (page.ExitCode, page.Text + page.Errors));
    }

    [Fact]
    [Trait("Load", "heavy")]
    public async Task A_large_download_arrives_unchanged()
    {
        CurlResult file = await CurlCommand.RunAsync("socks5h", lab.Client.Address, lab.Web($"/bytes/{DownloadBytes}"), s_large);
        Assert.Equal((0, DownloadBytes, ""), (file.ExitCode, file.Bytes, file.Errors));
        Assert.Equal(LabWeb.Digest(DownloadBytes), file.Digest);
    }

    [Fact]
    [Trait("Load", "heavy")]
    public async Task A_large_upload_arrives_unchanged()
    {
        byte[] content = RandomNumberGenerator.GetBytes((int)UploadBytes);
        string path = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(path, content);
            CurlResult answer = await CurlCommand.RunAsync(
                "socks5h", lab.Client.Address, lab.Web("/upload", "web.test"), s_large, "--data-binary", "@" + path, "--header", "Expect:");
            Assert.Equal((0, ""), (answer.ExitCode, answer.Errors));
            Assert.Equal($"{Convert.ToHexStringLower(SHA256.HashData(content))} {UploadBytes}\n", answer.Text);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    [Trait("Load", "heavy")]
    public async Task Two_hundred_connections_at_once_keep_their_bytes_apart()
    {
        const int Connections = 200;
        const int Bytes = 24 << 10;
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        using var echo = new TcpDestination(TcpDestination.EchoAsync);
        SocksConnection[] all = await Task.WhenAll(Enumerable.Range(0, Connections).Select(
            _ => SocksDialer.DialAsync(lab.Client.Address, SocksForm.Five, "127.0.0.1", echo.Port, stop.Token)));
        try
        {
            Assert.All(all, connection => Assert.Equal(0, connection.Code));
            await lab.Metrics.UntilAsync(
                TimeSpan.FromSeconds(30),
                sample => sample[Gauge.NetworkRequester_Connections] >= Connections,
                $"the exit does not hold {Connections} connections");
            await Task.WhenAll(all.Select((connection, i) => EchoAsync(connection.Socket, i, Bytes, stop.Token)));
        }
        finally
        {
            foreach (SocksConnection connection in all)
                connection.Dispose();
        }

        Assert.Equal(Connections, echo.Accepted);
        await lab.QuietAsync(TimeSpan.FromSeconds(120));
    }

    [Fact]
    public async Task A_server_that_answers_only_after_the_client_has_finished_is_heard()
    {
        const int AnswerBytes = 300_000;
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        using var late = new TcpDestination(async (socket, end) =>
        {
            byte[] question = await SocksDialer.ReceiveToEndAsync(socket, end);
            byte[] answer = new byte[AnswerBytes];
            LabWeb.Fill(answer, question.Length);
            await SocksDialer.SendAllAsync(socket, answer, end);
            socket.Shutdown(SocketShutdown.Send);
        });
        using SocksConnection connection = await SocksDialer.DialAsync(
            lab.Client.Address, SocksForm.FourA, "web.test", late.Port, stop.Token);
        Assert.True(connection.Granted);
        await SocksDialer.SendAllAsync(connection.Socket, new byte[70_001], stop.Token);
        connection.Socket.Shutdown(SocketShutdown.Send);
        byte[] received = await SocksDialer.ReceiveToEndAsync(connection.Socket, stop.Token);
        byte[] expected = new byte[AnswerBytes];
        LabWeb.Fill(expected, 70_001);
        Assert.True(expected.AsSpan().SequenceEqual(received), $"{received.Length} bytes of {AnswerBytes}, or others than sent");
    }

    [Fact]
    public async Task A_server_that_finishes_first_still_hears_the_client()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var heard = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var eager = new TcpDestination(async (socket, end) =>
        {
            await SocksDialer.SendAllAsync(socket, Encoding.ASCII.GetBytes("all there is"), end);
            socket.Shutdown(SocketShutdown.Send);
            heard.SetResult(await SocksDialer.ReceiveToEndAsync(socket, end));
        });
        using SocksConnection connection = await SocksDialer.DialAsync(
            lab.Client.Address, SocksForm.Five, "127.0.0.1", eager.Port, stop.Token);
        Assert.Equal("all there is", Encoding.ASCII.GetString(await SocksDialer.ReceiveToEndAsync(connection.Socket, stop.Token)));
        byte[] late = RandomNumberGenerator.GetBytes(50_000);
        await SocksDialer.SendAllAsync(connection.Socket, late, stop.Token);
        connection.Socket.Shutdown(SocketShutdown.Send);
        Assert.Equal(late, await heard.Task.WaitAsync(stop.Token));
    }

    private static async Task EchoAsync(Socket socket, int seed, int bytes, CancellationToken stop)
    {
        byte[] sent = new byte[bytes];
        LabWeb.Fill(sent, (long)seed * bytes);
        Task<byte[]> receiving = SocksDialer.ReceiveToEndAsync(socket, stop);
        await SocksDialer.SendAllAsync(socket, sent, stop);
        socket.Shutdown(SocketShutdown.Send);
        byte[] received = await receiving;
        Assert.True(sent.AsSpan().SequenceEqual(received), $"connection {seed}: {received.Length} bytes of {bytes}, or others than sent");
    }
}

[Collection(OneCoreRun.Name)]
public sealed class OneCoreRelayTests(OneCoreLab lab) : RelayScenarios(lab)
{
    protected override long DownloadBytes => 100_000_000;

    protected override long UploadBytes => 20_000_000;
}

[Collection(TwoCoreRun.Name)]
public sealed class TwoCoreRelayTests(TwoCoreLab lab) : RelayScenarios(lab)
{
    protected override long DownloadBytes => 20_000_000;

    protected override long UploadBytes => 5_000_000;
}
