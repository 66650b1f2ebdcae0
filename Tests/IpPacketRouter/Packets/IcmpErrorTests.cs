using System.Buffers.Binary;
using FastExit.IpPacketRouter.Packets;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.IpPacketRouter.Packets;

/// <summary>Errors as RFC 792, RFC 1122 §3.2.2 and RFC 4443 §2.4 and §3 want them, and what else a router changes in packets.</summary>
public sealed class IcmpErrorTests
{
    private static readonly NumericAddress s_gateway4 = Ip.Address("10.0.0.1"), s_gateway6 = Ip.Address("fc00::1");
    private static readonly NumericAddress s_client4 = Ip.Address("10.0.18.52"), s_client6 = Ip.Address("fc00::1234");
    private static readonly NumericAddress s_public4 = Ip.Address("8.8.8.8"), s_public6 = Ip.Address("2001:4860:4860::8888");

    [Theory]
    [InlineData(IcmpErrorKind.NoRoute, 3, 0, 1, 0)]
    [InlineData(IcmpErrorKind.HostUnreachable, 3, 1, 1, 3)]
    [InlineData(IcmpErrorKind.Prohibited, 3, 13, 1, 1)]
    [InlineData(IcmpErrorKind.TooBig, 3, 4, 2, 0)]
    [InlineData(IcmpErrorKind.TimeExceeded, 11, 0, 3, 0)]
    public void Every_kind_says_what_it_means_and_quotes_the_packet(IcmpErrorKind kind, byte type4, byte code4, byte type6, byte code6)
    {
        foreach (int payload in new[] { 0, 1, 31, 500, 1199, 1200, 1452 })
        {
            byte[] four = Ip.Udp(s_client4, s_public4, 53, payload), six = Ip.Udp(s_client6, s_public6, 53, payload);
            byte[] error4 = Write(kind, four, 1420), error6 = Write(kind, six, 1420);

            Assert.True(Ip.IcmpVerifies(error4) && Ip.IcmpVerifies(error6));
            Assert.Equal([type4, code4], error4[20..22]);
            Assert.Equal([type6, code6], error6[40..42]);

            // Unused is zero; the MTU is two bytes in the one, four in the other.
            bool tooBig = kind == IcmpErrorKind.TooBig;
            Assert.Equal(tooBig ? [0, 0, 1420 >> 8, 1420 & 255] : new byte[4], error4[24..28]);
            Assert.Equal(tooBig ? [0, 0, 1420 >> 8, 1420 & 255] : new byte[4], error6[44..48]);
            Assert.Equal(four[..Math.Min(four.Length, 576 - 28)], error4[28..]);
            Assert.Equal(six[..Math.Min(six.Length, 1280 - 48)], error6[48..]);
            Assert.Equal(error4.Length, BinaryPrimitives.ReadUInt16BigEndian(error4.AsSpan(2)));
            Assert.Equal(error6.Length - 40, BinaryPrimitives.ReadUInt16BigEndian(error6.AsSpan(4)));
            Assert.Equal((s_gateway4, s_client4), Ends(error4));
            Assert.Equal((s_gateway6, s_client6), Ends(error6));
        }
    }

    [Fact]
    public void Bytes_behind_the_packet_are_not_quoted()
    {
        byte[] packet = [.. Ip.Udp(s_client4, s_public4, 53, 8), 1, 2, 3, 4];
        Assert.Equal(packet[..^4], Write(IcmpErrorKind.NoRoute, packet, 0)[28..]);
    }

    [Fact]
    public void Nothing_is_said_about_errors_later_fragments_groups_or_to_nobody()
    {
        foreach (IcmpErrorKind kind in Enum.GetValues<IcmpErrorKind>())
        {
            for (int type = 0; type < 256; type++)
            {
                byte[] icmp = [(byte)type, 0, 0, 0, 0, 0, 0, 0, .. new byte[40]];
                Assert.Equal(type is 3 or 4 or 5 or 11 or 12, Write(kind, Ip.Icmp(s_client4, s_public4, icmp), 1420).Length == 0);
                Assert.Equal(type is < 128 or 137, Write(kind, Ip.Icmp(s_client6, s_public6, icmp), 1420).Length == 0);
            }

            foreach (byte[] whole in new[] { Ip.Udp(s_client4, s_public4, 53, 4000), Ip.Udp(s_client6, s_public6, 53, 4000) })
            {
                List<byte[]> pieces = Ip.Cut(whole, 1000, 5);
                Assert.NotEmpty(Write(kind, pieces[0], 1420));
                Assert.All(pieces.Skip(1), piece => Assert.Empty(Write(kind, piece, 1420)));
            }

            foreach (string to in new[] { "224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1" })
                Assert.Empty(Write(kind, Ip.Udp(s_client4, Ip.Address(to), 53), 1420));
            foreach (string from in new[] { "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255" })
                Assert.Empty(Write(kind, Ip.Udp(Ip.Address(from), s_public4, 53), 1420));
            foreach (string from in new[] { "::", "::1", "ff02::1" })
                Assert.Empty(Write(kind, Ip.Udp(Ip.Address(from), s_public6, 53), 1420));

            // A path's MTU is learnt from groups too (RFC 4443 §2.4 e.3).
            Assert.Equal(kind == IcmpErrorKind.TooBig, Write(kind, Ip.Udp(s_client6, Ip.Address("ff0e::1"), 53), 1420).Length > 0);
        }
    }

