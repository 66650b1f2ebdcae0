using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace FastExit.Configuration;

/// <summary>
/// `IP:PORT` as it stands in configuration and topology files: a dotted quad of four plain decimals, or an IPv6 address in brackets
/// (RFC 3986 §3.2.2) without zone; port 0..65535 without sign or leading zero. No names.
/// </summary>
public static class EndpointText
{
    private const int MaximumCharacters = 64;

    public static bool TryParse(ReadOnlySpan<char> text, out IPEndPoint endpoint)
    {
        endpoint = Unspecified;
        if (text.Length is 0 or > MaximumCharacters)
            return false;

        var colon = text.LastIndexOf(':');
        if (colon < 0 || !TryParsePort(text[(colon + 1)..], out var port))
            return false;

        var host = text[..colon];
        IPAddress? address;
        if (host.Length > 2 && host[0] == '[' && host[^1] == ']')
        {
            host = host[1..^1];
            // IPAddress also takes zones, nested brackets and prefixes; none has a meaning here.
            if (host.IndexOfAnyExcept(Ipv6Characters) >= 0 || !IPAddress.TryParse(host, out address)
                || address.AddressFamily != AddressFamily.InterNetworkV6)
                return false;
        }
        else
        {
            // IPAddress takes "1", "127.1" and octal or hexadecimal parts too; printing back tells them apart.
            if (!IPAddress.TryParse(host, out address) || address.AddressFamily != AddressFamily.InterNetwork
                || !host.SequenceEqual(address.ToString()))
                return false;
        }

        endpoint = new IPEndPoint(address, port);
        return true;
    }

    private static ReadOnlySpan<char> Ipv6Characters => "0123456789abcdefABCDEF:.";

    private static IPEndPoint Unspecified => new(IPAddress.Any, 0);

    private static bool TryParsePort(ReadOnlySpan<char> text, out ushort port)
    {
        port = 0;
        return text.Length is > 0 and <= 5 && (text[0] != '0' || text.Length == 1)
            && ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port);
    }
}
