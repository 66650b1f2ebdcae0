using FastExit.Configuration;
using FastExit.Cores;
using FastExit.NetworkRequester;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>All data without a connection together holds a share of the slots; the oldest gives way.</summary>
public sealed class EarlySlotsTests
{
    private const int RegularSlots = 1024;
    private const int Share = RegularSlots / 4;

    [Fact]
    public void TheOldestGivesWayAndTheNewestIsServed()
    {
        const int Connections = Share + 44;
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld(regularSlots: RegularSlots);
        int rest = world.SlotsInUse;
        TestClient[] clients = [.. Enumerable.Range(1, Connections).Select(i => world.Anonymous((ulong)i))];
        foreach (TestClient client in clients)
            client.Send("early"u8);
        Assert.Equal(44, world.Read(Counter.NetworkRequester_EarlyDataEvicted));
        Assert.Equal(Share, world.SlotsInUse - rest);

        clients[^1].Connect(server.Address);
        world.Until(() => clients[^1].Received.Length == 5, "echo");
        clients[44].Connect(server.Address);
        world.Until(() => clients[44].Received.Length == 5, "echo of the oldest that is left");
        Assert.Equal(Share - 2, world.SlotsInUse - rest);

        // Its stream cannot be complete any more: it is told so.
        clients[43].Connect(server.Address);
        world.Until(() => clients[43].IsClosed, "failure");
        Assert.Equal(ConnectFailure.Limit, clients[43].Responses().Single(r => r.Kind == ResponseKind.ConnectionError).Failure);
        Assert.Equal(2, world.Read(Counter.NetworkRequester_Established));
        world.Pass(TimeSpan.FromSeconds(31));
        Assert.Equal(0, world.SlotsInUse - rest);
        Assert.Equal(Connections - 3, world.Read(Counter.NetworkRequester_EarlyDataExpired));
    }

    [Fact]
    public void OneConnectionCannotTakeTheShareOfAll()
    {
        using var world = new ShardWorld(
            new NetworkRequesterSettings { EarlyMessagesPerConnection = 1000, EarlyBytesPerConnection = 1 << 20 }, regularSlots: RegularSlots);
        int rest = world.SlotsInUse;
        TestClient greedy = world.Anonymous(1), other = world.Anonymous(2);
        for (int i = 0; i < Share; i++)
            greedy.Send("x"u8);
        Assert.Equal(Share, world.SlotsInUse - rest);
        other.Send("y"u8);
        Assert.Equal(1, world.SlotsInUse - rest);
        Assert.Equal(1, world.Read(Counter.NetworkRequester_EarlyDataEvicted));
        for (int i = 0; i < 10; i++)
            greedy.Send("x"u8);
        Assert.Equal(1, world.SlotsInUse - rest);
    }

    [Fact]
    public void LargeSlotsHaveTheirOwnShare()
    {
        using var world = new ShardWorld(regularSlots: RegularSlots);
        TestClient[] small = [.. Enumerable.Range(1, 100).Select(i => world.Anonymous((ulong)i))];
        foreach (TestClient client in small)
            client.Send("early"u8);
        int before = world.SlotsInUse;
        // 16 MiB of assembly memory: 256 slots of 16 KiB, a quarter of them for this.
        byte[] large = new byte[5000];
        for (ulong i = 1000; i < 1100; i++)
        {
            TestClient client = world.Anonymous(i);
            client.Send("and a small one"u8);
            client.Send(large);
        }

        Assert.Equal(36, world.Read(Counter.NetworkRequester_EarlyDataEvicted));
        Assert.Equal(64, world.Memory.Own.InUse(FastExit.Memory.SlotClass.Assembly16K));
        Assert.Equal(before + 64, world.SlotsInUse);
    }

    [Fact]
    public void RandomDataNeverHoldsMoreThanItsShare()
    {
        var random = new Random(7);
        using var server = new LoopbackServer(s => LoopbackServer.ReadToEnd(s));
        using var world = new ShardWorld(new NetworkRequesterSettings { EarlySlotPercent = 5 }, regularSlots: RegularSlots);
        int rest = world.SlotsInUse;
        world.Gate.Silent = true;
        var clients = new Dictionary<ulong, TestClient>();
        int connected = 0;
        for (int step = 0; step < 20_000; step++)
        {
            ulong id = (ulong)random.Next(1, 400);
            if (!clients.TryGetValue(id, out TestClient? client))
                clients.Add(id, client = world.Anonymous(id));
            switch (random.Next(40))
            {
                case 0 when connected < 30:
                    connected++;
                    client.Connect(server.Address);
                    break;
                case 1:
                    client.SendAs((ulong)random.Next(3), [], closed: true);
                    break;
                case 2:
                    client.SendAs((ulong)random.Next(30), new byte[4000]);
                    break;
                default:
                    client.SendAs((ulong)random.Next(30), new byte[random.Next(1, 200)]);
                    break;
            }

            // Connections that wait for the gate hold data of their own.
            Assert.InRange(world.Memory.Own.InUse(FastExit.Memory.SlotClass.Assembly16K), 0, 12 + (connected * 30));
            if (connected == 0)
                Assert.InRange(world.SlotsInUse - rest, 0, RegularSlots / 20);
        }

        Assert.True(world.Read(Counter.NetworkRequester_EarlyDataEvicted) > 100);
        world.Gate.Silent = false;
        world.Pass(TimeSpan.FromSeconds(31));
    }
}
