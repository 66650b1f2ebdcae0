using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using FastExit.Native.Sockets;

namespace FastExit.Native.Netlink;

/// <summary>
/// Devices, addresses and routes of one network namespace by <c>rtnetlink(7)</c>, as <c>ip</c> sets them. Each call
/// waits for the kernel's acknowledgement; a refusal is a <see cref="NativeException"/> with the errno, the kernel's
/// own words where it has any, and the mend. One thread at a time.
/// </summary>
public sealed class RouteNetlink : IDisposable
{
    private readonly NetlinkSocket _socket = new(RouteMessages.Protocol, "routes");

    /// <summary>Null when no device has the name.</summary>
    public Link? FindLink(string name) => Links().FirstOrDefault(link => link.Name == name);

    /// <exception cref="NativeException">ENODEV: no device has the name.</exception>
    public Link GetLink(string name) =>
        FindLink(name) ?? throw NetlinkSocket.Failure($"looking up device {name}", Errno.ENODEV, null);

    public IReadOnlyList<Link> Links() => Dump(
        RouteMessages.GetLink, RouteMessages.LinkHeaderBytes, "listing devices", RouteMessages.ReadLink);

    public IReadOnlyList<LinkAddress> Addresses() => Dump(
        RouteMessages.GetAddress, RouteMessages.AddressHeaderBytes, "listing addresses", RouteMessages.ReadAddress);

    /// <summary>Unicast routes of both families and all tables.</summary>
    public IReadOnlyList<Route> Routes() => Dump(
        RouteMessages.GetRoute, RouteMessages.RouteHeaderBytes, "listing routes", RouteMessages.ReadRoute);

    public void SetUp(int index, bool up)
    {
        NetlinkMessageWriter writer = Begin(RouteMessages.NewLink, NetlinkFlags.None);
        Span<byte> header = writer.Take(RouteMessages.LinkHeaderBytes);
        MemoryMarshal.Write(header[4..], index);
        MemoryMarshal.Write(header[8..], up ? RouteMessages.Up : 0);
        MemoryMarshal.Write(header[12..], RouteMessages.Up);
        Finish(writer, $"setting device {index} {(up ? "up" : "down")}");
    }

    /// <summary>Removes a device that software made, with its addresses and routes.</summary>
    public void DeleteLink(int index)
    {
        NetlinkMessageWriter writer = Begin(RouteMessages.DeleteLink, NetlinkFlags.None);
        MemoryMarshal.Write(writer.Take(RouteMessages.LinkHeaderBytes)[4..], index);
        Finish(writer, $"deleting device {index}");
    }

    /// <param name="index">The device.</param>
    /// <param name="mtu">Bytes; IPv6 needs 1280.</param>
    public void SetMtu(int index, int mtu)
    {
        NetlinkMessageWriter writer = Begin(RouteMessages.NewLink, NetlinkFlags.None);
        MemoryMarshal.Write(writer.Take(RouteMessages.LinkHeaderBytes)[4..], index);
        writer.Attribute(RouteMessages.LinkMtu, (uint)mtu);
        Finish(writer, $"setting the MTU of device {index} to {mtu}");
    }

    /// <summary>Adds an address and, unless the prefix is full, the route to its network. IPv6 addresses are usable at
    /// once (IFA_F_NODAD). Adding what is there already changes nothing.</summary>
    public void AddAddress(int index, IPAddress address, int prefixLength) =>
        ChangeAddress(RouteMessages.NewAddress, NetlinkFlags.Create | NetlinkFlags.Replace, index, address,
            prefixLength, "adding");

    public void DeleteAddress(int index, IPAddress address, int prefixLength) =>
        ChangeAddress(RouteMessages.DeleteAddress, NetlinkFlags.None, index, address, prefixLength, "deleting");

    /// <summary>Adds or replaces a route.</summary>
    /// <param name="destination">Network.</param>
    /// <param name="index">Outgoing device; 0 lets the gateway decide.</param>
    /// <param name="gateway">Null when the destination is on the link.</param>
    /// <param name="table">254 is the main one.</param>
    public void AddRoute(
        IPNetwork destination, int index, IPAddress? gateway = null, int table = Route.MainTable) =>
        ChangeRoute(RouteMessages.NewRoute, NetlinkFlags.Create | NetlinkFlags.Replace, destination, index, gateway,
            table, "adding");

