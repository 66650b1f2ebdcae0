using FastExit.Topology;

namespace FastExit.Bench.Lab;

/// <summary>Reads a lab's topology again when its file was written anew; one that cannot be used changes nothing.</summary>
internal sealed class TopologyFollower : IDisposable
{
    private static readonly TimeSpan s_refresh = TimeSpan.FromSeconds(2);
    private readonly LabDirectory _directory;
    private readonly EntryGateway _gateway;
    private readonly Action<NetworkTopology> _use;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _following;

    /// <param name="directory">The lab.</param>
    /// <param name="gateway">Learns who may talk to it.</param>
    /// <param name="use">The client; may throw <see cref="ArgumentException"/>.</param>
    /// <param name="known">When the file was written that is in use.</param>
    public TopologyFollower(LabDirectory directory, EntryGateway gateway, Action<NetworkTopology> use, DateTime known)
    {
        _directory = directory;
        _gateway = gateway;
        _use = use;
        _following = FollowAsync(known);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _following.GetAwaiter().GetResult();
        _stop.Dispose();
    }

    private async Task FollowAsync(DateTime known)
    {
        using var timer = new PeriodicTimer(s_refresh);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                DateTime written = File.GetLastWriteTimeUtc(_directory.TopologyFile);
                if (written == known)
                    continue;
                known = written;
                Follow();
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private void Follow()
    {
        try
        {
            NetworkTopology topology = _directory.Topology();
            _use(topology);
            _gateway.Settings = _gateway.Settings with { Known = LabDirectory.Known(topology) };
        }
        catch (Exception e) when (e is TopologyException or ArgumentException)
        {
            CommandText.Log($"the topology is not read again: {e.Message}");
        }
    }
}
