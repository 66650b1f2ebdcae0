using System.Buffers.Binary;
using System.Net;
using FastExit.Policy;

namespace FastExit.Tests.IpPacketRouter;

/// <summary>Packets as hosts send them; checksums are right where the router looks at them.</summary>
internal static class Ip
{
    public static byte[] Udp(NumericAddress from, NumericAddress to, ushort port, int payload = 32) =>
        Packet(from, to, 17, [0x30, 0x39, (byte)(port >> 8), (byte)port, .. Word(payload + 8), 0, 0, .. new byte[payload]]);

    public static byte[] TcpSyn(NumericAddress from, NumericAddress to, ushort port, ushort mss) => Packet(
        from, to, 6,
        [0x30, 0x39, (byte)(port >> 8), (byte)port, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, .. Word(mss)]);

    public static byte[] Ping(NumericAddress from, NumericAddress to, int payload = 56) =>
        Icmp(from, to, [from.IsIPv6 ? (byte)128 : (byte)8, 0, 0, 0, 0x21, 0x1b, 0, 7, .. new byte[payload]]);

    /// <summary>Its checksum, which the bytes have as zero, is made right.</summary>
    public static byte[] Icmp(NumericAddress from, NumericAddress to, byte[] icmp)
    {
        byte[] packet = Packet(from, to, from.IsIPv6 ? (byte)58 : (byte)1, icmp);
        int start = packet.Length - icmp.Length;
        byte[] summed = from.IsIPv6 ? [.. packet[8..40], .. Word(0), .. Word(icmp.Length), .. Word(0), 0, 58, .. icmp] : icmp;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(start + 2), Checksum(summed));
        return packet;
    }

    /// <summary>A piece of a UDP datagram.</summary>
    public static byte[] Fragment(NumericAddress from, NumericAddress to, ushort port, ushort id, int offset, bool more)
    {
        byte[] packet = offset == 0 ? Udp(from, to, port, 16) : Packet(from, to, 17, new byte[24]);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), id);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), (ushort)((offset / 8) | (more ? 0x2000 : 0)));
        return Summed(packet);
    }

    /// <summary>A whole packet in pieces of so many payload bytes, as a host sends it.</summary>
    public static List<byte[]> Cut(byte[] packet, int pieceBytes, ushort id)
    {
        bool six = packet[0] >> 4 == 6;
        int start = six ? 40 : 20;
        var pieces = new List<byte[]>();
        for (int at = start; at < packet.Length; at += pieceBytes)
        {
            byte[] data = packet[at..Math.Min(at + pieceBytes, packet.Length)];
            bool more = at + pieceBytes < packet.Length;
            int offset = at - start;
            if (six)
            {
                byte[] piece = [.. packet[..40], packet[6], 0, .. Word(offset | (more ? 1 : 0)), 0, 0, .. Word(id), .. data];
                piece[6] = 44;
                BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(4), (ushort)(piece.Length - 40));
                pieces.Add(piece);
                continue;
            }

            byte[] four = [.. packet[..20], .. data];
            BinaryPrimitives.WriteUInt16BigEndian(four.AsSpan(2), (ushort)four.Length);
            BinaryPrimitives.WriteUInt16BigEndian(four.AsSpan(4), id);
            BinaryPrimitives.WriteUInt16BigEndian(four.AsSpan(6), (ushort)((offset / 8) | (more ? 0x2000 : 0)));
            pieces.Add(Summed(four));
        }

        return pieces;
    }

    /// <summary>The IPv4 header's checksum made right again.</summary>
    public static byte[] Summed(byte[] packet)
    {
        packet.AsSpan(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Checksum(packet.AsSpan(0, (packet[0] & 15) * 4)));
        return packet;
    }

    /// <summary>Whether the IPv4 header's checksum holds, and ICMP's, which comes right behind the header.</summary>
    public static bool IcmpVerifies(byte[] packet)
    {
        bool six = packet[0] >> 4 == 6;
        byte[] icmp = packet[(six ? 40 : 20)..];
        byte[] summed = six ? [.. packet[8..40], .. Word(0), .. Word(icmp.Length), .. Word(0), 0, 58, .. icmp] : icmp;
        return Checksum(summed) == 0 && (six || Checksum(packet.AsSpan(0, 20)) == 0);
    }

    public static byte[] Packet(NumericAddress from, NumericAddress to, byte protocol, byte[] transport)
    {
        byte[] packet;
        if (from.IsIPv6)
        {
            packet = [0x60, 0, 0, 0, .. Word(transport.Length), protocol, 64, .. new byte[32], .. transport];
            BinaryPrimitives.WriteUInt128BigEndian(packet.AsSpan(8), from.Bits);
            BinaryPrimitives.WriteUInt128BigEndian(packet.AsSpan(24), to.Bits);
            return packet;
        }

        packet = [0x45, 0, .. Word(transport.Length + 20), 0, 0, 0x40, 0, 64, protocol, 0, 0, .. new byte[8], .. transport];
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(12), (uint)from.Bits);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(16), (uint)to.Bits);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Checksum(packet.AsSpan(0, 20)));
        return packet;
    }

    public static NumericAddress Address(string text) => NumericAddress.From(IPAddress.Parse(text));

    public static byte[] Word(int value) => [(byte)(value >> 8), (byte)value];

    public static ushort Checksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (int i = 0; i < bytes.Length; i += 2)
            sum += (uint)((bytes[i] << 8) | (i + 1 < bytes.Length ? bytes[i + 1] : 0));
        while (sum >> 16 != 0)
            sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }
}
