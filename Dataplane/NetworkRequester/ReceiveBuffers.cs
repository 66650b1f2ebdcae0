using FastExit.Delivery;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.NetworkRequester;

/// <summary>
/// The buffers that destinations' bytes land in: Regular slots, given to the kernel at the offset where the bytes stay when the reply
/// is built around them, behind room for the longest NetworkData header. A buffer's id is its place in the ring, so the buffers of a
/// bundle have consecutive ids.
/// </summary>
internal sealed class ReceiveBuffers : IDisposable
{
    public const ushort Group = 1;

    /// <summary>Offset of the destination's bytes in the slot.</summary>
    public const int DataOffset = ReplyLayout.MessageOffset + MessageSizes.MaximumNetworkDataHeaderBytes;

    /// <summary>Payload of a one-packet NetworkData.</summary>
    public const int DataBytes = ReplyLayout.MaximumInPlaceBytes - MessageSizes.MaximumNetworkDataHeaderBytes;

    private readonly CoreMemory _memory;
    private readonly ProvidedBufferRing _ring;
    private readonly SlotHandle[] _slots;
    private readonly int _mask;
    private uint _tail;

    public ReceiveBuffers(IoRing ring, CoreMemory memory, int entries)
    {
        _memory = memory;
        _ring = new ProvidedBufferRing(ring, Group, entries);
        _slots = new SlotHandle[entries];
        _mask = entries - 1;
        Refill();
    }

    /// <summary>Slots lent to the kernel.</summary>
    public int Lent { get; private set; }

    /// <summary>The slot behind a buffer id, no longer the kernel's.</summary>
    public SlotHandle Take(int bufferId)
    {
        int at = bufferId & _mask;
        SlotHandle slot = _slots[at];
        _slots[at] = SlotHandle.None;
        Lent--;
        return slot;
    }

    /// <summary>Lends slots for those taken, as far as the pool has any. False: some are still missing.</summary>
    public bool Refill()
    {
        bool added = false;

        // A completion not yet seen may still name the place at the tail: then it is not free.
        while (Lent < _slots.Length && _slots[_tail & (uint)_mask].IsNone
            && _memory.Own.TryRent(SlotClass.Regular, out SlotHandle slot))
        {
            int id = (int)(_tail & (uint)_mask);
            _slots[id] = slot;
            _ring.Add(_memory.RegionOf(slot), _memory.OffsetOf(slot) + DataOffset, DataBytes, (ushort)id);
            _tail++;
            Lent++;
            added = true;
        }

        if (added)
            _ring.Publish();
        return Lent == _slots.Length;
    }

    /// <summary>No receive may be in flight.</summary>
    public void Dispose()
    {
        _ring.Dispose();
        for (int i = 0; i < _slots.Length; i++)
        {
            if (!_slots[i].IsNone)
                _memory.Free(Take(i));
        }
    }
}
