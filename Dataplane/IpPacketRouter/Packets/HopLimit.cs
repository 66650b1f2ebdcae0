using System.Buffers.Binary;
using FastExit.Native.Tun;

namespace FastExit.IpPacketRouter.Packets;

/// <summary>IPv4's time to live and IPv6's hop limit: what a router lowers by one (RFC 1812 §5.3.1, RFC 8200 §3).</summary>
public static class HopLimit
{
    private const int IPv4Offset = 8, IPv6Offset = 7, ChecksumOffset = 10;

    public static byte Of(ReadOnlySpan<byte> packet, bool isIPv6) => packet[isIPv6 ? IPv6Offset : IPv4Offset];

    /// <summary>It is not 0; IPv4's checksum stays as right, or as wrong, as it was (RFC 1624).</summary>
    public static void Lower(Span<byte> packet, bool isIPv6)
    {
        if (isIPv6)
        {
            packet[IPv6Offset]--;
            return;
        }

        ushort before = BinaryPrimitives.ReadUInt16BigEndian(packet[IPv4Offset..]);
        packet[IPv4Offset]--;
        ushort after = BinaryPrimitives.ReadUInt16BigEndian(packet[IPv4Offset..]);
        Span<byte> checksum = packet[ChecksumOffset..];
        BinaryPrimitives.WriteUInt16BigEndian(
            checksum, InternetChecksum.Update(BinaryPrimitives.ReadUInt16BigEndian(checksum), before, after));
    }
}
