using FastExit.IpPacketRouter.Packets;
using FastExit.Memory;
using FastExit.Policy;

namespace FastExit.IpPacketRouter;

/// <summary>
/// Later fragments that overtook their first one: the mixnet keeps no order, and only the first says what is asked for. They wait where
/// they lie, a few for each client, for at most <see cref="LifetimeMilliseconds"/>; full, the oldest gives way. Allocates at construction alone.
/// </summary>
internal sealed class EarlyFragments(SlotReferences references)
{
    public const int Capacity = 128;

    /// <summary>A datagram of 65,535 bytes has 44 later fragments of a tunnel's usual size.</summary>
    public const int PerSource = 48;

    public const long LifetimeMilliseconds = 3000;

    private readonly Entry[] _entries = new Entry[Capacity];
    private int _count;

    public int Count => _count;

    /// <summary>Keeps a reference to the slot. False: this source has its share waiting already.</summary>
    /// <param name="slot">Where the packet lies.</param>
    /// <param name="offset">Its place there.</param>
    /// <param name="ip">The fragment.</param>
    /// <param name="now">The core's clock.</param>
    /// <param name="displaced">The oldest one was given up for it.</param>
    public bool TryHold(SlotHandle slot, int offset, in IpPacket ip, long now, out bool displaced)
    {
        displaced = false;
        int own = 0;
        for (int i = 0; i < _count; i++)
        {
            if (_entries[i].Ip.Source == ip.Source)
                own++;
        }

        if (own >= PerSource)
            return false;
        if (_count == Capacity)
        {
            displaced = true;
            RemoveAt(0);
        }

        references.Add(slot);
        _entries[_count++] = new Entry(slot, offset, ip, now + LifetimeMilliseconds);
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

    public void Clear()
    {
        while (_count > 0)
            RemoveAt(_count - 1);
    }

    private void RemoveAt(int index)
    {
        references.Release(_entries[index].Slot);
        _count--;
        Array.Copy(_entries, index + 1, _entries, index, _count - index);
    }

    private readonly record struct Entry(SlotHandle Slot, int Offset, IpPacket Ip, long Expires);
}
