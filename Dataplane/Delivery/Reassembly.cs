using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Memory;

namespace FastExit.Delivery;

/// <summary>A complete set: its bytes lie in <see cref="Slot"/>, which the receiver owns.</summary>
internal readonly record struct AssembledSet(
    SlotHandle Slot, int Offset, int Bytes, uint SetId, uint PreviousSetId, uint NextSetId)
{
    public bool IsLinked => PreviousSetId != 0 || NextSetId != 0;
}

internal enum FragmentVerdict : byte
{
    /// <summary>Kept; the set is not complete.</summary>
    Stored,

    /// <summary>The set is complete.</summary>
    Completed,

    /// <summary>Dropped for good: a duplicate, or it contradicts its set.</summary>
    Dropped,

    /// <summary>Not taken for want of room: a later copy may fare better.</summary>
    Refused,
}

/// <summary>
/// Puts fragments of one set together (end-to-end.md §3.5). Every fragment is copied once, to the place that its position gives it,
/// so a complete set is one run of bytes in one assembly slot and its packet slots were free at once.
/// <para>
/// Limits: sets, bytes (the pool's assembly slots), age. A new set evicts the one that heard nothing for longest. A fragment whose
/// total, size or link contradicts its set is dropped; so is a duplicate.
/// </para>
/// </summary>
internal sealed class Reassembly
{
    private const int UnlinkedHeaderBytes = 7;
    private const int LinkedHeaderBytes = 10;
    private const int LinkBytes = LinkedHeaderBytes - UnlinkedHeaderBytes;
    private const int None = -1;

    private readonly SlotPool _slots;
    private readonly CoreCounters _counters;
    private readonly Set[] _sets;
    private readonly Dictionary<uint, int> _byId;
    private readonly int _maximumMessageBytes;
    private readonly long _ageMilliseconds;
    private int _free;

    // Sets in order of their last fragment.
    private int _oldest = None;
    private int _newest = None;

    public Reassembly(SlotPool slots, DeliverySettings settings, CoreCounters counters)
    {
        _slots = slots;
        _counters = counters;
        _sets = new Set[settings.MaximumSets];
        _byId = new Dictionary<uint, int>(settings.MaximumSets);
        _maximumMessageBytes = settings.MaximumMessageBytes;
        _ageMilliseconds = (long)settings.SetAge.TotalMilliseconds;
        for (int i = 0; i < _sets.Length; i++)
            _sets[i].Newer = i + 1 < _sets.Length ? i + 1 : None;
    }

    public int Count => _byId.Count;

    /// <param name="header">The fragment's header.</param>
    /// <param name="fragment">Header and body, all of it (end-to-end.md §3.1: A bytes).</param>
    /// <param name="now">The core's clock, milliseconds.</param>
    /// <param name="set">The complete set, if this was its last fragment.</param>
    public FragmentVerdict Add(in FragmentHeader header, ReadOnlySpan<byte> fragment, long now, out AssembledSet set)
    {
        set = default;
        int sliceBytes = fragment.Length - UnlinkedHeaderBytes;
        if (!_byId.TryGetValue(header.SetId, out int index))
        {
            FragmentVerdict opened = TryOpen(header, sliceBytes, now, out index);
            if (opened != FragmentVerdict.Stored)
                return opened;
        }

        ref Set entry = ref _sets[index];
        if (entry.Total != header.Total || entry.SliceBytes != sliceBytes)
        {
            _counters.Increment(Counter.Delivery_ContradictoryFragment);
            return FragmentVerdict.Dropped;
        }

        int position = header.Position - 1;
        ulong bit = 1UL << (position & 63);
        if ((entry.Present[position >> 6] & bit) != 0)
        {
            _counters.Increment(Counter.Delivery_DuplicateFragment);
            return FragmentVerdict.Dropped;
        }

        Span<byte> slot = _slots.Slot(entry.Slot);
        int offset = SlotHeader.Bytes + (position * sliceBytes);
        ReadOnlySpan<byte> body = fragment[header.HeaderBytes..];
        switch (header.Link)
        {
            // The first slice is shorter by the link: it stands right-aligned, so the set stays one run.
            case SetLink.Previous:
                entry.PreviousSetId = header.LinkedSetId;
                offset += LinkBytes;
                break;
            case SetLink.Next:
                entry.NextSetId = header.LinkedSetId;
                break;
        }

        body.CopyTo(slot[offset..]);
        entry.Present[position >> 6] |= bit;
        entry.Count++;
        entry.LastHeard = now;
        Unlink(index);
        LinkNewest(index);
        if (entry.Count < entry.Total)
            return FragmentVerdict.Stored;

        int start = SlotHeader.Bytes + (entry.PreviousSetId != 0 ? LinkBytes : 0);
        int end = SlotHeader.Bytes + (entry.Total * sliceBytes) - (entry.NextSetId != 0 ? LinkBytes : 0);
        set = new AssembledSet(
            entry.Slot, start, end - start, header.SetId, entry.PreviousSetId, entry.NextSetId);
        entry.Slot = default;
        Remove(index);
        return FragmentVerdict.Completed;
    }

