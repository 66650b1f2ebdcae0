using System.Buffers.Binary;
using FastExit.Native.Tun;

namespace FastExit.Tests.Bench;

/// <summary>IPv4 packets as an application or the internet would send them.</summary>
internal static class TestPackets
{
    public const uint Elsewhere = 0xc0000201;

    /// <summary>From 192.0.2.1; the number is the first four bytes of the payload.</summary>
    public static byte[] Udp(uint destination, int number, int bytes) => Udp(Elsewhere, destination, number, bytes);

    public static byte[] Udp(uint source, uint destination, int number, int bytes)
    {
        byte[] packet = Header(source, destination, protocol: 17, bytes);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(20), 4000);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(22), 5000);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(24), (ushort)(bytes - 20));
        BinaryPrimitives.WriteInt32BigEndian(packet.AsSpan(28), number);
        return packet;
    }

    public static int NumberOf(ReadOnlySpan<byte> packet) => BinaryPrimitives.ReadInt32BigEndian(packet[28..]);

    /// <summary>An echo request to 192.0.2.1.</summary>
    public static byte[] Echo(uint source, ushort sequence, int bytes = 84)
    {
        byte[] packet = Header(source, Elsewhere, protocol: 1, bytes);
        packet[20] = 8;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(24), 8475);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(26), sequence);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(22), InternetChecksum.Compute(packet.AsSpan(20)));
        return packet;
    }

    private static byte[] Header(uint source, uint destination, byte protocol, int bytes)
    {
        byte[] packet = new byte[bytes];
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)bytes);
        packet[8] = 64;
        packet[9] = protocol;
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(12), source);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(16), destination);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, 20)));
        return packet;
    }
}
