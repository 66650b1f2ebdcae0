using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Lab;
using Xunit;

namespace FastExit.Tests.Bench;

public class LabServersTests
{
    [Fact]
    public async Task WebServesRepeatableBytesAndDigestsUploads()
    {
        IPEndPoint address = LabDirectory.FreeAddresses(1)[0];
        await using LabWeb web = await LabWeb.StartAsync(address);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{address}") };

        Assert.NotEmpty(await http.GetStringAsync("/"));
        using HttpResponseMessage response = await http.GetAsync("/bytes/200001");
        byte[] body = await response.Content.ReadAsByteArrayAsync();
        string digest = Convert.ToHexStringLower(SHA256.HashData(body));
        Assert.Equal(200_001, body.Length);
        Assert.Equal(digest, response.Headers.GetValues(LabWeb.DigestHeader).Single());
        Assert.Equal(digest, LabWeb.Digest(200_001));
        Assert.Equal(HttpStatusCode.BadRequest, (await http.GetAsync("/bytes/-1")).StatusCode);

        using HttpResponseMessage uploaded = await http.PostAsync("/upload", new ByteArrayContent(body));
        Assert.Equal($"{digest} 200001\n", await uploaded.Content.ReadAsStringAsync());
        Assert.Equal("late\n", await http.GetStringAsync("/slow/0.1"));
    }

    [Fact]
    public void EchoTakesTheAskedPortOrAnyFreeOneThatThePolicyAllows()
    {
        using EchoServer any = EchoServer.Open(0);
        Assert.InRange(any.Address.Port, 50000, 65535);
        var taken = Assert.Throws<LabException>(() => EchoServer.Open(any.Address.Port));
        Assert.Contains("--echo", taken.Message, StringComparison.Ordinal);
        using EchoServer other = EchoServer.Open(0);
        Assert.NotEqual(any.Address.Port, other.Address.Port);
    }

    [Fact]
    public async Task EchoAnswersAfterTheHalfClose()
    {
        using var echo = new EchoServer(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new TcpClient();
        await client.ConnectAsync(echo.Address);
        byte[] data = Encoding.ASCII.GetBytes("some bytes");
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(data);
        client.Client.Shutdown(SocketShutdown.Send);
        using var reader = new StreamReader(stream);
        Assert.Equal($"some bytesend 10 {Convert.ToHexStringLower(SHA256.HashData(data))}\n", await reader.ReadToEndAsync());
    }

    [Fact]
    public async Task TheChildEndsOnTerm()
    {
        using ChildProcess child = ChildProcess.Start("the child", "/bin/sleep", ["60"], _ => { });
        Assert.False(child.Ended.IsCompleted);
        Assert.NotEqual(0, await child.StopAsync(TimeSpan.FromSeconds(10)));
        Assert.True(child.Ended.IsCompleted);
    }

    [Fact]
    public async Task AChildThatIgnoresTermIsKilled()
    {
        var ready = new TaskCompletionSource();
        using ChildProcess child = ChildProcess.Start(
            "the child", "/bin/sh", ["-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done"], line => { if (line == "ready") ready.TrySetResult(); });
        await ready.Task.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.NotEqual(0, await child.StopAsync(TimeSpan.FromMilliseconds(300)).WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public void AMissingProgramIsAPlainError()
    {
        LabException error = Assert.Throws<LabException>(() =>
        {
            ChildProcess child = ChildProcess.Start("the exit", "/nonexistent/fastexit", [], _ => { });
            child.Dispose();
        });
        Assert.Contains("/nonexistent/fastexit", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NodeKeysSurviveTheirFileAndNobodyElseReadsIt()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            NodeKeys keys = NodeKeys.Generate();
            keys.Save(path);
            NodeKeys loaded = NodeKeys.Load(path);
            Assert.Equal(keys.Identity, loaded.Identity);
            Assert.Equal(keys.SphinxKey, loaded.SphinxKey);
            if (OperatingSystem.IsLinux())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            File.WriteAllText(path, "{\"IdentitySeed\":\"00\",\"SphinxPrivate\":\"00\"}");
            Assert.Throws<LabException>(() => NodeKeys.Load(path));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
