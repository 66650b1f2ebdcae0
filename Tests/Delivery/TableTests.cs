using FastExit.Configuration;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Sphinx;
using FastExit.Delivery;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Delivery;

/// <summary>The bounded tables against the simplest thing that does the same.</summary>
public sealed class TableTests
{
    [Fact]
    public void RecentSetsFollowTheModel()
    {
        const int Capacity = 64, Age = 100;
        var sets = new RecentSets(Capacity, TimeSpan.FromMilliseconds(Age));
        var model = new LinkedList<(ulong Key, long Time)>();
        var random = new SeededBytes(5);
        long now = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            now += random.Below(8) == 0 ? random.Below(20) : 0;
            ulong key = (ulong)random.Below(200) + 1;
            if (random.Below(3) == 0)
            {
                sets.Expire(now);
                while (model.First is { } old && now - old.Value.Time > Age)
                    model.RemoveFirst();
                Assert.Equal(model.Any(e => e.Key == key), sets.Contains(key));
                continue;
            }

            while (model.First is { } old && now - old.Value.Time > Age)
                model.RemoveFirst();
            bool known = model.Any(e => e.Key == key);
            Assert.Equal(!known, sets.TryAdd(key, now));
            if (!known)
            {
                if (model.Count == Capacity)
                    model.RemoveFirst();
                model.AddLast((key, now));
            }

            Assert.Equal(model.Count, sets.Count);
        }
    }

    [Fact]
    public void WholeMessagesAreToldApartByContent()
    {
        var sets = new RecentSets(16, TimeSpan.FromMinutes(1));
        byte[] message = new SeededBytes(1).Bytes(200);
        ulong key = sets.KeyOf(5, message);
        Assert.Equal(key, sets.KeyOf(5, message));
        Assert.NotEqual(key, sets.KeyOf(6, message));
        for (int i = 0; i < 128; i++)
        {
            message[i] ^= 1;
            Assert.NotEqual(key, sets.KeyOf(5, message));
            message[i] ^= 1;
        }

        Assert.NotEqual(sets.KeyOf(5, [1]), sets.KeyOf(5, [1, 0]));
        Assert.NotEqual(RecentSets.KeyOf(5), sets.KeyOf(5, []));
    }

    [Fact]
    public void OutgoingQueuesFollowTheModel()
    {
        const int Capacity = 50;
        var table = new OutgoingTable(Capacity);
        OutgoingQueue[] queues = [OutgoingQueue.Empty, OutgoingQueue.Empty];
        List<int>[] model = [[], []];
        var keys = new Dictionary<int, (uint, byte)>();
        var random = new SeededBytes(9);
        for (int i = 0; i < 300_000; i++)
        {
            int q = random.Below(2);
            if (random.Below(2) == 0)
            {
                (uint Set, byte Position) key = ((uint)random.Below(30) + 1, (byte)(random.Below(3) + 1));
                bool free = keys.Count < Capacity && !keys.ContainsValue(key);
                Assert.Equal(free, table.TryOpen(key.Set, key.Position, out int index));
                if (!free)
                    continue;
                Assert.True(table.TryFind(key.Set, key.Position, out int found) && found == index);
                keys.Add(index, key);
                table.Append(ref queues[q], index);
                model[q].Add(index);
            }
            else if (model[q].Count > 0)
            {
                int index = model[q][random.Below(model[q].Count)];
                table.Remove(ref queues[q], index);
                model[q].Remove(index);
                if (random.Below(2) == 0)
                {
                    table.Append(ref queues[1 - q], index);
                    model[1 - q].Add(index);
                    continue;
                }

                table.Close(index);
                Assert.True(keys.Remove(index, out (uint Set, byte Position) key));
                Assert.False(table.TryFind(key.Set, key.Position, out _));
            }

            Assert.Equal(keys.Count, table.Count);
            Assert.Equal(Capacity - keys.Count, table.Available);
            Assert.Equal(model[q].Count, queues[q].Count);
            if (i % 100 == 0)
                Assert.Equal(model[q], Walk(table, queues[q]));
        }
    }

    [Fact]
    public void SurbsComeBackInOrderAndFreedOnesAreWiped()
    {
        using var store = new SurbStore(new DeliverySettings { SurbBytes = 200_000 }, hugePages: false);
        var random = new SeededBytes(4);
        SurbQueue[] queues = [SurbQueue.Empty, SurbQueue.Empty, SurbQueue.Empty];
        Queue<(byte[] Surb, long Time)>[] model = [new(), new(), new()];
        long now = 0;
        for (int i = 0; i < 200_000; i++)
        {
            int q = random.Below(3);
            now++;
            switch (random.Below(8))
            {
                case < 4:
                    byte[] surb = random.Bytes(random.Below(5) == 0 ? 1164 : 460);
                    if (store.TryAdd(ref queues[q], surb, KeyRotation.Odd, now))
                        model[q].Enqueue((surb, now));
                    break;
                case < 7:
                    int id = store.Take(ref queues[q]);
                    Assert.Equal(model[q].Count == 0, id == SurbStore.None);
                    if (id == SurbStore.None)
                        break;
                    Assert.Equal(model[q].Dequeue().Surb, store.Surb(id).ToArray());
                    store.Free(id);
                    Assert.False(store.Surb(id).ContainsAnyExcept((byte)0));
                    break;
                default:
                    int expired = 0;
                    for (; model[q].TryPeek(out var old) && old.Time < now - 500; expired++)
                        model[q].Dequeue();
                    Assert.Equal(expired, store.Expire(ref queues[q], now - 500));
                    break;
            }

            Assert.Equal(model.Sum(m => m.Count), store.Count);
        }

        Assert.False(store.TryAdd(ref queues[0], new byte[1169], KeyRotation.Odd, now));
        for (int q = 0; q < 3; q++)
            store.Clear(ref queues[q]);
        Assert.Equal(0, store.Count);
    }

    [Fact]
    public void PeersAreFoundByTagUntilClosed()
    {
        var table = new PeerTable(100);
        var random = new SeededBytes(6);
        var open = new Dictionary<ulong, int>();
        for (int i = 0; i < 200_000; i++)
        {
            ulong low = (ulong)random.Below(300);
            var tag = new PeerTag(low, ~low);
            Assert.Equal(open.ContainsKey(low), table.TryFind(tag, out int index));
            if (open.Remove(low))
            {
                table.Close(index);
            }
            else
            {
                Assert.Equal(open.Count < 100, table.TryOpen(tag, i, out index));
                if (index != PeerTable.None)
                    open.Add(low, index);
            }

            Assert.Equal(open.Count, table.Count);
        }
    }

    [Fact]
    public void TimerFollowsTheNetworkAboveItsFloor()
    {
        var timer = new RetransmissionTimer(new DeliverySettings());
        Assert.Equal(1635, timer.Timeout(1));
        Assert.Equal(3270, timer.Timeout(2));
        Assert.Equal(30_000, timer.Timeout(9));
        Assert.True(timer.IsSoonerThanAnyAnswer(400));
        for (int i = 0; i < 200; i++)
            timer.Measure(4000);
        Assert.InRange(timer.Timeout(1), 4000, 4100);
        Assert.False(timer.IsSoonerThanAnyAnswer(2500));
        for (int i = 0; i < 200; i++)
            timer.Measure(50);
        Assert.Equal(1635, timer.Timeout(1));
    }

    [Fact]
    public void RoutesUseEveryNodeAndMeanDelays()
    {
        using var lab = new MixLab();
        using var tables = new NodeTables(1 << 20);
        var routes = new RouteBook(
            lab.Topology, lab.Exit.Identity, lab.Exit.SphinxKey, NodeAddress.From(lab.Exit.Address), TimeSpan.FromMilliseconds(15), tables);
        tables.Build(CancellationToken.None);
        Assert.True(routes.TryFindGateway(lab.Entry.Identity, out int entry));
        Assert.False(routes.TryFindGateway(new byte[32], out _));
        var seen = new Dictionary<NodeAddress, int>();
        double nanoseconds = 0;
        for (int i = 0; i < 10_000; i++)
        {
            var route = routes.Draw(entry, new byte[32], new byte[16]);
            Assert.True(route.IsValid);
            for (int hop = 0; hop < 4; hop++)
            {
                NodeAddress.TryRead(route.Addresses[(32 * hop)..], out NodeAddress address, out _);
                Assert.True(route.Tables[hop]!.IsOf(route.PublicKeys.Slice(32 * hop, 32)));
                seen[address] = seen.GetValueOrDefault(address) + 1;
                Assert.Equal(lab.At(address).SphinxKey, route.PublicKeys.Slice(32 * hop, 32).ToArray());
                nanoseconds += route.Delays[hop];
            }

            Assert.True(routes.TryFirstHop(out NodeAddress first) && lab.At(first).Collector is not null);
        }

        Assert.Equal(10_000, seen[NodeAddress.From(lab.Entry.Address)]);
        Assert.Equal(7, seen.Count);
        Assert.All(seen.Where(s => s.Value != 10_000), s => Assert.InRange(s.Value, 4700, 5300));
        Assert.InRange(nanoseconds / 40_000, 14e6, 16e6);
    }

    private static List<int> Walk(OutgoingTable table, OutgoingQueue queue)
    {
        var entries = new List<int>();
        for (int i = queue.Head; i != OutgoingTable.None; i = table[i].Next)
            entries.Add(i);
        return entries;
    }
}
