using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Lab;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>Clients that name their address are answered by ordinary packets to it, through the whole mixnet and without one SURB.</summary>
public abstract class DisclosedAddressScenarios(ExitLab lab)
{
    private const int FileBytes = 300_000;
    private const int PieceBytes = 1560;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);

    [Theory]
    [InlineData(MessageForm.Legacy)]
    [InlineData(MessageForm.Version3)]
    public async Task A_file_comes_in_forward_packets(MessageForm form)
    {
        await lab.QuietAsync(s_patience);
        MetricsSample before = await lab.Metrics.ReadAsync();
        using DisclosingLine line = DisclosingLine.Open(lab, form);
        DisclosedConnection connection = line.Client.Open($"127.0.0.1:{lab.WebPort}");
        connection.Send(Http.Get($"/bytes/{FileBytes}"));
        byte[] body = Http.Body(await connection.Received.WaitAsync(s_patience));
        Assert.Equal(FileBytes, body.Length);
        Assert.Equal(LabWeb.Digest(FileBytes), Convert.ToHexStringLower(SHA256.HashData(body)));
        connection.Send([], closed: true);

        // Quiet means that every packet was acknowledged.
        await lab.QuietAsync(s_patience);
        MetricsSample after = await lab.Metrics.ReadAsync();
        double Grown(Counter counter) => after[counter] - before[counter];
        Assert.Equal(0, Grown(Counter.Delivery_SurbsReceived));
        Assert.Equal(0, Grown(Counter.Delivery_SurbsUsed));
        Assert.Equal(0, Grown(Counter.Delivery_RetransmissionsGivenUp));
        Assert.InRange(Grown(Counter.Delivery_RepliesSent), FileBytes / 1602, 3 * FileBytes / 1602);
        Assert.InRange(Grown(Counter.Delivery_AcksReceived), FileBytes / 1602, 3 * FileBytes / 1602);
        Assert.InRange(line.Client.Answers, FileBytes / 1602, int.MaxValue);
        Assert.Equal((0, 0), (line.Client.Undeciphered, line.Client.Unexpected));
    }

    [Theory]
    [InlineData(MessageForm.Legacy)]
    [InlineData(MessageForm.Version3)]
    public async Task An_upload_arrives_unchanged(MessageForm form)
    {
        byte[] content = RandomNumberGenerator.GetBytes(FileBytes);
        using DisclosingLine line = DisclosingLine.Open(lab, form);
        DisclosedConnection connection = line.Client.Open($"127.0.0.1:{lab.WebPort}");

        // An empty message tells the service that this is no browser, which would not bear an empty answer.
        connection.Send([]);
        await connection.Connected.WaitAsync(s_patience);
        connection.Send(Http.Post("/upload", FileBytes));
        for (int i = 0; i < FileBytes; i += PieceBytes)
            connection.Send(content[i..Math.Min(i + PieceBytes, FileBytes)]);
        byte[] body = Http.Body(await connection.Received.WaitAsync(s_patience));

        // Not sooner: the web server gives up who closes first.
        connection.Send([], closed: true);
        Assert.Equal($"{Convert.ToHexStringLower(SHA256.HashData(content))} {FileBytes}\n", Encoding.ASCII.GetString(body));
        Assert.Equal((0, 0), (line.Client.Undeciphered, line.Client.Unexpected));
        await lab.QuietAsync(s_patience);
    }

    [Theory]
    [InlineData(MessageForm.Legacy)]
    [InlineData(MessageForm.Version3)]
    public async Task A_refusal_is_told(MessageForm form)
    {
        using DisclosingLine line = DisclosingLine.Open(lab, form);
        DisclosedConnection connection = line.Client.Open($"127.0.0.1:{lab.DeniedPort}");
        if (form == MessageForm.Legacy)
        {
            IOException refusal = await Assert.ThrowsAsync<IOException>(() => connection.Refused.WaitAsync(s_patience));
            Assert.StartsWith("denied", refusal.Message, StringComparison.Ordinal);
        }
        else
        {
            Assert.Empty(await connection.Received.WaitAsync(s_patience));
        }

        Assert.False(connection.Connected.IsCompleted);

        // Who leaves before the acknowledgement has arrived is sent the answer again, for minutes.
        await lab.QuietAsync(s_patience);

        // It could be mix-fetch, which an error ends for good.
        Assert.Equal(form == MessageForm.Legacy, connection.Refused.IsCompleted);
    }
}

