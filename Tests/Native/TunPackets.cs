using System.Buffers.Binary;
using FastExit.Native.Tun;

namespace FastExit.Tests.Native;

/// <summary>Packets made field by field and checked by a loop that shares nothing with the code under test.</summary>
internal static class TunPackets
{
    public const byte Fin = 1, Syn = 2, Push = 8, Ack = 16, Congestion = 128;

    /// <summary>A whole packet with valid checksums.</summary>
    public static byte[] Tcp(
        bool ipv6, uint sequence, ReadOnlySpan<byte> payload, byte flags = Ack, ushort identification = 0,
        int optionBytes = 12, ushort port = 40000, bool doNotFragment = false)
    {
        byte[] packet = Network(ipv6, 6, 20 + optionBytes + payload.Length, identification, doNotFragment);
        Span<byte> tcp = packet.AsSpan(ipv6 ? 40 : 20);
        BinaryPrimitives.WriteUInt16BigEndian(tcp, port);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], 443);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], sequence);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[8..], 77);
        tcp[12] = (byte)((20 + optionBytes) / 4 << 4);
        tcp[13] = flags;
        BinaryPrimitives.WriteUInt16BigEndian(tcp[14..], 512);
        tcp.Slice(20, optionBytes).Fill(1);
        payload.CopyTo(tcp[(20 + optionBytes)..]);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[16..], TransportChecksum(packet, ipv6, 6));
        return packet;
    }

    public static byte[] Udp(
        bool ipv6, ReadOnlySpan<byte> payload, ushort identification = 0, ushort port = 40000,
        bool doNotFragment = false)
    {
        byte[] packet = Network(ipv6, 17, 8 + payload.Length, identification, doNotFragment);
        Span<byte> udp = packet.AsSpan(ipv6 ? 40 : 20);
        BinaryPrimitives.WriteUInt16BigEndian(udp, port);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], 53);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)udp.Length);
        payload.CopyTo(udp[8..]);
        ushort sum = TransportChecksum(packet, ipv6, 17);
        BinaryPrimitives.WriteUInt16BigEndian(udp[6..], sum == 0 ? (ushort)0xffff : sum);
        return packet;
    }

    /// <summary>The same packet as a frame that leaves checksum and segmentation to its reader.</summary>
    public static byte[] Frame(byte[] packet, SegmentationKind kind, int segmentBytes)
    {
        bool ipv6 = packet[0] >> 4 == 6;
        int transport = ipv6 ? 40 : 20;
        byte protocol = ipv6 ? packet[6] : packet[9];
        int field = protocol == 6 ? 16 : 6;
        int headerBytes = transport + (protocol == 6 ? packet[transport + 12] >> 4 << 2 : 8);
        byte[] frame = new byte[VirtioNetHeader.Bytes + packet.Length];
        new VirtioNetHeader(1, (byte)kind, (ushort)headerBytes, (ushort)segmentBytes, (ushort)transport, (ushort)field)
            .TryWrite(frame);
        packet.CopyTo(frame, VirtioNetHeader.Bytes);
        Span<byte> sum = frame.AsSpan(VirtioNetHeader.Bytes + transport + field);
        BinaryPrimitives.WriteUInt16BigEndian(sum, (ushort)Naive(PseudoHeader(packet, ipv6, protocol)));
        return frame;
    }

    /// <summary>Header and transport checksum of a whole packet both hold.</summary>
    public static bool Verifies(ReadOnlySpan<byte> packet)
    {
        bool ipv6 = packet[0] >> 4 == 6;
        byte protocol = ipv6 ? packet[6] : packet[9];
        byte[] copy = packet.ToArray();
        if (!ipv6 && Naive(packet[..20]) != 0xffff)
            return false;
        int length = ipv6
            ? BinaryPrimitives.ReadUInt16BigEndian(packet[4..]) + 40
            : BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
        byte[] summed = [.. PseudoHeader(copy, ipv6, protocol), .. copy[(ipv6 ? 40 : 20)..]];
        return length == packet.Length && Naive(summed) == 0xffff;
    }

    /// <summary>RFC 1071 word by word, folded, not complemented.</summary>
    public static uint Naive(ReadOnlySpan<byte> data)
    {
        uint sum = 0;
        for (int at = 0; at < data.Length; at++)
        {
            sum += at % 2 == 0 ? (uint)data[at] << 8 : data[at];
            if (sum > 0xffff)
                sum -= 0xffff;
        }

        return sum;
    }

    private static byte[] Network(
        bool ipv6, byte protocol, int transportBytes, ushort identification, bool doNotFragment)
    {
        byte[] packet = new byte[(ipv6 ? 40 : 20) + transportBytes];
        if (ipv6)
        {
            packet[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)transportBytes);
            packet[6] = protocol;
            packet[7] = 64;
            packet[8] = packet[24] = 0xfc;
            packet[23] = 1;
            packet[39] = 2;
            return packet;
        }

        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), identification);
        packet[6] = doNotFragment ? (byte)0x40 : (byte)0;
        packet[8] = 64;
        packet[9] = protocol;
        packet[12] = packet[16] = 10;
        packet[15] = 1;
        packet[19] = 2;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), (ushort)~Naive(packet.AsSpan(0, 20)));
        return packet;
    }

    private static ushort TransportChecksum(byte[] packet, bool ipv6, byte protocol) =>
        (ushort)~Naive([.. PseudoHeader(packet, ipv6, protocol), .. packet[(ipv6 ? 40 : 20)..]]);

    private static byte[] PseudoHeader(byte[] packet, bool ipv6, byte protocol)
    {
        int transportBytes = packet.Length - (ipv6 ? 40 : 20);
        byte[] tail = [0, 0, 0, protocol, 0, 0, (byte)(transportBytes >> 8), (byte)transportBytes];
        return [.. ipv6 ? packet[8..40] : packet[12..20], .. tail];
    }
}
