using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FastExit.Cores;
using Xunit;

namespace FastExit.Tests.EndToEnd;

/// <summary>Every way a connection cannot be made, with the exact answer of the SOCKS client: soon, and never a hang.</summary>
public abstract class RefusalScenarios(ExitLab lab)
{
    private const byte NotAllowed = 2;
    private const byte NetworkUnreachable = 3;
    private const byte HostUnreachable = 4;
    private const byte Refused = 5;
    private const byte TimedOut = 6;
    private const byte Rejected4 = 0x5B;
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(5);

    [Theory]
    [InlineData("nothing-here.test", HostUnreachable)]
    [InlineData("empty.test", HostUnreachable)]
    [InlineData("broken.test", HostUnreachable)]
    [InlineData("silent.test", HostUnreachable)]
    [InlineData("255.255.255.255", NetworkUnreachable)]
    [InlineData("denied.test", NotAllowed)]
    [InlineData("DENIED.test.", NotAllowed)]
    [InlineData("a.denied.test", NotAllowed)]
    [InlineData("rebind.test", NotAllowed)]
    [InlineData("rebind6.test", NotAllowed)]
    [InlineData("metadata.test", NotAllowed)]
    [InlineData("mapped.test", NotAllowed)]
    [InlineData("169.254.169.254", NotAllowed)]
    [InlineData("127.0.0.2", NotAllowed)]
    [InlineData("0.0.0.0", NotAllowed)]
    [InlineData("10.0.0.1", NotAllowed)]
    [InlineData("64:ff9b::7f00:1", NotAllowed)]
    [InlineData("fe80::1", NotAllowed)]
    public async Task A_destination_that_cannot_be_had_is_answered_soon_and_exactly(string host, byte code)
    {
        await ExpectAsync(SocksForm.Five, host, lab.WebPort, code);
        bool name = !IPAddress.TryParse(host, out IPAddress? address);
        if (name || address!.AddressFamily == AddressFamily.InterNetwork)
            await ExpectAsync(name || host == "0.0.0.0" ? SocksForm.FourA : SocksForm.Four, host, lab.WebPort, Rejected4);
    }

