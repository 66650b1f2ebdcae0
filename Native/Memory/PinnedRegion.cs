using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using FastExit.Native.Sockets;
using Microsoft.Win32.SafeHandles;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Native.Memory;

/// <summary>What a <see cref="PinnedRegion"/> lies on.</summary>
public enum PageBacking
{
    /// <summary>The kernel's base pages, 4 KiB on most hosts.</summary>
    Base,

    /// <summary>Base pages that the kernel was advised to merge into huge ones (transparent huge pages).</summary>
    Transparent,

    /// <summary>2 MiB pages from the reserved pool (MAP_HUGETLB).</summary>
    Huge,

    /// <summary>A file's pages, shared with whoever reads it.</summary>
    File,
}

/// <summary>
/// A private anonymous mapping, or a shared one of a file: memory that the garbage collector neither moves nor scans, so the kernel may hold
/// pointers into it. Zeroed by the kernel (a file: what it holds), left out of core dumps (it carries plaintext), freed by
/// <see cref="Dispose"/> only: no operation that reads or writes it may be in flight by then.
/// </summary>
public sealed unsafe class PinnedRegion : IDisposable
{
    /// <summary>Size and alignment of a huge page, in bytes.</summary>
    public const long HugePageBytes = 2 << 20;

    private const int ProtectReadWrite = 3;

    private byte* pointer;
    private readonly long mappedBytes;

    private PinnedRegion(byte* pointer, long bytes, long mappedBytes, PageBacking backing)
    {
        this.pointer = pointer;
        this.mappedBytes = mappedBytes;
        Bytes = bytes;
        Backing = backing;
    }

    /// <summary>The first byte, page aligned; null once disposed.</summary>
    public byte* Pointer => pointer;

    /// <summary>The size asked for; the mapping may be rounded up beyond it.</summary>
    public long Bytes { get; }

    public PageBacking Backing { get; }

    /// <summary>
    /// Maps a region. Huge pages are tried from <see cref="HugePageBytes"/> upwards, since less would waste most of
    /// one: first reserved ones, then transparent ones, then base pages.
    /// </summary>
    /// <exception cref="NativeException">The kernel has no memory left.</exception>
    public static PinnedRegion Allocate(long bytes, bool preferHugePages = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        long hugeBytes = RoundUp(bytes, HugePageBytes);
        if (preferHugePages && bytes >= HugePageBytes)
        {
            byte* huge = Map(hugeBytes, MAP_HUGETLB | MAP_HUGE_2MB);
            if (huge != null)
                return Finish(huge, bytes, hugeBytes, PageBacking.Huge);

            byte* aligned = MapAligned(hugeBytes);
            if (aligned != null)
            {
                bool advised = madvise(aligned, (size_t)(ulong)hugeBytes, MADV_HUGEPAGE) == 0;
                return Finish(aligned, bytes, hugeBytes, advised ? PageBacking.Transparent : PageBacking.Base);
            }
        }

        long baseBytes = RoundUp(bytes, Environment.SystemPageSize);
        byte* plain = Map(baseBytes, 0);
        if (plain == null)
        {
            // Composing the message first may overwrite errno.
            int error = errno;
            throw new NativeException($"mapping {bytes} bytes of memory", error, ResourceMend.For(error));
        }

        return Finish(plain, bytes, baseBytes, PageBacking.Base);
    }

    /// <summary>
    /// Maps the beginning of a file that is at least so long, shared: what is written into the region is in the file for every other
    /// reader at once, also when this process is killed, and on the disk when the kernel gets to it. Touched at random, so nothing is
    /// read ahead. The handle may be closed; the file must not be made shorter, and its blocks should be allocated, since the process
    /// dies (SIGBUS) where the mapping has no storage.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The file is shorter.</exception>
    /// <exception cref="NativeException">The kernel refuses, for want of memory or because of the kind of file.</exception>
    public static PinnedRegion MapFile(SafeFileHandle file, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(RandomAccess.GetLength(file), bytes);
        long mappedBytes = RoundUp(bytes, Environment.SystemPageSize);
        bool held = false;
        void* mapped;
        try
        {
            file.DangerousAddRef(ref held);
            mapped = mmap(
                null, (size_t)(ulong)mappedBytes, ProtectReadWrite, MAP_SHARED, (int)file.DangerousGetHandle(), 0);
        }
        finally
        {
            if (held)
                file.DangerousRelease();
        }

        if (mapped == MAP_FAILED)
        {
            int error = errno;
            throw new NativeException($"mapping a file of {bytes} bytes", error, ResourceMend.For(error));
        }

        _ = madvise(mapped, (size_t)(ulong)mappedBytes, MADV_RANDOM);
        return Finish((byte*)mapped, bytes, mappedBytes, PageBacking.File);
    }

    /// <exception cref="ArgumentOutOfRangeException">The slice leaves the region.</exception>
    public Span<byte> Slice(long offset, int length) => new(At(offset, length), length);

    public void Dispose()
    {
        byte* freeing = pointer;
        pointer = null;
        if (freeing != null)
            _ = munmap(freeing, (size_t)(ulong)mappedBytes);
    }

    /// <summary>The address of a part that was checked to lie inside.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal byte* At(long offset, int length)
    {
        if ((ulong)offset > (ulong)Bytes || (uint)length > (ulong)(Bytes - offset) || length < 0 || pointer == null)
            RefuseSlice(offset, length);
        return pointer + offset;
    }

    [DoesNotReturn]
    private void RefuseSlice(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(pointer == null, this);
        throw new ArgumentOutOfRangeException(
            nameof(offset), $"{length} bytes at {offset} leave a region of {Bytes} bytes");
    }

    private static PinnedRegion Finish(byte* mapped, long bytes, long mappedBytes, PageBacking backing)
    {
        _ = madvise(mapped, (size_t)(ulong)mappedBytes, MADV_DONTDUMP);
        return new PinnedRegion(mapped, bytes, mappedBytes, backing);
    }

    private static byte* Map(long bytes, int extraFlags)
    {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | extraFlags;
        void* mapped = mmap(null, (size_t)(ulong)bytes, ProtectReadWrite, flags, -1, 0);
        return mapped == MAP_FAILED ? null : (byte*)mapped;
    }

    // Transparent huge pages form only where the mapping covers a whole aligned 2 MiB: map one page more and trim.
    private static byte* MapAligned(long bytes)
    {
        byte* mapped = Map(bytes + HugePageBytes, 0);
        if (mapped == null)
            return null;

        long skipped = RoundUp((long)mapped, HugePageBytes) - (long)mapped;
        if (skipped > 0)
            _ = munmap(mapped, (size_t)(ulong)skipped);
        byte* aligned = mapped + skipped;
        if (skipped < HugePageBytes)
            _ = munmap(aligned + bytes, (size_t)(ulong)(HugePageBytes - skipped));
        return aligned;
    }

    private static long RoundUp(long value, long unit) => checked(value + unit - 1) / unit * unit;
}
