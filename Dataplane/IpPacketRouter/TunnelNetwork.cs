using FastExit.Configuration;
using FastExit.Policy;

namespace FastExit.IpPacketRouter;

/// <summary>
/// The tunnel's two prefixes (ipr.md §3.1) and how one number names a client in both: network address plus number. The device itself
/// has an address in each. A family may be switched off: its prefix still gives every client an address, because the protocol only
/// knows pairs, but no packet of that family is routed in either direction.
/// </summary>
internal sealed class TunnelNetwork
{
    /// <summary>The first number a client may get: 0 names the network, 1 usually the device.</summary>
    public const int FirstNumber = 2;

    private readonly UInt128 _network4;
    private readonly UInt128 _network6;

    /// <param name="ipv4">The device's address and prefix, 10.0.0.1/16.</param>
    /// <param name="ipv6">The device's address and prefix, fc00::1/112.</param>
    /// <param name="routesIPv4">Whether IPv4 packets are routed.</param>
    /// <param name="routesIPv6">Whether IPv6 packets are routed.</param>
    public TunnelNetwork(AddressPrefix ipv4, AddressPrefix ipv6, bool routesIPv4 = true, bool routesIPv6 = true)
    {
        if (ipv4.IsIPv6 || !ipv6.IsIPv6)
            throw new ArgumentException("The tunnel needs an IPv4 prefix and an IPv6 prefix, in this order.");
        if (ipv4.Length is < 8 or > 30 || ipv6.Length is < 8 or > 126)
            throw new ArgumentException("The tunnel's prefixes leave room for at least one client: /8 to /30 and /8 to /126.");
        RoutesIPv4 = routesIPv4;
        RoutesIPv6 = routesIPv6;
        _network4 = ipv4.First;
        _network6 = ipv6.First;
        Own4 = NumericAddress.IPv4((uint)ipv4.Bits);
        Own6 = NumericAddress.IPv6(ipv6.Bits);

        // The last IPv4 address is the broadcast; both families must have the number.
        LastNumber = (int)UInt128.Min(65534, UInt128.Min(ipv4.Last - _network4, ipv6.Last - _network6) - 1);
    }

    /// <summary>A family without prefix is not routed; its addresses in the pairs come from the usual prefix.</summary>
    public static TunnelNetwork From(IpPacketRouterSettings settings) => new(
        AddressPrefix.Parse(settings.Ipv4 ?? "10.0.0.1/16"),
        AddressPrefix.Parse(settings.Ipv6 ?? "fc00::1/112"),
        settings.Ipv4 is not null,
        settings.Ipv6 is not null);

    public bool RoutesIPv4 { get; }

    public bool RoutesIPv6 { get; }

    /// <summary>The device's own addresses: clients may ping them.</summary>
    public NumericAddress Own4 { get; }

    public NumericAddress Own6 { get; }

    /// <summary>The last number a client may get, at most 65,534.</summary>
    public int LastNumber { get; }

    public bool IsOwn(NumericAddress address) => address == Own4 || address == Own6;

    public bool Routes(bool isIPv6) => isIPv6 ? RoutesIPv6 : RoutesIPv4;

    public NumericAddress Own(bool isIPv6) => isIPv6 ? Own6 : Own4;

    public NumericAddress IPv4Of(int number) => NumericAddress.IPv4((uint)(_network4 + (UInt128)number));

    public NumericAddress IPv6Of(int number) => NumericAddress.IPv6(_network6 + (UInt128)number);

    /// <summary>Whether the number's addresses are the device's own, in either family.</summary>
    public bool IsOwnNumber(int number) => IPv4Of(number) == Own4 || IPv6Of(number) == Own6;

    /// <summary>The number behind an address; false when it is no client's.</summary>
    public bool TryNumber(NumericAddress address, out int number)
    {
        UInt128 distance = address.Bits - (address.IsIPv6 ? _network6 : _network4);
        number = distance <= (UInt128)LastNumber ? (int)distance : 0;
        return number >= FirstNumber && !IsOwn(address);
    }
}
