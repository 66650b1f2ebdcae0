using System.Globalization;
using System.Net;
using FastExit.Commands;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Identity;
using FastExit.Topology;
using Xunit;

namespace FastExit.Tests.Commands;

/// <summary>What `run` does around the data plane, with a service in its place that only remembers what it was told.</summary>
public sealed class ServeTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-serve-").FullName;
    private readonly StringWriter _output = new(CultureInfo.InvariantCulture);
    private readonly StringWriter _log = new(CultureInfo.InvariantCulture);

    public void Dispose()
    {
        Directory.Delete(_directory, recursive: true);
        _output.Dispose();
        _log.Dispose();
    }

    [Fact]
    public async Task It_says_where_it_listens_then_ready_and_drains_when_asked_to_stop()
    {
        var service = new RememberingService();
        var stop = new TaskCompletionSource();
        var serving = ServeAsync(Settings(), service, stop.Task);
        await ReadyAsync(serving);
        Assert.Null(service.DrainLimit);
        var address = _output.ToString().Split('\n').Single(line => line.StartsWith("metrics on ", StringComparison.Ordinal))["metrics on ".Length..];
        using (var client = new HttpClient())
            Assert.Contains("fastexit_core_loops_total{core=\"0\"} 0\n", await client.GetStringAsync(new Uri(address)), StringComparison.Ordinal);

        stop.SetResult();
        Assert.Equal(0, await serving);
        Assert.Equal(TimeSpan.FromSeconds(7), service.DrainLimit);
        Assert.True(service.Disposed);
        Assert.StartsWith("listening for mix nodes on 127.0.0.1:4242\nmetrics on http://127.0.0.1:", _output.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("\nready\n", _output.ToString(), StringComparison.Ordinal);
        using var closed = new HttpClient();
        await Assert.ThrowsAsync<HttpRequestException>(() => closed.GetStringAsync(new Uri(address)));
    }

    [Fact]
    public async Task A_core_that_dies_ends_it_with_its_reason()
    {
        var service = new RememberingService();
        var serving = ServeAsync(Settings(), service, new TaskCompletionSource().Task);
        await ReadyAsync(serving);
        service.Ended.SetException(new InvalidOperationException("core 0 died"));
        Assert.Equal("core 0 died", (await Assert.ThrowsAsync<InvalidOperationException>(() => serving)).Message);
        Assert.True(service.Disposed);
    }

    [Fact]
    public async Task Dangerous_policies_are_said_loudly_and_others_not_at_all()
    {
        var stopped = Task.CompletedTask;
        await ServeAsync(Settings(), new RememberingService(), stopped);
        Assert.DoesNotContain("WARNING", _log.ToString(), StringComparison.Ordinal);
        await ServeAsync(
            Settings() with { Policy = new PolicySettings { OpenProxy = true, AllowedLocalPrefixes = ["127.0.0.1/32"] } },
            new RememberingService(),
            stopped);
        Assert.Contains("WARNING: policy.open_proxy is ON", _log.ToString(), StringComparison.Ordinal);
        Assert.Contains("WARNING: policy.allowed_local_prefixes is SET: clients reach 127.0.0.1/32", _log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reload_is_passed_on_and_its_failure_is_only_logged()
    {
        var service = new RememberingService { ReloadProblem = "line 3:\nwrong" };
        using var signals = new RunCommand.Signals();
        var stop = new TaskCompletionSource();
        var serving = ServeAsync(Settings(), service, stop.Task, signals);
        await ReadyAsync(serving);
        signals.Reload!();
        Assert.Equal(1, service.Reloads);
        Assert.Contains("the last good one stays: line 3: wrong", _log.ToString(), StringComparison.Ordinal);
        service.ReloadProblem = null;
        signals.Reload();
        Assert.Contains("policy read again", _log.ToString(), StringComparison.Ordinal);
        Assert.Contains("Sphinx keys read again: rotation 3", _log.ToString(), StringComparison.Ordinal);
        Assert.Equal([3u, 3u], service.Rotations);
        Assert.False(serving.IsCompleted);
        stop.SetResult();
        Assert.Equal(0, await serving);
    }

    [Fact]
    public async Task A_metrics_address_in_use_is_named_and_the_service_is_ended()
    {
        using var taken = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var service = new RememberingService();
        var settings = Settings() with { Metrics = new MetricsSettings { Listen = (IPEndPoint)taken.LocalEndpoint } };
        var error = await Assert.ThrowsAsync<CommandException>(() => ServeAsync(settings, service, new TaskCompletionSource().Task));
        Assert.StartsWith($"metrics.listen {taken.LocalEndpoint}: ", error.Message, StringComparison.Ordinal);
        Assert.True(service.Disposed);
        Assert.DoesNotContain("ready", _output.ToString(), StringComparison.Ordinal);
    }

    private ExitSettings Settings()
    {
        if (!Directory.Exists(NodeKeys.DirectoryIn(_directory)))
        {
            using var keys = NodeKeys.Generate(3);
            keys.Save(_directory);
        }

        var settings = ConfigurationFile.Defaults(_directory, new IPEndPoint(IPAddress.Loopback, 1789)) with
        {
            Metrics = new MetricsSettings { Listen = new IPEndPoint(IPAddress.Loopback, 0) },
        };
        new NetworkTopology(3, []).Save(settings.TopologyFile);
        return settings;
    }

    private Task<int> ServeAsync(ExitSettings settings, RememberingService service, Task stop, RunCommand.Signals? signals = null) =>
        RunCommand.ServeAsync(settings, (_, _, _, _) => service, stop, signals, TimeSpan.FromSeconds(7), _output, _log);

    private async Task ReadyAsync(Task serving)
    {
        for (var i = 0; i < 500 && !_output.ToString().EndsWith("ready\n", StringComparison.Ordinal); i++)
        {
            if (serving.IsCompleted)
                await serving;
            await Task.Delay(20);
        }

        Assert.EndsWith("ready\n", _output.ToString(), StringComparison.Ordinal);
    }

    private sealed class RememberingService : IExitService
    {
        public Task UseTopologyAsync(NetworkTopology topology) => Task.CompletedTask;

        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TimeSpan? DrainLimit { get; private set; }

        public bool Disposed { get; private set; }

        public int Reloads { get; private set; }

        public string? ReloadProblem { get; set; }

        public IReadOnlyList<CoreCounters> Counters { get; } = [new CoreCounters(0)];

        public IReadOnlyList<IPEndPoint> Listening { get; } = [new(IPAddress.Loopback, 4242)];

        public Task Completion => Ended.Task;

        public Task DrainAsync(TimeSpan limit)
        {
            DrainLimit = limit;
            return Task.CompletedTask;
        }

        public Task<string?> ReloadPolicyAsync()
        {
            Reloads++;
            return Task.FromResult(ReloadProblem);
        }

        public List<uint> Rotations { get; } = [];

        public Task UseKeysAsync(NodeKeys keys)
        {
            Rotations.AddRange(keys.SphinxKeys.Select(key => key.RotationId));
            return Task.CompletedTask;
        }

        public ValueTask DisposeAsync()
        {
            Disposed = true;
            return ValueTask.CompletedTask;
        }
    }
}