    public void DeleteRoute(
        IPNetwork destination, int index, IPAddress? gateway = null, int table = Route.MainTable) =>
        ChangeRoute(RouteMessages.DeleteRoute, NetlinkFlags.None, destination, index, gateway, table, "deleting");

    public void Dispose() => _socket.Dispose();

    private void ChangeAddress(
        ushort type, NetlinkFlags flags, int index, IPAddress address, int prefixLength, string verb)
    {
        ArgumentNullException.ThrowIfNull(address);
        bool ipv6 = address.AddressFamily == AddressFamily.InterNetworkV6;
        byte[] bytes = address.GetAddressBytes();
        NetlinkMessageWriter writer = Begin(type, flags);
        Span<byte> header = writer.Take(RouteMessages.AddressHeaderBytes);
        header[0] = ipv6 ? RouteMessages.Inet6Family : RouteMessages.InetFamily;
        header[1] = checked((byte)prefixLength);
        header[2] = ipv6 ? RouteMessages.NoDuplicateDetection : (byte)0;
        MemoryMarshal.Write(header[4..], index);
        writer.Attribute(RouteMessages.AddressLocal, bytes);
        writer.Attribute(RouteMessages.AddressValue, bytes);
        if (ipv6)
            writer.Attribute(RouteMessages.AddressFlags, RouteMessages.NoDuplicateDetection);
        Finish(writer, $"{verb} address {address}/{prefixLength} on device {index}");
    }

    private void ChangeRoute(
        ushort type, NetlinkFlags flags, IPNetwork destination, int index, IPAddress? gateway, int table, string verb)
    {
        const byte StaticProtocol = 4;
        const byte LinkScope = 253;
        const byte Unicast = 1;
        bool ipv6 = destination.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6;
        NetlinkMessageWriter writer = Begin(type, flags);
        Span<byte> header = writer.Take(RouteMessages.RouteHeaderBytes);
        header[0] = ipv6 ? RouteMessages.Inet6Family : RouteMessages.InetFamily;
        header[1] = (byte)destination.PrefixLength;
        header[4] = table < 256 ? (byte)table : (byte)0;
        header[5] = StaticProtocol;
        header[6] = gateway is null && !ipv6 ? LinkScope : (byte)0;
        header[7] = Unicast;
        writer.Attribute(RouteMessages.RouteTable, (uint)table);
        if (destination.PrefixLength > 0)
            writer.Attribute(RouteMessages.RouteDestination, destination.BaseAddress.GetAddressBytes());
        if (gateway is not null)
            writer.Attribute(RouteMessages.RouteGateway, gateway.GetAddressBytes());
        if (index != 0)
            writer.Attribute(RouteMessages.RouteDevice, (uint)index);
        string via = gateway is null ? "" : $" via {gateway}";
        Finish(writer, $"{verb} route {destination}{via} on device {index}");
    }

    private List<T> Dump<T>(ushort type, int headerBytes, string operation, Func<NetlinkMessage, T?> read)
        where T : class
    {
        var found = new List<T>();
        NetlinkMessageWriter writer = Begin(type, NetlinkFlags.Dump);
        writer.Take(headerBytes);
        writer.End();
        _socket.Dump(writer.Written, operation, message =>
        {
            if (read(message) is T item)
                found.Add(item);
        });
        return found;
    }

    private NetlinkMessageWriter Begin(ushort type, NetlinkFlags flags)
    {
        var writer = new NetlinkMessageWriter(new byte[512]);
        NetlinkFlags answer = flags.HasFlag(NetlinkFlags.Dump) ? NetlinkFlags.None : NetlinkFlags.Acknowledge;
        writer.Begin(type, NetlinkFlags.Request | answer | flags, _socket.NextSequence());
        return writer;
    }

    private void Finish(NetlinkMessageWriter writer, string operation)
    {
        writer.End();
        _socket.Request(writer.Written, operation);
    }
}
