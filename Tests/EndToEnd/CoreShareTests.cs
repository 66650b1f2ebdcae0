using FastExit.Cores;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>Which core a client lives on: its sender tag decides, and several clients use both.</summary>
[Collection(TwoCoreRun.Name)]
public sealed class CoreShareTests(TwoCoreLab lab)
{
    private const int MostClients = 16;

    [Fact]
    public async Task All_connections_of_one_client_are_on_one_core()
    {
        int core = await CoreOfAsync(lab.Client, connections: 8);
        Assert.Equal(core, await CoreOfAsync(lab.Client, connections: 4));
    }

    [Fact]
    public async Task Several_clients_use_both_cores_and_work_on_both()
    {
        var cores = new HashSet<int> { await CoreOfAsync(lab.Client, connections: 1) };

        // Tags are random: one more client finds the other core with even odds.
        for (int i = 1; i < MostClients && cores.Count < 2; i++)
        {
            using SocksProcess client = await lab.StartClientAsync();
            cores.Add(await CoreOfAsync(client, connections: 1));
            CurlResult file = await CurlCommand.RunAsync(
                "socks5h", client.Address, lab.Web("/bytes/300000"), TimeSpan.FromSeconds(60));
            Assert.Equal((0, FastExit.Bench.Lab.LabWeb.Digest(300_000)), (file.ExitCode, file.Digest));

            // Ended before its close has arrived, it would leave a connection behind for as long as a half-closed one may live.
            await NoConnectionAsync();
        }

        Assert.Equal([0, 1], cores.Order());
        MetricsSample sample = await lab.Metrics.ReadAsync();
        Assert.True(sample.On(0, Counter.NetworkRequester_Established) > 0);
        Assert.True(sample.On(1, Counter.NetworkRequester_Established) > 0);
    }

    // Packets to a client that is gone may wait for much longer; they open no connections.
    private Task<MetricsSample> NoConnectionAsync() => lab.Metrics.UntilAsync(
        TimeSpan.FromSeconds(60), sample => sample[Gauge.NetworkRequester_Connections] == 0, "connections of before stay open");

    private async Task<int> CoreOfAsync(SocksProcess client, int connections)
    {
        MetricsSample before = await NoConnectionAsync();
        CurlResult[] pages = await Task.WhenAll(Enumerable.Range(0, connections).Select(
            _ => CurlCommand.RunAsync("socks5h", client.Address, lab.Web("/"), TimeSpan.FromSeconds(60))));
        Assert.All(pages, page => Assert.Equal(0, page.ExitCode));
        MetricsSample after = await lab.Metrics.ReadAsync();
        double[] opened = [.. Enumerable.Range(0, 2).Select(
            core => after.On(core, Counter.NetworkRequester_Established) - before.On(core, Counter.NetworkRequester_Established))];
        Assert.Equal([0.0, connections], opened.Order());
        return opened[0] > 0 ? 0 : 1;
    }
}
