using System.Buffers.Binary;
using FastExit.Cores;
using FastExit.Policy;

namespace FastExit.Tests.IpPacketRouter;

/// <summary>Packets that no router passes on, each with the counter that says why.</summary>
internal sealed record HostilePacket(string What, Counter Reason, byte[] Bytes)
{
    private const byte Udp = 17, Tcp = 6, Icmp = 1, IcmpV6 = 58, HopByHop = 0, Routing = 43, Fragment = 44, Destination = 60, Nothing = 59;

    /// <param name="from4">The client's own.</param>
    /// <param name="from6">The client's own.</param>
    /// <param name="to4">A host that may be reached.</param>
    /// <param name="to6">A host that may be reached.</param>
    public static List<HostilePacket> All(NumericAddress from4, NumericAddress from6, NumericAddress to4, NumericAddress to6) =>
    [
        .. Headers4(from4, to4), .. Fragments4(from4, to4), .. Transports(from4, to4), .. Transports(from6, to6),
        .. Headers6(from6, to6), .. Addresses(from4, from6, to4, to6),
    ];

    private static IEnumerable<HostilePacket> Headers4(NumericAddress from, NumericAddress to)
    {
        byte[] good = Ip.Udp(from, to, 53);
        yield return With("IHL 0", Counter.IpPacketRouter_PacketsBadHeader, good, p => p[0] = 0x40);
        yield return With("IHL 4", Counter.IpPacketRouter_PacketsBadHeader, good, p => p[0] = 0x44);
        yield return With("IHL beyond the packet", Counter.IpPacketRouter_PacketsBadHeader, good[..40], p => (p[0], p[3]) = (0x4f, 40));
        foreach (int version in new[] { 0, 1, 5, 7, 15 })
            yield return With($"version {version}", Counter.IpPacketRouter_PacketsBadVersion, good, p => p[0] = (byte)((version << 4) | 5));
        yield return With("total length 0", Counter.IpPacketRouter_PacketsBadHeader, good, p => p[3] = 0);
        yield return With("total length 19", Counter.IpPacketRouter_PacketsBadHeader, good, p => p[3] = 19);
        yield return With("total length beyond the bytes", Counter.IpPacketRouter_PacketsTruncated, good, p => p[3]++);
        yield return With("total length 65535", Counter.IpPacketRouter_PacketsTruncated, good, p => p[2] = p[3] = 255);
        yield return new("19 bytes", Counter.IpPacketRouter_PacketsTruncated, good[..19]);
        yield return new("header checksum", Counter.IpPacketRouter_PacketsBadChecksum, [.. good[..10], (byte)~good[10], .. good[11..]]);
        yield return With("time to live 0", Counter.IpPacketRouter_HopLimitReached, good, p => p[8] = 0);
        yield return With("time to live 1", Counter.IpPacketRouter_HopLimitReached, good, p => p[8] = 1);
        yield return Options("loose source route", Counter.IpPacketRouter_PacketsBadHeader, good, [131, 7, 4, 8, 8, 4, 4, 0]);
        yield return Options("strict source route behind padding", Counter.IpPacketRouter_PacketsBadHeader, good, [1, 137, 7, 4, 8, 8, 4, 4]);
        yield return Options("record route", Counter.IpPacketRouter_PacketsToRouters, good, [7, 7, 4, 0, 0, 0, 0, 0]);
        yield return Options("timestamps", Counter.IpPacketRouter_PacketsToRouters, good, [68, 8, 5, 0, 0, 0, 0, 0]);
        yield return Options("router alert", Counter.IpPacketRouter_PacketsToRouters, good, [148, 4, 0, 0]);
        yield return Options("unknown option", Counter.IpPacketRouter_PacketsToRouters, good, [1, 94, 2, 0]);
        yield return Options("option of length 0", Counter.IpPacketRouter_PacketsBadHeader, good, [148, 0, 0, 0]);
        yield return Options("option of length 1", Counter.IpPacketRouter_PacketsBadHeader, good, [148, 1, 0, 0]);
        yield return Options("option beyond the header", Counter.IpPacketRouter_PacketsBadHeader, good, [1, 1, 148, 40]);
        yield return Options("option without length", Counter.IpPacketRouter_PacketsBadHeader, good, [1, 1, 1, 148]);
    }

    private static IEnumerable<HostilePacket> Fragments4(NumericAddress from, NumericAddress to)
    {
        byte[] good = Ip.Udp(from, to, 53);
        yield return Part("first fragment without a byte", good[..20], 0, more: true);
        yield return Part("later fragment without a byte", good[..20], 80, more: true);
        yield return Part("last fragment without a byte", good[..20], 80, more: false);
        yield return Part("fragment of uneven length", good[..^3], 0, more: true);
        yield return Part("fragment that ends beyond 65535", good, 65_528, more: false);
        yield return Part("fragment over the TCP ports", Ip.Packet(from, to, Tcp, new byte[8]), 8, more: true);
        yield return Part("fragment over the TCP flags", Ip.Packet(from, to, Tcp, new byte[8]), 16, more: false);
    }

