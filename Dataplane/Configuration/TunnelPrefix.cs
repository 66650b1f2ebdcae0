using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Numerics;

namespace FastExit.Configuration;

/// <summary>A device's own address and the length of the prefix it lies in, written `10.0.0.1/16`.</summary>
public readonly record struct TunnelPrefix(IPAddress Address, int Bits)
{
    private const int ShortestIpv4 = 8;
    private const int LongestIpv4 = 29;
    private const int ShortestIpv6 = 8;
    private const int LongestIpv6 = 112;

    public bool IsIPv6 => Address.AddressFamily == AddressFamily.InterNetworkV6;

    /// <summary>The prefix alone, the device's own bits cleared.</summary>
    public IPNetwork Network
    {
        get
        {
            byte[] bytes = Address.GetAddressBytes();
            for (int bit = Bits; bit < bytes.Length * 8; bit++)
                bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
            return new IPNetwork(new IPAddress(bytes), Bits);
        }
    }

    public override string ToString() => $"{Address}/{Bits}";

    /// <summary>False with <paramref name="problem"/>: what is wrong and what to write instead.</summary>
    public static bool TryParse(string text, AddressFamily family, out TunnelPrefix prefix, out string problem)
    {
        prefix = default;
        bool ipv4 = family == AddressFamily.InterNetwork;
        string example = ipv4 ? "\"10.0.0.1/16\"" : "\"fc00::1/112\"";
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0
            || !IPAddress.TryParse(text.AsSpan(0, slash), out IPAddress? address)
            || address.AddressFamily != family
            || text.AsSpan(0, slash).Contains('%')
            || (ipv4 && text.AsSpan(0, slash).Count('.') != 3)
            || !int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int bits))
        {
            problem = $"must be {(ipv4 ? "an IPv4" : "an IPv6")} address with its prefix length, such as {example}, or \"\" for none";
            return false;
        }

        (int shortest, int longest) = ipv4 ? (ShortestIpv4, LongestIpv4) : (ShortestIpv6, LongestIpv6);
        if (bits < shortest || bits > longest)
        {
            problem = $"has the prefix length {bits}; it must be {shortest} to {longest}, such as {example}";
            return false;
        }

        // Number 0 is the network; the last one of IPv4 is its broadcast address. The numbers of clients begin at 2.
        var value = new BigInteger(address.GetAddressBytes(), isUnsigned: true, isBigEndian: true);
        BigInteger size = BigInteger.One << ((ipv4 ? 32 : 128) - bits);
        BigInteger number = value % size;
        if (number.IsZero || (ipv4 && number == size - 1))
        {
            problem = $"is no address of one host in its prefix; give the device's own, such as {example}";
            return false;
        }

        if (address.IsIPv6Multicast || (ipv4 && address.GetAddressBytes()[0] is 0 or >= 224) || IPAddress.IsLoopback(address))
        {
            problem = $"is no address that a device can have; give one of a private range, such as {example}";
            return false;
        }

        prefix = new TunnelPrefix(address, bits);
        problem = "";
        return true;
    }
}
