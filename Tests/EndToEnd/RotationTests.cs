using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Socks;
using FastExit.Cores;
using FastExit.Identity;
using FastExit.Topology;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.EndToEnd;

public sealed class RotationLab() : ExitLab([0], guardOpen: true);

/// <summary>The exit's Sphinx key changes while a client is at work; the other nodes of the lab keep theirs.</summary>
[Collection(OwnLabRun.Name)]
public sealed class RotationTests(RotationLab lab) : IClassFixture<RotationLab>
{
    private const long FileBytes = 12_000_000;
    private const string Tag = "X25519 SPHINX PRIVATE KEY";

    [Fact]
    public async Task A_download_goes_on_through_a_change_of_the_exits_key()
    {
        using SocksSession session = SocksSession.Start(
            ClientTarget.Of(lab.Network.Directory),
            TimeSpan.FromMilliseconds(2),
            new SocksSettings { Listen = LabDirectory.FreeAddresses(1)[0] });
        Task<CurlResult> download = CurlCommand.RunAsync(
            "socks5h", session.Address, lab.Web($"/bytes/{FileBytes}"), TimeSpan.FromMinutes(3));
        await lab.Metrics.UntilAsync(
            TimeSpan.FromSeconds(60),
            sample => sample[Counter.NetworkRequester_BytesFromDestinations] > 200_000,
            "the download does not run");

        using SphinxKey next = SphinxKey.Generate(2);
        ChangeKey(next);
        Assert.Equal(0, LibC.kill(lab.Network.Exit.Id, LibC.SIGHUP));
        for (int i = 0; i < 100 && !lab.ExitLog.Any(line => line.Contains("rotation 2, 1", StringComparison.Ordinal)); i++)
            await Task.Delay(100);
        Assert.Contains(lab.ExitLog, line => line.Contains("rotation 2, 1", StringComparison.Ordinal));
        MetricsSample changed = await lab.Metrics.ReadAsync();
        Assert.False(download.IsCompleted, "the download was over before the change");
        WriteTopology(next);

        CurlResult file = await download;
        Assert.Equal((0, LabWeb.Digest(FileBytes)), (file.ExitCode, file.Digest));
        CurlResult page = await CurlCommand.RunAsync("socks5h", session.Address, lab.Web("/"), TimeSpan.FromSeconds(60));
        Assert.Equal((0, ""), (page.ExitCode, page.Errors));
        await lab.QuietAsync(TimeSpan.FromSeconds(60));
        MetricsSample after = await lab.Metrics.ReadAsync();
        string counters = after.Since(changed);
        Assert.True(after[Counter.Delivery_SurbsExpired] > 0, $"no SURB of the old rotation was replaced:\n{counters}");
        Assert.True(after[Counter.Sphinx_BadMac] + after[Counter.Sphinx_ExpiredKey] == 0, $"packets for the wrong key:\n{counters}");
        Assert.Equal(0, session.Engine.Counters[ClientCounter.ServiceLost]);
    }

    private void ChangeKey(SphinxKey next)
    {
        string keys = FastExit.Identity.NodeKeys.DirectoryIn(lab.Network.Directory.ExitDirectory);
        string current = Path.Combine(keys, "sphinx_current.pem");
        File.Move(current, Path.Combine(keys, "sphinx_previous.pem"));
        KeyFile.Write(current, Tag, next.Stored);
    }

    private void WriteTopology(SphinxKey next)
    {
        NetworkTopology old = lab.Network.Topology;
        new NetworkTopology(2, [.. old.Nodes.Select(node =>
            node.Role == TopologyRole.Exit ? node with { SphinxKey = next.PublicKey.ToArray() } : node)])
            .Save(lab.Network.Directory.TopologyFile);
    }
}