    private static IEnumerable<HostilePacket> Transports(NumericAddress from, NumericAddress to)
    {
        string family = from.IsIPv6 ? "v6 " : "v4 ";
        byte icmp = from.IsIPv6 ? IcmpV6 : Icmp;
        foreach ((byte protocol, int bytes) in new[] { (Udp, 0), (Udp, 7), (Tcp, 0), (Tcp, 19), (icmp, 0), (icmp, 7) })
            yield return new($"{family}{bytes} bytes of {protocol}", Counter.IpPacketRouter_PacketsTruncated, Ip.Packet(from, to, protocol, new byte[bytes]));
        foreach (byte offset in new byte[] { 0, 0x40, 0xf0 })
        {
            byte[] tcp = [0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, offset, 16, 1, 0, 0, 0, 0, 0];
            yield return new($"{family}TCP header of {offset >> 4} words", Counter.IpPacketRouter_PacketsTruncated, Ip.Packet(from, to, Tcp, tcp));
        }

        yield return new($"{family}UDP port 0", Counter.IpPacketRouter_PortZero, Ip.Udp(from, to, 0));
        yield return new($"{family}TCP port 0", Counter.IpPacketRouter_PortZero, Ip.TcpSyn(from, to, 0, 1460));
        foreach (byte type in from.IsIPv6 ? new byte[] { 130, 131, 132, 133, 134, 135, 136, 137, 143 } : [5, 9, 10])
        {
            byte[] message = [type, 1, 0, 0, 8, 8, 8, 8, .. new byte[28]];
            yield return new($"{family}ICMP {type}", Counter.IpPacketRouter_PacketsToNeighbours, Ip.Icmp(from, to, message));
        }
    }

    private static IEnumerable<HostilePacket> Headers6(NumericAddress from, NumericAddress to)
    {
        byte[] good = Ip.Udp(from, to, 53), datagram = good[40..];
        yield return With("v6 length beyond the bytes", Counter.IpPacketRouter_PacketsTruncated, good, p => p[5]++);
        yield return new("39 bytes", Counter.IpPacketRouter_PacketsTruncated, good[..39]);
        yield return With("hop limit 0", Counter.IpPacketRouter_HopLimitReached, good, p => p[7] = 0);
        yield return With("hop limit 1", Counter.IpPacketRouter_HopLimitReached, good, p => p[7] = 1);
        yield return With("no payload where UDP is said", Counter.IpPacketRouter_PacketsTruncated, good, p => p[4] = p[5] = 0);
        yield return Extended("routing header 0", Counter.IpPacketRouter_PacketsBadHeader, Routing, [Udp, 2, 0, 1, 0, 0, 0, 0, .. new byte[16], .. datagram]);
        yield return Extended("routing header 2", Counter.IpPacketRouter_PacketsBadHeader, Routing, [Udp, 2, 2, 1, 0, 0, 0, 0, .. new byte[16], .. datagram]);
        yield return Extended("segment routing", Counter.IpPacketRouter_PacketsBadHeader, Routing, [Udp, 2, 4, 1, 1, 0, 0, 0, .. new byte[16], .. datagram]);
        yield return Extended("hop-by-hop", Counter.IpPacketRouter_PacketsToRouters, HopByHop, [Udp, 0, 1, 4, 0, 0, 0, 0, .. datagram]);
        yield return Extended("router alert", Counter.IpPacketRouter_PacketsToRouters, HopByHop, [Udp, 0, 5, 2, 0, 0, 1, 0, .. datagram]);
        yield return Extended("unknown hop-by-hop option", Counter.IpPacketRouter_PacketsToRouters, HopByHop, [Udp, 0, 0xc2, 4, 0, 0, 0, 0, .. datagram]);
        yield return With(
            "jumbogram", Counter.IpPacketRouter_PacketsBadHeader, Packet(HopByHop, [Udp, 0, 0xc2, 4, 0, 1, 0, 0, .. datagram]), p => p[4] = p[5] = 0);
        yield return Extended("hop-by-hop twice", Counter.IpPacketRouter_PacketsBadHeader, HopByHop, [HopByHop, 0, 1, 4, 0, 0, 0, 0, Udp, 0, 1, 4, 0, 0, 0, 0, .. datagram]);
        yield return Extended("hop-by-hop behind another", Counter.IpPacketRouter_PacketsBadHeader, Destination, [HopByHop, 0, 1, 4, 0, 0, 0, 0, Udp, 0, 1, 4, 0, 0, 0, 0, .. datagram]);
        byte[] endless = [.. Enumerable.Range(0, 120).SelectMany(_ => new byte[] { Destination, 0, 1, 4, 0, 0, 0, 0 })];
        yield return Extended("headers without end", Counter.IpPacketRouter_PacketsBadHeader, Destination, endless);
        yield return Extended("header beyond the packet", Counter.IpPacketRouter_PacketsBadHeader, Destination, [Udp, 200, 1, 4, 0, 0, 0, 0, .. datagram]);
        yield return Extended("header cut off", Counter.IpPacketRouter_PacketsBadHeader, Destination, [Udp, 0, 1, 4]);
        yield return Extended("authentication beyond the packet", Counter.IpPacketRouter_PacketsBadHeader, 51, [Udp, 255, 0, 0, 0, 0, 0, 0, .. datagram]);
        yield return Extended("two fragment headers", Counter.IpPacketRouter_PacketsBadHeader, Fragment, [Fragment, 0, 0, 1, 0, 0, 0, 7, Udp, 0, 0, 1, 0, 0, 0, 8, .. datagram]);
        yield return Extended("v6 first fragment without a byte", Counter.IpPacketRouter_PacketsBadFragment, Fragment, [Nothing, 0, 0, 1, 0, 0, 0, 7]);
        yield return Extended("v6 later fragment without a byte", Counter.IpPacketRouter_PacketsBadFragment, Fragment, [Udp, 0, 0, 80, 0, 0, 0, 7]);
        yield return Extended("v6 fragment of uneven length", Counter.IpPacketRouter_PacketsBadFragment, Fragment, [Udp, 0, 0, 81, 0, 0, 0, 7, 1, 2, 3]);
        yield return Extended("v6 fragment that ends beyond 65535", Counter.IpPacketRouter_PacketsBadFragment, Fragment, [Udp, 0, 0xff, 0xf8, 0, 0, 0, 7, .. datagram]);
        yield return Extended("v6 fragment over the TCP flags", Counter.IpPacketRouter_PacketsBadFragment, Fragment, [Tcp, 0, 0, 8, 0, 0, 0, 7, .. datagram]);

        byte[] Packet(byte next, byte[] payload) => Ip.Packet(from, to, next, payload);

        HostilePacket Extended(string what, Counter reason, byte next, byte[] payload) => new(what, reason, Packet(next, payload));
    }

