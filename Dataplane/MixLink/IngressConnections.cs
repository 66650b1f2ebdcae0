using System.Runtime.CompilerServices;
using FastExit.Memory;

namespace FastExit.MixLink;

internal enum IngressState : byte
{
    Free,
    Open,

    /// <summary>Its receive is being cancelled.</summary>
    Closing,

    /// <summary>Its descriptor is being closed.</summary>
    Closed,
}

/// <summary>How the peer speaks.</summary>
internal enum LinkProtocol : byte
{
    /// <summary>Its first byte will tell.</summary>
    Unknown,
    Plain,
    Handshake,
    Noise,
}

/// <summary>One connection of a mix node: where its stream stands.</summary>
internal struct IngressConnection
{
    public IngressState State;
    public LinkProtocol Protocol;
    public bool Armed;

    /// <summary>An answer of the handshake is under way to the socket.</summary>
    public bool Sending;

    /// <summary>Its address is announced by a node that has a Noise key.</summary>
    public bool IsNoiseNode;

    /// <summary>Null but on encrypted links.</summary>
    public NoiseReceiver? Receiver;

    /// <summary>When the record or the handshake under way began.</summary>
    public long RecordStarted;

    /// <summary>Bad framing inside a record: it counts once the record proved genuine.</summary>
    public FrameStatus Fault;

    /// <summary>Complete frames of the record under way, with or without a slot, and those slots.</summary>
    public int HeldFrames;
    public SlotHandle HeldHead;
    public SlotHandle HeldTail;
    public SlotCounts Slots;


    /// <summary>Stands in the list of connections whose receive must be armed again.</summary>
    public bool Queued;

    /// <summary>Completed a frame once.</summary>
    public bool IsProven;
    public byte HeaderBytes;
    public uint Header;
    public uint Generation;
    public int Direct;

    /// <summary>None in the middle of a frame: there was no slot for it, or it had to give way.</summary>
    public SlotHandle Slot;
    public int PacketBytes;
    public int PacketFilled;
    public FrameHeader Frame;
    public long FrameStarted;

    /// <summary>When the last frame was complete; when it was accepted, before the first.</summary>
    public long LastFrame;

    public readonly bool IsInFrame => HeaderBytes > 0 || PacketBytes > 0;

    /// <summary>Slots it holds, by class.</summary>
    [InlineArray(IngressConnections.Classes)]
    public struct SlotCounts
    {
        private ushort _first;
    }
}

/// <summary>
/// The connections of one <see cref="MixIngress"/>, and who gives way when there are too many of them or too few slots: the one that
/// has been silent for longest, the partial frame that began first, and those that never completed a frame before those that did. So
/// whoever opens connections or begins frames and leaves it at that hinders nobody but its own kind.
/// </summary>
internal sealed class IngressConnections
{
    /// <summary>A connection that completed a frame within this time does not give way while there is one that never did.</summary>
    public const long ProvenMilliseconds = 60_000;

    // Those that gave way hold a record until the kernel is done with them.
    private const int ClosingRecords = 1024;
    internal const int Classes = 2;
    private const int Kinds = 2;

    private readonly SlotPool _slots;
    private readonly IngressConnection[] _records;
    private readonly int[] _free;
    private readonly IndexLists _silent;
    private readonly IndexLists[] _partial = new IndexLists[Classes];
    private readonly int[] _partials = new int[Classes];
    private readonly int[] _partialLimits = new int[Classes];
    private readonly int _limit;
    private int _freeCount;
    private int _open;

    public IngressConnections(int limit, SlotPool slots)
    {
        _limit = limit;
        _slots = slots;
        _records = new IngressConnection[limit + ClosingRecords];
        _free = new int[_records.Length];
        for (int i = 0; i < _free.Length; i++)
            _free[_freeCount++] = _free.Length - 1 - i;
        _silent = new IndexLists(_records.Length, Kinds);
        for (int c = 0; c < Classes; c++)
        {
            _partial[c] = new IndexLists(_records.Length, Kinds);
            _partialLimits[c] = Math.Max(1, slots.Total((SlotClass)c) * 3 / 4);
        }
    }

    /// <summary>Records in use, those of connections that are being closed included.</summary>
    public int InUse => _records.Length - _freeCount;

    public int Records => _records.Length;

    public bool IsFull => _open >= _limit;

    /// <summary>Indexes below this were used.</summary>
    public int Touched { get; private set; }

    public ref IngressConnection this[int index] => ref _records[index];

    /// <summary>False: too many are still being closed.</summary>
    public bool TryAdd(int direct, long now, out int index)
    {
        index = IndexLists.None;
        if (_freeCount == 0)
            return false;
        index = _free[--_freeCount];
        Touched = Math.Max(Touched, index + 1);
        ref IngressConnection connection = ref _records[index];
        connection = new IngressConnection
        {
            State = IngressState.Open,
            Direct = direct,
            Generation = connection.Generation,
            LastFrame = now,
        };
        _open++;
        _silent.Append(KindOf(connection), index);
        return true;
    }

