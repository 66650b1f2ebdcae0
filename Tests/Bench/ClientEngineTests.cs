using System.IO.Pipelines;
using System.Security.Cryptography;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Socks;
using FastExit.Crypto.EndToEnd;
using FastExit.NetworkRequester.Protocol;
using FastExit.Topology;
using Xunit;

namespace FastExit.Tests.Bench;

/// <summary>The client through three real mixes against a service in this process: framing, Sphinx, SURBs, acks, fragments.</summary>
public class ClientEngineTests
{
    private const int Megabyte = 1_000_000;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task OneMegabyteComesDown()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        await DownloadAsync(client, Megabyte);
        Assert.Equal(0, client.Counters[ClientCounter.Malformed]);
        Assert.True(client.Counters[ClientCounter.RepliesReceived] > Megabyte / 1580);
        Assert.InRange(net.Service.MaximumSurbsSeen, 20, 512);
    }

    [Fact]
    public async Task OneMegabyteGoesUp()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        await UploadAsync(client, Megabyte, 1560);
    }

    [Fact]
    public async Task MessagesOfSeveralPacketsGoUp()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        await UploadAsync(client, 300_000, 16384);
    }

    [Fact]
    public async Task LossIsRepairedInBothDirections()
    {
        using var net = new InProcessMixnet();
        net.SetLoss(0.10);
        using ClientEngine client = net.Client();
        await Task.WhenAll(DownloadAsync(client, 200_000), UploadAsync(client, 200_000, 1560));
        Assert.True(client.Counters[ClientCounter.Retransmissions] > 10);
        Assert.True(client.Counters[ClientCounter.Retransmissions] < client.Counters[ClientCounter.PacketsSent]);
    }

    /// <summary>Six hops that wait for 5 s each on average, had the mixes not been told to wait for none.</summary>
    [Fact]
    public async Task MixesThatHoldNothingSendOnAtOnce()
    {
        using var net = new InProcessMixnet(TimeSpan.FromSeconds(5));
        foreach (MixNode mix in net.Mixes)
            mix.Settings = mix.Settings with { Holds = false };
        using ClientEngine client = net.Client();
        await DownloadAsync(client, 10_000).WaitAsync(TimeSpan.FromSeconds(5));
    }

    /// <summary>While one message is lost again and again, the later ones must not run more than 1,000 ahead.</summary>
    [Fact]
    public async Task ALongUploadOverALossyPathStaysWithinTheWindow()
    {
        using var net = new InProcessMixnet();
        net.SetLoss(0.03);

        // The service here sends nothing twice, so a lost answer would be taken for its end.
        using ClientEngine client = net.Client(net.Settings with { ConnectionWindow = 200, ProbeAfter = TimeSpan.FromMinutes(5) });
        await UploadAsync(client, 280_000, 200);
        Assert.Equal(0, net.Service.Overflows);
    }

    [Fact]
    public async Task RepeatedRepliesAndReorderedOnesChangeNothing()
    {
        using var net = new InProcessMixnet(TimeSpan.FromMilliseconds(20));
        net.Service.Doubles = true;
        using ClientEngine client = net.Client();
        await DownloadAsync(client, 200_000);
    }

    [Fact]
    public async Task AServiceThatKeepsFewSurbsStillDeliversEverything()
    {
        using var net = new InProcessMixnet();
        net.Service.MaximumSurbs = 14;
        using ClientEngine client = net.Client();
        await DownloadAsync(client, 100_000);
        Assert.True(client.Counters[ClientCounter.SurbRequests] > 0);
    }

    [Fact]
    public async Task StarvedServiceRecoversWhenSurbsFlowAgain()
    {
        using var net = new InProcessMixnet();

        // Nothing is supplied but what requests ask for.
        using ClientEngine client = net.Client(net.Settings with { RestingSurbs = 0, MaximumSurbs = 0, FirstSurbs = 13 });
        await DownloadAsync(client, 150_000);
        Assert.True(net.Service.SurbRequests > 1);
        Assert.True(client.Counters[ClientCounter.SurbRequests] > 1);
    }

    [Fact]
    public async Task BothHalvesCloseOnTheirOwn()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();

        // Download goes on after our side was closed at once.
        ProxyConnection connection = client.Open("bytes-100000:1");
        connection.CompleteSending();
        Assert.True((await connection.Opened.WaitAsync(s_patience)).Connected);
        Assert.Equal(LabWeb.Digest(100_000), await DigestAsync(connection));
        await EventuallyAsync(() => client.Counters[ClientCounter.Connections] == 0);
    }

    [Fact]
    public async Task ManyConnectionsShareTheService()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => DownloadAsync(client, 10_000 + (i * 777))));
        await EventuallyAsync(() => client.Counters[ClientCounter.Connections] == 0);
    }

    [Theory]
    [InlineData("fail-refused:1", ConnectFailure.Refused, SocksOutcome.ConnectionRefused)]
    [InlineData("fail-denied:1", ConnectFailure.Denied, SocksOutcome.NotAllowed)]
    [InlineData("fail-unreachable:1", ConnectFailure.Unreachable, SocksOutcome.HostUnreachable)]
    [InlineData("fail-notfound:1", ConnectFailure.NotFound, SocksOutcome.HostUnreachable)]
    [InlineData("fail-timeout:1", ConnectFailure.Timeout, SocksOutcome.TimeToLiveExpired)]
    [InlineData("fail-limit:1", ConnectFailure.Limit, SocksOutcome.GeneralFailure)]
    [InlineData("closed:1", ConnectFailure.Refused, SocksOutcome.ConnectionRefused)]
    public async Task RefusalsKeepTheirReason(string destination, object failure, object socks)
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        ConnectOutcome outcome = await client.Open(destination).Opened.WaitAsync(s_patience);
        Assert.False(outcome.Connected);
        Assert.Equal((ConnectFailure)failure, outcome.Failure);
        Assert.Equal((SocksOutcome)socks, outcome.ToSocks());
    }

    [Fact]
    public async Task ConnectTimesOutWhenNothingIsAnswered()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client(net.Settings with { ConnectTimeout = TimeSpan.FromSeconds(1) });
        ConnectOutcome outcome = await client.Open("silent:1").Opened.WaitAsync(s_patience);
        Assert.Equal(SocksOutcome.TimeToLiveExpired, outcome.ToSocks());
    }

    [Fact]
    public async Task ConnectionsFailWhenTheServiceForgetsThemAndNewOnesWork()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client(net.Settings with
        {
            ProbeWait = TimeSpan.FromSeconds(2),
            ProbeAfter = TimeSpan.FromSeconds(1),
        });
        ProxyConnection connection = client.Open("echo:1");
        Assert.True((await connection.Opened.WaitAsync(s_patience)).Connected);
        await EventuallyAsync(() => client.Counters[ClientCounter.PacketsInFlight] == 0);

        net.Service.ForgetRequested = true;
        await Assert.ThrowsAsync<IOException>(() => connection.Input.ReadAsync().AsTask().WaitAsync(s_patience));
        Assert.Equal(1, client.Counters[ClientCounter.ServiceLost]);
        await DownloadAsync(client, 50_000);
    }

    [Fact]
    public async Task ConnectionsFailWhenNothingIsAcknowledgedAndWorkAgainLater()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client(net.Settings with { ServiceSilence = TimeSpan.FromSeconds(3) });
        ProxyConnection connection = client.Open("echo:1");
        Assert.True((await connection.Opened.WaitAsync(s_patience)).Connected);
        net.SetLoss(1);
        await connection.SendAsync(new byte[100]);
        await Assert.ThrowsAsync<IOException>(() => connection.Input.ReadAsync().AsTask().WaitAsync(s_patience));
        net.SetLoss(0);
        await DownloadAsync(client, 50_000);
    }

    [Fact]
    public async Task ANewRotationBringsNewSurbsToAnIdleConnectionAtOnce()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        ProxyConnection connection = client.Open("echo:1");
        Assert.True((await connection.Opened.WaitAsync(s_patience)).Connected);
        await EventuallyAsync(() => client.Counters[ClientCounter.SurbsAvailable] >= net.Settings.RestingSurbs - 24
            && client.Counters[ClientCounter.PacketsInFlight] == 0);
        Assert.Equal(KeyRotation.Odd, net.Service.SurbRotation);
        long made = client.Counters[ClientCounter.SurbsMade];

        // The same rotation again is no reason for anything.
        client.UseTopology(net.Topology);
        await Task.Delay(300);
        Assert.Equal(made, client.Counters[ClientCounter.SurbsMade]);

        client.UseTopology(new NetworkTopology(2, net.Topology.Nodes));
        await EventuallyAsync(() => net.Service.SurbRotation == KeyRotation.Even);
        await EventuallyAsync(() => client.Counters[ClientCounter.SurbsMade] >= made + net.Settings.RestingSurbs - 24);

        // What the service still has of the older ones is read as well: it uses the oldest first.
        await connection.SendAsync(new byte[] { 1, 2, 3 });
        ReadResult result = await connection.Input.ReadAsync().AsTask().WaitAsync(s_patience);
        Assert.Equal(3, result.Buffer.Length);
        await DownloadAsync(client, 100_000);
    }

    [Fact]
    public async Task AQuietConnectionIsKeptByProbes()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client(net.Settings with { ProbeAfter = TimeSpan.FromMilliseconds(300) });
        ProxyConnection connection = client.Open("echo:1");
        Assert.True((await connection.Opened.WaitAsync(s_patience)).Connected);
        await EventuallyAsync(() => client.Counters[ClientCounter.Probes] >= 3);
        Assert.Equal(0, client.Counters[ClientCounter.ServiceLost]);
        await connection.SendAsync(new byte[] { 1, 2, 3 });
        ReadResult result = await connection.Input.ReadAsync().AsTask().WaitAsync(s_patience);
        Assert.Equal(3, result.Buffer.Length);
    }

    [Fact]
    public async Task AnUnreadConnectionIsBoundedAndThenReset()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client(net.Settings with { UnreadBytes = 100_000, StalledReaderTimeout = TimeSpan.FromSeconds(2) });
        ProxyConnection connection = client.Open("bytes-50000000:1");
        Assert.True((await connection.Opened.WaitAsync(s_patience)).Connected);
        await EventuallyAsync(() => client.Counters[ClientCounter.Connections] == 0);
        Assert.InRange(client.Counters[ClientCounter.BytesDown], 100_000, 100_000 + (1000 * 1600));
    }

    internal static async Task DownloadAsync(ClientEngine client, long bytes)
    {
        ProxyConnection connection = client.Open($"bytes-{bytes}:1");
        ConnectOutcome outcome = await connection.Opened.WaitAsync(s_patience);
        Assert.True(outcome.Connected, outcome.Reason);
        Assert.Equal(LabWeb.Digest(bytes), await DigestAsync(connection));
        connection.CompleteSending();
    }

    private static async Task UploadAsync(ClientEngine client, int bytes, int messageBytes)
    {
        ProxyConnection connection = client.Open("sink:1");
        byte[] data = new byte[bytes];
        LabWeb.Fill(data, 0);
        for (int sent = 0; sent < bytes; sent += messageBytes)
        {
            await connection.SendAsync(new ArraySegment<byte>(data, sent, Math.Min(messageBytes, bytes - sent)))
                .AsTask().WaitAsync(s_patience);
        }

        connection.CompleteSending();
        using var answer = new MemoryStream();
        await connection.Input.CopyToAsync(answer).WaitAsync(s_patience);
        Assert.Equal(Convert.ToHexString(SHA256.HashData(data)), Convert.ToHexString(answer.ToArray()));
    }

    private static async Task<string> DigestAsync(ProxyConnection connection)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (true)
        {
            ReadResult result = await connection.Input.ReadAsync().AsTask().WaitAsync(s_patience);
            foreach (ReadOnlyMemory<byte> segment in result.Buffer)
                hash.AppendData(segment.Span);
            connection.Consumed((int)result.Buffer.Length);
            connection.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
                return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
    }

    private static async Task EventuallyAsync(Func<bool> condition)
    {
        long deadline = Environment.TickCount64 + (long)s_patience.TotalMilliseconds;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < deadline, "the condition did not come true in time");
            await Task.Delay(20);
        }
    }
}
