using System.Globalization;
using FastExit.Commands;
using FastExit.Configuration;
using FastExit.Topology;

namespace FastExit.NetworkDirectory;

/// <summary>
/// Keeps the topology at what the network's API says. The last good one lies in <see cref="CacheName"/> of the data directory, so that
/// a start does not depend on the API; on failure it stays in force, and the next attempts come after growing, jittered pauses.
/// </summary>
internal sealed class DirectoryFollower : IDisposable
{
    public const string CacheName = "directory-cache.json";

    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(5);

    private readonly DirectorySettings _settings;
    private readonly DirectoryClient _client;
    private readonly string _cache;
    private readonly Action<string> _log;
    private readonly CancellationTokenSource _disposing = new();
    private Task _following = Task.CompletedTask;

    public DirectoryFollower(ExitSettings settings, Action<string> log)
    {
        _settings = settings.Directory;
        _client = new DirectoryClient(_settings);
        _cache = Path.Combine(settings.DataDirectory, CacheName);
        _log = log;
    }

    /// <summary>The API's topology, or else the cached one, or else what the API says within `directory.start_wait`. Null: stopped meanwhile.</summary>
    /// <exception cref="CommandException">Neither API nor cache.</exception>
    public async Task<NetworkTopology?> StartAsync(Task stop)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(_disposing.Token);
        _ = stop.ContinueWith(_ => TryCancel(stopping), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        long begun = Environment.TickCount64;
        try
        {
            for (int failures = 0; ; failures++)
            {
                try
                {
                    return await FetchAsync(stopping.Token).ConfigureAwait(false);
                }
                catch (DirectoryException error)
                {
                    if (failures == 0 && Cached() is { } cached)
                    {
                        _log($"WARNING: the directory does not answer ({error.Message}); {_cache} is used");
                        return cached;
                    }

                    TimeSpan pause = PauseAfter(failures, TimeSpan.FromSeconds(30));
                    TimeSpan waited = TimeSpan.FromMilliseconds(Environment.TickCount64 - begun);
                    if (waited + pause > _settings.StartWait)
                        throw new CommandException($"directory.urls: {error.Message}, and there is no {CacheName}; check the URLs and this host's network, or set topology.file with directory.urls = []", error);
                    _log($"waiting for the directory: {error.Message}");
                    await Task.Delay(pause, stopping.Token).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Hands every new topology to <paramref name="use"/> until disposed.</summary>
    public void Follow(Func<NetworkTopology, Task> use) => _following = FollowAsync(use);

    public void Dispose()
    {
        _disposing.Cancel();
        _following.Wait(TimeSpan.FromSeconds(5));
        _client.Dispose();
        _disposing.Dispose();
    }

    /// <summary>Doubles with each failure up to <paramref name="longest"/>; half of it is random, so that nodes do not come all at once.</summary>
    internal static TimeSpan PauseAfter(int failures, TimeSpan longest)
    {
        double pause = Math.Min(longest.TotalSeconds, s_firstPause.TotalSeconds * Math.Pow(2, Math.Min(failures, 20)));
#pragma warning disable CA5394 // Spreads load; nothing depends on nobody guessing it.
        return TimeSpan.FromSeconds(pause * (0.5 + (Random.Shared.NextDouble() / 2)));
#pragma warning restore CA5394
    }

    private static void TryCancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The start was over before the stop.
        }
    }

    private async Task FollowAsync(Func<NetworkTopology, Task> use)
    {
        int failures = 0;
        while (true)
        {
            try
            {
                await Task.Delay(failures == 0 ? _settings.Refresh : PauseAfter(failures - 1, _settings.Refresh), _disposing.Token).ConfigureAwait(false);
                await use(await FetchAsync(_disposing.Token).ConfigureAwait(false)).ConfigureAwait(false);
                failures = 0;
            }
            catch (OperationCanceledException) when (_disposing.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error)
            {
                // Nobody awaits it, and the exit goes on with the nodes it knows.
                failures++;
                _log($"topology NOT refreshed, the last good one stays: {OperatorErrors.Line(error)}");
            }
        }
    }

    private async Task<NetworkTopology> FetchAsync(CancellationToken cancellation)
    {
        (NetworkTopology topology, int skipped) = await _client.FetchAsync(cancellation).ConfigureAwait(false);
        _log($"directory: {topology.Nodes.Count} nodes of rotation {topology.RotationId}, {skipped} unusable entries left out");
        try
        {
            topology.Save(_cache);
        }
        catch (TopologyException error)
        {
            _log($"WARNING: {error.Message}; a start without the API will have nothing to go by");
        }

        return topology;
    }

    private NetworkTopology? Cached()
    {
        if (!File.Exists(_cache))
            return null;
        try
        {
            NetworkTopology topology = NetworkTopology.Load(_cache);
            TimeSpan age = DateTime.UtcNow - File.GetLastWriteTimeUtc(_cache);
            _log(string.Create(CultureInfo.InvariantCulture, $"{_cache}: {topology.Nodes.Count} nodes, {age.TotalMinutes:0} minutes old"));
            for (int layer = 1; layer <= NetworkTopology.Layers; layer++)
            {
                if (topology.Layer(layer).Length == 0)
                    return null;
            }

            return topology;
        }
        catch (TopologyException error)
        {
            _log($"WARNING: {error.Message}");
            return null;
        }
    }
}