    private static IEnumerable<HostilePacket> Addresses(NumericAddress from4, NumericAddress from6, NumericAddress to4, NumericAddress to6)
    {
        foreach (string to in new[]
        {
            "0.0.0.0", "10.0.255.255", "10.1.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1", "224.0.0.1",
            "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fd00::1", "ff02::1", "ff0e::1", "2001:db8::1", "100::1",
        })
        {
            NumericAddress address = Ip.Address(to);
            yield return new($"to {to}", Counter.IpPacketRouter_DeniedByGuard, Ip.Udp(address.IsIPv6 ? from6 : from4, address, 53));
        }

        foreach (string from in new[] { "0.0.0.0", "127.0.0.1", "10.0.0.1", "192.168.1.1", "224.0.0.1", "255.255.255.255", "8.8.4.4", "::", "::1", "fe80::1", "ff02::1" })
        {
            NumericAddress address = Ip.Address(from);
            yield return new($"from {from}", Counter.IpPacketRouter_SpoofedSources, Ip.Udp(address, address.IsIPv6 ? to6 : to4, 53));
        }

        yield return new("land", Counter.IpPacketRouter_PacketsToThemselves, Ip.TcpSyn(from4, from4, 139, 1460));
        yield return new("v6 land", Counter.IpPacketRouter_PacketsToThemselves, Ip.TcpSyn(from6, from6, 139, 1460));
        foreach (int at in new[] { 8, 24 })
        {
            yield return With("mapped address", Counter.IpPacketRouter_PacketsMappedAddress, Ip.Udp(from6, to6, 53), p =>
                BinaryPrimitives.WriteUInt128BigEndian(p.AsSpan(at), ((UInt128)0xffff << 32) | 0x08080808));
        }
    }

    private static HostilePacket With(string what, Counter reason, byte[] packet, Action<byte[]> change)
    {
        byte[] changed = (byte[])packet.Clone();
        change(changed);
        bool summed = changed[0] >> 4 == 4 && (changed[0] & 15) >= 5 && (changed[0] & 15) * 4 <= changed.Length;
        return new(what, reason, summed ? Ip.Summed(changed) : changed);
    }

    private static HostilePacket Options(string what, Counter reason, byte[] packet, byte[] options)
    {
        byte[] extended = [.. packet[..20], .. options, .. packet[20..]];
        return With(what, reason, extended, p =>
        {
            p[0] = (byte)(0x40 | (5 + (options.Length / 4)));
            p[3] = (byte)p.Length;
        });
    }

    private static HostilePacket Part(string what, byte[] packet, int offset, bool more) =>
        With(what, Counter.IpPacketRouter_PacketsBadFragment, packet, p =>
        {
            BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(2), (ushort)p.Length);
            BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(6), (ushort)((offset / 8) | (more ? 0x2000 : 0)));
        });
}
