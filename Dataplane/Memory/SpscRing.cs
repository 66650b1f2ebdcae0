using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FastExit.Memory;

/// <summary>
/// Bounded queue between exactly one producer thread and one consumer thread: no lock, no shared write but the two indexes, each on
/// cache lines of its own and each side working on a cached copy of the other's index.
/// </summary>
internal sealed class SpscRing<T>
    where T : unmanaged
{
    private readonly T[] _entries;
    private readonly ulong _mask;
    private SpscIndexes _indexes;

    public SpscRing(int minimumEntries)
    {
        int entries = (int)BitOperations.RoundUpToPowerOf2((uint)minimumEntries);
        _entries = GC.AllocateArray<T>(entries, pinned: true);
        _mask = (ulong)entries - 1;
    }

    public int Capacity => _entries.Length;

    /// <summary>Entries seen from either side; exact only when the other side rests.</summary>
    public int Count => (int)(Volatile.Read(ref _indexes.Tail) - Volatile.Read(ref _indexes.Head));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryPush(in T entry)
    {
        ulong tail = _indexes.Tail;
        if (tail - _indexes.HeadSeenByProducer > _mask)
        {
            _indexes.HeadSeenByProducer = Volatile.Read(ref _indexes.Head);
            if (tail - _indexes.HeadSeenByProducer > _mask)
                return false;
        }

        _entries[tail & _mask] = entry;
        Volatile.Write(ref _indexes.Tail, tail + 1);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryPop(out T entry)
    {
        ulong head = _indexes.Head;
        if (head == _indexes.TailSeenByConsumer)
        {
            _indexes.TailSeenByConsumer = Volatile.Read(ref _indexes.Tail);
            if (head == _indexes.TailSeenByConsumer)
            {
                entry = default;
                return false;
            }
        }

        entry = _entries[head & _mask];
        Volatile.Write(ref _indexes.Head, head + 1);
        return true;
    }
}

/// <summary>Both ends of a ring. Outside of it, because a generic type cannot lay out its fields.</summary>
[StructLayout(LayoutKind.Explicit, Size = 512)]
internal struct SpscIndexes
{
    [FieldOffset(128)]
    public ulong Head;

    [FieldOffset(136)]
    public ulong TailSeenByConsumer;

    [FieldOffset(256)]
    public ulong Tail;

    [FieldOffset(264)]
    public ulong HeadSeenByProducer;
}