    /// <summary>The connection is being closed: its partial frame goes, and its record with <see cref="Return"/>.</summary>
    public void Leave(int index)
    {
        if (_silent.ListOf(index) == IndexLists.None)
            return;
        _silent.Remove(index);
        _open--;
        DropPartial(index);
    }

    /// <summary>The kernel is done with it.</summary>
    public void Return(int index)
    {
        ref IngressConnection connection = ref _records[index];
        connection.State = IngressState.Free;
        connection.Generation++;
        _free[_freeCount++] = index;
    }

    /// <summary>Who makes room for a newcomer: silent for longest, with <see cref="ProvenMilliseconds"/>; or none.</summary>
    public int Silent(long now)
    {
        int unproven = _silent.Oldest(0), proven = _silent.Oldest(1);
        if (unproven == IndexLists.None || proven == IndexLists.None)
            return Math.Max(unproven, proven);
        long since = _records[proven].LastFrame;
        return now - since > ProvenMilliseconds && since < _records[unproven].LastFrame ? proven : unproven;
    }

    /// <summary>A connection that was silent since before that time, or none.</summary>
    public int SilentSince(long time)
    {
        for (int kind = 0; kind < Kinds; kind++)
        {
            int index = _silent.Oldest(kind);
            if (index != IndexLists.None && _records[index].LastFrame < time)
                return index;
        }

        return IndexLists.None;
    }

    /// <summary>
    /// A slot for the frame that begins; whoever has held one for longest loses all of his when partial frames hold three quarters of the
    /// class, or no slot is free.
    /// </summary>
    /// <returns>Frames that gave way.</returns>
    public int RentSlot(int index, SlotClass slotClass)
    {
        int dropped = 0, c = (int)slotClass;
        if (_partials[c] >= _partialLimits[c])
            dropped += DropOldest(slotClass);
        ref IngressConnection connection = ref _records[index];
        if (!_slots.TryRent(slotClass, out connection.Slot))
        {
            int more = DropOldest(slotClass);
            dropped += more;
            if (more == 0 || !_slots.TryRent(slotClass, out connection.Slot))
                return dropped;
        }

        _partials[c]++;
        if (connection.Slots[c]++ == 0)
            _partial[c].Append(KindOf(connection), index);
        return dropped;
    }

    /// <summary>The connection's frame is complete; its slot, or none, is the caller's.</summary>
    public SlotHandle TakeFrame(int index, long now)
    {
        SlotHandle slot = _records[index].Slot;
        Forget(index, slot);
        _records[index].Slot = default;
        Prove(index, now);
        return slot;
    }

    /// <summary>The frame is complete, but what it came in is not proven yet: its slot waits with the connection.</summary>
    public void HoldFrame(int index)
    {
        ref IngressConnection connection = ref _records[index];
        connection.HeldFrames++;
        SlotHandle slot = connection.Slot;
        connection.Slot = default;
        if (slot.IsNone)
            return;
        _slots.Header(slot).Next = default;
        if (connection.HeldHead.IsNone)
            connection.HeldHead = slot;
        else
            _slots.Header(connection.HeldTail).Next = slot;
        connection.HeldTail = slot;
    }

    /// <summary>The next of the held slots, oldest first; they are the caller's. None: there are no more.</summary>
    public SlotHandle TakeHeld(int index)
    {
        ref IngressConnection connection = ref _records[index];
        SlotHandle slot = connection.HeldHead;
        if (slot.IsNone)
            return slot;
        connection.HeldHead = _slots.Header(slot).Next;
        Forget(index, slot);
        return slot;
    }

    /// <summary>The connection brought a whole frame.</summary>
    public void Prove(int index, long now)
    {
        ref IngressConnection connection = ref _records[index];
        connection.IsProven = true;
        connection.LastFrame = now;
        _silent.Append(KindOf(connection), index);
    }

    private static int KindOf(in IngressConnection connection) => connection.IsProven ? 1 : 0;

    private int DropOldest(SlotClass slotClass)
    {
        IndexLists partial = _partial[(int)slotClass];
        int index = partial.Oldest(0);
        if (index == IndexLists.None)
            index = partial.Oldest(1);
        return index == IndexLists.None ? 0 : DropPartial(index);
    }

    private int DropPartial(int index)
    {
        int dropped = 0;
        ref IngressConnection connection = ref _records[index];
        if (!connection.Slot.IsNone)
        {
            Forget(index, connection.Slot);
            _slots.Free(connection.Slot);
            connection.Slot = default;
            dropped++;
        }

        for (SlotHandle held = TakeHeld(index); !held.IsNone; held = TakeHeld(index), dropped++)
            _slots.Free(held);
        return dropped;
    }

    private void Forget(int index, SlotHandle slot)
    {
        if (slot.IsNone)
            return;
        int c = (int)slot.Class;
        _partials[c]--;
        if (--_records[index].Slots[c] == 0)
            _partial[c].Remove(index);
    }
}
