namespace FastExit.IpPacketRouter;

/// <summary>One timer per session index for its open bundle: 2,048 buckets of one millisecond, so at most 2,047 ms ahead.</summary>
internal sealed class BundleTimers
{
    private const int Buckets = 2048;
    private const int None = -1;

    private readonly int[] _heads = new int[Buckets];
    private readonly Entry[] _entries;
    private long _passed;
    private int _armed;

    public BundleTimers(int indexes, long nowMilliseconds)
    {
        Array.Fill(_heads, None);
        _entries = new Entry[indexes];
        for (int i = 0; i < indexes; i++)
            _entries[i].Bucket = None;
        _passed = nowMilliseconds;
    }

    /// <summary>Sets or moves the timer; a time that has passed fires at the next look.</summary>
    public void Set(int index, long dueMilliseconds)
    {
        Clear(index);
        int bucket = (int)(Math.Clamp(dueMilliseconds, _passed + 1, _passed + Buckets - 1) & (Buckets - 1));
        ref Entry entry = ref _entries[index];
        entry.Bucket = bucket;
        entry.Previous = None;
        entry.Next = _heads[bucket];
        if (entry.Next != None)
            _entries[entry.Next].Previous = index;
        _heads[bucket] = index;
        _armed++;
    }

    public void Clear(int index)
    {
        ref Entry entry = ref _entries[index];
        if (entry.Bucket == None)
            return;
        if (entry.Previous == None)
            _heads[entry.Bucket] = entry.Next;
        else
            _entries[entry.Previous].Next = entry.Next;
        if (entry.Next != None)
            _entries[entry.Next].Previous = entry.Previous;
        entry.Bucket = None;
        _armed--;
    }

    /// <summary>The next index that is due, its timer cleared.</summary>
    public bool TryFire(long nowMilliseconds, out int index)
    {
        if (_armed == 0)
            _passed = Math.Max(_passed, nowMilliseconds);

        // After a long pause every bucket has been passed once; more rounds would find nothing.
        _passed = Math.Max(_passed, nowMilliseconds - Buckets);
        while (_passed <= nowMilliseconds)
        {
            index = _heads[(int)(_passed & (Buckets - 1))];
            if (index != None)
            {
                Clear(index);
                return true;
            }

            if (_passed == nowMilliseconds)
                break;
            _passed++;
        }

        index = None;
        return false;
    }

    private struct Entry
    {
        public int Bucket;
        public int Next;
        public int Previous;
    }
}
