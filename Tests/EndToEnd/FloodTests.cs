using System.Net.Sockets;
using System.Security.Cryptography;
using FastExit.Bench.Lab;
using FastExit.Cores;
using Xunit;

namespace FastExit.Tests.EndToEnd;

public sealed class FloodedLab() : ExitLab([0], guardOpen: true);

/// <summary>
/// A stranger holds thousands of connections to the mix port, each in the middle of a frame, opens new ones without end and fills them
/// with noise: an ordinary client's fetches arrive whole meanwhile, and all memory comes back afterwards.
/// </summary>
[Collection(OwnLabRun.Name)]
public sealed class FloodTests(FloodedLab lab) : IClassFixture<FloodedLab>
{
    private const int Held = 2000;
    private const int HeldLarge = 300;
    private const int Flooders = 8;
    private const int NoiseBytes = 20_000;
    private const int Fetches = 8;
    private const int FileBytes = 200_000;
    private const byte LargestSize = 3;
    private static readonly Counter[] s_expected = [Counter.MixLink_BadVersion, Counter.Sphinx_BadMac];
    private static readonly TimeSpan s_fetch = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task A_flood_of_the_mix_port_does_not_stop_a_client()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        MetricsSample before = await lab.Metrics.ReadAsync();
        byte[] whole = ExitPackets.Frame([.. Enumerable.Repeat((byte)9, ExitPackets.PacketBytes)]);
        byte[] large = [whole[0], LargestSize, .. whole.AsSpan(2, 2), .. new byte[20_000]];
        var held = new List<Socket>();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        Task<int>[] flood = [];
        try
        {
            for (int i = 0; i < Held; i++)
            {
                Socket socket = await ConnectAsync(stop.Token);
                held.Add(socket);
                await SocksDialer.SendAllAsync(socket, i < HeldLarge ? large : whole.AsMemory(0, 1000), stop.Token);
            }

            flood = [.. Enumerable.Range(0, Flooders).Select(_ => Task.Run(() => FloodAsync(whole, ended.Token)))];
            for (int i = 0; i < Fetches; i++)
            {
                CurlResult file = await CurlCommand.RunAsync("socks5h", lab.Client.Address, lab.Web($"/bytes/{FileBytes}"), s_fetch);
                Assert.Equal((0, LabWeb.Digest(FileBytes)), (file.ExitCode, file.Digest));
            }
        }
        finally
        {
            await ended.CancelAsync();
            held.ForEach(socket => socket.Dispose());
        }

        Assert.True((await Task.WhenAll(flood)).Sum() > Flooders, "there was no flood");
        MetricsSample after = await lab.Metrics.UntilAsync(
            s_patience,
            sample => sample[Gauge.MixLink_Connections] <= before[Gauge.MixLink_Connections] + 1
                && sample[Gauge.Memory_RegularSlotsInUse] <= lab.RegularSlotsAtRest && sample[Gauge.Memory_ExtendedSlotsInUse] == 0
                && sample[Gauge.Memory_AssemblyBytesInUse] == 0,
            "connections or memory did not come back");
        foreach (Counter counter in s_expected)
            Assert.True(after[counter] > before[counter], $"{counter} did not rise:\n{after.Since(before)}");
    }

    /// <summary>New connections without end: one of packets that are none, one of bytes that are no frames, in turns.</summary>
    private async Task<int> FloodAsync(byte[] frame, CancellationToken stop)
    {
        byte[] noise = RandomNumberGenerator.GetBytes(NoiseBytes);
        noise[0] = 0;
        byte[] packets = [.. Enumerable.Repeat(frame, NoiseBytes / frame.Length).SelectMany(bytes => bytes)];
        int opened = 0;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                using Socket socket = await ConnectAsync(stop);
                await SocksDialer.SendAllAsync(socket, (opened++ & 1) == 0 ? packets : noise, stop);
            }
            catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
            {
                // Closed by the exit in the middle, or the end of the test.
            }
        }

        return opened;
    }

    private async Task<Socket> ConnectAsync(CancellationToken stop)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(lab.Network.ExitAddress.MixAddress, stop);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
