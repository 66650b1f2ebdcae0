using FastExit.NetworkRequester;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>Key map, tombstones, records and timers against naive models.</summary>
public sealed class ConnectionTablesTests
{
    [Fact]
    public void TheMapBehavesAsADictionary()
    {
        var random = new Random(3);
        var map = new ConnectionMap(500);
        var model = new Dictionary<ConnectionKey, int>();
        for (int i = 0; i < 1_000_000; i++)
        {
            var key = new ConnectionKey(random.Next(-1, 4), (ulong)random.Next(300));
            bool known = model.TryGetValue(key, out int expected);
            Assert.Equal(known, map.TryGet(key, out int value));
            if (known)
                Assert.Equal(expected, value);
            if (known && random.Next(2) == 0)
            {
                Assert.True(map.Remove(key));
                model.Remove(key);
            }
            else if (!known && random.Next(2) == 0)
            {
                bool fits = model.Count < 500;
                Assert.Equal(fits, map.TryAdd(key, i));
                if (fits)
                    model[key] = i;
            }
            else if (!known)
            {
                Assert.False(map.Remove(key));
            }

            Assert.Equal(model.Count, map.Count);
        }
    }

    [Fact]
    public void TombstonesExpireInOrderAndMakeRoom()
    {
        var stones = new Tombstones(3, TimeSpan.FromSeconds(10));
        for (int i = 0; i < 3; i++)
            stones.Add(new ConnectionKey(1, (ulong)i), i * 1000);
        stones.Add(new ConnectionKey(1, 0), 5000);
        Assert.Equal(3, stones.Count);
        stones.Add(new ConnectionKey(1, 9), 5000);
        Assert.False(stones.Contains(new ConnectionKey(1, 0)));
        Assert.True(stones.Contains(new ConnectionKey(1, 1)));
        Assert.False(stones.Contains(new ConnectionKey(2, 1)));
        stones.Expire(11_999);
        Assert.Equal(2, stones.Count);
        stones.Expire(15_000);
        Assert.Equal(0, stones.Count);
        new Tombstones(0, TimeSpan.FromSeconds(1)).Add(new ConnectionKey(1, 1), 0);
    }

    [Fact]
    public void AHandleOutlivesNoRecord()
    {
        var table = new ConnectionTable(300);
        var handles = new List<long>();
        for (int i = 0; i < 300; i++)
        {
            Assert.True(table.TryRent(out int index));
            table[index].State = ConnectionState.Open;
            handles.Add(ConnectionTable.Handle(index, table[index].Generation));
        }

        Assert.False(table.TryRent(out _));
        foreach (long handle in handles)
        {
            Assert.True(table.TryFind(handle, out int index));
            table.Return(index);
            Assert.False(table.TryFind(handle, out _));
        }

        Assert.True(table.TryRent(out int again));
        table[again].State = ConnectionState.Open;
        Assert.All(handles, h => Assert.False(table.TryFind(h, out _)));
        Assert.False(table.TryFind(0, out _));
        Assert.InRange(System.Runtime.CompilerServices.Unsafe.SizeOf<Connection>(), 1, 400);
    }

    [Fact]
    public void TimersFireOnceAndNeverEarly()
    {
        var random = new Random(5);
        long now = 123_456;
        var wheel = new TimerWheel(now);
        wheel.Grow(200);
        var model = new Dictionary<int, long>();
        for (int step = 0; step < 100_000; step++)
        {
            int index = random.Next(200);
            switch (random.Next(4))
            {
                case 0:
                    wheel.Clear(index);
                    model.Remove(index);
                    break;
                case 1:
                    long earlier = now + random.Next(-50, 500_000);
                    wheel.SetEarlier(index, earlier);
                    if (!model.TryGetValue(index, out long had) || earlier < had)
                        model[index] = earlier;
                    break;
                default:
                    long deadline = now + (random.Next(3) == 0 ? random.Next(400_000) : random.Next(-20, 300));
                    wheel.Set(index, deadline);
                    model[index] = deadline;
                    break;
            }

            if (random.Next(3) != 0)
                continue;
            now += random.Next(20) == 0 ? random.Next(200_000) : random.Next(40);
            while (wheel.TryFire(now, out int fired))
            {
                Assert.True(model.Remove(fired, out long due));
                Assert.True(due <= now);
            }

            // Deadlines are set up to 50 ms late and fire two buckets later at most.
            Assert.All(model, m => Assert.True(m.Value > now - 50 - 32, $"{m.Value} at {now}"));
            long next = wheel.NextDeadline;
            if (model.Count == 0)
                Assert.Equal(long.MaxValue, next);
            else
                Assert.True(next <= Math.Max(now, model.Values.Min()) + 31, "the next deadline would be missed");
        }
    }
}
