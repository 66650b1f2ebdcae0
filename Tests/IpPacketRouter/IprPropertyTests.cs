using FastExit.Configuration;
using FastExit.Cores;
using FastExit.IpPacketRouter;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

/// <summary>Whatever clients and host send: nothing throws, and at the end every slot, address and peer is back.</summary>
public sealed class IprPropertyTests
{
    [Fact]
    public void A_million_random_messages_neither_throw_nor_leak()
    {
        const int messages = 1_000_000;
        var random = new Random(20261123);
        using var world = new IprWorld(
            new IprLimits
            {
                MaximumSessions = 40,
                NewSessionsPerSecond = 1000,
                MaximumSpoofedPackets = 1000,
                AddressRest = TimeSpan.FromSeconds(1),
                QueueBytes = 32 << 10,
            },
            policy: "reject *:25\naccept *:53\naccept *:0\naccept 8.0.0.0/8:*\nreject *:*",
            network: new TunnelNetwork(AddressPrefix.Parse("10.0.0.1/26"), AddressPrefix.Parse("fc00::1/112")));
        world.Device.Sink = world.Replies.Sink = true;
        IprClient[] clients = [.. Enumerable.Range(0, 64).Select(i => world.Client((byte)(8 + (i % 3))))];
        byte[] message = new byte[4096];
        NumericAddress[] addresses =
        [
            Ip.Address("8.8.8.8"), Ip.Address("10.0.0.1"), Ip.Address("fc00::1"), Ip.Address("2001:4860:4860::8888"), Ip.Address("127.0.0.1"),
            .. Enumerable.Range(2, 61).SelectMany(n => (NumericAddress[])[world.Network.IPv4Of(n), world.Network.IPv6Of(n)]),
        ];
        byte[][] packets = [.. Enumerable.Range(0, 2000).Select(_ => RandomPacket(random, addresses))];
        for (int i = 0; i < messages; i++)
        {
            IprClient client = clients[random.Next(clients.Length)];
            int bytes = RandomMessage(random, message, packets);
            client.Deliver(message.AsSpan(0, bytes));
            byte[] packet = packets[random.Next(packets.Length)];
            if (i % 4 == 0)
                world.Device.Receive(packet.AsSpan(0, random.Next(10) == 0 ? random.Next(packet.Length) : packet.Length), world.Now);
            if (i % 7 == 0)
                world.Replies.SetCredit(client.Peer, random.Next(30));
            if (i % 1000 == 0)
                world.Shard.OnPeerLost(client.Peer);
            if (i % 3 == 0)
            {
                world.Now += random.Next(30);
                world.Turn();
            }
        }

        Assert.True(world.Device.Count > 1000, $"{world.Device.Count} packets got out");
        Assert.True(world.Replies.Sunk > 10_000);
        Assert.True(world.Read(Counter.IpPacketRouter_DownlinkPackets) > 1000);
    }

    [Fact]
    public void A_pool_gives_each_number_once_and_lets_it_rest()
    {
        var random = new Random(7);
        var network = new TunnelNetwork(AddressPrefix.Parse("10.0.0.1/16"), AddressPrefix.Parse("fc00::1/112"));
        var pool = new IprAddressPool(network, 1, 3, TimeSpan.FromSeconds(120));
        Assert.Equal(21844, pool.Total);
        var held = new List<int>();
        var freed = new Dictionary<int, long>();
        long now = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            now += random.Next(20);
            if (random.Next(2) == 0 && held.Count > 0)
            {
                int at = random.Next(held.Count);
                pool.Return(held[at], now);
                freed[held[at]] = now;
                held[at] = held[^1];
                held.RemoveAt(held.Count - 1);
            }
            else if (pool.TryTake(now, out int number))
            {
                Assert.Equal(1, number % 3);
                Assert.True(!freed.TryGetValue(number, out long at) || now - at >= 120_000);
                held.Add(number);
            }

            Assert.Equal(pool.Total, held.Count + pool.Available);
        }