[Collection(OneCoreRun.Name)]
public sealed class OneCoreDisclosedAddressTests(OneCoreLab lab) : DisclosedAddressScenarios(lab);

[Collection(TwoCoreRun.Name)]
public sealed class TwoCoreDisclosedAddressTests(TwoCoreLab lab) : DisclosedAddressScenarios(lab);

/// <summary>What is not acknowledged is sent once more, then given up.</summary>
public sealed class StrangersLab() : ExitLab([0], guardOpen: true, "delivery.maximum_retransmissions=1");

/// <summary>Addresses that cannot be answered: counted by reason, and nobody else notices.</summary>
[Collection(OwnLabRun.Name)]
public sealed class WrongAddressTests(StrangersLab lab) : IClassFixture<StrangersLab>
{
    private const int Neighbours = 150_000;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task A_gateway_that_nobody_knows_is_refused()
    {
        MetricsSample after = await AskAsync(
            address => Ed25519Point().CopyTo(address, 64), Counter.NetworkRequester_NoReturnPath, connects: false);
        Assert.Equal(0, after[Counter.Delivery_RepliesDroppedNoRoute]);
    }

    [Fact]
    public Task A_gateway_that_is_no_key_is_refused() =>
        AskAsync(address => NoPoint().CopyTo(address, 64), Counter.NetworkRequester_BadRequest, connects: false);

    [Fact]
    public Task An_identity_that_is_no_key_is_refused() =>
        AskAsync(address => NoPoint().CopyTo(address, 0), Counter.NetworkRequester_BadRequest, connects: false);

    [Fact]
    public Task An_encryption_key_that_encrypts_nothing_is_counted() =>
        AskAsync(address => address.AsSpan(32, 32).Clear(), Counter.Delivery_RepliesDroppedNoRoute, connects: true);

    [Fact]
    public Task An_identity_that_its_gateway_does_not_know_is_given_up() =>
        AskAsync(address => Ed25519Point().CopyTo(address, 0), Counter.Delivery_RetransmissionsGivenUp, connects: true);

    [Fact]
    public async Task Anothers_encryption_key_gives_the_client_nothing_to_read()
    {
        using var silent = new TcpDestination(TcpDestination.SilentAsync);
        using DisclosingLine line = DisclosingLine.Open(lab, MessageForm.Legacy);
        byte[] address = DisclosingClient.Bytes(line.Client.Address);
        RandomNumberGenerator.Fill(address.AsSpan(32, 32));
        DisclosedConnection connection = line.Client.Open($"127.0.0.1:{silent.Port}", address);
        for (int i = 0; i < 300 && line.Client.Undeciphered == 0; i++)
            await Task.Delay(100);
        Assert.NotEqual(0, line.Client.Undeciphered);
        Assert.Equal(0, line.Client.Answers);
        Assert.False(connection.Connected.IsCompleted);
        connection.Send([], closed: true);
        await lab.QuietAsync(s_patience);
    }

    private static byte[] Ed25519Point() => NodeKeys.Generate().Identity;

    private static byte[] NoPoint()
    {
        while (true)
        {
            byte[] bytes = RandomNumberGenerator.GetBytes(32);
            if (!FastExit.Crypto.Primitives.Ed25519.IsPoint(bytes))
                return bytes;
        }
    }

