using System.Buffers.Binary;
using FastExit.Native.Tun;

namespace FastExit.IpPacketRouter.Packets;

/// <summary>
/// Turns an ICMP echo request into its reply in place (RFC 792, RFC 4443 §4.1): addresses swapped, type changed, checksums made right.
/// Only whole packets without IP options or extension headers, and only when the request's own checksum is right.
/// </summary>
public static class EchoReply
{
    private const byte IPv4Request = 8, IPv4Reply = 0, IPv6Request = 128, IPv6Reply = 129, TimeToLive = 64;

    private const int IPv4ChecksumOffset = 10, IcmpChecksumOffset = 2;

    /// <summary>A request, or its first fragment, by type and code alone.</summary>
    public static bool IsRequest(ReadOnlySpan<byte> packet, in IpPacket ip) =>
        ip.HasTransport && ip.IsIcmp && packet[ip.TransportOffset] == (ip.IsIPv6 ? IPv6Request : IPv4Request)
        && packet[ip.TransportOffset + 1] == 0;

    /// <summary>True when the first <c>ip.Bytes</c> bytes are the reply now; otherwise nothing was touched.</summary>
    public static bool TryAnswer(Span<byte> packet, in IpPacket ip)
    {
        int headerBytes = ip.IsIPv6 ? IpPacket.IPv6HeaderBytes : IpPacket.IPv4HeaderBytes;
        if (ip.IsFragment || ip.TransportOffset != headerBytes || packet.Length < ip.Bytes
            || ip.Protocol != (ip.IsIPv6 ? IpPacket.IcmpV6 : IpPacket.Icmp))
            return false;
        Span<byte> icmp = packet[headerBytes..ip.Bytes];
        Span<byte> addresses = ip.IsIPv6 ? packet.Slice(8, 32) : packet.Slice(12, 8);
        ulong pseudo = ip.IsIPv6 ? InternetChecksum.PseudoHeader(addresses, IpPacket.IcmpV6, icmp.Length) : 0;
        if (icmp[0] != (ip.IsIPv6 ? IPv6Request : IPv4Request) || icmp[1] != 0
            || InternetChecksum.Finish(InternetChecksum.Sum(icmp, pseudo)) != 0)
            return false;

        Span<byte> first = stackalloc byte[16];
        int addressBytes = addresses.Length / 2;
        addresses[..addressBytes].CopyTo(first);
        addresses[addressBytes..].CopyTo(addresses);
        first[..addressBytes].CopyTo(addresses[addressBytes..]);
        icmp[0] = ip.IsIPv6 ? IPv6Reply : IPv4Reply;
        icmp.Slice(IcmpChecksumOffset, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(
            icmp[IcmpChecksumOffset..], InternetChecksum.Finish(InternetChecksum.Sum(icmp, pseudo)));
        if (ip.IsIPv6)
        {
            packet[7] = TimeToLive;
            return true;
        }

        packet[8] = TimeToLive;
        packet.Slice(IPv4ChecksumOffset, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(
            packet[IPv4ChecksumOffset..], InternetChecksum.Compute(packet[..headerBytes]));
        return true;
    }
}
