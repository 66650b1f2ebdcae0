using System.Globalization;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using FastExit.Native.Threads;
using Xunit;

namespace FastExit.Tests.Native;

[Collection(ProcessLimits.Name)]
public sealed unsafe class MemoryTests
{
    [Theory]
    [InlineData(1, true)]
    [InlineData(4096, false)]
    [InlineData(5000, true)]
    [InlineData(2 << 20, true)]
    [InlineData((2 << 20) + 1, true)]
    [InlineData(2 << 20, false)]
    public void A_region_is_zeroed_aligned_writable_and_bounds_checked(int bytes, bool preferHugePages)
    {
        using PinnedRegion region = PinnedRegion.Allocate(bytes, preferHugePages);
        Assert.Equal(bytes, region.Bytes);
        Assert.Equal(0, (long)region.Pointer % 4096);
        if (!preferHugePages || bytes < PinnedRegion.HugePageBytes)
            Assert.Equal(PageBacking.Base, region.Backing);
        if (region.Backing != PageBacking.Base)
            Assert.Equal(0, (long)region.Pointer % PinnedRegion.HugePageBytes);
        Assert.True(region.Slice(0, bytes).IndexOfAnyExcept((byte)0) < 0);
        region.Slice(bytes - 1, 1)[0] = 7;
        Assert.Equal(7, region.Pointer[bytes - 1]);
        Assert.Equal(0, region.Slice(bytes, 0).Length);

        Assert.Throws<ArgumentOutOfRangeException>(() => { region.Slice(0, bytes + 1); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { region.Slice(bytes, 1); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { region.Slice(-1, 1); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { region.Slice(0, -1); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { region.Slice(long.MaxValue, int.MaxValue); });
    }

    [Fact]
    public void A_file_is_mapped_shared_and_keeps_what_was_written()
    {
        string path = Path.GetTempFileName();
        try
        {
            using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
            {
                Assert.Throws<ArgumentOutOfRangeException>(() => PinnedRegion.MapFile(file, 1));
                RandomAccess.SetLength(file, 10_000);
                RandomAccess.Write(file, [5], 9_999);
                Assert.Throws<ArgumentOutOfRangeException>(() => PinnedRegion.MapFile(file, 10_001));
            }

            PinnedRegion region, again;
            using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            {
                region = PinnedRegion.MapFile(file, 10_000);
                again = PinnedRegion.MapFile(file, 5_000);
            }

            Assert.Equal((10_000, PageBacking.File), (region.Bytes, region.Backing));
            Assert.Equal(0, (long)region.Pointer % 4096);
            Assert.Equal(5, region.Slice(9_999, 1)[0]);
            region.Slice(4_999, 1)[0] = 7;
            Assert.Equal(7, again.Slice(4_999, 1)[0]);
            Assert.Throws<ArgumentOutOfRangeException>(() => { again.Slice(4_999, 2); });
            Assert.Equal(7, File.ReadAllBytes(path)[4_999]);
            region.Dispose();
            again.Dispose();
            Assert.Throws<ObjectDisposedException>(() => { region.Slice(0, 1); });
            Assert.Equal(7, File.ReadAllBytes(path)[4_999]);
            using var readOnly = File.OpenHandle(path, FileMode.Open, FileAccess.Read);
            Assert.Equal(Errno.EACCES, Assert.Throws<NativeException>(() => PinnedRegion.MapFile(readOnly, 10)).Errno);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [SkippableFact]
    public void Reserved_huge_pages_are_granted()
    {
        const string Reservation = "/proc/sys/vm/nr_hugepages";
        string before = File.ReadAllText(Reservation).Trim();
        try
        {
            File.WriteAllText(Reservation, (int.Parse(before, CultureInfo.InvariantCulture) + 4).ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            Skip.If(true, $"reserving huge pages needs root: {e.Message}");
        }

        try
        {
            Skip.If(FreeHugePages() < 2, "the kernel had no two free huge pages to reserve");
            using PinnedRegion region = PinnedRegion.Allocate(2 * PinnedRegion.HugePageBytes);
            Assert.Equal(PageBacking.Huge, region.Backing);
            region.Slice(region.Bytes - 1, 1)[0] = 7;
            Assert.Equal(7, region.Pointer[region.Bytes - 1]);
        }
        finally
        {
            File.WriteAllText(Reservation, before);
        }
    }

    [SkippableFact]
    public void Without_enough_reserved_huge_pages_a_region_falls_back()
    {
        long free = FreeHugePages();
        long bytes = (free + 1) * PinnedRegion.HugePageBytes;
        Skip.If(bytes > 8L << 30, "this host reserves too many huge pages to use them up in a test");
        using PinnedRegion region = PinnedRegion.Allocate(bytes);
        Assert.NotEqual(PageBacking.Huge, region.Backing);
        bool transparent = File.Exists("/sys/kernel/mm/transparent_hugepage/enabled");
        Assert.Equal(transparent ? PageBacking.Transparent : PageBacking.Base, region.Backing);
        region.Slice(bytes - 1, 1)[0] = 1;
    }

    [Fact]
    public void A_disposed_region_refuses_and_gives_its_memory_back()
    {
        long before = MappedKilobytes();
        PinnedRegion region = PinnedRegion.Allocate(256L << 20);
        Assert.True(MappedKilobytes() - before > 200 << 10);
        region.Dispose();
        region.Dispose();
        Assert.True(MappedKilobytes() - before < 200 << 10);
        Assert.True(region.Pointer == null);
        Assert.Throws<ObjectDisposedException>(() => { region.Slice(0, 1); });
    }

    [Fact]
    public void A_region_that_no_address_space_holds_is_refused_by_name()
    {
        var refused = Assert.Throws<NativeException>(() => PinnedRegion.Allocate(1L << 60));
        Assert.Equal(Errno.ENOMEM, refused.Errno);
        Assert.Contains("ENOMEM", refused.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => PinnedRegion.Allocate(0));
    }

    [Fact]
    public void A_pinned_thread_runs_on_its_core_only()
    {
        int[] allowed = CpuAffinity.AllowedCores();
        Assert.NotEmpty(allowed);
        foreach (int core in allowed)
        {
            int[] cores = [];
            int runsOn = -1;
            var thread = new Thread(() =>
            {
                CpuAffinity.PinCurrentThread(core);
                cores = CpuAffinity.CurrentThreadCores();
                runsOn = Thread.GetCurrentProcessorId();
            });
            thread.Start();
            thread.Join();
            Assert.Equal([core], cores);
            Assert.Equal(core, runsOn);
        }

        Assert.Equal(allowed, CpuAffinity.AllowedCores());
    }

    [Fact]
    public void Pinning_to_a_core_that_is_not_there_names_those_that_are()
    {
        NativeException? refused = null;
        var thread = new Thread(
            () => refused = Assert.Throws<NativeException>(() => CpuAffinity.PinCurrentThread(8000)));
        thread.Start();
        thread.Join();
        Assert.Equal(Errno.EINVAL, refused!.Errno);
        Assert.Contains(
            string.Join(", ", CpuAffinity.AllowedCores()), refused.Message, StringComparison.Ordinal);
    }

    private static long FreeHugePages() => Field("/proc/meminfo", "HugePages_Free:");

    private static long MappedKilobytes() => Field("/proc/self/status", "VmSize:");

    private static long Field(string file, string name)
    {
        string line = File.ReadLines(file).First(text => text.StartsWith(name, StringComparison.Ordinal));
        string[] words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        return long.Parse(words[1], CultureInfo.InvariantCulture);
    }
}
