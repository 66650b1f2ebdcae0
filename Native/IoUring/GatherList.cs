using System.Runtime.InteropServices;
using FastExit.Native.Memory;

namespace FastExit.Native.IoUring;

/// <summary>
/// A list of memory parts that one vectored send takes in order (<c>struct msghdr</c> with its <c>iovec</c>s, in
/// native memory). While a send with it is in flight it must not change; after a short send <see cref="Skip"/> what
/// was sent and send it again.
/// </summary>
public sealed unsafe class GatherList : IDisposable
{
    /// <summary>The kernel's limit (UIO_MAXIOV).</summary>
    public const int MaximumParts = 1024;

    private readonly int capacity;
    private Header* header;
    private Part* parts;
    private int start;
    private int end;

    public GatherList(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, MaximumParts);
        this.capacity = capacity;
        nuint bytes = (nuint)(sizeof(Header) + capacity * sizeof(Part));
        header = (Header*)NativeMemory.AllocZeroed(bytes);
        parts = (Part*)(header + 1);
    }

    /// <summary>Parts not yet skipped.</summary>
    public int Count => end - start;

    /// <summary>Bytes not yet skipped.</summary>
    public long Bytes { get; private set; }

    public void Clear()
    {
        start = end = 0;
        Bytes = 0;
    }

    /// <summary>Appends a part; false when the list is full. Empty parts are taken and not stored.</summary>
    public bool TryAdd(PinnedRegion region, long offset, int length)
    {
        ArgumentNullException.ThrowIfNull(region);
        byte* address = region.At(offset, length);
        if (length == 0)
            return true;
        if (end == capacity)
            return false;
        parts[end++] = new Part { Address = address, Length = (nuint)length };
        Bytes += length;
        return true;
    }

    /// <summary>Drops the first bytes, which a short send has taken.</summary>
    public void Skip(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Bytes);
        Bytes -= bytes;
        nuint left = (nuint)bytes;
        while (left > 0)
        {
            Part* first = parts + start;
            if (first->Length > left)
            {
                first->Address += left;
                first->Length -= left;
                return;
            }

            left -= first->Length;
            start++;
        }

        if (start == end)
            Clear();
    }

    public void Dispose()
    {
        Header* freeing = header;
        header = null;
        parts = null;
        NativeMemory.Free(freeing);
    }

    /// <summary>The address of a msghdr that describes the list as it stands.</summary>
    internal void* Message()
    {
        ObjectDisposedException.ThrowIf(header == null, this);
        header->Parts = parts + start;
        header->Count = (nuint)Count;
        return header;
    }

    /// <summary>The address of the iovecs as they stand.</summary>
    internal void* Vector()
    {
        ObjectDisposedException.ThrowIf(header == null, this);
        return parts + start;
    }

    // struct msghdr of 64-bit Linux.
    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        public void* Name;
        public ulong NameBytes;
        public Part* Parts;
        public nuint Count;
        public void* Control;
        public nuint ControlBytes;
        public ulong Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Part
    {
        public byte* Address;
        public nuint Length;
    }
}
