using System.Buffers.Binary;
using FastExit.Native.Tun;

namespace FastExit.IpPacketRouter.Packets;

/// <summary>
/// Lowers the maximum segment size a TCP SYN announces (RFC 9293 §3.7.1) to what a link of some MTU carries without options:
/// MTU - 40 (IPv4) or - 60 (IPv6). Never raises it, never adds one; the checksum stays as right, or as wrong, as it was.
/// </summary>
public static class MssClamp
{
    private const int TcpHeaderBytes = 20, MssOptionBytes = 4, ShortestMss = 88;

    private const byte SynFlag = 2, EndOfOptions = 0, NoOperation = 1, MssOption = 2;

    /// <summary>True when the packet was changed. The span holds at least <c>ip.Bytes</c> bytes.</summary>
    public static bool Apply(Span<byte> packet, in IpPacket ip, int mtu)
    {
        if (ip.Protocol != IpPacket.Tcp || !ip.HasTransport || packet.Length < ip.Bytes)
            return false;
        Span<byte> tcp = packet[ip.TransportOffset..ip.Bytes];
        int limit = mtu - (ip.IsIPv6 ? IpPacket.IPv6HeaderBytes : IpPacket.IPv4HeaderBytes) - TcpHeaderBytes;
        if (tcp.Length < TcpHeaderBytes || (tcp[IpPacket.TcpFlagsOffset] & SynFlag) == 0 || limit < ShortestMss)
            return false;
        int end = Math.Min((tcp[12] >> 4) * 4, tcp.Length);
        int at = TcpHeaderBytes;
        while (at < end && tcp[at] != EndOfOptions)
        {
            if (tcp[at] == NoOperation)
            {
                at++;
                continue;
            }

            if (end - at < 2 || tcp[at + 1] < 2 || tcp[at + 1] > end - at)
                return false;
            if (tcp[at] == MssOption && tcp[at + 1] == MssOptionBytes)
                return Lower(tcp, at + 2, limit);
            at += tcp[at + 1];
        }

        return false;
    }

    private static bool Lower(Span<byte> tcp, int at, int limit)
    {
        ushort before = BinaryPrimitives.ReadUInt16BigEndian(tcp[at..]);
        if (before <= limit)
            return false;
        ushort after = (ushort)limit;
        BinaryPrimitives.WriteUInt16BigEndian(tcp[at..], after);

        // At an odd offset the value's halves belong to two words, each the other way round.
        if ((at & 1) != 0)
        {
            before = BinaryPrimitives.ReverseEndianness(before);
            after = BinaryPrimitives.ReverseEndianness(after);
        }

        Span<byte> checksum = tcp[IpPacket.TcpChecksumOffset..];
        BinaryPrimitives.WriteUInt16BigEndian(
            checksum, InternetChecksum.Update(BinaryPrimitives.ReadUInt16BigEndian(checksum), before, after));
        return true;
    }
}
