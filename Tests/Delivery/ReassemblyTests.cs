using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Delivery;

public sealed class ReassemblyTests : IDisposable
{
    private readonly SlotPool _pool = new(
        0, new MemorySettings { RegularSlots = 16, ExtendedSlots = 4, AssemblyBytes = 32 << 20, HugePages = false });

    private readonly CoreCounters _counters = new(0);
    private readonly DeliverySettings _settings = new() { MaximumSets = 32, SetAge = TimeSpan.FromSeconds(10) };
    private readonly SeededBytes _random = new(42);

    public void Dispose() => _pool.Dispose();

    [Theory]
    [InlineData(PacketSize.Regular, 3)]
    [InlineData(PacketSize.Regular, 255)]
    [InlineData(PacketSize.Extended8, 40)]
    [InlineData(PacketSize.Extended16, 20)]
    [InlineData(PacketSize.Extended32, 10)]
    public void ShuffledFragmentsWithCopiesGiveTheMessage(PacketSize size, int packets)
    {
        var reassembly = new Reassembly(_pool, _settings, _counters);
        int fragmentBytes = PacketSizes.FragmentBytes(size);
        byte[] message = _random.Bytes(((fragmentBytes - 7) * packets) - 5);
        byte[][] fragments = Fragments.Of(message, fragmentBytes, [9]);
        Assert.Equal(packets, fragments.Length);
        Random.Shared.Shuffle(fragments);
        AssembledSet set = default;
        for (int i = 0; i < packets; i++)
        {
            FragmentVerdict expected = i == packets - 1 ? FragmentVerdict.Completed : FragmentVerdict.Stored;
            Assert.Equal(expected, Add(reassembly, fragments[i], 0, out set));
            if (i < packets - 1)
                Assert.Equal(FragmentVerdict.Dropped, Add(reassembly, fragments[i], 0, out _));
        }

        Assert.Equal(packets - 1, _counters.Read(Counter.Delivery_DuplicateFragment));
        ReadOnlySpan<byte> padded = _pool.Slot(set.Slot).Slice(set.Offset, set.Bytes);
        Assert.True(MessagePadding.TryStrip(padded, out int bytes));
        Assert.True(padded[..bytes].SequenceEqual(message));
        _pool.Free(set.Slot);
        Assert.Equal(0, reassembly.Count);
        Assert.Equal(0, _pool.AssemblyBytesInUse);
    }

    [Fact]
    public void ContradictionsAreDroppedAndLimitsHold()
    {
        var reassembly = new Reassembly(_pool, _settings, _counters);
        byte[][] fragments = Fragments.Of(_random.Bytes(5000), 1611, [9]);
        Add(reassembly, fragments[0], 0, out _);
        byte[] otherTotal = [.. fragments[1]];
        otherTotal[4] = 200;
        Assert.Equal(FragmentVerdict.Dropped, Add(reassembly, otherTotal, 0, out _));
        Assert.Equal(FragmentVerdict.Dropped, Add(reassembly, fragments[1][..1000], 0, out _));
        Assert.Equal(2, _counters.Read(Counter.Delivery_ContradictoryFragment));

        byte[] huge = new byte[PacketSizes.FragmentBytes(PacketSize.Extended32)];
        new FragmentHeader(10, 255, 1).Write(huge);
        Assert.Equal(FragmentVerdict.Dropped, Add(reassembly, huge, 0, out _));
        Assert.Equal(1, _counters.Read(Counter.Delivery_MessageTooLarge));

        for (uint i = 0; i < 40; i++)
        {
            byte[] fragment = new byte[1611];
            new FragmentHeader(100 + i, 3, 1).Write(fragment);
            Assert.Equal(FragmentVerdict.Stored, Add(reassembly, fragment, 1, out _));
        }

        Assert.Equal(32, reassembly.Count);
        Assert.Equal(9, _counters.Read(Counter.Delivery_SetsEvicted));
        // The first set was stalest and went: its second fragment opens it anew.
        Assert.Equal(FragmentVerdict.Stored, Add(reassembly, fragments[1], 9_000, out _));
        reassembly.Tick(10_500);
        Assert.Equal(1, reassembly.Count);
        Assert.Equal(31, _counters.Read(Counter.Delivery_SetsExpired));
        reassembly.Tick(20_000);
        Assert.Equal(0, _pool.AssemblyBytesInUse);
    }

