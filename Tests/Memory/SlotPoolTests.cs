using FastExit.Configuration;
using FastExit.Memory;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Memory;

public sealed class SlotPoolTests
{
    private static readonly MemorySettings s_small = new()
    {
        RegularSlots = 20,
        ExtendedSlots = 5,
        AssemblyBytes = 32 << 20,
        HugePages = false,
    };

    [Fact]
    public void SlotsNeverOverlapAndAllComeBack()
    {
        using var pool = new SlotPool(3, s_small);
        var rented = new List<SlotHandle>();
        foreach (SlotClass slotClass in Enum.GetValues<SlotClass>())
        {
            Assert.True(pool.Total(slotClass) > 0);
            while (pool.TryRent(slotClass, out SlotHandle slot))
            {
                Assert.Equal((3, slotClass), (slot.Core, slot.Class));
                Assert.False(slot.IsNone);
                rented.Add(slot);
            }
        }

        Assert.Equal(pool.TotalSlots, rented.Count);
        (int Start, int End)[] places = [.. rented
            .Select(s => (pool.OffsetOf(s), pool.OffsetOf(s) + SlotPool.SlotBytes(s.Class))).Order()];
        for (int i = 1; i < places.Length; i++)
            Assert.True(places[i - 1].End <= places[i].Start);
        Assert.True(places[^1].End <= pool.Region.Bytes);
        foreach (SlotHandle slot in rented)
            pool.Slot(slot).Fill((byte)slot.Index);
        foreach (SlotHandle slot in rented)
        {
            Assert.False(pool.Slot(slot).ContainsAnyExcept((byte)slot.Index));
            pool.Free(slot);
        }

        Assert.Equal(0, Enum.GetValues<SlotClass>().Sum(pool.InUse));
        Assert.Equal(0, pool.AssemblyBytesInUse);
    }

    [Fact]
    public void RandomRentAndFreeFollowTheModel()
    {
        using var pool = new SlotPool(0, s_small);
        var random = new SeededBytes(7);
        var held = new HashSet<SlotHandle>();
        for (int i = 0; i < 1_000_000; i++)
        {
            var slotClass = (SlotClass)random.Below(7);
            if (random.Below(2) == 0 && held.Count > 0)
            {
                SlotHandle first = held.First();
                held.Remove(first);
                pool.Free(first);
            }
            else
            {
                int before = pool.Available(slotClass);
                Assert.Equal(before > 0, pool.TryRent(slotClass, out SlotHandle slot));
                Assert.True(before == 0 || held.Add(slot));
            }
        }

        Assert.Equal(held.Count, Enum.GetValues<SlotClass>().Sum(pool.InUse));
    }

    [Theory]
    [InlineData(0, true, SlotClass.Assembly16K)]
    [InlineData(16384 - 64, true, SlotClass.Assembly16K)]
    [InlineData(16384 - 63, true, SlotClass.Assembly64K)]
    [InlineData((4 << 20) - 64, true, SlotClass.Assembly4M)]
    [InlineData((4 << 20) - 63, false, SlotClass.Assembly4M)]
    public void SmallestClassThatHolds(long bytes, bool fits, SlotClass expected)
    {
        Assert.Equal(fits, SlotPool.TryAssemblyClass(bytes, out SlotClass slotClass));
        if (fits)
            Assert.Equal(expected, slotClass);
    }

    [Fact]
    public void LentSlotsGoHomeByRing()
    {
        using var first = new SlotPool(0, s_small);
        using var second = new SlotPool(1, s_small);
        var home = new SpscRing<SlotHandle>(first.TotalSlots);
        var memory = new CoreMemory(1, [first, second], [home, null]);
        int lent = 0;
        while (first.TryRent(SlotClass.Regular, out SlotHandle slot))
        {
            first.Slot(slot)[100] = (byte)++lent;
            Assert.Equal((byte)lent, memory.Slot(slot)[100]);
            Assert.Same(first.Region, memory.RegionOf(slot));
            memory.Free(slot);
        }

        Assert.Equal(lent, home.Count);
        while (home.TryPop(out SlotHandle slot))
            first.Free(slot);
        Assert.Equal(0, first.InUse(SlotClass.Regular));
        Assert.True(second.TryRent(SlotClass.Extended, out SlotHandle own));
        memory.Free(own);
        Assert.Equal(0, second.InUse(SlotClass.Extended));
    }
}
