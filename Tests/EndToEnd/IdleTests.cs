using System.Globalization;
using System.Net.Sockets;
using System.Text;
using FastExit.Cores;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>The idle timeout is three seconds, so that "much longer" is ten.</summary>
public sealed class ImpatientLab() : ExitLab([0], guardOpen: true, "network_requester.idle_timeout=\"3s\"", "network_requester.keepalive=\"1s\"");

[Collection(OwnLabRun.Name)]
public sealed class IdleTests(ImpatientLab lab) : IClassFixture<ImpatientLab>
{
    private const int Pieces = 24;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(500);

    [Fact]
    public async Task A_long_download_survives_a_silent_client()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        using var trickle = new TcpDestination(async (socket, end) =>
        {
            for (int i = 0; i < Pieces; i++)
            {
                await Task.Delay(s_pause, end);
                await SocksDialer.SendAllAsync(socket, new[] { (byte)i }, end);
            }

            socket.Shutdown(SocketShutdown.Send);
        });
        using SocksConnection connection = await DialAsync(trickle.Port, stop.Token);
        byte[] received = await SocksDialer.ReceiveToEndAsync(connection.Socket, stop.Token);
        Assert.Equal(Enumerable.Range(0, Pieces).Select(i => (byte)i), received);
    }

    [Fact]
    public async Task A_long_upload_survives_a_silent_server()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        using var sink = new TcpDestination(async (socket, end) =>
        {
            int bytes = (await SocksDialer.ReceiveToEndAsync(socket, end)).Length;
            await SocksDialer.SendAllAsync(socket, Encoding.ASCII.GetBytes(bytes.ToString(CultureInfo.InvariantCulture)), end);
            socket.Shutdown(SocketShutdown.Send);
        });
        using SocksConnection connection = await DialAsync(sink.Port, stop.Token);
        for (int i = 0; i < Pieces; i++)
        {
            await Task.Delay(s_pause, stop.Token);
            await SocksDialer.SendAllAsync(connection.Socket, new[] { (byte)i }, stop.Token);
        }

        connection.Socket.Shutdown(SocketShutdown.Send);
        byte[] answer = await SocksDialer.ReceiveToEndAsync(connection.Socket, stop.Token);
        Assert.Equal(Pieces.ToString(CultureInfo.InvariantCulture), Encoding.ASCII.GetString(answer));
    }

    [Fact]
    public async Task A_connection_on_which_nothing_moves_is_ended_and_told()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        using var silent = new TcpDestination(TcpDestination.SilentAsync);
        MetricsSample before = await lab.Metrics.ReadAsync();
        using SocksConnection connection = await DialAsync(silent.Port, stop.Token);
        Assert.Equal(0, await connection.Socket.ReceiveAsync(new byte[1], stop.Token));
        MetricsSample after = await lab.Metrics.ReadAsync();
        Assert.Equal(before[Counter.NetworkRequester_IdleTimeouts] + 1, after[Counter.NetworkRequester_IdleTimeouts]);
    }

    private async Task<SocksConnection> DialAsync(int port, CancellationToken stop)
    {
        SocksConnection connection = await SocksDialer.DialAsync(lab.Client.Address, SocksForm.Five, "127.0.0.1", port, stop);
        Assert.True(connection.Granted);
        return connection;
    }
}
