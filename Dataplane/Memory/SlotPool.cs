using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FastExit.Configuration;
using FastExit.Native.Memory;

namespace FastExit.Memory;

/// <summary>
/// The first 64 bytes of every slot: what its current owner knows about the content.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = SlotHeader.Bytes)]
internal struct SlotHeader
{
    public const int Bytes = 64;

    /// <summary>Offset, inside the slot, of the first byte of the content (a packet or a frame).</summary>
    public int ContentOffset;
    public int ContentBytes;

    /// <summary>Milliseconds of the core's clock when the content came into being.</summary>
    public long Created;

    /// <summary>Wire codes of the frame it came in or leaves by (mix-link.md §1.2).</summary>
    public byte Size;
    public byte Type;
    public byte Rotation;

    /// <summary>Readers of a slot that several share.</summary>
    public int References;

    /// <summary>Next slot of a queue threaded through slots.</summary>
    public SlotHandle Next;
}

/// <summary>
/// One core's pinned memory, cut into slots of a few sizes. Rented and freed by that core's thread alone, so no lock; a slot that
/// another core was lent comes back by ring. A debug build checks that a slot is owned when it is freed.
/// </summary>
internal sealed class SlotPool : IDisposable
{
    public const int RegularBytes = 2560;
    public const int ExtendedBytes = 34816;

    private static readonly int[] s_slotBytes =
        [RegularBytes, ExtendedBytes, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20];

    private readonly int _core;
    private readonly PinnedRegion _region;
    private readonly int[] _start;
    private readonly int[][] _free;
    private readonly int[] _freeCount;
#if DEBUG
    private readonly bool[][] _owned;
#endif

    public SlotPool(int core, MemorySettings settings)
    {
        _core = core;
        int[] counts = Counts(settings);
        _start = new int[counts.Length];
        _free = new int[counts.Length][];
        _freeCount = new int[counts.Length];
#if DEBUG
        _owned = new bool[counts.Length][];
#endif
        long offset = 0;
        for (int c = 0; c < counts.Length; c++)
        {
            // Two MiB borders between classes keep a huge page from being shared by two of them.
            offset = (offset + (2 << 20) - 1) & ~((2L << 20) - 1);
            _start[c] = checked((int)offset);
            offset += (long)counts[c] * s_slotBytes[c];
            _free[c] = new int[counts[c]];
            _freeCount[c] = counts[c];
            for (int i = 0; i < counts[c]; i++)
                _free[c][i] = counts[c] - 1 - i;
#if DEBUG
            _owned[c] = new bool[counts[c]];
#endif
        }

        if (offset > int.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(settings), "one core's slots exceed 2 GiB: lower [memory] sizes or use more cores");
        _region = PinnedRegion.Allocate(offset, settings.HugePages);
    }

    public int Core => _core;

    public PinnedRegion Region => _region;

    /// <summary>The whole region: lanes of a batch are named by offsets in it.</summary>
    public Span<byte> All
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _region.Slice(0, (int)_region.Bytes);
    }

    public static int SlotBytes(SlotClass slotClass) => s_slotBytes[(int)slotClass];

    /// <summary>The smallest assembly class that holds that many bytes behind the slot header.</summary>
    public static bool TryAssemblyClass(long bytes, out SlotClass slotClass)
    {
        for (slotClass = SlotClass.Assembly16K; slotClass <= SlotClass.Assembly4M; slotClass++)
        {
            if (bytes + SlotHeader.Bytes <= s_slotBytes[(int)slotClass])
                return true;
        }

        return false;
    }

    public int Total(SlotClass slotClass) => _free[(int)slotClass].Length;

    public int TotalSlots => _free.Sum(f => f.Length);

    public int Available(SlotClass slotClass) => _freeCount[(int)slotClass];

    public int InUse(SlotClass slotClass) => Total(slotClass) - Available(slotClass);

    public long AssemblyBytesInUse
    {
        get
        {
            long bytes = 0;
            for (SlotClass c = SlotClass.Assembly16K; c <= SlotClass.Assembly4M; c++)
                bytes += (long)InUse(c) * s_slotBytes[(int)c];
            return bytes;
        }
    }

    public bool TryRent(SlotClass slotClass, out SlotHandle slot)
    {
        int c = (int)slotClass;
        int available = _freeCount[c];
        if (available == 0)
        {
            slot = default;
            return false;
        }

        int index = _free[c][available - 1];
        _freeCount[c] = available - 1;
#if DEBUG
        Debug.Assert(!_owned[c][index], "slot rented twice");
        _owned[c][index] = true;
#endif
        slot = SlotHandle.Create(_core, slotClass, index);
        return true;
    }

    public void Free(SlotHandle slot)
    {
        int c = (int)slot.Class;
        Debug.Assert(slot.Core == _core, "slot of another core");
#if DEBUG
        Debug.Assert(_owned[c][slot.Index], "slot freed twice");
        _owned[c][slot.Index] = false;
#endif
        _free[c][_freeCount[c]++] = slot.Index;
    }

    /// <summary>Offset of the slot's first byte in <see cref="All"/> and <see cref="Region"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int OffsetOf(SlotHandle slot)
    {
        int c = (int)slot.Class;
        return _start[c] + (slot.Index * s_slotBytes[c]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<byte> Slot(SlotHandle slot) => _region.Slice(OffsetOf(slot), s_slotBytes[(int)slot.Class]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref SlotHeader Header(SlotHandle slot) =>
        ref MemoryMarshal.AsRef<SlotHeader>(_region.Slice(OffsetOf(slot), SlotHeader.Bytes));

    public void Dispose() => _region.Dispose();

    private static int[] Counts(MemorySettings settings)
    {
        long quarter = settings.AssemblyBytes / 4;
        return
        [
            settings.RegularSlots,
            settings.ExtendedSlots,
            (int)(quarter / s_slotBytes[2]),
            (int)(quarter / s_slotBytes[3]),
            (int)(quarter / s_slotBytes[4]),
            (int)(quarter / 2 / s_slotBytes[5]),
            (int)(quarter / 2 / s_slotBytes[6]),
        ];
    }
}
