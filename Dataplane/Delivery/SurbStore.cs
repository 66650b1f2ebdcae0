using FastExit.Configuration;
using FastExit.Crypto.EndToEnd;
using FastExit.Native.Memory;

namespace FastExit.Delivery;

/// <summary>A client's SURBs: a FIFO threaded through a <see cref="SurbStore"/>.</summary>
internal struct SurbQueue
{
    public int Head;
    public int Tail;
    public int Count;

    public static SurbQueue Empty => new() { Head = SurbStore.None, Tail = SurbStore.None };
}

/// <summary>
/// All reply SURBs of one core in one pinned region of fixed size (end-to-end.md §2.3, §8): entries of 480 bytes for SURBs with key
/// seeds, of 1,168 bytes for those with full payload keys. Full: the newcomer is dropped. An entry is wiped when it is freed, for it
/// holds reply keys.
/// </summary>
internal sealed class SurbStore : IDisposable
{
    public const int None = -1;
    private const int SeedEntryBytes = 480;
    private const int KeyEntryBytes = 1168;

    // One byte in eight for the older form, which no current client sends by default.
    private const int KeyShare = 8;

    private readonly PinnedRegion _region;
    private readonly int _seedEntries;
    private readonly long _keyStart;
    private readonly Entry[] _entries;
    private int _freeSeed;
    private int _freeKey;

    public SurbStore(DeliverySettings settings, bool hugePages)
    {
        long keyBytes = settings.SurbBytes / KeyShare;
        _seedEntries = (int)Math.Max(1, (settings.SurbBytes - keyBytes) / SeedEntryBytes);
        int keyEntries = (int)Math.Max(1, keyBytes / KeyEntryBytes);
        _keyStart = (long)_seedEntries * SeedEntryBytes;
        _region = PinnedRegion.Allocate(_keyStart + ((long)keyEntries * KeyEntryBytes), hugePages);
        _entries = new Entry[_seedEntries + keyEntries];
        _freeSeed = Chain(0, _seedEntries);
        _freeKey = Chain(_seedEntries, _entries.Length);
    }

    public int Count { get; private set; }

    /// <summary>False: no room, or longer than any SURB.</summary>
    public bool TryAdd(ref SurbQueue queue, ReadOnlySpan<byte> replySurb, KeyRotation rotation, long now)
    {
        ref int free = ref _freeSeed;
        if (replySurb.Length > SeedEntryBytes)
            free = ref _freeKey;
        if (free == None || replySurb.Length > KeyEntryBytes)
            return false;
        int id = free;
        free = _entries[id].Next;
        _entries[id] = new Entry { Next = None, Bytes = (ushort)replySurb.Length, Rotation = rotation, Received = now };
        replySurb.CopyTo(Bytes(id, replySurb.Length));
        Append(ref queue, id);
        Count++;
        return true;
    }

    /// <summary>The oldest SURB leaves the queue; the caller frees it after use.</summary>
    public int Take(ref SurbQueue queue)
    {
        int id = queue.Head;
        if (id == None)
            return None;
        queue.Head = _entries[id].Next;
        if (queue.Head == None)
            queue.Tail = None;
        queue.Count--;
        return id;
    }

    public ReadOnlySpan<byte> Surb(int id) => Bytes(id, _entries[id].Bytes);

    public KeyRotation Rotation(int id) => _entries[id].Rotation;

    public void Free(int id)
    {
        Bytes(id, _entries[id].Bytes).Clear();
        if (id < _seedEntries)
        {
            _entries[id].Next = _freeSeed;
            _freeSeed = id;
        }
        else
        {
            _entries[id].Next = _freeKey;
            _freeKey = id;
        }

        Count--;
    }

    /// <summary>Frees those at the front of the queue that came before <paramref name="received"/>; returns how many.</summary>
    public int Expire(ref SurbQueue queue, long received)
    {
        int expired = 0;
        while (queue.Head != None && _entries[queue.Head].Received < received)
        {
            Free(Take(ref queue));
            expired++;
        }

        return expired;
    }

    /// <summary>Moves those made for another key rotation than <paramref name="current"/>; of unknown rotation counts as current.</summary>
    public void MoveOutdated(ref SurbQueue queue, ref SurbQueue outdated, KeyRotation current)
    {
        for (int left = queue.Count; left > 0; left--)
        {
            int id = Take(ref queue);
            if (IsOutdated(_entries[id].Rotation, current))
                Append(ref outdated, id);
            else
                Append(ref queue, id);
        }
    }

    public static bool IsOutdated(KeyRotation rotation, KeyRotation current) =>
        rotation != KeyRotation.Unknown && current != KeyRotation.Unknown && rotation != current;

    /// <summary>Frees all; returns how many.</summary>
    public int Clear(ref SurbQueue queue)
    {
        int freed = queue.Count;
        while (queue.Head != None)
            Free(Take(ref queue));
        return freed;
    }

    public void Dispose() => _region.Dispose();

    private Span<byte> Bytes(int id, int length) => _region.Slice(
        id < _seedEntries ? (long)id * SeedEntryBytes : _keyStart + ((long)(id - _seedEntries) * KeyEntryBytes), length);

    private void Append(ref SurbQueue queue, int id)
    {
        _entries[id].Next = None;
        if (queue.Tail == None)
            queue.Head = id;
        else
            _entries[queue.Tail].Next = id;
        queue.Tail = id;
        queue.Count++;
    }

    private int Chain(int first, int end)
    {
        for (int i = first; i < end; i++)
            _entries[i].Next = i + 1 < end ? i + 1 : None;
        return first;
    }

    private struct Entry
    {
        public int Next;
        public ushort Bytes;
        public KeyRotation Rotation;
        public long Received;
    }
}
