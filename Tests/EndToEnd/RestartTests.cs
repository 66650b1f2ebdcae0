using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Bench.Socks;
using FastExit.Cores;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>
/// Data of a connection that the new exit does not know is held for five seconds, then its client is told. Messages of which the killed
/// exit had acknowledged a part never become whole, and are dropped after twenty.
/// </summary>
public sealed class RestartLab() : ExitLab(
    [0], guardOpen: true, "network_requester.early_age=\"5s\"", "delivery.set_age=\"20s\"");

/// <summary>An exit that is killed, and one that is asked to stop; the lab starts it again, as a service manager would.</summary>
[Collection(OwnLabRun.Name)]
public sealed class RestartTests(RestartLab lab) : IClassFixture<RestartLab>
{
    private const int Downloads = 6;

    [Fact]
    public async Task Clients_of_a_killed_exit_get_errors_and_work_again_after_its_restart()
    {
        using SocksSession session = SocksSession.Start(
            ClientTarget.Of(lab.Network.Directory),
            TimeSpan.FromMilliseconds(2),
            new SocksSettings { Listen = LabDirectory.FreeAddresses(1)[0] });
        IPEndPoint[] clients = [lab.Client.Address, session.Address];
        foreach (IPEndPoint client in clients)
            await PageAsync(client);
        Task<CurlResult>[] downloads =
        [
            .. Enumerable.Range(0, Downloads).Select(i => CurlCommand.RunAsync(
                "socks5h", clients[i % clients.Length], lab.Web("/bytes/200000000"), TimeSpan.FromMinutes(3))),
        ];
        await lab.Metrics.UntilAsync(
            TimeSpan.FromSeconds(60),
            sample => sample[Counter.NetworkRequester_BytesFromDestinations] > 2_000_000,
            "the downloads do not run");

        ChildProcess killed = lab.Network.Exit;
        int id = killed.Id;
        Assert.Equal(0, LibC.kill(id, LibC.SIGKILL));
        Assert.NotEqual(0, await killed.Ended.WaitAsync(TimeSpan.FromSeconds(30)));

        await Task.WhenAny(Task.WhenAll(downloads), Task.Delay(TimeSpan.FromSeconds(120)));
        int hanging = downloads.Count(download => !download.IsCompleted);
        Assert.True(hanging == 0, $"{hanging} of {Downloads} downloads hang: {Describe(session.Engine.Counters)}");
        CurlResult[] results = await Task.WhenAll(downloads);
        Assert.All(results, result => Assert.True(result.ExitCode is not (0 or 28), $"curl ended with {result.ExitCode}: {result.Errors}"));
        await UntilReadyAsync(id);
        foreach (IPEndPoint client in clients)
            await PageAsync(client);
        CurlResult file = await CurlCommand.RunAsync(
            "socks5h", session.Address, lab.Web("/bytes/3000000"), TimeSpan.FromMinutes(2));
        Assert.Equal((0, LabWeb.Digest(3_000_000)), (file.ExitCode, file.Digest));

        await lab.QuietAsync(TimeSpan.FromSeconds(90));
        ClientCounters counters = session.Engine.Counters;
        ClientCounter[] gauges = [ClientCounter.Connections, ClientCounter.PacketsInFlight, ClientCounter.MessagesWaiting];
        for (int i = 0; i < 300 && gauges.Any(gauge => counters[gauge] != 0); i++)
            await Task.Delay(200);
        Assert.All(gauges, gauge => Assert.Equal(0, counters[gauge]));
    }

