using System.Buffers.Binary;
using FastExit.Memory;

namespace FastExit.IpPacketRouter;

/// <summary>
/// What waits for one client: one open bundle that packets are written into where they will be sent from, and closed bundles in order,
/// threaded through their slots' headers. Regular slots of the core's own pool only. A bundle is a run of 2-byte lengths and packets
/// (ipr.md §2.1). Default is empty.
/// </summary>
internal struct DownlinkQueue
{
    /// <summary>Length prefix of a packet in a bundle.</summary>
    public const int PrefixBytes = 2;

    private SlotHandle _head;
    private SlotHandle _tail;
    private SlotHandle _open;
    private int _openStart;
    private int _openEnd;
    private int _closedBytes;
    private long _openSince;

    /// <summary>Closed bundles.</summary>
    public int Closed { get; private set; }

    public readonly bool HasOpen => !_open.IsNone;

    public readonly bool IsEmpty => Closed == 0 && _open.IsNone;

    /// <summary>Bundle bytes, closed and open.</summary>
    public readonly int Bytes => _closedBytes + (_openEnd - _openStart);

    public readonly int Slots => Closed + (_open.IsNone ? 0 : 1);

    /// <summary>Whether a packet still fits the open bundle.</summary>
    public readonly bool Fits(int packetBytes, int bundleLimit) =>
        HasOpen && _openEnd - _openStart + PrefixBytes + packetBytes <= bundleLimit;

    /// <summary>Makes a slot the open bundle, which begins at <paramref name="offset"/>; there must be none.</summary>
    public void Begin(SlotHandle slot, int offset, long nowMilliseconds)
    {
        _open = slot;
        _openStart = offset;
        _openEnd = offset;
        _openSince = nowMilliseconds;
    }

    /// <summary>Where the next packet goes; <see cref="Commit"/> makes it part of the bundle.</summary>
    public readonly Span<byte> Place(CoreMemory memory, int packetBytes) =>
        memory.Slot(_open).Slice(_openEnd + PrefixBytes, packetBytes);

    public void Commit(CoreMemory memory, int packetBytes)
    {
        BinaryPrimitives.WriteUInt16BigEndian(memory.Slot(_open)[_openEnd..], (ushort)packetBytes);
        _openEnd += PrefixBytes + packetBytes;
    }

    /// <summary>Puts the open bundle behind the closed ones; an empty one is freed.</summary>
    public void Close(CoreMemory memory)
    {
        if (_open.IsNone)
            return;
        SlotHandle slot = _open;
        int bytes = _openEnd - _openStart;
        _open = SlotHandle.None;
        int start = _openStart;
        _openStart = _openEnd = 0;
        if (bytes == 0)
        {
            memory.Free(slot);
            return;
        }

        ref SlotHeader header = ref memory.Header(slot);
        header.ContentOffset = start;
        header.ContentBytes = bytes;
        header.Created = _openSince;
        header.Next = SlotHandle.None;
        if (_tail.IsNone)
            _head = slot;
        else
            memory.Header(_tail).Next = slot;
        _tail = slot;
        Closed++;
        _closedBytes += bytes;
    }

    /// <summary>When the first packet of the oldest closed bundle came; only when there is one.</summary>
    public readonly long OldestSince(CoreMemory memory) => memory.Header(_head).Created;

    /// <summary>Takes the oldest closed bundle; the caller owns its slot.</summary>
    public bool TryTake(CoreMemory memory, out SlotHandle slot, out int offset, out int bytes)
    {
        slot = _head;
        if (Closed == 0)
        {
            offset = bytes = 0;
            return false;
        }

        ref SlotHeader header = ref memory.Header(slot);
        offset = header.ContentOffset;
        bytes = header.ContentBytes;
        _head = header.Next;
        if (_head.IsNone)
            _tail = SlotHandle.None;
        Closed--;
        _closedBytes -= bytes;
        return true;
    }

    /// <summary>Frees everything; returns how many bundles that were.</summary>
    public int Clear(CoreMemory memory)
    {
        Close(memory);
        int cleared = 0;
        while (TryTake(memory, out SlotHandle slot, out _, out _))
        {
            memory.Free(slot);
            cleared++;
        }

        return cleared;
    }
}
