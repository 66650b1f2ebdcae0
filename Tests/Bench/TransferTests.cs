using FastExit.Bench.Client;
using FastExit.Bench.Figures;
using FastExit.Bench.Lab;
using Xunit;

namespace FastExit.Tests.Bench;

/// <summary>A transfer that does not end by itself ends with an error that says how far it came.</summary>
public sealed class TransferTests
{
    private static readonly TimeSpan s_test = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task ASilentDestinationIsNotWaitedForForever()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        ProxyConnection connection = client.Open("echo:1");
        await connection.SendAsync(new byte[100]);
        LabException e = await Assert.ThrowsAsync<LabException>(
            () => Transfer.DrainAsync(connection, TimeSpan.FromSeconds(2)).WaitAsync(s_test));
        Assert.StartsWith("nothing came for 2 s after 100 bytes received", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARefusedConnectionSaysWhy()
    {
        using var net = new InProcessMixnet();
        using ClientEngine client = net.Client();
        ProxyConnection connection = client.Open("fail-denied:1");
        LabException e = await Assert.ThrowsAsync<LabException>(
            () => Transfer.DrainAsync(connection, TimeSpan.FromSeconds(20)).WaitAsync(s_test));
        Assert.StartsWith("the connection failed after 0 bytes received: denied", e.Message, StringComparison.Ordinal);
    }
}
