using System.Buffers.Binary;

namespace FastExit.Native.Tun;

/// <summary>
/// Where the headers of a whole, unfragmented TCP or UDP packet lie (RFC 791, RFC 8200 §4, RFC 9293 §3.1, RFC 768).
/// IPv6 extension headers that may precede TCP are stepped over; fragments are refused.
/// </summary>
internal readonly record struct PacketLayout(bool IsIPv6, byte Protocol, int TransportOffset, int PayloadOffset)
{
    public const byte Tcp = 6;
    public const byte Udp = 17;
    public const int IPv4Bytes = 20;
    public const int IPv6Bytes = 40;
    public const int TcpBytes = 20;
    public const int UdpBytes = 8;

    public int ChecksumOffset => Protocol == Tcp ? 16 : 6;

    /// <summary>Source and destination address in the packet.</summary>
    public ReadOnlySpan<byte> Addresses(ReadOnlySpan<byte> packet) =>
        IsIPv6 ? packet.Slice(8, 32) : packet.Slice(12, 8);

    /// <summary>False for anything else, and where a length field disagrees with the packet's own length.</summary>
    public static bool TryRead(ReadOnlySpan<byte> packet, out PacketLayout layout)
    {
        layout = default;
        if (packet.Length < IPv4Bytes || packet.Length > 65535 + IPv6Bytes)
            return false;
        int transport;
        byte protocol;
        bool ipv6 = packet[0] >> 4 == 6;
        if (ipv6)
        {
            if (packet.Length < IPv6Bytes || !TryFindTransport(packet, out protocol, out transport))
                return false;
        }
        else
        {
            transport = (packet[0] & 15) * 4;
            protocol = packet[9];
            bool whole = (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x3fff) == 0;
            if (packet[0] >> 4 != 4 || transport < IPv4Bytes || !whole
                || BinaryPrimitives.ReadUInt16BigEndian(packet[2..]) != packet.Length)
                return false;
        }

        int left = packet.Length - transport;
        int headerBytes = UdpBytes;
        if (protocol == Tcp && left >= TcpBytes)
            headerBytes = Math.Max(packet[transport + 12] >> 4, 5) * 4;
        else if (protocol != Udp || left < UdpBytes
            || BinaryPrimitives.ReadUInt16BigEndian(packet[(transport + 4)..]) != left)
            return false;
        if (protocol == Tcp && packet[transport + 12] >> 4 < 5)
            return false;
        layout = new PacketLayout(ipv6, protocol, transport, transport + headerBytes);
        return headerBytes <= left;
    }

    private static bool TryFindTransport(ReadOnlySpan<byte> packet, out byte protocol, out int transport)
    {
        const byte HopByHop = 0;
        const byte Routing = 43;
        const byte DestinationOptions = 60;
        protocol = packet[6];
        transport = IPv6Bytes;
        if (BinaryPrimitives.ReadUInt16BigEndian(packet[4..]) != packet.Length - IPv6Bytes)
            return false;
        while (protocol is HopByHop or Routing or DestinationOptions)
        {
            if (packet.Length - transport < 8)
                return false;
            protocol = packet[transport];
            transport += (packet[transport + 1] + 1) * 8;
        }

        return transport <= packet.Length;
    }
}
