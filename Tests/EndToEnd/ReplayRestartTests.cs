using System.Net.Sockets;
using FastExit.Bench.Lab;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Sphinx;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>Packets that an exit took before it was killed, sent once more to the one that follows it.</summary>
[Collection(OwnLabRun.Name)]
public sealed class ReplayRestartTests
{
    private const int Killed = 9;
    private const int Terminated = 15;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(Killed, true)]
    [InlineData(Terminated, true)]
    [InlineData(Killed, false)]
    public async Task PacketsOfBeforeARestartAreRefused(int signal, bool persistent)
    {
        const int Packets = 40;
        ExitLab lab = await ExitLab.StartAsync(
            [0], guardOpen: true, $"mix_link.replay_filter_persistent={(persistent ? "true" : "false")}");
        try
        {
            var packets = new ExitPackets(lab.Network);
            byte[][] recorded = [.. Enumerable.Range(0, Packets)
                .Select(_ => packets.Fragment(new FragmentHeader(SetId.Next(), 1, 1)))];
            await SendAsync(lab, recorded);
            await lab.Metrics.UntilAsync(s_patience, s => s[Counter.Delivery_BadPadding] == Packets, "not all packets came");

            ChildProcess ended = lab.Network.Exit;
            Assert.Equal(0, LibC.kill(ended.Id, signal));
            await ended.Ended.WaitAsync(s_patience);
            await RestartedAsync(lab, ended);

            await SendAsync(lab, recorded);
            await SendAsync(lab, [packets.Fragment(new FragmentHeader(SetId.Next(), 1, 1))]);
            int taken = persistent ? 1 : Packets + 1;
            MetricsSample after = await lab.Metrics.UntilAsync(
                s_patience, s => s[Counter.Delivery_BadPadding] >= taken && s[Counter.MixLink_FramesReceived] >= Packets + 1, "the new packet did not come");
            Assert.Equal(taken, after[Counter.Delivery_BadPadding]);
            Assert.Equal(persistent ? Packets : 0, after[Counter.Sphinx_Replays]);
            string folder = Path.Combine(lab.Network.Directory.ExitDirectory, ReplayFilterStore.DirectoryName);
            Assert.Equal(persistent ? 1 : 0, Directory.Exists(folder) ? Directory.GetFiles(folder).Length : 0);
            Assert.Equal(persistent, lab.ExitLog.Any(line => line.Contains("packets of before", StringComparison.Ordinal)));
            Assert.Contains("fastexit_sphinx_replay_filter_fill{rotation=\"1\"}", await lab.Metrics.TextAsync(), StringComparison.Ordinal);
        }
        finally
        {
            await lab.DisposeAsync();
        }
    }

    private static async Task SendAsync(ExitLab lab, byte[][] packets)
    {
        using var stop = new CancellationTokenSource(s_patience);
        using var link = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await link.ConnectAsync(lab.Network.ExitAddress.MixAddress, stop.Token);
        foreach (byte[] packet in packets)
            await SocksDialer.SendAllAsync(link, ExitPackets.Frame(packet), stop.Token);
    }

    private static async Task RestartedAsync(ExitLab lab, ChildProcess ended)
    {
        for (long end = Environment.TickCount64 + (long)s_patience.TotalMilliseconds; ; await Task.Delay(100))
        {
            Assert.True(Environment.TickCount64 < end, "the exit did not come back");
            if (ReferenceEquals(lab.Network.Exit, ended))
                continue;
            try
            {
                await lab.Metrics.ReadAsync();
                return;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }
        }
    }
}
