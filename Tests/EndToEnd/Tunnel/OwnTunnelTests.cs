using System.Net;
using FastExit.Cores;
using FastExit.Tests.Native;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>What disturbs a lab, or needs one with settings of its own.</summary>
[Collection(OwnTunnelRun.Name)]
public sealed class OwnTunnelTests
{
    private const string Foreign = "table inet somebody_else {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tcounter comment \"not ours\"\n\t}\n}\n";
    private const string Table = "inet fastexit_" + TunnelLab.Device;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [SkippableFact]
    public async Task After_the_exit_was_killed_clients_recover_by_themselves_and_no_rules_stay()
    {
        TunnelLab.Require();
        await using OwnLab own = await OwnLab.StartAsync(clients: 1);
        TunnelLab lab = own.Lab;
        TunnelClient client = lab.Clients[0];
        NetworkNamespace gateway = lab.World.Gateway;
        string file = Path.Combine(lab.Folder, "foreign.nft");
        await File.WriteAllTextAsync(file, Foreign);
        gateway.Execute("nft", $"-f {file}");
        string foreign = gateway.Execute("nft", "--stateless list table inet somebody_else");
        Assert.Contains("masquerade", gateway.Execute("nft", $"list table {Table}"), StringComparison.Ordinal);
        await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv4);

        int killed = lab.ExitId;
        int said = client.LineCount, lines = lab.Process.Lines.Length;
        Assert.Equal(0, LibC.kill(killed, LibC.SIGKILL));
        await lab.Process.LineAsync("the exit ended by itself", TimeSpan.FromSeconds(10), lines);
        Assert.DoesNotContain("fastexit", gateway.Execute("nft", "list tables"), StringComparison.Ordinal);
        Assert.DoesNotContain(TunnelLab.Device, gateway.Ip("link show"), StringComparison.Ordinal);

