using System.Numerics;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;

namespace FastExit.Native.IoUring;

/// <summary>
/// A buffer group: a ring in which the owner publishes buffers of its own memory and from which the kernel takes
/// one (or, in a bundle, several in order) per receive (<c>struct io_uring_buf_ring</c>, 16 bytes an entry). When it
/// runs dry a receive completes with -ENOBUFS; publish buffers, then prepare the receive again. Never have more than
/// <see cref="Entries"/> buffers published and not yet taken. Lives on its ring's thread; dispose it before the ring.
/// </summary>
public sealed unsafe class ProvidedBufferRing : IDisposable
{
    /// <summary>The kernel's limit.</summary>
    public const int MaximumEntries = 32768;

    private const int EntryBytes = 16;
    private const int TailOffset = 14;

    private readonly IoRing ring;
    private readonly PinnedRegion memory;
    private readonly byte* entries;
    private readonly int mask;
    private ushort tail;
    private bool mixedLengths;
    private bool disposed;

    public ProvidedBufferRing(IoRing ring, ushort group, int entries)
    {
        ArgumentNullException.ThrowIfNull(ring);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(entries);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(entries, MaximumEntries);
        if (!BitOperations.IsPow2(entries))
            throw new ArgumentException("The number of entries must be a power of two", nameof(entries));

        this.ring = ring;
        Group = group;
        Entries = entries;
        mask = entries - 1;
        memory = PinnedRegion.Allocate((long)entries * EntryBytes, preferHugePages: false);
        this.entries = memory.Pointer;
        var registration = new BufferRingRegistration
        {
            RingAddress = (ulong)this.entries,
            RingEntries = (uint)entries,
            Group = group,
        };
        int result = ring.Register(Registration.RegisterBufferRing, &registration, 1);
        if (result < 0)
        {
            memory.Dispose();
            string? mend = result == -Errno.EEXIST
                ? "The group is taken, or this is not the ring's own thread: choose another group number."
                : ResourceMend.For(-result);
            throw new NativeException($"registering buffer group {group}", -result, mend);
        }

        ring.Attach(this);
    }

    public ushort Group { get; }

    public int Entries { get; }

    /// <summary>The length shared by all buffers added so far; 0 when none was added or lengths differ.</summary>
    internal int UniformLength { get; private set; }

    /// <summary>Writes a buffer into the next entry; the kernel sees it after <see cref="Publish"/>.</summary>
    public void Add(PinnedRegion region, long offset, int length, ushort bufferId)
    {
        ArgumentNullException.ThrowIfNull(region);
        ObjectDisposedException.ThrowIf(disposed, this);
        byte* address = region.At(offset, length);
        byte* entry = entries + ((tail & mask) * EntryBytes);
        // The last two bytes of entry 0 are the ring's tail, so an entry is never written whole.
        *(ulong*)entry = (ulong)address;
        *(uint*)(entry + 8) = (uint)length;
        *(ushort*)(entry + 12) = bufferId;
        tail++;
        if (length != UniformLength)
        {
            mixedLengths |= UniformLength != 0;
            UniformLength = mixedLengths ? 0 : length;
        }
    }

    /// <summary>Hands everything added so far to the kernel.</summary>
    public void Publish()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Volatile.Write(ref *(ushort*)(entries + TailOffset), tail);
    }

    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        ring.Detach(this);
        memory.Dispose();
    }
}
