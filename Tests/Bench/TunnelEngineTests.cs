using System.Collections.Concurrent;
using System.Threading.Channels;
using FastExit.Bench.Client;
using FastExit.Bench.Tun;
using Xunit;

namespace FastExit.Tests.Bench;

/// <summary>The tunnel through three real mixes against a router in this process.</summary>
public class TunnelEngineTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(new byte[] { 8, 9, 10 }, 10, 1400)]
    [InlineData(new byte[] { 8, 9 }, 9, 1420)]
    [InlineData(new byte[] { 8 }, 8, 1420)]
    public async Task TheNewestVersionThatIsAnsweredIsTaken(byte[] served, int version, int mtu)
    {
        using var net = new InProcessMixnet();
        net.Router.Versions = served;
        var sink = new Sink();

        // Only versions that nobody answers may run out of time.
        TunnelSettings quick = Quick(net);
        using TunnelEngine tunnel = net.Tunnel(sink, quick with
        {
            Versions = [.. quick.Versions.Select(attempt => served.Contains(attempt.Version) ? attempt with { Wait = s_patience } : attempt)],
        });
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Up);
        Assert.Equal(version, state.Version);
        Assert.Equal(mtu, state.Mtu);
        Assert.Equal("10.0.18.52 fc00::1234", state.PairText);
        Assert.Equal(1, net.Router.Connects);
        await EchoAsync(tunnel, sink, 5);
        await tunnel.CloseAsync();
        Assert.Equal(TunnelPhase.Closed, tunnel.State.Phase);
        Assert.Equal("", tunnel.State.Reason);
        Assert.Equal(1, net.Router.Disconnects);
    }

    [Fact]
    public async Task ASilentExitIsAFailureAfterEveryVersion()
    {
        using var net = new InProcessMixnet();
        net.Router.Versions = [];
        using TunnelEngine tunnel = net.Tunnel(new Sink(), Quick(net, 0.3));
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Failed);
        Assert.Equal("the exit does not answer", state.Reason);
        Assert.Equal(8, state.Version);
    }

    [Fact]
    public async Task AFullExitIsAFailureAtOnce()
    {
        using var net = new InProcessMixnet();
        net.Router.Full = true;
        using TunnelEngine tunnel = net.Tunnel(new Sink());
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Failed);
        Assert.Contains("no address left", state.Reason);
    }

    [Fact]
    public async Task AMissingFamilyIsSaid()
    {
        using var net = new InProcessMixnet();
        net.Router.WithoutIPv6 = true;
        using TunnelEngine tunnel = net.Tunnel(new Sink());
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Up);
        Assert.False(state.HasIPv6);
        Assert.Equal("10.0.18.52 (no IPv6)", state.PairText);
    }

    [Theory]
    [InlineData(8, 1575)]
    [InlineData(10, 1559)]
    public async Task PacketsThatWaitTogetherTravelTogether(byte version, int limit)
    {
        using var net = new InProcessMixnet();
        var settings = net.TunnelSettings;
        using TunnelEngine tunnel = net.Tunnel(new Sink(), settings with { Versions = [.. settings.Versions.Where(v => v.Version == version)] });
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Up);
        const int Packets = 600;
        for (int i = 0; i < Packets; i++)
            tunnel.Send(TestPackets.Udp(state.Pair.IPv4, TestPackets.Elsewhere, i, 100));
        await EventuallyAsync(() => net.Router.Received.Length == Packets);
        Assert.Equal(Enumerable.Range(0, Packets), net.Router.Received.Select(p => TestPackets.NumberOf(p)).Order());
        Assert.InRange(net.Router.LargestBundle, limit - 101, limit);
        Assert.InRange(net.Router.Bundles, Packets / 15, Packets / 2);
        Assert.Equal(Packets, tunnel.Counters[ClientCounter.IpPacketsUp]);

        // One alone does not wait for others; one of the largest size fits one message.
        tunnel.Send(TestPackets.Udp(state.Pair.IPv4, TestPackets.Elsewhere, Packets, 1500));
        await EventuallyAsync(() => net.Router.Received.Length == Packets + 1);
        Assert.Equal(1500, net.Router.Received[^1].Length);
    }

    [Fact]
    public async Task WhatIsNotTheTunnelsStaysOutside()
    {
        using var net = new InProcessMixnet();
        var sink = new Sink();
        using TunnelEngine tunnel = net.Tunnel(sink);
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Up);
        tunnel.Send(TestPackets.Udp(0x0a000001, TestPackets.Elsewhere, 1, 100));
        tunnel.Send(new byte[100]);
        net.Router.Send(TestPackets.Udp(0x0a000001, 1, 100), new byte[40], TestPackets.Udp(state.Pair.IPv4, 2, 100));
        await EventuallyAsync(() => sink.Packets.Count == 1);
        Assert.Equal(2, TestPackets.NumberOf(Assert.Single(sink.Packets)));
        Assert.Equal(4, tunnel.Counters[ClientCounter.IpPacketsRefused]);
        Assert.Empty(net.Router.Received);
    }

    [Fact]
    public async Task ASecondCopyOfAMessageIsDropped()
    {
        using var net = new InProcessMixnet();
        net.Router.Doubles = true;
        var sink = new Sink();
        using TunnelEngine tunnel = net.Tunnel(sink);
        await UntilAsync(tunnel, TunnelPhase.Up);
        await EchoAsync(tunnel, sink, 20);
        await EventuallyAsync(() => tunnel.Counters[ClientCounter.Duplicates] == 20);
        Assert.Equal(20, sink.Packets.Count);
    }

    [Fact]
    public async Task AFullQueueDropsTheNewest()
    {
        using var net = new InProcessMixnet();
        using TunnelEngine tunnel = net.Tunnel(new Sink(), net.TunnelSettings with { QueueBytes = 20_000 });
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Up);
        for (int i = 0; i < 2000; i++)
            tunnel.Send(TestPackets.Udp(state.Pair.IPv4, TestPackets.Elsewhere, i, 1000));
        await EventuallyAsync(() => tunnel.Counters[ClientCounter.IpPacketsUp] + tunnel.Counters[ClientCounter.IpPacketsDropped] == 2000);
        Assert.True(tunnel.Counters[ClientCounter.IpPacketsDropped] > 0);
        long sent = tunnel.Counters[ClientCounter.IpPacketsUp];
        await EventuallyAsync(() => net.Router.Received.Length == sent);
        Assert.Contains(net.Router.Received, packet => TestPackets.NumberOf(packet) == 0);
    }

    /// <summary>
    /// Offered faster than one machine's mixes carry, so SURBs are what decides. The router keeps no more than a real one and asks when it
    /// runs short; what it sends takes one SURB each.
    /// </summary>
    [Fact]
    public async Task SurbsKeepUpWithADownloadAtFullSpeed()
    {
        using var net = new InProcessMixnet();
        var sink = new Sink();
        using TunnelEngine tunnel = net.Tunnel(sink);
        await UntilAsync(tunnel, TunnelPhase.Up);
        await EventuallyAsync(() => tunnel.Counters[ClientCounter.SurbsAvailable] >= net.TunnelSettings.RestingSurbs - 24);
        const int Packets = 1500;
        net.Router.Stream(Packets, perSecond: 1000, bytes: 1400);
        await EventuallyAsync(() => sink.Packets.Count == Packets);
        Assert.Equal(Enumerable.Range(0, Packets), sink.Packets.Select(p => TestPackets.NumberOf(p)).Order());
        Assert.InRange(net.Router.MaximumSurbsSeen, 100, 512);

        // One SURB for each answer, what lies in stock, and what the router asked for beside.
        int asked = FakePeer.SurbsPerRequest * net.Router.SurbRequests;
        int stock = net.TunnelSettings.MaximumSurbs + net.TunnelSettings.FirstSurbs;
        Assert.InRange(tunnel.Counters[ClientCounter.SurbsMade], Packets, Packets + stock + asked + 100);
    }

    [Fact]
    public async Task AnIdleTunnelPingsAndStaysUp()
    {
        using var net = new InProcessMixnet();
        using TunnelEngine tunnel = net.Tunnel(new Sink(), net.TunnelSettings with { PingAfter = TimeSpan.FromMilliseconds(200) });
        await UntilAsync(tunnel, TunnelPhase.Up);
        await EventuallyAsync(() => net.Router.Pings >= 3);
        Assert.Equal(0, tunnel.Counters[ClientCounter.ServiceLost]);
        Assert.Equal(1, net.Router.Connects);
    }

    [Fact]
    public async Task MissedPongsReconnectAndFlowsKeepTheirAddresses()
    {
        using var net = new InProcessMixnet();
        var sink = new Sink();
        using TunnelEngine tunnel = net.Tunnel(sink, net.TunnelSettings with
        {
            PingAfter = TimeSpan.FromMilliseconds(300),
            PongWait = TimeSpan.FromMilliseconds(400),
        });
        TunnelState first = await UntilAsync(tunnel, TunnelPhase.Up);
        net.Router.Mute = true;
        Assert.Contains("pings", (await UntilAsync(tunnel, TunnelPhase.Reconnecting)).Reason);
        net.Router.Mute = false;
        TunnelState second = await UntilAsync(tunnel, TunnelPhase.Up);
        Assert.Equal(first.Pair, second.Pair);
        Assert.Equal("", second.Reason);
        Assert.Equal(1, tunnel.Counters[ClientCounter.Reconnects]);
        await EchoAsync(tunnel, sink, 3);
    }

    [Fact]
    public async Task AnEndedSessionReconnectsAndSaysThatTheAddressesChanged()
    {
        using var net = new InProcessMixnet();
        var sink = new Sink();
        using TunnelEngine tunnel = net.Tunnel(sink);
        TunnelState first = await UntilAsync(tunnel, TunnelPhase.Up);
        net.Router.EndSessions();
        Assert.Contains("heard nothing", (await UntilAsync(tunnel, TunnelPhase.Reconnecting)).Reason);
        TunnelState second = await UntilAsync(tunnel, TunnelPhase.Up);
        Assert.NotEqual(first.Pair, second.Pair);
        Assert.Contains("other addresses", second.Reason);
        await EchoAsync(tunnel, sink, 3);
    }

    [Fact]
    public async Task UplinkWithoutDownlinkReconnects()
    {
        using var net = new InProcessMixnet();
        using TunnelEngine tunnel = net.Tunnel(new Sink(), net.TunnelSettings with { OneWayLimit = TimeSpan.FromSeconds(1) });
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Up);
        using var stop = new CancellationTokenSource();
        Task uplink = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                tunnel.Send(TestPackets.Udp(state.Pair.IPv4, TestPackets.Elsewhere, 0, 100));
                await Task.Delay(20);
            }
        });
        Assert.Contains("none come down", (await UntilAsync(tunnel, TunnelPhase.Reconnecting)).Reason);
        await UntilAsync(tunnel, TunnelPhase.Up);
        await stop.CancelAsync();
        await uplink;
    }

    [Fact]
    public async Task ARouterThatForgotEverythingIsFoundOut()
    {
        using var net = new InProcessMixnet();
        var sink = new Sink();
        using TunnelEngine tunnel = net.Tunnel(sink, net.TunnelSettings with
        {
            OneWayLimit = TimeSpan.FromSeconds(2),
            PingAfter = TimeSpan.FromMilliseconds(500),
            PongWait = TimeSpan.FromSeconds(1),
        });
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Up);
        await EchoAsync(tunnel, sink, 1);
        net.Router.ForgetRequested = true;
        using var stop = new CancellationTokenSource();
        Task uplink = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                tunnel.Send(TestPackets.Echo(state.Pair.IPv4, 9));
                await Task.Delay(50);
            }
        });
        await UntilAsync(tunnel, TunnelPhase.Reconnecting);
        await UntilAsync(tunnel, TunnelPhase.Up);
        await stop.CancelAsync();
        await uplink;
        await EchoAsync(tunnel, sink, 3);
    }

    [Fact]
    public async Task ARouterThatStartedAnewIsFoundOutWithinSeconds()
    {
        using var net = new InProcessMixnet();
        var sink = new Sink();
        using TunnelEngine tunnel = net.Tunnel(sink);
        TunnelState state = await UntilAsync(tunnel, TunnelPhase.Up);
        await EchoAsync(tunnel, sink, 1);
        net.Router.ForgetRequested = true;
        long started = Environment.TickCount64;
        using var stop = new CancellationTokenSource();
        Task uplink = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                tunnel.Send(TestPackets.Echo(state.Pair.IPv4, 9));
                await Task.Delay(100);
            }
        });
        Assert.Contains("not connected", (await UntilAsync(tunnel, TunnelPhase.Reconnecting)).Reason);
        await UntilAsync(tunnel, TunnelPhase.Up);
        Assert.InRange(Environment.TickCount64 - started, 0, 12_000);
        await stop.CancelAsync();
        await uplink;
        await EchoAsync(tunnel, sink, 3);
    }

    /// <summary>Every answer takes longer than the wait for it.</summary>
    [Theory]
    [InlineData(1500)]
    [InlineData(2500)]
    public async Task AnExitThatIsMerelySlowIsSpokenToInItsNewestVersion(int milliseconds)
    {
        using var net = new InProcessMixnet();
        net.Router.NewestConnectMilliseconds = milliseconds;
        var sink = new Sink();
        using TunnelEngine tunnel = net.Tunnel(sink, Quick(net, 1.2));
        for (TunnelState state; (state = await UntilAsync(tunnel, TunnelPhase.Up)).Version != 10;)
            Assert.Equal(9, state.Version);
        await EchoAsync(tunnel, sink, 5);
        Assert.Equal((TunnelPhase.Up, 10, "10.0.18.52 fc00::1234"), (tunnel.State.Phase, tunnel.State.Version, tunnel.State.PairText));
    }

    // Short enough for a test, long enough for a loaded machine.
    private static TunnelSettings Quick(InProcessMixnet net, double seconds = 3) => net.TunnelSettings with
    {
        Versions = [.. net.TunnelSettings.Versions.Select(attempt => attempt with { Wait = TimeSpan.FromSeconds(seconds) })],
    };

    private static async Task EchoAsync(TunnelEngine tunnel, Sink sink, int count)
    {
        int before = sink.Packets.Count;
        for (ushort i = 0; i < count; i++)
            tunnel.Send(TestPackets.Echo(tunnel.State.Pair.IPv4, i));
        await EventuallyAsync(() => sink.Packets.Count >= before + count);
        Assert.All(sink.Packets.Skip(before), packet => Assert.Equal(0, packet[20]));
    }

    private static async Task<TunnelState> UntilAsync(TunnelEngine tunnel, TunnelPhase phase)
    {
        using var patience = new CancellationTokenSource(s_patience);
        ChannelReader<TunnelState> changes = tunnel.Changes;
        while (true)
        {
            TunnelState state = await changes.ReadAsync(patience.Token);
            if (state.Phase == phase)
                return state;
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

    private sealed class Sink : IPacketSink
    {
        public ConcurrentQueue<byte[]> Packets { get; } = new();

        public void Write(ReadOnlySpan<byte> packet) => Packets.Enqueue(packet.ToArray());

        public void Flush()
        {
        }
    }
}
