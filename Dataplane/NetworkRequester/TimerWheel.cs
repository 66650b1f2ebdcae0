using System.Numerics;

namespace FastExit.NetworkRequester;

/// <summary>
/// One timer per connection index: 8,192 buckets of 16 ms, a bit per bucket that holds something. Setting and clearing touch a few
/// words; nothing is done for a timer that moves later, because whoever fires asks for the true deadline and sets it again.
/// Deadlines beyond the 131 s horizon are looked at there and set again.
/// </summary>
internal sealed class TimerWheel
{
    private const int BucketMillisecondsShift = 4;
    private const int Buckets = 8192;
    private const int None = -1;

    private readonly int[] _heads = new int[Buckets];
    private readonly ulong[] _occupied = new ulong[Buckets / 64];
    private Entry[] _entries = [];
    private long _bucket;

    public TimerWheel(long nowMilliseconds)
    {
        Array.Fill(_heads, None);
        _bucket = nowMilliseconds >> BucketMillisecondsShift;
    }

    /// <summary>Makes room for indexes below <paramref name="count"/>.</summary>
    public void Grow(int count)
    {
        int old = _entries.Length;
        if (count <= old)
            return;
        Array.Resize(ref _entries, Math.Max(count, Math.Max(256, old * 2)));
        for (int i = old; i < _entries.Length; i++)
            _entries[i].Bucket = None;
    }

    /// <summary>Sets or moves the timer of an index; a deadline that has passed fires at the next advance.</summary>
    public void Set(int index, long deadlineMilliseconds)
    {
        Clear(index);

        // Rounded up: a timer never fires early.
        long due = (deadlineMilliseconds + (1 << BucketMillisecondsShift) - 1) >> BucketMillisecondsShift;
        long ticks = Math.Clamp(due - _bucket, 1, Buckets - 1);
        int bucket = (int)((_bucket + ticks) & (Buckets - 1));
        ref Entry entry = ref _entries[index];
        entry.Bucket = bucket;
        entry.Deadline = deadlineMilliseconds;
        entry.Previous = None;
        entry.Next = _heads[bucket];
        if (entry.Next != None)
            _entries[entry.Next].Previous = index;
        _heads[bucket] = index;
        _occupied[bucket >> 6] |= 1ul << (bucket & 63);
    }

    /// <summary>Moves the timer only if the new deadline comes earlier than the one it has.</summary>
    public void SetEarlier(int index, long deadlineMilliseconds)
    {
        if (_entries[index].Bucket == None || deadlineMilliseconds < _entries[index].Deadline)
            Set(index, deadlineMilliseconds);
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
        if (_heads[entry.Bucket] == None)
            _occupied[entry.Bucket >> 6] &= ~(1ul << (entry.Bucket & 63));
        entry.Bucket = None;
    }

    /// <summary>The next index whose time has come, its timer cleared; false when there is none up to now.</summary>
    public bool TryFire(long nowMilliseconds, out int index)
    {
        long now = nowMilliseconds >> BucketMillisecondsShift;
        while (true)
        {
            index = _heads[(int)(_bucket & (Buckets - 1))];
            if (index != None)
            {
                long deadline = _entries[index].Deadline;
                if (deadline > nowMilliseconds)
                {
                    // It lay beyond the horizon.
                    Set(index, deadline);
                    continue;
                }

                Clear(index);
                return true;
            }

            if (_bucket >= now)
                return false;

            // After a long pause every bucket has been passed once; more rounds would find nothing.
            _bucket = Math.Max(_bucket + 1, now - Buckets + 1);
        }
    }

    /// <summary>When the next bucket with a timer is due; <see cref="long.MaxValue"/> when there is none.</summary>
    public long NextDeadline
    {
        get
        {
            int start = (int)(_bucket & (Buckets - 1));
            for (int i = 0; i <= _occupied.Length; i++)
            {
                int word = ((start >> 6) + i) & (_occupied.Length - 1);
                ulong bits = _occupied[word];
                if (i == 0)
                    bits &= ulong.MaxValue << (start & 63);
                if (bits == 0)
                    continue;
                int bucket = (word << 6) + BitOperations.TrailingZeroCount(bits);
                return (_bucket + ((bucket - start) & (Buckets - 1))) << BucketMillisecondsShift;
            }

            return long.MaxValue;
        }
    }

    private struct Entry
    {
        public long Deadline;
        public int Bucket;
        public int Next;
        public int Previous;
    }
}