    [Fact]
    public async Task A_closed_port_is_refused()
    {
        using var closed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)closed.LocalEndPoint!).Port;
        await ExpectAsync(SocksForm.Five, "127.0.0.1", port, Refused);
        await ExpectAsync(SocksForm.Five, "web.test", port, Refused);
        await ExpectAsync(SocksForm.Four, "127.0.0.1", port, Rejected4);
    }

    [Fact]
    public async Task A_port_that_the_policy_refuses_is_denied_and_no_connection_is_made()
    {
        await ExpectAsync(SocksForm.Five, "127.0.0.1", lab.DeniedPort, NotAllowed);
        await ExpectAsync(SocksForm.Five, "web.test", lab.DeniedPort, NotAllowed);
        await ExpectAsync(SocksForm.FourA, "web.test", lab.DeniedPort, Rejected4);
        CurlResult curl = await CurlCommand.RunAsync(
            "socks5h", lab.Client.Address, $"http://web.test:{lab.DeniedPort}/", TimeSpan.FromSeconds(30));
        Assert.Equal((97, 0L), (curl.ExitCode, curl.Bytes));
    }

    [SkippableTheory]
    [InlineData("unreachable")]
    [InlineData("prohibit")]
    public async Task A_host_without_a_route_is_unreachable(string kind)
    {
        string[] route = [kind, "203.0.113.9/32"];
        Skip.If(await IpRouteAsync(["add", .. route]) != 0, "adding a route needs the ip program and CAP_NET_ADMIN");
        try
        {
            await ExpectAsync(SocksForm.Five, "203.0.113.9", 80, HostUnreachable);
        }
        finally
        {
            await IpRouteAsync(["del", .. route]);
        }
    }

    [Fact]
    public async Task A_destination_that_never_answers_times_out()
    {
        // A full accept queue drops what comes: the port is there, but nobody answers.
        using var full = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0);
        var waiting = new List<Socket>();
        try
        {
            for (int i = 0; i < 16; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                waiting.Add(socket);
                _ = socket.ConnectAsync(full.LocalEndPoint!).ContinueWith(t => t.Exception, TaskScheduler.Default);
            }

            await Task.Delay(300);
            MetricsSample before = await lab.Metrics.ReadAsync();
            await ExpectAsync(SocksForm.Five, "127.0.0.1", ((IPEndPoint)full.LocalEndPoint!).Port, TimedOut);
            MetricsSample after = await lab.Metrics.ReadAsync();
            Assert.True(after[Counter.NetworkRequester_ConnectTimeouts] > before[Counter.NetworkRequester_ConnectTimeouts]);
        }
        finally
        {
            waiting.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public async Task Refusals_leave_nothing_behind_and_are_counted_by_reason()
    {
        MetricsSample before = await lab.Metrics.ReadAsync();
        (string Host, Counter Counter)[] reasons =
        [
            ("rebind.test", Counter.NetworkRequester_DeniedByGuard),
            ("denied.test", Counter.NetworkRequester_DeniedByPolicy),
            ("nothing-here.test", Counter.NetworkRequester_NameNotFound),
            ("silent.test", Counter.NetworkRequester_ResolverFailed),
            ("255.255.255.255", Counter.NetworkRequester_ConnectUnreachable),
        ];
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        foreach ((string host, _) in reasons)
        {
            using SocksConnection connection = await SocksDialer.DialAsync(
                lab.Client.Address, SocksForm.Five, host, lab.WebPort, stop.Token);
            Assert.False(connection.Granted);
        }

        MetricsSample after = await lab.Metrics.ReadAsync();
        Assert.All(reasons, reason => Assert.True(after[reason.Counter] > before[reason.Counter], reason.Counter.ToString()));
        await lab.QuietAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task The_exit_logs_no_destination()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        string[] hosts = ["web.test", "denied.test", "rebind.test", "silent.test", "nothing-here.test", "169.254.169.254"];
        foreach (string host in hosts)
        {
            using SocksConnection connection = await SocksDialer.DialAsync(
                lab.Client.Address, SocksForm.Five, host, lab.WebPort, stop.Token);
        }

        string log = string.Join('\n', lab.ExitLog);
        Assert.Contains("ready", log, StringComparison.Ordinal);
        string[] secrets =
        [
            .. hosts, ".test", "93.184.215.14", "10.0.0.1", $":{lab.WebPort}", $":{lab.DeniedPort}",
            lab.Network.ExitAddress.NetworkRequester[..20],
        ];
        Assert.All(secrets, secret => Assert.DoesNotContain(secret, log, StringComparison.OrdinalIgnoreCase));
    }

    private async Task ExpectAsync(SocksForm form, string host, int port, byte code)
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(40));
        var clock = Stopwatch.StartNew();
        using SocksConnection connection = await SocksDialer.DialAsync(lab.Client.Address, form, host, port, stop.Token);
        TimeSpan taken = clock.Elapsed;
        Assert.Equal(code, connection.Code);
        Assert.True(taken < s_soon, $"{host}:{port} was answered after {taken.TotalSeconds:0.0} s");
        Assert.Empty(await SocksDialer.ReceiveToEndAsync(connection.Socket, stop.Token));
    }

    private static async Task<int> IpRouteAsync(string[] arguments)
    {
        try
        {
            using Process ip = Process.Start(new ProcessStartInfo("ip", ["route", .. arguments]) { RedirectStandardError = true })!;
            await ip.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
            return ip.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return -1;
        }
    }
}

[Collection(OneCoreRun.Name)]
public sealed class OneCoreRefusalTests(OneCoreLab lab) : RefusalScenarios(lab);

[Collection(TwoCoreRun.Name)]
public sealed class TwoCoreRefusalTests(TwoCoreLab lab) : RefusalScenarios(lab);