    [Fact]
    public void LinksThatContradictOrTurnInCirclesEndWithTheirSets()
    {
        using var pool = new SlotPool(0, new MemorySettings { RegularSlots = 4, ExtendedSlots = 2, AssemblyBytes = 32 << 20, HugePages = false });
        var linked = new LinkedSets(new CoreMemory(0, [pool], [null]), _settings, _counters);
        Assert.False(linked.TryComplete(Set(pool, 5, 5, 0), 0, out _));
        Assert.False(linked.TryComplete(Set(pool, 5, 6, 6), 0, out _));
        Assert.Equal(2, _counters.Read(Counter.Delivery_CyclicLink));
        Assert.False(linked.TryComplete(Set(pool, 1, 3, 2), 0, out _));
        Assert.False(linked.TryComplete(Set(pool, 2, 1, 3), 0, out _));
        Assert.False(linked.TryComplete(Set(pool, 3, 2, 1), 0, out _));
        Assert.Equal(3, _counters.Read(Counter.Delivery_CyclicLink));
        Assert.False(linked.TryComplete(Set(pool, 1, 3, 2), 0, out _));
        Assert.Equal(1, _counters.Read(Counter.Delivery_DuplicateFragment));
        Assert.False(linked.TryComplete(Set(pool, 20, 0, 21), 0, out _));
        Assert.False(linked.TryComplete(Set(pool, 21, 19, 0), 0, out _));
        Assert.False(linked.TryComplete(Set(pool, 22, 20, 0), 0, out _));
        Assert.Equal(1, _counters.Read(Counter.Delivery_ContradictoryLink));
        for (uint i = 100; i < 200; i++)
            linked.TryComplete(Set(pool, i, i + 1000, 0), 1, out _);
        Assert.Equal(64, linked.Count);
        linked.Tick(20_000);
        Assert.Equal(0, linked.Count);
        Assert.Equal(0, pool.AssemblyBytesInUse);
    }

    [Fact]
    public void GarbageLeavesEverySlotAccountedFor()
    {
        var reassembly = new Reassembly(_pool, _settings, _counters);
        var linked = new LinkedSets(new CoreMemory(0, [_pool], [null]), _settings, _counters);
        byte[] buffer = new byte[1611];
        int completed = 0, joined = 0;
        for (int i = 0; i < 1_200_000; i++)
        {
            int length = _random.Below(4) == 0 ? _random.Below(64) : 40;
            Span<byte> fragment = buffer.AsSpan(0, length);
            _random.Fill(fragment[..Math.Min(length, 12)]);
            if (_random.Below(8) != 0 && length >= 10)
            {
                bool link = _random.Below(3) == 0;
                byte total = (byte)(link && _random.Below(20) == 0 ? 255 : _random.Below(5) + 1);
                byte position = link ? (byte)1 : (byte)(_random.Below(total) + 1);
                new FragmentHeader(
                    (uint)_random.Below(60) + 1, total, position,
                    link ? SetLink.Previous : SetLink.None, (uint)_random.Below(60) + 1).Write(fragment);
            }

            if (FragmentHeader.TryRead(fragment, out FragmentHeader header)
                && reassembly.Add(header, fragment, i / 100, out AssembledSet set) == FragmentVerdict.Completed)
            {
                completed++;
                if (!set.IsLinked)
                {
                    _pool.Free(set.Slot);
                }
                else if (linked.TryComplete(
                    _random.Below(2) == 0 ? set : set with { NextSetId = set.PreviousSetId, PreviousSetId = 0 }, i / 100, out AssembledSet message))
                {
                    joined++;
                    _pool.Free(message.Slot);
                }
            }

            if (i % 1000 == 0)
            {
                reassembly.Tick(i / 100);
                linked.Tick(i / 100);
            }
        }

        Assert.True(completed > 10_000);
        Assert.True(joined > 10);
        reassembly.Tick(long.MaxValue);
        linked.Tick(long.MaxValue);
        Assert.Equal(0, reassembly.Count);
        Assert.Equal(0, linked.Count);
        Assert.Equal(0, _pool.AssemblyBytesInUse);
    }

    private static FragmentVerdict Add(Reassembly reassembly, byte[] fragment, long now, out AssembledSet set)
    {
        Assert.True(FragmentHeader.TryRead(fragment, out FragmentHeader header));
        return reassembly.Add(header, fragment, now, out set);
    }

    private static AssembledSet Set(SlotPool pool, uint id, uint previous, uint next)
    {
        Assert.True(pool.TryRent(SlotClass.Assembly16K, out SlotHandle slot));
        return new AssembledSet(slot, SlotHeader.Bytes, 100, id, previous, next);
    }
}
