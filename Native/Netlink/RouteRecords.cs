using System.Net;

namespace FastExit.Native.Netlink;

/// <summary>A network device.</summary>
/// <param name="Index">The kernel's number.</param>
/// <param name="Name">At most 15 bytes.</param>
/// <param name="Mtu">Bytes of an IP packet.</param>
/// <param name="IsUp">The operator's wish (IFF_UP).</param>
/// <param name="IsRunning">It can carry packets.</param>
/// <param name="Statistics">Since it was made.</param>
public sealed record Link(
    int Index, string Name, int Mtu, bool IsUp, bool IsRunning, LinkStatistics Statistics);

/// <summary><c>struct rtnl_link_stats64</c>, the host's view: received is what was written to a TUN.</summary>
public readonly record struct LinkStatistics(
    ulong ReceivedPackets,
    ulong SentPackets,
    ulong ReceivedBytes,
    ulong SentBytes,
    ulong ReceiveErrors,
    ulong SendErrors,
    ulong ReceiveDropped,
    ulong SendDropped);

/// <summary>An address of a device.</summary>
public sealed record LinkAddress(int Index, IPAddress Address, int PrefixLength);

/// <summary>A unicast route; the default route has prefix <c>0.0.0.0/0</c> or <c>::/0</c>.</summary>
/// <param name="Destination">Network and length.</param>
/// <param name="Index">Outgoing device, 0 when there is none (several hops, blackhole).</param>
/// <param name="Gateway">Null when the destination is on the link.</param>
/// <param name="Table">254 is the main one.</param>
public sealed record Route(IPNetwork Destination, int Index, IPAddress? Gateway, int Table)
{
    public const int MainTable = 254;
}
