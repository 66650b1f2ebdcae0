using System.Net;
using FastExit.Policy;

namespace FastExit.Resolution;

/// <summary>What the host of a destination is.</summary>
public enum DestinationKind : byte
{
    /// <summary>Not a destination.</summary>
    None,

    /// <summary>A DNS name.</summary>
    Name,

    /// <summary>A dotted IPv4 literal, or an IPv4-mapped IPv6 one.</summary>
    IPv4,

    /// <summary>An IPv6 literal.</summary>
    IPv6,
}

/// <summary>Why a destination is malformed.</summary>
public enum DestinationFault : byte
{
    /// <summary>It is not.</summary>
    None,

    /// <summary>No bytes.</summary>
    Empty,

    /// <summary>Longer than any host and port can be.</summary>
    TooLong,

    /// <summary>A byte that no destination holds: NUL, control, space or beyond ASCII (international names travel as punycode).</summary>
    ForbiddenByte,

    /// <summary>No colon and so no port.</summary>
    PortMissing,

    /// <summary>The port is not a plain decimal number of 1..65535.</summary>
    PortInvalid,

    /// <summary>Nothing before the port.</summary>
    HostEmpty,

    /// <summary>Brackets that are unbalanced or hold no IPv6 address.</summary>
    Brackets,

    /// <summary>Colons in the host, which is not an IPv6 address (a scope is refused too).</summary>
    AddressInvalid,

    /// <summary>The host ends in a number without being a dotted IPv4 address: <c>127.1</c>, <c>0x7f.1</c>, <c>2130706433</c>.</summary>
    NumericHost,

    /// <summary>A name of more than 253 bytes.</summary>
    NameTooLong,

    /// <summary>A label that is empty, longer than 63 bytes, or begins or ends with a hyphen.</summary>
    LabelInvalid,

    /// <summary>A character that host names do not have.</summary>
    NameCharacter,
}

/// <summary>
/// A parsed <c>host:port</c> (network-requester.md §2.2): DNS name, dotted IPv4, IPv6 with or without brackets; the port
/// follows the last colon. A name is kept as a place in the parsed bytes, so parsing copies and allocates nothing.
/// </summary>
public readonly struct DestinationAddress
{
    /// <summary>Longest text: a name of 253 bytes, its final dot, the colon and five digits.</summary>
    public const int MaximumBytes = 253 + 1 + 1 + 5;

    private readonly byte _hostStart;
    private readonly byte _hostBytes;

    private DestinationAddress(DestinationKind kind, int hostStart, int hostBytes, NumericAddress address, ushort port)
    {
        Kind = kind;
        _hostStart = (byte)hostStart;
        _hostBytes = (byte)hostBytes;
        Address = address;
        Port = port;
    }

    /// <summary>What the host is.</summary>
    public DestinationKind Kind { get; }

    /// <summary>1..65535.</summary>
    public ushort Port { get; }

    /// <summary>The literal's address; meaningless for a name.</summary>
    public NumericAddress Address { get; }

    /// <summary>The host within the bytes that were parsed: a name without its final dot, a literal without brackets.</summary>
    public ReadOnlySpan<byte> Host(ReadOnlySpan<byte> parsed) => parsed.Slice(_hostStart, _hostBytes);

    /// <summary>The literal as endpoint; throws for a name.</summary>
    public IPEndPoint ToIPEndPoint() => Kind is DestinationKind.IPv4 or DestinationKind.IPv6
        ? new IPEndPoint(Address.ToIPAddress(), Port)
        : throw new InvalidOperationException("A name has no address before it is resolved.");

    /// <summary>Reads <c>host:port</c>; false with the reason when it is malformed. Never throws, allocates nothing.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out DestinationAddress destination, out DestinationFault fault)
    {
        destination = default;
        fault = Split(text, out var host, out var port);
        if (fault != DestinationFault.None) return false;

        if (host[0] == '[' || host[^1] == ']')
        {
            UInt128 bits = 0;
            if (host.Length < 3 || host[0] != '[' || host[^1] != ']' || !AddressLiteral.TryReadIPv6(host[1..^1], out bits))
            {
                fault = DestinationFault.Brackets;
                return false;
            }

            destination = OfLiteral(NumericAddress.IPv6(bits), 1, host.Length - 2, port);
            return true;
        }

        if (NumericAddress.TryParse(host, out var address))
        {
            destination = OfLiteral(address, 0, host.Length, port);
            return true;
        }

        if (host.Contains((byte)':'))
        {
            fault = DestinationFault.AddressInvalid;
            return false;
        }

        if (host[^1] == '.') host = host[..^1];
        fault = DnsName.Check(host) switch
        {
            DnsNameFault.None => DestinationFault.None,
            DnsNameFault.Empty => DestinationFault.HostEmpty,
            DnsNameFault.TooLong => DestinationFault.NameTooLong,
            DnsNameFault.Label => DestinationFault.LabelInvalid,
            DnsNameFault.Numeric => DestinationFault.NumericHost,
            _ => DestinationFault.NameCharacter,
        };
        if (fault != DestinationFault.None) return false;
        destination = new DestinationAddress(DestinationKind.Name, 0, host.Length, default, port);
        return true;
    }

    /// <summary>A fault in words for the client, without the destination.</summary>
    public static string Describe(DestinationFault fault) => fault switch
    {
        DestinationFault.None => "well formed",
        DestinationFault.Empty => "the address is empty",
        DestinationFault.TooLong => "the address is too long",
        DestinationFault.ForbiddenByte => "the address holds a control character, a space or a byte beyond ASCII",
        DestinationFault.PortMissing => "the address has no port",
        DestinationFault.PortInvalid => "the port is not a number from 1 to 65535",
        DestinationFault.HostEmpty => "the host is empty",
        DestinationFault.Brackets => "the brackets hold no IPv6 address",
        DestinationFault.AddressInvalid => "the host is no IPv6 address",
        DestinationFault.NumericHost => "the host is a number but no dotted IPv4 address",
        DestinationFault.NameTooLong => "the host name is too long",
        DestinationFault.LabelInvalid => "a label of the host name is empty, too long or has a hyphen at its end",
        _ => "the host name holds a forbidden character",
    };

    private static DestinationFault Split(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> host, out ushort port)
    {
        host = default;
        port = 0;
        if (text.IsEmpty) return DestinationFault.Empty;
        if (text.Length > MaximumBytes) return DestinationFault.TooLong;
        if (text.IndexOfAnyExceptInRange((byte)0x21, (byte)0x7e) >= 0) return DestinationFault.ForbiddenByte;
        var colon = text.LastIndexOf((byte)':');
        if (colon < 0) return DestinationFault.PortMissing;
        if (!TryReadPort(text[(colon + 1)..], out port)) return DestinationFault.PortInvalid;
        host = text[..colon];
        return host.IsEmpty ? DestinationFault.HostEmpty : DestinationFault.None;
    }

    private static bool TryReadPort(ReadOnlySpan<byte> digits, out ushort port)
    {
        port = 0;
        if (digits.Length is 0 or > 5 || digits[0] == '0') return false;
        var value = 0;
        foreach (var digit in digits)
        {
            if (!char.IsAsciiDigit((char)digit)) return false;
            value = (value * 10) + (digit - '0');
        }

        port = (ushort)value;
        return value <= ushort.MaxValue;
    }

    private static DestinationAddress OfLiteral(NumericAddress address, int hostStart, int hostBytes, ushort port) =>
        new(address.IsIPv6 ? DestinationKind.IPv6 : DestinationKind.IPv4, hostStart, hostBytes, address, port);
}
