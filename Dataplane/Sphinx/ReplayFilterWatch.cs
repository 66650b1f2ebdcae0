using System.Globalization;

namespace FastExit.Sphinx;

/// <summary>How full the replay filter of one key is: 1 is what it was sized for, and from about 1.2 on it refuses packets.</summary>
public readonly record struct ReplayFilterFill(uint Rotation, double Fill);

/// <summary>
/// Looks at the replay filters from outside of the cores: for the metrics, and to say in time that one is filling up. Filters are freed
/// through it, so that none goes while it is looked at.
/// </summary>
internal sealed class ReplayFilterWatch : IDisposable
{
    private const double Warned = 0.8;
    private const double Full = 1;
    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(10);

    private readonly Func<SphinxKeySet> _keys;
    private readonly Action<string> _log;
    private readonly Dictionary<ReplayFilter, double> _said = [];
    private readonly Lock _gate = new();
    private readonly Timer _timer;
    private bool _ended;

    public ReplayFilterWatch(Func<SphinxKeySet> keys, Action<string> log, TimeSpan? period = null)
    {
        _keys = keys;
        _log = log;
        _timer = new Timer(_ => Look(), null, period ?? s_period, period ?? s_period);
    }

    public IReadOnlyList<ReplayFilterFill> Read()
    {
        lock (_gate)
        {
            if (_ended)
                return [];
            SphinxKeySet keys = _keys();
            return [.. Enumerable.Range(0, keys.Count).Select(i => new ReplayFilterFill(keys.Rotation(i), keys.Filter(i).Fill()))];
        }
    }

    /// <summary>Says what is new: once for each filter that it is nearly full, and once that it is full.</summary>
    public void Look()
    {
        lock (_gate)
        {
            if (_ended)
                return;
            SphinxKeySet keys = _keys();
            for (int i = 0; i < keys.Count; i++)
                Look(keys.Rotation(i), keys.Filter(i));
        }
    }

    /// <inheritdoc cref="SphinxKeySet.Retire"/>
    public void Retire(SphinxKeySet old, SphinxKeySet? successor)
    {
        lock (_gate)
        {
            _ended = successor is null;
            old.Retire(successor);
            foreach (ReplayFilter gone in _said.Keys.Where(f => f.IsDisposed).ToArray())
                _said.Remove(gone);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Look(uint rotation, ReplayFilter filter)
    {
        double fill = filter.Fill();
        double reached = fill >= Full ? Full : fill >= Warned ? Warned : 0;
        if (reached <= _said.GetValueOrDefault(filter))
            return;
        _said[filter] = reached;
        string percent = fill.ToString("P0", CultureInfo.InvariantCulture);
        _log(reached == Full
            ? $"ERROR: the replay filter of rotation {rotation} is full ({percent}): packets are being refused, or soon will be; rotate the key, or raise mix_link.replay_filter_packets and start again"
            : $"WARNING: the replay filter of rotation {rotation} is {percent} full; rotate the key before it is full, or raise mix_link.replay_filter_packets");
    }
}
