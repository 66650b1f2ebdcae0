using FastExit.Memory;

namespace FastExit.IpPacketRouter;

/// <summary>
/// Counts who still reads a message's slot: the shard while it walks the bundle, the device for every packet it has not written yet.
/// The count lies in the slot's own header; with the last reference the slot goes back to the core it came from.
/// </summary>
internal sealed class SlotReferences(CoreMemory memory)
{
    /// <summary>The first reference to a slot that somebody owned alone.</summary>
    public void Begin(SlotHandle slot) => memory.Header(slot).References = 1;

    public void Add(SlotHandle slot) => memory.Header(slot).References++;

    public void Release(SlotHandle slot)
    {
        if (--memory.Header(slot).References == 0)
            memory.Free(slot);
    }
}
