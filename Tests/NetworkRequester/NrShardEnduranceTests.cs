using System.Diagnostics;
using FastExit.Cores;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>Many connections without a leak, and a relay that allocates nothing.</summary>
public sealed class NrShardEnduranceTests
{
    [Fact]
    public void TenThousandConnectionsLeaveNothingBehind()
    {
        const int waves = 100;
        const int perWave = 100;
        using var server = new LoopbackServer(LoopbackServer.Echo);

        // So few descriptors that a leak of one per hundred connections would end the run.
        using var world = new ShardWorld(directDescriptors: 2 * perWave);
        ulong id = 0;
        for (int wave = 0; wave < waves; wave++)
        {
            var clients = new List<TestClient>();
            for (int i = 0; i < perWave; i++)
            {
                TestClient client = i % 2 == 0 ? world.Exposed(++id, MessageForm.Legacy) : world.Anonymous(++id);
                clients.Add(client);
                client.Connect(server.Address);
                client.Send("ping"u8, closed: i % 3 != 0);
                if (i % 16 == 0)
                    world.Pump(0);
            }

            long established = (wave + 1) * perWave;
            world.Until(() => world.Read(Counter.NetworkRequester_BytesFromDestinations) == established * 4, "echoes");

            // A third is closed by the client only now.
            for (int i = 0; i < perWave; i += 3)
                clients[i].Send([], closed: true);
            world.Until(() => world.Shard.Records == 0, "wave gone");
            world.Replies.Messages.Clear();
        }

        Assert.Equal(waves * perWave, world.Read(Counter.NetworkRequester_Established));
        Assert.Equal(waves * perWave, world.Read(Counter.NetworkRequester_Closed));
        Assert.Equal(0, world.Read(Counter.NetworkRequester_DescriptorsExhausted));
        Assert.Equal(0, world.Shard.NodesInUse);
    }

    [Fact]
    public void ASteadyRelayAllocatesNothing()
    {
        using var server = new LoopbackServer(LoopbackServer.Echo);
        using var world = new ShardWorld();
        world.Replies.Sink = true;
        TestClient client = world.Anonymous(1);
        client.Connect(server.Address);
        byte[] payload = new byte[1400];
        byte[] message = new byte[1500];
        ulong sequence = 0;
        Relay(world, client.Peer, message, payload, ref sequence, 3000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        long bytes = world.Replies.SunkBytes;
        Relay(world, client.Peer, message, payload, ref sequence, 3000);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(3000 * 1400, world.Replies.SunkBytes - bytes);
        Assert.Equal(0, allocated);
    }

    [Fact]
    public void TwoThousandIdleRecordsCostLittle()
    {
        using var world = new ShardWorld();
        world.Gate.Silent = true;
        int peer = world.Replies.AddPeer(anonymous: true);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (ulong id = 1; id <= 2000; id++)
        {
            world.Anonymous(id, peer: peer).Send([]);
            if (id % 1000 == 0)
                peer = world.Replies.AddPeer(anonymous: true);
        }

        long perConnection = (GC.GetAllocatedBytesForCurrentThread() - before) / 2000;
        Assert.Equal(2000, world.Shard.Records);
        Assert.InRange(perConnection, 1, 1024);
        before = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 1000; i++)
            world.Shard.Tick(world.Now);
        TimeSpan taken = Stopwatch.GetElapsedTime(start);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(taken < TimeSpan.FromMilliseconds(500), $"a thousand ticks took {taken.TotalMilliseconds} ms");
    }

    private static void Relay(ShardWorld world, int peer, byte[] message, byte[] payload, ref ulong sequence, int messages)
    {
        long target = world.Replies.SunkBytes + ((long)messages * payload.Length);
        long start = world.Replies.SunkBytes;
        for (int i = 0; i < messages; i++)
        {
            RequestWriter.TryWriteSend(message, MessageForm.Version3, 1, sequence++, false, payload, out int bytes);
            TestClient.Deliver(world, message.AsSpan(0, bytes), peer);
            if (i % 4 == 0)
                world.Pump(0);

            // The sink does not pause, so neither must the client run ahead of the echo.
            while (world.Replies.SunkBytes - start < (i - 64) * (long)payload.Length)
                world.Pump();
        }

        for (int i = 0; i < 5000 && world.Replies.SunkBytes < target; i++)
            world.Pump();
    }
}
