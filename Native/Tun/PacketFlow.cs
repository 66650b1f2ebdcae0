using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace FastExit.Native.Tun;

/// <summary>What two packets must share to be one flow, and one frame.</summary>
internal static class PacketFlow
{
    private const byte Push = 0x08;
    private const byte Acknowledge = 0x10;
    private const ushort DoNotFragment = 0x4000;

    /// <summary>Of addresses, protocol and ports. A client that makes flows collide slows its own batch by a few
    /// comparisons, as a batch is small.</summary>
    public static uint Hash(ReadOnlySpan<byte> packet, PacketLayout layout)
    {
        ulong hash = MemoryMarshal.Read<uint>(packet[layout.TransportOffset..]) + ((ulong)layout.Protocol << 32);
        ReadOnlySpan<byte> addresses = layout.Addresses(packet);
        for (int at = 0; at < addresses.Length; at += 8)
            hash = (hash ^ MemoryMarshal.Read<ulong>(addresses[at..])) * 0x9e37_79b9_7f4a_7c15;
        return (uint)(hash >> 32);
    }

    /// <summary>Same version, protocol, addresses and ports.</summary>
    public static bool IsSame(
        ReadOnlySpan<byte> one, PacketLayout oneLayout, ReadOnlySpan<byte> other, PacketLayout otherLayout) =>
        oneLayout.Protocol == otherLayout.Protocol
        && oneLayout.IsIPv6 == otherLayout.IsIPv6
        && oneLayout.Addresses(one).SequenceEqual(otherLayout.Addresses(other))
        && one.Slice(oneLayout.TransportOffset, 4).SequenceEqual(other.Slice(otherLayout.TransportOffset, 4));

    /// <summary>No IP options or extension headers, no TCP flag but ACK and PSH, a UDP checksum.</summary>
    public static bool IsPlain(ReadOnlySpan<byte> packet, PacketLayout layout)
    {
        int plain = layout.IsIPv6 ? PacketLayout.IPv6Bytes : PacketLayout.IPv4Bytes;
        if (layout.TransportOffset != plain || (!layout.IsIPv6 && (packet[6] & 0x80) != 0))
            return false;
        ReadOnlySpan<byte> transport = packet[layout.TransportOffset..];
        // The low nibble of byte 12 holds reserved bits and the AccECN flag.
        return layout.Protocol == PacketLayout.Tcp
            ? (transport[12] & 15) == 0 && (transport[13] & ~Push) == Acknowledge
            : (transport[6] | transport[7]) != 0;
    }

    public static bool Pushes(ReadOnlySpan<byte> packet, PacketLayout layout) =>
        layout.Protocol == PacketLayout.Tcp && (packet[layout.TransportOffset + 13] & Push) != 0;

    /// <summary>Whether a packet of the same flow and layout is what segmentation would have made next.</summary>
    /// <param name="first">The frame's first packet.</param>
    /// <param name="packet">The candidate.</param>
    /// <param name="layout">Of both.</param>
    /// <param name="packets">Packets in the frame.</param>
    /// <param name="payloadBytes">Payload in the frame.</param>
    public static bool Continues(
        ReadOnlySpan<byte> first, ReadOnlySpan<byte> packet, PacketLayout layout, int packets, int payloadBytes)
    {
        if (!IsPlain(packet, layout))
            return false;
        bool network = layout.IsIPv6
            ? Same(first, packet, 0, 4) && Same(first, packet, 6, 2)
            : first[1] == packet[1] && Same(first, packet, 6, 4) && Identifies(first, packet, packets);
        if (!network || layout.Protocol == PacketLayout.Udp)
            return network;

        int tcp = layout.TransportOffset;
        uint expected = BinaryPrimitives.ReadUInt32BigEndian(first[(tcp + 4)..]) + (uint)payloadBytes;
        return BinaryPrimitives.ReadUInt32BigEndian(packet[(tcp + 4)..]) == expected
            && Same(first, packet, tcp + 8, 5)
            && Same(first, packet, tcp + 14, 2)
            && Same(first, packet, tcp + 18, layout.PayloadOffset - tcp - 18);
    }

    /// <summary>Whether the IPv4 header's and the transport's checksums hold.</summary>
    public static bool Verifies(ReadOnlySpan<byte> packet, PacketLayout layout)
    {
        if (!layout.IsIPv6 && InternetChecksum.Compute(packet[..layout.TransportOffset]) != 0)
            return false;
        ReadOnlySpan<byte> transport = packet[layout.TransportOffset..];
        ulong pseudo = InternetChecksum.PseudoHeader(layout.Addresses(packet), layout.Protocol, transport.Length);
        return InternetChecksum.Finish(InternetChecksum.Sum(transport, pseudo)) == 0;
    }

    private static bool Same(ReadOnlySpan<byte> first, ReadOnlySpan<byte> packet, int at, int length) =>
        first.Slice(at, length).SequenceEqual(packet.Slice(at, length));

    // Segmentation counts identifications up; with "don't fragment" nobody reads them (RFC 6864 §4.1).
    private static bool Identifies(ReadOnlySpan<byte> first, ReadOnlySpan<byte> packet, int packets)
    {
        ushort expected = (ushort)(BinaryPrimitives.ReadUInt16BigEndian(first[4..]) + packets);
        return (BinaryPrimitives.ReadUInt16BigEndian(first[6..]) & DoNotFragment) != 0
            || BinaryPrimitives.ReadUInt16BigEndian(packet[4..]) == expected;
    }
}
