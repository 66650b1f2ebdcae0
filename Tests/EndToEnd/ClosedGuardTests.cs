using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>An exit as operators run it: the address guard is shut; besides, its DNS server is dead where a test says so.</summary>
public sealed class ClosedGuardLab() : ExitLab([0], guardOpen: false);

[Collection(OwnLabRun.Name)]
public sealed class ClosedGuardTests(ClosedGuardLab lab) : IClassFixture<ClosedGuardLab>
{
    [Theory]
    [InlineData("web.test")]
    [InlineData("web6.test")]
    [InlineData("both.test")]
    [InlineData("localhost")]
    [InlineData("127.0.0.1")]
    [InlineData("127.8.9.10")]
    [InlineData("::1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("169.254.169.254")]
    [InlineData("rebind.test")]
    public async Task Nothing_of_this_machine_is_reached(string host)
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(40));
        using SocksConnection connection = await SocksDialer.DialAsync(
            lab.Client.Address, SocksForm.Five, host, lab.WebPort, stop.Token);
        Assert.Equal(2, connection.Code);
    }

    [Theory]
    [InlineData("[::ffff:127.0.0.1]")]
    [InlineData("[64:ff9b::7f00:1]")]
    [InlineData("169.254.169.254")]
    public async Task Curl_is_told_so_too(string host)
    {
        CurlResult page = await CurlCommand.RunAsync("socks5h", lab.Client.Address, lab.Web("/", host), TimeSpan.FromSeconds(40));
        Assert.Equal((97, 0L), (page.ExitCode, page.Bytes));
    }
}

[Collection(OwnLabRun.Name)]
public sealed class DeadResolverTests
{
    [Fact]
    public async Task A_dead_name_server_is_reported_soon_and_addresses_still_work()
    {
        ExitLab lab = await ExitLab.StartAsync([0], guardOpen: true, ["dns.servers=[\"127.0.0.1:9\"]"]);
        try
        {
            using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            using SocksConnection named = await SocksDialer.DialAsync(
                lab.Client.Address, SocksForm.Five, "web.test", lab.WebPort, stop.Token);
            Assert.Equal(4, named.Code);
            CurlResult page = await CurlCommand.RunAsync("socks5h", lab.Client.Address, lab.Web("/"), TimeSpan.FromSeconds(40));
            Assert.Equal(0, page.ExitCode);
        }
        finally
        {
            await lab.DisposeAsync();
        }
    }
}
