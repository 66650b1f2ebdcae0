using System.Buffers.Binary;
using FastExit.Cores;
using FastExit.IpPacketRouter;
using FastExit.Memory;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter;

/// <summary>Packets made to harm, in a session of their own, beside a client that means well.</summary>
public sealed class HostileUplinkTests
{
    private static readonly NumericAddress s_public4 = Ip.Address("8.8.8.8");
    private static readonly NumericAddress s_public6 = Ip.Address("2001:4860:4860::8888");

    [Fact]
    public void Each_is_dropped_and_counted_by_its_reason_and_the_session_goes_on()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        foreach (HostilePacket hostile in HostilePacket.All(client.IPv4, client.IPv6, s_public4, s_public6))
        {
            long before = world.Read(hostile.Reason);
            client.Send(hostile.Bytes);
            world.Pass(10);
            Assert.True(world.Device.Packets.Count == 0, $"{hostile.What} got out");
            Assert.True(world.Read(hostile.Reason) == before + 1, $"{hostile.What} is not counted as {hostile.Reason}");
        }

        Assert.Equal(0, world.Read(Counter.IpPacketRouter_UplinkPackets));
        client.Send(Ip.Udp(client.IPv4, s_public4, 53));
        world.Turn();
        Assert.Single(world.Device.Packets);
    }

    [Fact]
    public void The_last_hop_is_said_to_the_sender()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        byte[] four = Ip.Udp(client.IPv4, s_public4, 33434), six = Ip.Udp(client.IPv6, s_public6, 33434);
        (four[8], six[7]) = (1, 1);
        client.Send(Ip.Summed(four), six);
        world.Pass(40);
        List<byte[]> answers = client.Packets();
        Assert.Equal([11, 0], answers[0][20..22]);
        Assert.Equal([3, 0], answers[1][40..42]);
        Assert.All(answers, answer => Assert.True(Ip.IcmpVerifies(answer)));

        // Pings of the gateway itself end there anyway.
        byte[] ping = Ip.Ping(client.IPv4, Ip.Address("10.0.0.1"));
        ping[8] = 1;
        client.Send(Ip.Summed(ping));
        world.Pass(40);
        Assert.Equal(0, Assert.Single(client.Packets())[20]);
    }

    [Fact]
    public void Teardrop_never_reaches_over_its_first_fragment()
    {
        using var world = new IprWorld();
        IprClient client = world.Connected();
        byte[] first = Ip.Fragment(client.IPv4, s_public4, 53, 242, 0, more: true);
        client.Send(first, Ip.Fragment(client.IPv4, s_public4, 53, 242, 16, more: false), Ip.Fragment(client.IPv4, s_public4, 53, 242, 8, more: true));
        world.Turn();
        Assert.Equal(first, Assert.Single(world.Device.Packets));
        Assert.Equal(2, world.Read(Counter.IpPacketRouter_FragmentsDropped));
    }

    /// <summary>A million: known ones changed at random, fragments of all kinds, whole and cut off.</summary>
    [Fact]
    public void Nothing_that_no_router_passes_on_gets_out_and_a_good_client_loses_nothing()
    {
        const int inputs = 1_000_000, bundle = 10;
        var random = new Random(20261201);
        using var world = new IprWorld(policy: "reject *:25\naccept *:*", regularSlots: 2048);
        world.Device.Sink = world.Replies.Sink = true;
        IprClient hostile = world.Client(10), good = world.Client(10);
        world.Replies.Sink = false;
        hostile.Connect(1);
        good.Connect(1);
        world.Replies.Sink = true;
        byte[][] seeds =
        [
            .. HostilePacket.All(hostile.IPv4, hostile.IPv6, s_public4, s_public6).Select(h => h.Bytes),
            .. Ip.Cut(Ip.Udp(hostile.IPv4, s_public4, 53, 3000), 1000, 1), .. Ip.Cut(Ip.Udp(hostile.IPv6, s_public6, 53, 3000), 1000, 2),
            .. Ip.Cut(Ip.Ping(hostile.IPv4, Ip.Address("10.0.0.1"), 3000), 1000, 3), .. Ip.Cut(Ip.Ping(hostile.IPv6, Ip.Address("fc00::1"), 3000), 1000, 4),
            Ip.Udp(hostile.IPv4, s_public4, 53), Ip.Udp(hostile.IPv6, s_public6, 53), Ip.TcpSyn(hostile.IPv4, s_public4, 80, 9000),
            Ip.Ping(hostile.IPv4, s_public4), Ip.Ping(hostile.IPv6, s_public6), Ip.Udp(hostile.IPv4, good.IPv4, 53),
        ];
        byte[] wanted = Ip.Udp(good.IPv4, s_public4, 4444);
        int arrived = 0, passed = 0, most = 0;
        string? leaked = null;
        world.Device.Look = packet =>
        {
            if (packet.SequenceEqual(wanted))
                arrived++;
            else if (MayLeave(packet, hostile))
                passed++;
            else
                leaked ??= Convert.ToHexString(packet);
        };
        byte[][] packets = new byte[bundle][];
        for (int i = 0; i < inputs / bundle; i++)
        {
            for (int j = 0; j < bundle; j++)
                packets[j] = Changed(random, seeds[random.Next(seeds.Length)]);
            hostile.Send(packets);
            good.Send(wanted);
            world.Now++;
            world.Turn();
            Assert.Null(leaked);
            most = Math.Max(most, world.Core.Memory.Own.InUse(SlotClass.Regular));
            for (SlotClass size = SlotClass.Regular + 1; size <= SlotClass.Assembly4M; size++)
                Assert.Equal(0, world.Core.Memory.Own.InUse(size));
        }

        Assert.Equal(inputs / bundle, arrived);
        Assert.InRange(passed, inputs / 100, inputs / 2);
        Assert.InRange(most, 1, EarlyFragments.PerSession + 8);
        Assert.Equal(2, world.Shard.Sessions);
    }

    private static byte[] Changed(Random random, byte[] seed)
    {
        byte[] packet = (byte[])seed.Clone();
        for (int changes = random.Next(4); changes > 0; changes--)
        {
            // Sources stay the client's own, or a neighbour's name would end the session.
            int at = random.Next(packet.Length);
            bool source = packet[0] >> 4 == 6 ? at is >= 8 and < 24 : at is >= 12 and < 16;
            if (!source && at > 0)
                packet[at] = (byte)(random.Next(2) == 0 ? random.Next(256) : packet[at] ^ (1 << random.Next(8)));
        }

        if (packet[0] >> 4 == 4 && random.Next(4) > 0 && packet.Length >= (packet[0] & 15) * 4 && packet[0] >= 0x45)
            Ip.Summed(packet);
        return random.Next(20) == 0 ? packet[..random.Next(packet.Length)] : packet;
    }

    private static bool IsOf(ReadOnlySpan<byte> packet, IprClient client) => packet[0] >> 4 == 6
        ? BinaryPrimitives.ReadUInt128BigEndian(packet[8..]) == client.IPv6.Bits
        : BinaryPrimitives.ReadUInt32BigEndian(packet[12..]) == (uint)client.IPv4.Bits;

    // Read here once more, from the beginning and without the router's own parser.
    private static bool MayLeave(ReadOnlySpan<byte> packet, IprClient client)
    {
        if (!IsOf(packet, client))
            return false;
        if (packet[0] >> 4 == 6)
        {
            UInt128 to = BinaryPrimitives.ReadUInt128BigEndian(packet[24..]);
            bool own = to == Ip.Address("fc00::1").Bits;
            int top = (int)(to >> 112);
            bool special6 = to <= 1 || to >> 32 == 0xffff || top >> 9 == 0x7e || top >> 6 == 0x3fa || top >> 8 == 0xff || top == 0x2002
                || to >> 96 == 0x20010db8 || to >> 64 == (UInt128)0x0100 << 48;
            return 40 + BinaryPrimitives.ReadUInt16BigEndian(packet[4..]) == packet.Length && packet[6] != 0
                && (own ? packet[6] == 44 : packet[7] > 1 && !special6);
        }

        uint destination = BinaryPrimitives.ReadUInt32BigEndian(packet[16..]);
        bool gateway = destination == 0x0a000001;
        bool special = destination >> 24 is 0 or 10 or 127 or >= 224 || destination >> 16 is 0xa9fe or 0xc0a8
            || destination >> 20 == 0xac1 || destination >> 22 == 0x191;
        int header = (packet[0] & 15) * 4;
        int field = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        int offset = (field & 0x1fff) * 8;
        bool part = offset > 0 || (field & 0x2000) != 0;
        return packet[0] >> 4 == 4 && header >= 20 && BinaryPrimitives.ReadUInt16BigEndian(packet[2..]) == packet.Length
            && Ip.Checksum(packet[..header]) == 0 && Padding(packet[20..header])
            && (gateway ? part && packet[9] == 1 : packet[8] > 1 && !special)
            && (!part || (packet.Length > header && offset + packet.Length <= 65_535 && ((field & 0x2000) == 0 || (packet.Length - header) % 8 == 0)));
    }

    private static bool Padding(ReadOnlySpan<byte> options)
    {
        int end = options.IndexOf((byte)0);
        return (end < 0 ? options : options[..end]).IndexOfAnyExcept((byte)1) < 0;
    }
}
