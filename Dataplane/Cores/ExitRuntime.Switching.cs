using FastExit.Identity;
using FastExit.Sphinx;
using FastExit.Topology;

namespace FastExit.Cores;

// Keys and nodes change while packets are under way.
internal sealed partial class ExitRuntime
{
    /// <summary>
    /// New Sphinx keys from the next batch of every core on. Filters of keys that stay are kept; keys and filters that leave are wiped
    /// and freed once no core uses them.
    /// </summary>
    public async Task UseKeysAsync(NodeKeys keys)
    {
        await _switching.WaitAsync().ConfigureAwait(false);
        try
        {
            await ReplaceKeysAsync(keys).ConfigureAwait(false);
        }
        finally
        {
            _switching.Release();
        }
    }

    /// <summary>
    /// Other nodes from the next batch of every core on: connections and queues of nodes that stay are kept, routes and acks built ahead
    /// are made anew. Ends when every core has them.
    /// </summary>
    /// <exception cref="TopologyException">A mix layer is empty; nothing was changed.</exception>
    public async Task UseTopologyAsync(NetworkTopology topology)
    {
        CheckLayers(topology);
        await _switching.WaitAsync().ConfigureAwait(false);
        try
        {
            NetworkTopology old = _topology;
            Volatile.Write(ref _topology, topology);
            while (_cores.Any(c => !c.Ended.IsCompleted && !ReferenceEquals(c.TopologyInUse, topology)))
                await Task.Delay(s_keySwitchPoll).ConfigureAwait(false);
            _tables.Replace(old, topology);
        }
        finally
        {
            _switching.Release();
        }
    }

    private void CheckLayers(NetworkTopology topology)
    {
        for (int layer = 1; layer <= NetworkTopology.Layers; layer++)
        {
            if (topology.Layer(layer).Length == 0)
            {
                throw new TopologyException(
                    $"{_settings.TopologyFile}: no node has the role mix{layer}, so no answer could be routed; add the network's nodes");
            }
        }
    }

    private async Task ReplaceKeysAsync(NodeKeys keys)
    {
        SphinxKeySet old = _keys;
        SphinxKeySet next = KeySet(keys, old.FilterOf);
        await _tables.AddOwnKeysAsync(keys).ConfigureAwait(false);
        Volatile.Write(ref _keys, next);
        while (_cores.Any(c => !c.Ended.IsCompleted && !ReferenceEquals(c.KeysInUse, next)))
            await Task.Delay(s_keySwitchPoll).ConfigureAwait(false);
        Volatile.Write(ref _announced, AnnouncedSphinxKeys.From(keys));
        _filterWatch.Retire(old, next);
        _tables.ForgetFormerKeys();
    }
}
