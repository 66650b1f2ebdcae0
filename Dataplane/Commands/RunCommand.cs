using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using FastExit.Configuration;
using FastExit.Identity;
using FastExit.Metrics;
using FastExit.NetworkDirectory;
using FastExit.Topology;

namespace FastExit.Commands;

/// <summary>
/// `fastexit run`: serves until SIGTERM or SIGINT, then drains and ends with 0; a second such signal ends at once. SIGHUP reads policy,
/// Sphinx keys and topology file again. Standard output: addresses, then the line `ready`. Standard error: the log, which never names destinations, tags or clients.
/// </summary>
internal static class RunCommand
{
    // One reload after the other: a key set is only retired when every core has moved on to its successor.
    private static readonly SemaphoreSlim s_reloading = new(1);

    public static Command Create(ExitServiceStart start)
    {
        var dataDirectory = CommandLine.DataDirectory(required: true);
        var overrides = CommandLine.Overrides();
        var drain = new Option<TimeSpan>("--drain-limit")
        {
            Description = "Longest time for ending connections in good order (default 10s)",
            HelpName = "TIME",
            DefaultValueFactory = _ => TimeSpan.FromSeconds(10),
            CustomParser = result =>
            {
                if (!DurationText.TryParse(result.Tokens[0].Value, out var duration))
                    result.AddError($"--drain-limit '{TomlAssignments.Printable(result.Tokens[0].Value)}' is not a time, such as 10s");
                return duration;
            },
        };
        var command = new Command("run", "Serves until SIGTERM") { dataDirectory, overrides, drain };
        command.SetAction(async (parsed, _) =>
        {
            var settings = ConfigurationFile.Load(parsed.GetRequiredValue(dataDirectory), parsed.GetValue(overrides) ?? []);
            using var signals = new Signals();
            return await ServeAsync(settings, start, signals.Stop, signals, parsed.GetValue(drain), Console.Out, Console.Error).ConfigureAwait(false);
        });
        return command;
    }

    public static async Task<int> ServeAsync(
        ExitSettings settings, ExitServiceStart start, Task stop, Signals? signals, TimeSpan drainLimit, TextWriter output, TextWriter log)
    {
        void Log(string line) => log.WriteLine($"{DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)} {OperatorErrors.OneLine(line)}");

        using var directory = settings.Directory.Urls.Count > 0 ? new DirectoryFollower(settings, Log) : null;
        var topology = directory is null
            ? NetworkTopology.Load(settings.TopologyFile)
            : await directory.StartAsync(stop).ConfigureAwait(false);
        if (topology is null)
            return CommandLine.Done;
        if (settings.Ipr.Enabled && NodeKeys.AddIpPacketRouter(settings.DataDirectory))
            Log("made keys for the IP packet router, which this node had none of; `fastexit address` prints its address");
        if (NodeKeys.AddNoise(settings.DataDirectory))
            Log("made a Noise key for the mix link, which this node had none of; `fastexit address` prints it");
        var token = NodeInterface.ReadToken(settings.Node);
        IExitService service;
        using (var keys = NodeKeys.Load(settings.DataDirectory))
        {
            if (keys.SphinxKeys.All(key => key.RotationId != topology.RotationId))
            {
                throw new CommandException(
                    $"{(directory is null ? settings.TopologyFile : "the directory")}: names key rotation {topology.RotationId}, but this node's Sphinx key is of rotation"
                    + $" {keys.CurrentSphinxKey.RotationId}; use the topology of that rotation");
            }

            Warn(settings.Policy, Log);
            if (HostChecks.Cores(settings.Cores) is { Level: FindingLevel.Fail } cores)
                throw new CommandException($"{ConfigurationFile.PathIn(settings.DataDirectory)}: {cores.Seen}; {cores.Mend}");
            service = start(settings, keys, topology, Log);
        }

        await using (service.ConfigureAwait(false))
        {
            var collector = new CoreCollector(() => service.Counters, () => service.ReplayFilters);
            await using var metrics = await StartMetricsAsync(settings.Metrics.Listen, collector).ConfigureAwait(false);
            await using var node = await NodeInterface.StartAsync(settings, token, service, collector.Registry).ConfigureAwait(false);
            directory?.Follow(service.UseTopologyAsync);
            if (signals is not null)
                signals.Reload = () => _ = ReloadAsync(service, settings, Log);
            foreach (var finding in HostChecks.IoUring(settings.NetworkRequester, settings.MixLink.MaximumConnections).Where(finding => finding.Level == FindingLevel.Warn))
                Log($"note: {finding.Subject}: {finding.Seen}; {finding.Mend}");
            foreach (var address in service.Listening)
                await output.WriteLineAsync($"listening for mix nodes on {address}").ConfigureAwait(false);
            if (metrics is not null)
                await output.WriteLineAsync($"metrics on {metrics.Address}").ConfigureAwait(false);
            if (node is not null)
                await output.WriteLineAsync($"node interface on {node.Address}").ConfigureAwait(false);
            await output.WriteLineAsync("ready").ConfigureAwait(false);
            await output.FlushAsync().ConfigureAwait(false);

            var ended = await Task.WhenAny(stop, service.Completion).ConfigureAwait(false);
            if (ended != stop)
            {
                await service.Completion.ConfigureAwait(false);
                throw new CommandException("every core ended although nobody asked for it; start again and report this");
            }

            Log($"stopping: connections are ended in good order, at most for {DurationText.Format(drainLimit)}; a second signal ends at once");
            await service.DrainAsync(drainLimit).ConfigureAwait(false);
            Log("stopped");
            return CommandLine.Done;
        }
    }

