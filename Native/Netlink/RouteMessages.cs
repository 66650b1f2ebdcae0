using System.Net;
using System.Runtime.InteropServices;

namespace FastExit.Native.Netlink;

/// <summary>Numbers and parsers of <c>rtnetlink(7)</c>. Parsers never throw: one too short is no result.</summary>
internal static class RouteMessages
{
    public const int Protocol = 0;
    public const int LinkGroup = 1;

    public const ushort NewLink = 16;
    public const ushort DeleteLink = 17;
    public const ushort GetLink = 18;
    public const ushort NewAddress = 20;
    public const ushort DeleteAddress = 21;
    public const ushort GetAddress = 22;
    public const ushort NewRoute = 24;
    public const ushort DeleteRoute = 25;
    public const ushort GetRoute = 26;

    public const int LinkHeaderBytes = 16;
    public const int AddressHeaderBytes = 8;
    public const int RouteHeaderBytes = 12;

    public const ushort LinkName = 3;
    public const ushort LinkMtu = 4;
    public const ushort LinkStatistics64 = 23;
    public const ushort AddressValue = 1;
    public const ushort AddressLocal = 2;
    public const ushort AddressFlags = 8;
    public const ushort RouteDestination = 1;
    public const ushort RouteDevice = 4;
    public const ushort RouteGateway = 5;
    public const ushort RouteTable = 15;

    public const uint Up = 1;
    public const uint Running = 0x40;
    public const byte NoDuplicateDetection = 0x02;
    public const byte InetFamily = 2;
    public const byte Inet6Family = 10;
    private const byte UnicastRoute = 1;

    public static Link? ReadLink(NetlinkMessage message)
    {
        if (message.Type is not (NewLink or DeleteLink) || message.Body.Length < LinkHeaderBytes)
            return null;
        int index = MemoryMarshal.Read<int>(message.Body[4..]);
        uint flags = MemoryMarshal.Read<uint>(message.Body[8..]);
        string name = "";
        int mtu = 0;
        LinkStatistics statistics = default;
        NetlinkAttributes attributes = message.Attributes(LinkHeaderBytes);
        while (attributes.TryNext(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == LinkName)
                name = NetlinkAttributes.Text(value);
            else if (type == LinkMtu)
                mtu = (int)NetlinkAttributes.Number(value);
            else if (type == LinkStatistics64 && value.Length >= 8 * sizeof(ulong))
                statistics = MemoryMarshal.Read<LinkStatistics>(value);
        }

        return new Link(index, name, mtu, (flags & Up) != 0, (flags & Running) != 0, statistics);
    }

    public static LinkAddress? ReadAddress(NetlinkMessage message)
    {
        if (message.Type != NewAddress || message.Body.Length < AddressHeaderBytes)
            return null;
        int index = MemoryMarshal.Read<int>(message.Body[4..]);
        IPAddress? address = null;
        IPAddress? local = null;
        NetlinkAttributes attributes = message.Attributes(AddressHeaderBytes);
        while (attributes.TryNext(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == AddressValue)
                address = ReadIPAddress(value);
            else if (type == AddressLocal)
                local = ReadIPAddress(value);
        }

        // On a point-to-point link the plain address is the peer's.
        IPAddress? own = local ?? address;
        return own is null ? null : new LinkAddress(index, own, message.Body[1]);
    }

    public static Route? ReadRoute(NetlinkMessage message)
    {
        if (message.Type != NewRoute || message.Body.Length < RouteHeaderBytes || message.Body[7] != UnicastRoute)
            return null;
        bool ipv6 = message.Body[0] == Inet6Family;
        if (!ipv6 && message.Body[0] != InetFamily)
            return null;
        int length = message.Body[1];
        IPAddress destination = ipv6 ? IPAddress.IPv6Any : IPAddress.Any;
        IPAddress? gateway = null;
        int index = 0;
        int table = message.Body[4];
        NetlinkAttributes attributes = message.Attributes(RouteHeaderBytes);
        while (attributes.TryNext(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case RouteDestination when value.Length == (ipv6 ? 16 : 4):
                    destination = new IPAddress(value);
                    break;
                case RouteGateway:
                    gateway = ReadIPAddress(value);
                    break;
                case RouteDevice:
                    index = (int)NetlinkAttributes.Number(value);
                    break;
                case RouteTable:
                    table = (int)NetlinkAttributes.Number(value);
                    break;
            }
        }

        return length > (ipv6 ? 128 : 32) || !TryNetwork(destination, length, out IPNetwork network)
            ? null
            : new Route(network, index, gateway, table);
    }

    private static bool TryNetwork(IPAddress address, int length, out IPNetwork network) =>
        IPNetwork.TryParse($"{address}/{length}", out network);

    private static IPAddress? ReadIPAddress(ReadOnlySpan<byte> value) =>
        value.Length is 4 or 16 ? new IPAddress(value) : null;
}
