namespace FastExit.Resolution;

/// <summary>
/// Names and their lookups for a bounded time, in bounded entries and bytes; the least recently used go first. Not thread
/// safe: its owner holds the lock.
/// </summary>
internal sealed class NameCache(int maximumEntries, long maximumBytes, TimeProvider time)
{
    // Dictionary slot, list node, entry, key and array headers, rounded up.
    private const int EntryOverheadBytes = 256;
    private const int AddressBytes = 32;

    private readonly Dictionary<string, LinkedListNode<Entry>> _entries = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _byUse = new();

    public int Count => _entries.Count;

    public long Bytes { get; private set; }

    public bool TryGet(string name, out NameLookup? lookup)
    {
        lookup = null;
        if (!_entries.TryGetValue(name, out var node)) return false;
        if (time.GetElapsedTime(node.Value.StoredAt) >= node.Value.Lifetime)
        {
            Remove(node);
            return false;
        }

        _byUse.Remove(node);
        _byUse.AddFirst(node);
        lookup = node.Value.Lookup;
        return true;
    }

    public void Set(string name, NameLookup lookup, TimeSpan lifetime)
    {
        if (_entries.TryGetValue(name, out var old)) Remove(old);
        var bytes = EntryOverheadBytes + (2L * name.Length) + ((long)AddressBytes * lookup.Addresses.Length);
        if (bytes > maximumBytes || maximumEntries < 1 || lifetime <= TimeSpan.Zero) return;
        while (_entries.Count >= maximumEntries || Bytes + bytes > maximumBytes) Remove(_byUse.Last!);
        _entries[name] = _byUse.AddFirst(new Entry(name, lookup, time.GetTimestamp(), lifetime, bytes));
        Bytes += bytes;
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        Bytes -= node.Value.Bytes;
        _entries.Remove(node.Value.Name);
        _byUse.Remove(node);
    }

    private sealed record Entry(string Name, NameLookup Lookup, long StoredAt, TimeSpan Lifetime, long Bytes);
}