    /// <summary>Drops sets that heard nothing for too long.</summary>
    public void Tick(long now)
    {
        while (_oldest != None && now - _sets[_oldest].LastHeard > _ageMilliseconds)
        {
            _counters.Increment(Counter.Delivery_SetsExpired);
            Remove(_oldest);
        }
    }

    private FragmentVerdict TryOpen(in FragmentHeader header, int sliceBytes, long now, out int index)
    {
        index = None;
        long bytes = (long)header.Total * sliceBytes;
        if (bytes > _maximumMessageBytes || !SlotPool.TryAssemblyClass(bytes, out SlotClass slotClass))
        {
            _counters.Increment(Counter.Delivery_MessageTooLarge);
            return FragmentVerdict.Dropped;
        }

        if (_free == None)
            Evict(_oldest);
        if (!TryRent(slotClass, out SlotHandle slot))
        {
            _counters.Increment(Counter.Delivery_AssemblyMemoryExhausted);
            return FragmentVerdict.Refused;
        }

        index = _free;
        _free = _sets[index].Newer;
        _sets[index] = new Set
        {
            SetId = header.SetId,
            Slot = slot,
            Total = header.Total,
            SliceBytes = sliceBytes,
            LastHeard = now,
        };
        _byId[header.SetId] = index;
        LinkNewest(index);
        return FragmentVerdict.Stored;
    }

    /// <summary>A slot of that class or, at need, of the next larger; else the stalest set of such a class gives way.</summary>
    private bool TryRent(SlotClass wanted, out SlotHandle slot)
    {
        for (SlotClass c = wanted; c <= SlotClass.Assembly4M; c++)
        {
            if (_slots.TryRent(c, out slot))
                return true;
        }

        for (int i = _oldest; i != None; i = _sets[i].Newer)
        {
            SlotClass held = _sets[i].Slot.Class;
            if (held < wanted)
                continue;
            Evict(i);
            return _slots.TryRent(held, out slot);
        }

        slot = default;
        return false;
    }

    private void Evict(int index)
    {
        _counters.Increment(Counter.Delivery_SetsEvicted);
        Remove(index);
    }

    private void Remove(int index)
    {
        ref Set entry = ref _sets[index];
        Unlink(index);
        _byId.Remove(entry.SetId);
        if (!entry.Slot.IsNone)
            _slots.Free(entry.Slot);
        entry = default;
        entry.Newer = _free;
        _free = index;
    }

    private void LinkNewest(int index)
    {
        ref Set entry = ref _sets[index];
        entry.Older = _newest;
        entry.Newer = None;
        if (_newest != None)
            _sets[_newest].Newer = index;
        else
            _oldest = index;
        _newest = index;
    }

    private void Unlink(int index)
    {
        ref Set entry = ref _sets[index];
        if (entry.Older != None)
            _sets[entry.Older].Newer = entry.Newer;
        else
            _oldest = entry.Newer;
        if (entry.Newer != None)
            _sets[entry.Newer].Older = entry.Older;
        else
            _newest = entry.Older;
    }

    [System.Runtime.CompilerServices.InlineArray(4)]
    private struct PositionBits
    {
        private ulong _first;
    }

    private struct Set
    {
        public uint SetId;
        public uint PreviousSetId;
        public uint NextSetId;
        public SlotHandle Slot;
        public int Total;
        public int Count;
        public int SliceBytes;
        public int Older;
        public int Newer;
        public long LastHeard;
        public PositionBits Present;
    }
}
