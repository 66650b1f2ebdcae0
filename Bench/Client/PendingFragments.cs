namespace FastExit.Bench.Client;

/// <summary>
/// Sent fragments that wait for their ack (end-to-end.md §6.4), with the time each is due again. Timers are not removed when an ack comes:
/// a popped one that no longer fits its fragment is skipped.
/// </summary>
internal sealed class PendingFragments
{
    private readonly Dictionary<ulong, OutgoingFragment> _byKey = [];
    private readonly PriorityQueue<OutgoingFragment, long> _timers = new();

    public int Count => _byKey.Count;

    public void Sent(OutgoingFragment fragment, long now, long wait)
    {
        if (!fragment.Pending)
        {
            fragment.Pending = true;
            fragment.FirstSent = now;
            _byKey[fragment.Key] = fragment;
        }

        fragment.Sendings++;
        fragment.Due = now + wait;
        _timers.Enqueue(fragment, fragment.Due);
    }

    /// <summary>False: nothing of ours, or acknowledged before.</summary>
    public bool TryAcknowledge(uint setId, byte position, out OutgoingFragment fragment)
    {
        if (!_byKey.Remove(((ulong)setId << 8) | position, out fragment!))
            return false;
        fragment.Pending = false;
        return true;
    }

    public void Remove(OutgoingFragment fragment)
    {
        _byKey.Remove(fragment.Key);
        fragment.Pending = false;
    }

    /// <summary>The next fragment whose ack is overdue; it stays pending.</summary>
    public bool TryTakeDue(long now, out OutgoingFragment fragment)
    {
        while (_timers.TryPeek(out fragment!, out long due) && due <= now)
        {
            _timers.Dequeue();
            if (fragment.Pending && fragment.Due == due)
                return true;
        }

        return false;
    }

    /// <summary>Milliseconds until something can be due, at most <paramref name="atMost"/>.</summary>
    public long NextDue(long now, long atMost) =>
        _timers.TryPeek(out _, out long due) ? Math.Clamp(due - now, 0, atMost) : atMost;

    /// <summary>Abandons everything; the fragments are handed back to be settled.</summary>
    public OutgoingFragment[] Clear()
    {
        OutgoingFragment[] all = [.. _byKey.Values];
        foreach (OutgoingFragment fragment in all)
            fragment.Pending = false;
        _byKey.Clear();
        _timers.Clear();
        return all;
    }
}
