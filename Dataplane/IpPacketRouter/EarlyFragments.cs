using FastExit.IpPacketRouter.Packets;
using FastExit.Memory;
using FastExit.Policy;

namespace FastExit.IpPacketRouter;

/// <summary>
/// Later fragments that overtook their first one: the mixnet keeps no order, and only the first says what is asked for. They wait a few
/// for each session, for at most <see cref="LifetimeMilliseconds"/>: in the slot they came in, or, when that is a large one, copied out
/// of it, so that nobody holds a large slot by a small fragment. Full, the session that has most waiting loses its oldest.
/// Allocates at construction alone.
/// </summary>
/// <param name="memory">The core's slots.</param>
/// <param name="references">Shared with whoever else reads the slots.</param>
/// <param name="sessions">Sessions are 0 to this.</param>
internal sealed class EarlyFragments(CoreMemory memory, SlotReferences references, int sessions)
{
    public const int Capacity = 128;

    /// <summary>A datagram of 65,535 bytes has 44 later fragments of a tunnel's usual size.</summary>
    public const int PerSession = 48;

    public const long LifetimeMilliseconds = 3000;

    private readonly Entry[] _entries = new Entry[Capacity];
    private readonly byte[] _waiting = new byte[sessions];
    private int _count;

    public int Count => _count;

    /// <summary>False: this session has its share waiting already, or there is no slot to copy it to.</summary>
    /// <param name="session">Whose it is.</param>
    /// <param name="slot">Where the packet lies.</param>
    /// <param name="offset">Its place there.</param>
    /// <param name="ip">The fragment.</param>
    /// <param name="now">The core's clock.</param>
    /// <param name="displaced">Another one was given up for it.</param>
    public bool TryHold(int session, SlotHandle slot, int offset, in IpPacket ip, long now, out bool displaced)
    {
        displaced = false;
        if (_waiting[session] >= PerSession || !TryKeep(ref slot, ref offset, ip.Bytes))
            return false;
        if (_count == Capacity)
        {
            displaced = true;
            RemoveAt(OldestOfLargest(session));
        }

        _entries[_count++] = new Entry(session, slot, offset, ip, now + LifetimeMilliseconds);
        _waiting[session]++;
        return true;
    }

    /// <summary>Hands out one that waited and whose verdict is known by now; the caller releases the slot.</summary>
    public bool TryTakeJudged(
        FragmentCache verdicts, NumericAddress source, long now, out SlotHandle slot, out int offset, out int bytes, out bool accepted)
    {
        for (int i = 0; i < _count; i++)
        {
            ref readonly Entry entry = ref _entries[i];
            if (entry.Ip.Source != source || !verdicts.TryFind(entry.Ip, now, out accepted))
                continue;
            (slot, offset, bytes) = (entry.Slot, entry.Offset, entry.Ip.Bytes);
            references.Add(slot);
            RemoveAt(i);
            return true;
        }

        (slot, offset, bytes, accepted) = (default, 0, 0, false);
        return false;
    }

    /// <summary>Gives up those whose first fragment did not come in time; how many.</summary>
    public int Expire(long now)
    {
        int expired = 0;
        for (; _count > 0 && _entries[0].Expires <= now; expired++)
            RemoveAt(0);
        return expired;
    }

    /// <summary>Gives up those of a session that ends; how many.</summary>
    public int Drop(int session)
    {
        int dropped = 0;
        for (int i = _count - 1; i >= 0 && _waiting[session] > 0; i--)
        {
            if (_entries[i].Session != session)
                continue;
            RemoveAt(i);
            dropped++;
        }

        return dropped;
    }

    public void Clear()
    {
        while (_count > 0)
            RemoveAt(_count - 1);
    }

    private bool TryKeep(ref SlotHandle slot, ref int offset, int bytes)
    {
        if (slot.Class == SlotClass.Regular)
        {
            references.Add(slot);
            return true;
        }

        if (bytes > SlotPool.RegularBytes - SlotHeader.Bytes || !memory.Own.TryRent(SlotClass.Regular, out SlotHandle copy))
            return false;
        memory.Slot(slot).Slice(offset, bytes).CopyTo(memory.Slot(copy)[SlotHeader.Bytes..]);
        references.Begin(copy);
        (slot, offset) = (copy, SlotHeader.Bytes);
        return true;
    }

    // The newcomer's own session when nobody has more.
    private int OldestOfLargest(int newcomer)
    {
        int most = 0;
        for (int i = 0; i < _count; i++)
            most = Math.Max(most, _waiting[_entries[i].Session]);
        bool own = _waiting[newcomer] == most;
        int oldest = 0;
        while (own ? _entries[oldest].Session != newcomer : _waiting[_entries[oldest].Session] != most)
            oldest++;
        return oldest;
    }

    private void RemoveAt(int index)
    {
        references.Release(_entries[index].Slot);
        _waiting[_entries[index].Session]--;
        _count--;
        Array.Copy(_entries, index + 1, _entries, index, _count - index);
    }

    private readonly record struct Entry(int Session, SlotHandle Slot, int Offset, IpPacket Ip, long Expires);
}
