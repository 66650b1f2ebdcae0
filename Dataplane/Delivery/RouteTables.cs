using FastExit.Crypto.Sphinx;
using FastExit.Identity;
using FastExit.Topology;

namespace FastExit.Delivery;

/// <summary>
/// Fixed-base tables of the keys on routes, shared by all cores' <see cref="RouteBook"/>s: made by a thread of its own below all
/// others, this node's keys first, because it is the last hop of every ack. Control plane.
/// </summary>
internal sealed class RouteTables : IDisposable
{
    // For a network several times as large as today's; what finds no room in it is computed without.
    private const long MaximumBytes = 64L << 20;

    private readonly CancellationTokenSource _disposing = new();
    private Task _build = Task.CompletedTask;
    private byte[][] _ownKeys;
    private byte[][] _leaving = [];

    public RouteTables(NodeKeys keys) => _ownKeys = AddOwn(keys);

    public NodeTables Tables { get; } = new(MaximumBytes);

    /// <summary>Makes what has been asked for until now; ends when that is done.</summary>
    public Task BuildAsync() => _build = BuildAfterAsync(_build);

    /// <summary>Tables of new own keys, before they are used.</summary>
    public Task AddOwnKeysAsync(NodeKeys keys)
    {
        _leaving = _ownKeys;
        _ownKeys = AddOwn(keys);
        return BuildAsync();
    }

    /// <summary>After every core uses the keys added last: forgets those of before.</summary>
    public void ForgetFormerKeys()
    {
        foreach (byte[] key in _leaving)
        {
            if (!Array.Exists(_ownKeys, k => k.AsSpan().SequenceEqual(key)))
                Tables.Forget(key);
        }

        _leaving = [];
    }

    /// <summary>After every core draws routes over <paramref name="next"/>: makes tables of its new keys, forgets those of nodes that left.</summary>
    public void Replace(NetworkTopology former, NetworkTopology next)
    {
        HashSet<string> kept = [.. next.Nodes.Select(n => Convert.ToHexString(n.SphinxKey)), .. _ownKeys.Select(Convert.ToHexString)];
        foreach (TopologyNode node in former.Nodes)
        {
            if (!kept.Contains(Convert.ToHexString(node.SphinxKey)))
                Tables.Forget(node.SphinxKey);
        }

        _ = BuildAsync();
    }

    /// <summary>Only when no core runs any more.</summary>
    public void Dispose()
    {
        _disposing.Cancel();
        _build.Wait();
        Tables.Dispose();
        _disposing.Dispose();
    }

    private byte[][] AddOwn(NodeKeys keys)
    {
        byte[][] publicKeys = [.. keys.SphinxKeys.Select(k => k.PublicKey.ToArray())];
        foreach (byte[] key in publicKeys)
            Tables.Of(key, isLarge: true);
        return publicKeys;
    }

    private async Task BuildAfterAsync(Task former)
    {
        CancellationToken token = _disposing.Token;
        await former.ConfigureAwait(false);
        await Task.Factory.StartNew(
            () =>
            {
                Thread.CurrentThread.Priority = ThreadPriority.BelowNormal;
                Tables.Build(token);
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default).ConfigureAwait(false);
    }
}
