namespace FastExit.Bench.Tun;

/// <summary>
/// Tells second copies among the newest 64 sequence numbers of a stream (ip-packet-router.md §6.3). An older number is taken for new:
/// the mixnet reorders by more than that at high rates, and IP bears a rare duplicate better than a loss.
/// </summary>
internal struct SequenceWindow
{
    private const int Width = 64;
    private uint _newest;
    private ulong _seen;

    /// <summary>False: a second copy.</summary>
    public bool TryAccept(uint sequence)
    {
        if (_seen == 0)
        {
            _newest = sequence;
            _seen = 1;
            return true;
        }

        // Distances around the wrap of the counter.
        int ahead = unchecked((int)(sequence - _newest));
        if (ahead > 0)
        {
            _seen = ahead >= Width ? 1 : (_seen << ahead) | 1;
            _newest = sequence;
            return true;
        }

        if (ahead <= -Width)
            return true;
        ulong bit = 1UL << -ahead;
        bool fresh = (_seen & bit) == 0;
        _seen |= bit;
        return fresh;
    }
}