        Assert.Equal(held.Count, held.Distinct().Count());
        while (pool.TryTake(now, out int number))
            held.Add(number);
        Assert.All(held.Distinct(), n => Assert.InRange(n, 2, 65534));
    }

    [Fact]
    public void All_cores_together_have_every_number_but_the_devices_own()
    {
        var network = new TunnelNetwork(AddressPrefix.Parse("10.0.0.7/24"), AddressPrefix.Parse("fc00::9/112"));
        int[] all = [.. Enumerable.Range(0, 4).SelectMany(core => Taken(new IprAddressPool(network, core, 4, TimeSpan.Zero)))];
        Assert.Equal([.. Enumerable.Range(2, 253).Where(n => n is not (7 or 9))], all.Order());
        foreach (int number in all)
        {
            Assert.True(network.TryNumber(network.IPv4Of(number), out int four) && four == number);
            Assert.True(network.TryNumber(network.IPv6Of(number), out int six) && six == number);
        }

        static IEnumerable<int> Taken(IprAddressPool pool)
        {
            while (pool.TryTake(0, out int number))
                yield return number;
        }
    }

    [Fact]
    public void Settings_become_limits_and_prefixes()
    {
        var settings = new IpPacketRouterSettings
        {
            Ipv6 = null,
            Ipv4 = "10.7.0.1/20",
            Mtu = 1400,
            MaximumSessions = 5,
            NewSessionsPerSecond = 3,
            QueueBytes = 9000,
            ClientToClient = true,
            IdleTimeout = TimeSpan.FromMinutes(9),
            BufferTimeout = TimeSpan.FromMilliseconds(7),
        };
        Assert.Equal(
            new IprLimits
            {
                Mtu = 1400,
                MaximumSessions = 5,
                NewSessionsPerSecond = 3,
                NewSessionsBurst = 15,
                QueueBytes = 9000,
                ClientToClient = true,
                IdleTimeout = TimeSpan.FromMinutes(9),
                BundleTimeout = TimeSpan.FromMilliseconds(7),
            },
            IprLimits.From(settings));
        var network = TunnelNetwork.From(settings);
        Assert.True(network.RoutesIPv4 && !network.RoutesIPv6);
        Assert.Equal((4094, "10.7.0.1", "10.7.0.9"), (network.LastNumber, network.Own4.ToString(), network.IPv4Of(9).ToString()));
    }

    [Fact]
    public void Bundle_timers_fire_once_in_their_millisecond_and_never_early()
    {
        var random = new Random(3);
        long now = 5_000;
        var timers = new BundleTimers(200, now);
        var due = new Dictionary<int, long>();
        for (int step = 0; step < 1_000_000; step++)
        {
            int index = random.Next(200);
            switch (random.Next(4))
            {
                case 0:
                    timers.Clear(index);
                    due.Remove(index);
                    break;
                case 1:
                    now += random.Next(1000) == 0 ? 5000 : random.Next(4);
                    while (timers.TryFire(now, out int fired))
                    {
                        Assert.True(due.Remove(fired, out long deadline));
                        Assert.True(deadline <= now, $"{deadline} at {now}");
                    }

                    Assert.All(due.Values, d => Assert.True(d > now));
                    break;
                default:
                    due[index] = now + random.Next(1, 1001);
                    timers.Set(index, due[index]);
                    break;
            }
        }
    }

    [Fact]
    public void Destinations_are_written_as_the_framework_writes_them()
    {
        var random = new Random(1);
        Span<byte> text = stackalloc byte[DestinationText.MaximumBytes];
        Span<byte> bits = stackalloc byte[16];
        for (int i = 0; i < 1_000_000; i++)
        {
            random.NextBytes(bits);
            for (int zero = random.Next(9); zero > 0; zero--)
                bits.Slice(random.Next(8) * 2, 2).Clear();
            NumericAddress address = NumericAddress.FromBytes(i % 4 == 0 ? bits[..4] : bits);
            ushort port = (ushort)random.Next(65536);
            int written = DestinationText.Write(text, address, port);
            string expected = address.IsIPv6 ? $"[{address}]:{port}" : $"{address}:{port}";
            Assert.Equal(expected, System.Text.Encoding.ASCII.GetString(text[..written]));
        }
    }

    private static byte[] RandomPacket(Random random, NumericAddress[] addresses)
    {
        NumericAddress from = addresses[random.Next(addresses.Length)], to;
        do
            to = addresses[random.Next(random.Next(2) == 0 ? 5 : addresses.Length)];
        while (to.IsIPv6 != from.IsIPv6);
        byte[] packet = random.Next(5) switch
        {
            0 => Ip.Ping(from, to),
            1 => Ip.TcpSyn(from, to, (ushort)random.Next(100), (ushort)random.Next(2000)),
            2 when !from.IsIPv6 => Ip.Fragment(from, to, 53, (ushort)random.Next(4), random.Next(3) * 24, random.Next(2) == 0),
            _ => Ip.Udp(from, to, (ushort)(random.Next(2) == 0 ? 53 : random.Next(100)), random.Next(1600)),
        };
        if (random.Next(4) == 0)
            packet[random.Next(packet.Length)] ^= (byte)(1 << random.Next(8));
        return packet;
    }

    private static int RandomMessage(Random random, byte[] message, byte[][] packets)
    {
        var envelope = new IprEnvelope((byte)random.Next(8, 11), (ulong)random.Next(3), 0);
        int bytes;
        switch (random.Next(8))
        {
            case 0:
                random.NextBytes(message.AsSpan(0, bytes = random.Next(200)));
                return bytes;
            case 1:
                ulong? timeout = random.Next(2) == 0 ? null : (ulong)random.NextInt64();
                IprRequestWriter.TryWriteConnect(
                    message, envelope, (ulong)random.Next(5), timeout, IprTimestamp.FromUtc(DateTime.UnixEpoch), out bytes);
                break;
            case 2:
                IprRequestKind kind = random.Next(8) == 0 ? IprRequestKind.Disconnect : (IprRequestKind)random.Next(3, 5);
                IprRequestWriter.TryWriteControl(message, envelope, kind, 1, IprTimestamp.FromUtc(DateTime.UnixEpoch), out bytes);
                break;
            default:
                Span<byte> bundle = stackalloc byte[3500];
                var writer = new BundleWriter(bundle, bundle.Length);
                for (int i = random.Next(1, 6); i > 0; i--)
                    writer.TryAdd(packets[random.Next(packets.Length)]);
                IprRequestWriter.TryWriteDataHeader(message, envelope, writer.Written, out bytes);
                bundle[..writer.Written].CopyTo(message.AsSpan(bytes));
                bytes += writer.Written;
                break;
        }

        if (random.Next(10) == 0)
            message[random.Next(bytes)] ^= (byte)(1 << random.Next(8));
        return random.Next(20) == 0 ? random.Next(bytes) : bytes;
    }
}