    [Fact]
    public void A_gateway_of_the_other_family_or_too_small_a_place_gives_none()
    {
        byte[] packet = Ip.Udp(s_client4, s_public4, 53, 600), error = new byte[IcmpError.MaximumBytes];
        Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(packet, out IpPacket ip));
        Assert.Equal(0, IcmpError.Write(error, IcmpErrorKind.NoRoute, 0, s_gateway6, packet, ip));
        Assert.Equal(0, IcmpError.Write(error.AsSpan(0, 575), IcmpErrorKind.NoRoute, 0, s_gateway4, packet, ip));
        Assert.Equal(576, IcmpError.Write(error.AsSpan(0, 576), IcmpErrorKind.NoRoute, 0, s_gateway4, packet, ip));
    }

    [Theory]
    [InlineData(1440, 1360)]
    [InlineData(1361, 1360)]
    [InlineData(1360, 1360)]
    [InlineData(1220, 1220)]
    [InlineData(65535, 1360)]
    public void Handshakes_over_IPv6_are_clamped_behind_extension_headers_too(int announced, int expected)
    {
        byte[] plain = Ip.TcpSyn(s_client6, s_public6, 443, (ushort)announced);
        byte[] extended = [.. plain[..40], 6, 0, 1, 4, 0, 0, 0, 0, .. plain[40..]];
        extended[6] = 60;
        extended[5] += 8;
        foreach (byte[] packet in new[] { plain, extended })
        {
            int tcp = packet.Length - 24;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(tcp + 16), Sum(packet, tcp));
            Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(packet, out IpPacket ip));
            Assert.Equal(announced > expected, MssClamp.Apply(packet, ip, 1420));
            Assert.Equal(expected, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(tcp + 22)));
            Assert.Equal(0, Sum(packet, tcp));
        }

        static ushort Sum(byte[] packet, int tcp) =>
            Ip.Checksum([.. packet[8..40], .. Ip.Word(packet.Length - tcp), 0, 6, .. packet[tcp..]]);
    }

    [Fact]
    public void A_lowered_hop_limit_keeps_the_checksum_right()
    {
        var random = new Random(31);
        for (int i = 0; i < 100_000; i++)
        {
            byte[] packet = Ip.Packet(s_client4, s_public4, (byte)random.Next(256), new byte[8]);
            packet[8] = (byte)random.Next(1, 256);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)random.Next(65536));
            byte[] expected = (byte[])Ip.Summed(packet).Clone();
            expected[8]--;
            HopLimit.Lower(packet, isIPv6: false);
            Assert.Equal(0, Ip.Checksum(packet.AsSpan(0, 20)));
            Assert.Equal(expected[8], HopLimit.Of(packet, isIPv6: false));
        }
    }

    [Fact]
    public void Fragments_put_together_are_the_packet()
    {
        var random = new Random(32);
        byte[] place = new byte[1500];
        byte[] joined = new byte[66_000];
        for (int i = 0; i < 100_000; i++)
        {
            int payload = random.Next(i % 100 == 0 ? 65_000 : 3000);
            int mtu = random.Next(28, 1501);
            byte[] packet = Ip.Packet(s_client4, s_public4, 99, new byte[payload]);
            random.NextBytes(packet.AsSpan(20, Math.Min(payload, 3000)));

            // Some are fragments themselves.
            int first = random.Next(3) == 0 ? random.Next(50) : 0;
            bool more = random.Next(3) == 0 && payload > 0 && payload % 8 == 0;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), (ushort)(first | (more ? 0x2000 : 0)));
            Ip.Summed(packet);
            if (IpPacket.TryRead(packet, out IpPacket ip) != IpReadStatus.Ok)
                continue;
            Assert.True(IPv4Fragmenter.MayCut(packet, ip));
            var fragments = new IPv4Fragmenter(packet, ip, mtu);
            int end = 0;
            bool last = false;
            while (fragments.TryNext(place, out int bytes))
            {
                Assert.False(last);
                Assert.True(bytes <= mtu && Ip.Checksum(place.AsSpan(0, 20)) == 0);
                int field = BinaryPrimitives.ReadUInt16BigEndian(place.AsSpan(6));
                Assert.Equal(end, ((field & 0x1fff) - first) * 8);
                place.AsSpan(20, bytes - 20).CopyTo(joined.AsSpan(end));
                end += bytes - 20;
                last = end == payload;
                Assert.Equal(more || !last, (field & 0x2000) != 0);
            }

            Assert.True(joined.AsSpan(0, end).SequenceEqual(packet.AsSpan(20)));
        }
    }

    private static byte[] Write(IcmpErrorKind kind, byte[] packet, int mtu)
    {
        byte[] error = new byte[IcmpError.MaximumBytes];
        Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(packet, out IpPacket ip));
        int bytes = IcmpError.Write(error, kind, mtu, ip.IsIPv6 ? s_gateway6 : s_gateway4, packet, ip);
        return error[..bytes];
    }

    private static (NumericAddress, NumericAddress) Ends(byte[] packet)
    {
        Assert.Equal(IpReadStatus.Ok, IpPacket.TryRead(packet, out IpPacket ip));
        return (ip.Source, ip.Destination);
    }
}
