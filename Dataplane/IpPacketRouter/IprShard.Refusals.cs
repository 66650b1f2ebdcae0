using FastExit.Cores;
using FastExit.IpPacketRouter.Packets;
using FastExit.Native.Tun;

namespace FastExit.IpPacketRouter;

// What a router does not pass on, whatever the policy says (RFC 1812 §5, RFC 7126, RFC 4890).
internal sealed partial class IprShard
{
    private static Counter CounterOf(IpReadStatus status) => status switch
    {
        IpReadStatus.BadVersion => Counter.IpPacketRouter_PacketsBadVersion,
        IpReadStatus.BadHeader => Counter.IpPacketRouter_PacketsBadHeader,
        IpReadStatus.BadFragment => Counter.IpPacketRouter_PacketsBadFragment,
        IpReadStatus.MappedAddress => Counter.IpPacketRouter_PacketsMappedAddress,
        _ => Counter.IpPacketRouter_PacketsTruncated,
    };

    /// <summary>False: counted by reason, and answered where a host would be.</summary>
    private bool MayPass(int index, ReadOnlySpan<byte> packet, in IpPacket ip)
    {
        if (!ip.IsIPv6 && InternetChecksum.Compute(packet[..((packet[0] & 15) * 4)]) != 0)
            return Refused(Counter.IpPacketRouter_PacketsBadChecksum);
        if (ip.AsksRouters)
            return Refused(Counter.IpPacketRouter_PacketsToRouters);
        if (ip.Source == ip.Destination)
            return Refused(Counter.IpPacketRouter_PacketsToThemselves);
        if (ip.HasTransport && ip.IsIcmp && IsForNeighbours(packet[ip.TransportOffset], ip.IsIPv6))
            return Refused(Counter.IpPacketRouter_PacketsToNeighbours);
        if (ip.HasPorts && ip.DestinationPort == 0)
            return Refused(Counter.IpPacketRouter_PortZero);
        if (HopLimit.Of(packet, ip.IsIPv6) <= 1 && !_network.IsOwn(ip.Destination))
        {
            SendIcmpError(index, IcmpErrorKind.TimeExceeded, packet, ip);
            return Refused(Counter.IpPacketRouter_HopLimitReached);
        }

        if (ip.Bytes <= _limits.Mtu)
            return true;
        if (IPv4Fragmenter.MayCut(packet, ip))
        {
            // The host's routing cuts it for the link it leaves by.
            _counters.Increment(Counter.IpPacketRouter_PacketsCut);
            return true;
        }

        SendIcmpError(index, IcmpErrorKind.TooBig, packet, ip);
        return Refused(Counter.IpPacketRouter_PacketsTooBig);
    }

    private bool Refused(Counter counter)
    {
        _counters.Increment(counter);
        return false;
    }

    /// <summary>
    /// IPv4: redirect, router advertisement and solicitation. IPv6: multicast listeners, router and neighbour discovery, redirect.
    /// </summary>
    private static bool IsForNeighbours(byte type, bool isIPv6) =>
        isIPv6 ? type is (>= 130 and <= 137) or 143 : type is 5 or 9 or 10;
}
