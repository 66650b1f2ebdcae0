using System.Text.Unicode;

namespace FastExit.NetworkRequester.Protocol;

/// <summary>
/// <c>host:port</c> of a Connect (network-requester.md §2.2): the port follows the last colon; the host is a name, an IPv4 address, or
/// an IPv6 address with or without brackets. Only the shape is checked here; whether the host exists is the resolver's to say.
/// </summary>
public static class DestinationText
{
    public const int MaximumHostBytes = 255;

    /// <summary>False: no or empty host, a host with control characters, spaces or broken UTF-8, a port outside 1..65535.</summary>
    public static bool TryRead(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> host, out ushort port)
    {
        host = default;
        port = 0;
        int colon = text.LastIndexOf((byte)':');
        if (colon is < 1 or > MaximumHostBytes)
            return false;
        ReadOnlySpan<byte> digits = text[(colon + 1)..];
        if (digits.Length is < 1 or > 5)
            return false;
        int value = 0;
        foreach (byte digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'9')
                return false;
            value = (value * 10) + (digit - '0');
        }

        if (value is < 1 or > ushort.MaxValue)
            return false;
        ReadOnlySpan<byte> name = text[..colon];
        if (name.IndexOfAnyInRange((byte)0, (byte)0x20) >= 0 || name.Contains((byte)0x7F) || !Utf8.IsValid(name))
            return false;
        bool opens = name[0] == (byte)'[';
        bool closes = name[^1] == (byte)']';
        if (opens != closes || (opens && name.Length < 4))
            return false;
        host = name;
        port = (ushort)value;
        return true;
    }
}
