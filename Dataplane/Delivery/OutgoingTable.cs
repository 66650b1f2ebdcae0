using FastExit.Memory;

namespace FastExit.Delivery;

internal enum OutgoingState : byte
{
    Free,

    /// <summary>In the queue of packets to build.</summary>
    Ready,

    /// <summary>In its peer's queue, until SURBs arrive.</summary>
    Parked,

    /// <summary>Sent; its ack is awaited.</summary>
    Waiting,
}

/// <summary>One fragment on its way to a client: its plaintext stays in <see cref="Slot"/> until it is acknowledged or given up.</summary>
internal struct Outgoing
{
    /// <summary>What the ack of a packet bears that nothing waits for: fragments are counted from 1.</summary>
    public const byte UnawaitedPosition = 0;

    public OutgoingState State;

    /// <summary>Sent once; forgotten as soon as it left.</summary>
    public bool IsUnawaited;

    /// <summary>Asks for SURBs; may use the reserve.</summary>
    public bool IsSurbRequest;
    public byte Position;
    public byte Transmissions;

    /// <summary>How often it may be sent again.</summary>
    public int Retransmissions;
    public int Peer;
    public uint SetId;
    public SlotHandle Slot;

    /// <summary>Where, in the slot, the fragment begins.</summary>
    public int FragmentOffset;

    /// <summary>Place of its ack in the <see cref="AckPool"/>, or none.</summary>
    public int PooledAck;
    public long Connection;
    public long Created;
    public long SentAt;
    public long FirstSentAt;
    public long Deadline;
    public int Previous;
    public int Next;
}

/// <summary>FIFO of entries of an <see cref="OutgoingTable"/>.</summary>
internal struct OutgoingQueue
{
    public int Head;
    public int Tail;
    public int Count;

    public static OutgoingQueue Empty => new() { Head = OutgoingTable.None, Tail = OutgoingTable.None };
}

/// <summary>Every fragment that is not finally delivered, bounded; found again by set id and position when its ack comes.</summary>
internal sealed class OutgoingTable
{
    public const int None = -1;

    private readonly Outgoing[] _entries;
    private readonly Dictionary<ulong, int> _byFragment;
    private int _free;

    public OutgoingTable(int capacity)
    {
        _entries = new Outgoing[capacity];
        _byFragment = new Dictionary<ulong, int>(capacity);
        for (int i = 0; i < capacity; i++)
            _entries[i].Next = i + 1 < capacity ? i + 1 : None;
    }

    public ref Outgoing this[int index] => ref _entries[index];

    public int Available => _entries.Length - _byFragment.Count;

    public int Count => _byFragment.Count;

    /// <summary>False: full, or the fragment is under way already.</summary>
    public bool TryOpen(uint setId, byte position, out int index)
    {
        index = _free;
        if (index == None || !_byFragment.TryAdd(Key(setId, position), index))
            return false;
        _free = _entries[index].Next;
        _entries[index] = new Outgoing
        {
            SetId = setId,
            Position = position,
            PooledAck = AckPool.None,
            Next = None,
            Previous = None,
        };
        return true;
    }

    public bool TryFind(uint setId, byte position, out int index) =>
        _byFragment.TryGetValue(Key(setId, position), out index);

    /// <summary>The entry stands in no queue.</summary>
    public void Close(int index)
    {
        ref Outgoing entry = ref _entries[index];
        _byFragment.Remove(Key(entry.SetId, entry.Position));
        entry = default;
        entry.Next = _free;
        _free = index;
    }

    public void Append(ref OutgoingQueue queue, int index)
    {
        ref Outgoing entry = ref _entries[index];
        entry.Next = None;
        entry.Previous = queue.Tail;
        if (queue.Tail == None)
            queue.Head = index;
        else
            _entries[queue.Tail].Next = index;
        queue.Tail = index;
        queue.Count++;
    }

    public void Remove(ref OutgoingQueue queue, int index)
    {
        ref Outgoing entry = ref _entries[index];
        if (entry.Previous == None)
            queue.Head = entry.Next;
        else
            _entries[entry.Previous].Next = entry.Next;
        if (entry.Next == None)
            queue.Tail = entry.Previous;
        else
            _entries[entry.Next].Previous = entry.Previous;
        entry.Next = entry.Previous = None;
        queue.Count--;
    }

    private static ulong Key(uint setId, byte position) => ((ulong)setId << 8) | position;
}