    private static void Warn(PolicySettings policy, Action<string> log)
    {
        if (policy.OpenProxy)
            log("WARNING: policy.open_proxy is ON: clients reach EVERY public address and port, and their abuse comes from this host");
        if (policy.AllowedLocalPrefixes.Count > 0)
            log($"WARNING: policy.allowed_local_prefixes is SET: clients reach {string.Join(", ", policy.AllowedLocalPrefixes)} INSIDE this host's network; for laboratories only");
    }

    private static async Task<MetricsEndpoint?> StartMetricsAsync(IPEndPoint? listen, CoreCollector collector)
    {
        if (listen is null)
            return null;
        try
        {
            return await MetricsEndpoint.StartAsync(listen, collector.Registry).ConfigureAwait(false);
        }
        catch (IOException error)
        {
            throw new CommandException($"metrics.listen {listen}: {OperatorErrors.OneLine(error.Message).TrimEnd('.')}; choose a free address, or \"\" for none", error);
        }
    }

    private static async Task ReloadAsync(IExitService service, ExitSettings settings, Action<string> log)
    {
        await s_reloading.WaitAsync().ConfigureAwait(false);
        try
        {
            var problem = await service.ReloadPolicyAsync().ConfigureAwait(false);
            log(problem is null ? "policy read again" : $"policy NOT changed, the last good one stays: {problem}");
            using var keys = NodeKeys.Load(settings.DataDirectory);
            await service.UseKeysAsync(keys).ConfigureAwait(false);
            log($"Sphinx keys read again: rotation {string.Join(", ", keys.SphinxKeys.Select(key => key.RotationId))}");
            if (settings.Directory.Urls.Count == 0)
            {
                var topology = NetworkTopology.Load(settings.TopologyFile);
                await service.UseTopologyAsync(topology).ConfigureAwait(false);
                log($"topology read again: {topology.Nodes.Count} nodes, rotation {topology.RotationId}");
            }
        }
        catch (Exception error)
        {
            // Nobody awaits a reload, and the service goes on with what it has.
            log($"not read again, what was in force stays: {OperatorErrors.Line(error)}");
        }
        finally
        {
            s_reloading.Release();
        }
    }

    /// <summary>SIGTERM and SIGINT ask to stop, the second one ends the process; SIGHUP asks to reload.</summary>
    internal sealed class Signals : IDisposable
    {
        private const int SignalExitBase = 128;

        private readonly TaskCompletionSource _stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<PosixSignalRegistration> _registrations = [];

        public Signals()
        {
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => OnStop(context, 15)));
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, context => OnStop(context, 2)));
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnReload));
        }

        public Task Stop => _stop.Task;

        public Action? Reload { get; set; }

        public void Dispose() => _registrations.ForEach(registration => registration.Dispose());

        private void OnStop(PosixSignalContext context, int number)
        {
            context.Cancel = true;
            if (!_stop.TrySetResult())
                Environment.Exit(SignalExitBase + number);
        }

        private void OnReload(PosixSignalContext context)
        {
            context.Cancel = true;
            Reload?.Invoke();
        }
    }
}