    /// <summary>One connection asked for with a wrong address, beside two clients that do as always.</summary>
    private async Task<MetricsSample> AskAsync(Action<byte[]> spoil, Counter counted, bool connects)
    {
        using var silent = new TcpDestination(TcpDestination.SilentAsync);
        MetricsSample before = await lab.Metrics.ReadAsync();
        using DisclosingLine line = DisclosingLine.Open(lab, MessageForm.Legacy);
        byte[] address = DisclosingClient.Bytes(line.Client.Address);
        spoil(address);
        DisclosedConnection spoiled = line.Client.Open($"127.0.0.1:{silent.Port}", address);
        Task<CurlResult> anonymous = CurlCommand.RunAsync(
            "socks5h", lab.Client.Address, lab.Web($"/bytes/{Neighbours}"), s_patience);
        DisclosedConnection neighbour = line.Client.Open($"127.0.0.1:{lab.WebPort}");
        neighbour.Send(Http.Get($"/bytes/{Neighbours}"));
        byte[] body = Http.Body(await neighbour.Received.WaitAsync(s_patience));
        neighbour.Send([], closed: true);
        Assert.Equal(LabWeb.Digest(Neighbours), Convert.ToHexStringLower(SHA256.HashData(body)));
        CurlResult file = await anonymous;
        Assert.Equal((0, LabWeb.Digest(Neighbours)), (file.ExitCode, file.Digest));

        await lab.Metrics.UntilAsync(s_patience, sample => sample[counted] > before[counted], $"{counted} does not rise");
        Assert.False(spoiled.Connected.IsCompleted);
        Assert.Equal(connects ? 1 : 0, silent.Accepted);
        await lab.QuietAsync(s_patience);
        return await lab.Metrics.ReadAsync();
    }
}

/// <summary>A disclosing client behind an entry gateway of its own in this process.</summary>
internal sealed record DisclosingLine(EntryGateway Gateway, DisclosingClient Client) : IDisposable
{
    public static DisclosingLine Open(ExitLab lab, MessageForm form)
    {
        if (!Recipient.TryParse(lab.Network.ExitAddress.NetworkRequester, out Recipient service))
            throw new ArgumentException("the exit has no address", nameof(lab));
        EntryGateway gateway = lab.Network.Directory.OpenEntry(lab.Network.Topology);
        var client = new DisclosingClient(lab.Network.Topology, gateway, service, form, TimeSpan.FromMilliseconds(2));
        return new DisclosingLine(gateway, client);
    }

    public void Dispose()
    {
        Client.Dispose();
        Gateway.Dispose();
    }
}

/// <summary>Just enough HTTP/1.1 for the lab's web server.</summary>
internal static class Http
{
    public static byte[] Get(string path) => Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");

    public static byte[] Post(string path, int bytes) => Encoding.ASCII.GetBytes(
        $"POST {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\nContent-Length: {bytes.ToString(CultureInfo.InvariantCulture)}\r\n\r\n");

    /// <summary>The body; chunks are joined.</summary>
    public static byte[] Body(byte[] response)
    {
        int end = response.AsSpan().IndexOf("\r\n\r\n"u8);
        Assert.True(end > 0, $"no end of the header in {response.Length} bytes");
        string header = Encoding.ASCII.GetString(response, 0, end);
        Assert.StartsWith("HTTP/1.1 200 ", header, StringComparison.Ordinal);
        byte[] body = response[(end + 4)..];
        return header.Contains("chunked", StringComparison.OrdinalIgnoreCase) ? Join(body) : body;
    }

    private static byte[] Join(ReadOnlySpan<byte> chunks)
    {
        using var joined = new MemoryStream();
        while (true)
        {
            int line = chunks.IndexOf("\r\n"u8);
            int bytes = int.Parse(Encoding.ASCII.GetString(chunks[..line]), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (bytes == 0)
                return joined.ToArray();
            joined.Write(chunks.Slice(line + 2, bytes));
            chunks = chunks[(line + 2 + bytes + 2)..];
        }
    }
}