    [Fact]
    public async Task A_client_that_had_closed_its_half_learns_of_the_restart_too()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        using var silent = new TcpDestination(async (socket, end) =>
        {
            await SocksDialer.ReceiveToEndAsync(socket, end);
            await Task.Delay(Timeout.Infinite, end);
        });
        using SocksSession session = SocksSession.Start(
            ClientTarget.Of(lab.Network.Directory),
            TimeSpan.FromMilliseconds(2),
            new SocksSettings { Listen = LabDirectory.FreeAddresses(1)[0] });
        await PageAsync(session.Address);
        using SocksConnection connection = await SocksDialer.DialAsync(
            session.Address, SocksForm.Five, "127.0.0.1", silent.Port, stop.Token);
        Assert.True(connection.Granted);
        connection.Socket.Shutdown(SocketShutdown.Send);
        for (int i = 0; i < 100 && session.Engine.Counters[ClientCounter.PacketsInFlight] != 0; i++)
            await Task.Delay(100, stop.Token);

        ChildProcess killed = lab.Network.Exit;
        int id = killed.Id;
        Assert.Equal(0, LibC.kill(id, LibC.SIGKILL));
        await killed.Ended.WaitAsync(TimeSpan.FromSeconds(30), stop.Token);
        await UntilReadyAsync(id);

        // Other connections keep the client known to the new exit, so that nothing but this connection itself tells.
        var clock = Stopwatch.StartNew();
        Task<int> end = connection.Socket.ReceiveAsync(new byte[1], stop.Token).AsTask();
        while (!end.IsCompleted && clock.Elapsed < TimeSpan.FromSeconds(60))
        {
            await PageAsync(session.Address);
            await Task.Delay(1000, stop.Token);
        }

        Assert.True(end.IsCompleted, $"half closed, it waits still: {Describe(session.Engine.Counters)}");
        await Assert.ThrowsAsync<SocketException>(() => end);
        Assert.Equal(0, session.Engine.Counters[ClientCounter.ServiceLost]);
    }

    [Fact]
    public async Task An_exit_that_is_asked_to_stop_tells_its_clients_and_ends_with_zero()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        using var silent = new TcpDestination(TcpDestination.SilentAsync);
        await PageAsync(lab.Client.Address);
        SocksConnection[] connections = await Task.WhenAll(Enumerable.Range(0, 20).Select(
            _ => SocksDialer.DialAsync(lab.Client.Address, SocksForm.Five, "127.0.0.1", silent.Port, stop.Token)));
        Assert.All(connections, connection => Assert.Equal(0, connection.Code));

        ChildProcess asked = lab.Network.Exit;
        var clock = Stopwatch.StartNew();
        int id = asked.Id;
        Assert.Equal(0, LibC.kill(id, LibC.SIGTERM));
        int[] ends = await Task.WhenAll(connections.Select(
            connection => connection.Socket.ReceiveAsync(new byte[1], stop.Token).AsTask()));
        TimeSpan told = clock.Elapsed;
        Assert.All(ends, received => Assert.Equal(0, received));
        Assert.Equal(0, await asked.Ended.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.True(told < TimeSpan.FromSeconds(10), $"the clients were told after {told.TotalSeconds:0.0} s");
        foreach (SocksConnection connection in connections)
            connection.Dispose();
        Assert.Contains(lab.ExitLog, line => line.EndsWith(" stopped", StringComparison.Ordinal));
        await UntilReadyAsync(id);
        await PageAsync(lab.Client.Address);
    }

    private static string Describe(ClientCounters counters) =>
        string.Join(", ", Enum.GetValues<ClientCounter>().Select(counter => $"{counter} {counters[counter]}"));

    private async Task PageAsync(IPEndPoint client)
    {
        CurlResult page = new(-1, 0, "", "", "");
        for (int i = 0; i < 6 && page.ExitCode != 0; i++)
            page = await CurlCommand.RunAsync("socks5h", client, lab.Web("/"), TimeSpan.FromSeconds(30));
        Assert.Equal((0, ""), (page.ExitCode, page.Errors));
    }

    private async Task UntilReadyAsync(int endedId)
    {
        for (int i = 0; i < 300; i++)
        {
            ChildProcess now = lab.Network.Exit;
            try
            {
                if (!now.Ended.IsCompleted && now.Id != endedId)
                {
                    await lab.Metrics.ReadAsync();
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            await Task.Delay(200);
        }

        Assert.Fail("the exit did not come back");
    }
}
