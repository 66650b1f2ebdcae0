namespace FastExit.Memory;

/// <summary>Size classes of a <see cref="SlotPool"/>.</summary>
public enum SlotClass : byte
{
    /// <summary>2,560 bytes: one regular or ack packet, or one read of a destination's socket.</summary>
    Regular,

    /// <summary>34,816 bytes: one Extended packet of any size.</summary>
    Extended,

    /// <summary>Messages of several fragments: 16 KiB, 64 KiB, 256 KiB, 1 MiB, 4 MiB.</summary>
    Assembly16K,
    Assembly64K,
    Assembly256K,
    Assembly1M,
    Assembly4M,
}

/// <summary>
/// Names one slot: who holds the handle owns the slot. 0 is no slot. Layout: bits 31..24 core, 23..21 class + 1, 20..0 index.
/// </summary>
public readonly record struct SlotHandle(uint Value)
{
    public static SlotHandle None => default;

    public bool IsNone => Value == 0;

    public int Core => (int)(Value >> 24);

    public SlotClass Class => (SlotClass)(((Value >> 21) & 7) - 1);

    public int Index => (int)(Value & 0x1F_FFFF);

    internal static SlotHandle Create(int core, SlotClass slotClass, int index) =>
        new(((uint)core << 24) | (((uint)slotClass + 1) << 21) | (uint)index);
}
