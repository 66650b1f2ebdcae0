using FastExit.Native.Memory;

namespace FastExit.Memory;

/// <summary>
/// Slots as one core sees them: its own pool, and the other cores' slots that messages lent to it lie in. A foreign slot is read in
/// place and given back to its owner by ring.
/// </summary>
internal sealed class CoreMemory
{
    private readonly SlotPool[] _pools;
    private readonly SpscRing<SlotHandle>?[] _returns;

    /// <param name="core">Index of this core in <paramref name="pools"/>.</param>
    /// <param name="pools">Every core's pool.</param>
    /// <param name="returns">Ring towards each other core for its slots; null at <paramref name="core"/>.</param>
    public CoreMemory(int core, SlotPool[] pools, SpscRing<SlotHandle>?[] returns)
    {
        Own = pools[core];
        _pools = pools;
        _returns = returns;
    }

    public SlotPool Own { get; }

    public Span<byte> Slot(SlotHandle slot) => _pools[slot.Core].Slot(slot);

    public ref SlotHeader Header(SlotHandle slot) => ref _pools[slot.Core].Header(slot);

    public PinnedRegion RegionOf(SlotHandle slot) => _pools[slot.Core].Region;

    public int OffsetOf(SlotHandle slot) => _pools[slot.Core].OffsetOf(slot);

    public void Free(SlotHandle slot)
    {
        SlotPool pool = _pools[slot.Core];
        if (ReferenceEquals(pool, Own))
        {
            pool.Free(slot);
            return;
        }

        // The ring holds more entries than its owner has slots, so it is never full.
        bool pushed = _returns[slot.Core]!.TryPush(slot);
        System.Diagnostics.Debug.Assert(pushed, "return ring full");
    }
}
