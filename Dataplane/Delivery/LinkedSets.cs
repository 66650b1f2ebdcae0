using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Memory;

namespace FastExit.Delivery;

/// <summary>
/// Complete sets that are parts of a longer message (over 409 kB with regular packets; end-to-end.md §3.4) wait here for their
/// neighbours. One core keeps them for all, since set ids are independent of each other. A message is handed on when an unbroken
/// chain from a set without predecessor to one without successor is there and every link agrees from both sides.
/// </summary>
internal sealed class LinkedSets
{
    private const int MaximumWaiting = 64;

    private readonly CoreMemory _memory;
    private readonly CoreCounters _counters;
    private readonly AssembledSet[] _waiting = new AssembledSet[MaximumWaiting];
    private readonly long[] _since = new long[MaximumWaiting];
    private readonly int[] _chain = new int[MaximumWaiting];
    private readonly long _ageMilliseconds;
    private readonly int _maximumMessageBytes;
    private int _count;

    public LinkedSets(CoreMemory memory, DeliverySettings settings, CoreCounters counters)
    {
        _memory = memory;
        _counters = counters;
        _ageMilliseconds = (long)settings.SetAge.TotalMilliseconds;
        _maximumMessageBytes = settings.MaximumMessageBytes;
    }

    public int Count => _count;

    /// <summary>Takes the set's slot. True: <paramref name="message"/> is a whole message in a slot of this core.</summary>
    public bool TryComplete(in AssembledSet set, long now, out AssembledSet message)
    {
        message = default;
        if (set.PreviousSetId == set.SetId || set.NextSetId == set.SetId
            || (set.PreviousSetId != 0 && set.PreviousSetId == set.NextSetId))
        {
            _counters.Increment(Counter.Delivery_CyclicLink);
            _memory.Free(set.Slot);
            return false;
        }

        for (int i = 0; i < _count; i++)
        {
            if (_waiting[i].SetId == set.SetId)
            {
                _counters.Increment(Counter.Delivery_DuplicateFragment);
                _memory.Free(set.Slot);
                return false;
            }
        }

        if (_count == MaximumWaiting)
        {
            _counters.Increment(Counter.Delivery_SetsEvicted);
            Drop(Oldest());
        }

        _waiting[_count] = set;
        _since[_count] = now;
        int last = _count++;

        int first = last;
        int steps = 0;
        while (_waiting[first].PreviousSetId != 0)
        {
            int previous = Find(_waiting[first].PreviousSetId);
            if (previous < 0)
                return false;
            if (_waiting[previous].NextSetId != _waiting[first].SetId)
            {
                _counters.Increment(Counter.Delivery_ContradictoryLink);
                Drop(last);
                return false;
            }

            first = previous;
            if (++steps > _count)
            {
                _counters.Increment(Counter.Delivery_CyclicLink);
                Drop(last);
                return false;
            }
        }

        long bytes = 0;
        int length = 0;
        for (int at = first; ;)
        {
            _chain[length++] = at;
            bytes += _waiting[at].Bytes;
            if (_waiting[at].NextSetId == 0)
                break;
            int next = Find(_waiting[at].NextSetId);
            if (next < 0)
                return false;
            if (_waiting[next].PreviousSetId != _waiting[at].SetId || length == MaximumWaiting)
            {
                _counters.Increment(Counter.Delivery_ContradictoryLink);
                Drop(last);
                return false;
            }

            at = next;
        }

        return TryJoin(length, bytes, out message);
    }

    public void Tick(long now)
    {
        for (int i = _count - 1; i >= 0; i--)
        {
            if (now - _since[i] > _ageMilliseconds)
            {
                _counters.Increment(Counter.Delivery_SetsExpired);
                Drop(i);
            }
        }
    }

    private bool TryJoin(int length, long bytes, out AssembledSet message)
    {
        message = default;
        SlotHandle slot = default;
        if (bytes > _maximumMessageBytes || !SlotPool.TryAssemblyClass(bytes, out SlotClass slotClass))
            _counters.Increment(Counter.Delivery_MessageTooLarge);
        else if (!_memory.Own.TryRent(slotClass, out slot))
            _counters.Increment(Counter.Delivery_AssemblyMemoryExhausted);

        if (!slot.IsNone)
        {
            Span<byte> target = _memory.Slot(slot)[SlotHeader.Bytes..];
            for (int i = 0; i < length; i++)
            {
                ref readonly AssembledSet part = ref _waiting[_chain[i]];
                _memory.Slot(part.Slot).Slice(part.Offset, part.Bytes).CopyTo(target);
                target = target[part.Bytes..];
            }

            message = new AssembledSet(slot, SlotHeader.Bytes, (int)bytes, _waiting[_chain[0]].SetId, 0, 0);
        }

        // From the highest index down: removal moves the last entry into the hole.
        Array.Sort(_chain, 0, length);
        for (int i = length - 1; i >= 0; i--)
            Drop(_chain[i]);
        return !slot.IsNone;
    }

    private int Find(uint setId)
    {
        for (int i = 0; i < _count; i++)
        {
            if (_waiting[i].SetId == setId)
                return i;
        }

        return -1;
    }

    private int Oldest()
    {
        int oldest = 0;
        for (int i = 1; i < _count; i++)
        {
            if (_since[i] < _since[oldest])
                oldest = i;
        }

        return oldest;
    }

    private void Drop(int index)
    {
        _memory.Free(_waiting[index].Slot);
        _waiting[index] = _waiting[--_count];
        _since[index] = _since[_count];
    }
}