        // The client goes on pinging, so that the new exit hears of it.
        await lab.Process.LineAsync("exit: ready", s_patience, lines);
        long ready = Environment.TickCount64;
        await using (var talking = new Talk(client.Space))
            await client.UpAgainAsync(s_patience, said);
        Assert.InRange(Environment.TickCount64 - ready, 0, 12_000);
        Assert.NotEqual(killed, lab.ExitId);
        Assert.Contains("masquerade", gateway.Execute("nft", $"list table {Table}"), StringComparison.Ordinal);
        await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv6);
        await Traffic.FetchAsync(client.Space, "web.test", 200_000, "-4");

        // And an end in order: the lab gives its exit a SIGTERM.
        lab.Process.Signal(LibC.SIGTERM);
        Assert.Equal(0, await lab.Process.EndAsync(TimeSpan.FromSeconds(30)));
        Assert.DoesNotContain("fastexit", gateway.Execute("nft", "list tables"), StringComparison.Ordinal);
        Assert.DoesNotContain(TunnelLab.Device, gateway.Ip("link show"), StringComparison.Ordinal);
        Assert.Equal(foreign, gateway.Execute("nft", "--stateless list table inet somebody_else"));
    }

    [SkippableFact]
    public async Task A_silent_client_is_told_and_a_device_deleted_underneath_comes_back()
    {
        TunnelLab.Require();
        await using OwnLab own = await OwnLab.StartAsync(clients: 1, "ipr.idle_timeout=\"8s\"");
        TunnelLab lab = own.Lab;
        TunnelClient client = lab.Clients[0];
        int said = client.LineCount;
        int lines = lab.Process.Lines.Length;
        lab.World.Gateway.Ip($"link del {TunnelLab.Device}");
        await lab.Process.LineAsync("was deleted underneath; it is made again", s_patience, lines);
        await lab.Process.LineAsync($"the tunnel device {TunnelLab.Device} carries packets again", s_patience, lines);
        await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv4);
        await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv6);
        Assert.DoesNotContain("connecting anew", client.Text, StringComparison.Ordinal);

        // Now it says nothing until its time is over; it pings after 20 s only.
        await client.LineAsync("connecting anew: the exit ended the tunnel: it heard nothing for too long", s_patience, said);
        await client.UpAgainAsync(s_patience, said);
        Assert.Equal(1, await lab.CountAsync(Counter.IpPacketRouter_SessionsExpired));
        await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv4);
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_family_works_without_the_other(bool ipv6)
    {
        TunnelLab.Require();
        await using OwnLab own = await OwnLab.StartAsync(clients: 1, ipv6 ? "ipr.ipv4=\"\"" : "ipr.ipv6=\"\"");
        TunnelClient client = own.Lab.Clients[0];
        await Traffic.PingAsync(client.Space, ipv6 ? TunnelWorld.WebIPv6 : TunnelWorld.WebIPv4);
        await Traffic.FetchAsync(client.Space, "web.test", 100_000);
        CurlResult other = await Traffic.CurlAsync(
            client.Space, $"http://{(ipv6 ? $"{TunnelWorld.WebIPv4}" : $"[{TunnelWorld.WebIPv6}]")}/10");

        // Could not connect, which is not a timeout: the router says so.
        Assert.Equal(7, other.ExitCode);
        Assert.True(await own.Lab.CountAsync(Counter.IpPacketRouter_FamilyOff) > 0);
    }

    /// <summary>Explorers rate an exit by these: own address and the internet, both families.</summary>
    [SkippableFact]
    public async Task Pings_are_answered_under_the_policy_that_the_exit_brings_along()
    {
        TunnelLab.Require();
        await using var own = new OwnLab(new TunnelLab([0], clients: 1) { Policy = null });
        await own.Lab.InitializeAsync();
        NetworkNamespace space = own.Lab.Clients[0].Space;
        foreach (IPAddress target in new[] { TunnelWorld.WebIPv4, TunnelWorld.WebIPv6, IPAddress.Parse("10.0.0.1"), IPAddress.Parse("fc00::1") })
        {
            await Traffic.PingAsync(space, target);
            await Traffic.PingAsync(space, target, payloadBytes: 4000);
        }

        // It is that policy: mail is refused.
        CurlResult mail = await Traffic.CurlAsync(space, $"telnet://{TunnelWorld.WebIPv4}:25");
        Assert.Equal(7, mail.ExitCode);
        Assert.True(await own.Lab.CountAsync(Counter.IpPacketRouter_DeniedByPolicy) > 0);
        Assert.Contains(":25", own.Lab.Clients[0].Text, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task When_every_address_is_given_the_next_client_is_told()
    {
        TunnelLab.Require();

        // Of six hosts the device takes one in each family, and number 1 is never given.
        await using OwnLab own = await OwnLab.StartAsync(clients: 3, "ipr.ipv4=\"10.0.0.3/29\"", "ipr.ipv6=\"fc00::4/112\"");
        TunnelLab lab = own.Lab;
        Assert.Equal(["10.0.0.2", "10.0.0.5", "10.0.0.6"], lab.Clients.Select(client => $"{client.IPv4}").Order());
        Assert.Equal(0, (await lab.Metrics.ReadAsync())[Gauge.IpPacketRouter_AddressesAvailable]);
        using SpaceProcess late = TunnelClient.Run(lab, lab.World.AddApplication());
        Assert.Equal(1, await late.EndAsync(TimeSpan.FromSeconds(30)));
        Assert.Contains("no tunnel: the exit has no address left: try again later, or another exit", late.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(" is up: ", late.Text, StringComparison.Ordinal);
        Assert.Equal(1, await lab.CountAsync(Counter.IpPacketRouter_ConnectsRefusedNoAddress));
        foreach (TunnelClient client in lab.Clients)
            await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv4);
    }

    [SkippableFact]
    public async Task Every_version_carries_packets_and_ends_in_order()
    {
        TunnelLab.Require();
        await using OwnLab own = await OwnLab.StartAsync(clients: 0);
        foreach (int version in new[] { 8, 9, 10 })
        {
            TunnelClient client = await own.Lab.StartClientAsync(version);
            Assert.Contains($", version {version}", client.Text, StringComparison.Ordinal);
            await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv4);
            await Traffic.PingAsync(client.Space, TunnelWorld.WebIPv6, payloadBytes: 1200);
            await Traffic.FetchAsync(client.Space, "web.test", 200_000, "-4");
            await Traffic.UploadAsync(client.Space, "web.test", 100_000, "-6");
            await own.Lab.StopClientAsync(client);
            await own.Lab.UntilAsync(sample => sample[Gauge.IpPacketRouter_Sessions] == 0, "the session outlives its client");
        }

        Assert.Equal(3, await own.Lab.CountAsync(Counter.IpPacketRouter_Disconnects));
    }

    [SkippableFact]
    public async Task Clients_of_two_cores_are_served_side_by_side()
    {
        TunnelLab.Require();
        Skip.If(Environment.ProcessorCount < 2, "one processor");
        await using OwnLab own = await OwnLab.StartAsync([0, 1], clients: 2);
        TunnelLab lab = own.Lab;

        // A client's core follows from its tag, which is random.
        for (int i = 0; i < 20 && !await BothCoresAsync(lab); i++)
        {
            await lab.StopClientAsync(lab.Clients[0]);
            await lab.StartClientAsync();
        }

        Assert.True(await BothCoresAsync(lab), "twenty clients on one core");
        MetricsSample before = await lab.Metrics.ReadAsync();
        await Task.WhenAll(lab.Clients.SelectMany(client => new[]
        {
            Traffic.FetchAsync(client.Space, "web.test", 300_000, "-4"),
            Traffic.FetchAsync(client.Space, "web.test", 300_000, "-6"),
            Traffic.UploadAsync(client.Space, "web.test", 100_000, "-4"),
            Traffic.PingAsync(client.Space, TunnelWorld.WebIPv4, payloadBytes: 4000),
        }));
        MetricsSample after = await lab.Metrics.ReadAsync();
        foreach (int core in new[] { 0, 1 })
        {
            Assert.True(after.On(core, Counter.IpPacketRouter_UplinkPackets) > before.On(core, Counter.IpPacketRouter_UplinkPackets) + 100);
            Assert.True(after.On(core, Counter.IpPacketRouter_DownlinkPackets) > before.On(core, Counter.IpPacketRouter_DownlinkPackets) + 100);
        }
    }

    private static async Task<bool> BothCoresAsync(TunnelLab lab)
    {
        foreach (TunnelClient client in lab.Clients)
            await Traffic.PingAsync(client.Space, IPAddress.Parse("10.0.0.1"));
        MetricsSample sample = await lab.Metrics.ReadAsync();
        return sample.On(0, Gauge.IpPacketRouter_Sessions) == 1 && sample.On(1, Gauge.IpPacketRouter_Sessions) == 1;
    }

    private sealed class OwnLab(TunnelLab lab) : IAsyncDisposable
    {
        public TunnelLab Lab { get; } = lab;

        public static Task<OwnLab> StartAsync(int clients, params IReadOnlyList<string> settings) =>
            StartAsync([0], clients, settings);

        public static async Task<OwnLab> StartAsync(IReadOnlyList<int> cores, int clients, params IReadOnlyList<string> settings)
        {
            var lab = new TunnelLab(cores, clients, settings);
            await lab.InitializeAsync();
            return new OwnLab(lab);
        }

        public async ValueTask DisposeAsync() => await Lab.DisposeAsync();
    }

    /// <summary>A ping that goes on until it is disposed.</summary>
    private sealed class Talk(NetworkNamespace space) : IAsyncDisposable
    {
        private readonly SpaceProcess _ping = SpaceProcess.Start(space, "ping", "-n", "-i", "0.5", $"{TunnelWorld.WebIPv4}");

        public ValueTask DisposeAsync()
        {
            _ping.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
