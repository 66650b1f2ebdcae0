using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using FastExit.Policy;

namespace FastExit.SelfDescription;

/// <summary>
/// IP addresses as signed JSON has them (mix-link.md §6.2): dotted quad, RFC 5952 with a dotted end for IPv4-mapped addresses alone.
/// IPAddress prints dotted ends for further ranges, and takes numbers, zones and octal forms that other readers refuse.
/// </summary>
internal static class IpAddressText
{
    private const int IPv6Bytes = 16;
    private const int LongestText = 45;

    public static string Format(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[IPv6Bytes];
        address.TryWriteBytes(bytes, out var written);
        return written == IPv6Bytes
            ? AddressLiteral.FormatIPv6(BinaryPrimitives.ReadUInt128BigEndian(bytes))
            : AddressLiteral.FormatIPv4(BinaryPrimitives.ReadUInt32BigEndian(bytes));
    }

    /// <summary>Four plain decimals or RFC 4291 §2.2; no zone, no brackets.</summary>
    public static bool TryParse(string? text, out IPAddress address)
    {
        address = IPAddress.None;
        if (text is null or { Length: > LongestText } || !Ascii.IsValid(text))
            return false;
        Span<byte> ascii = stackalloc byte[LongestText];
        ascii = ascii[..Encoding.ASCII.GetBytes(text, ascii)];
        Span<byte> bytes = stackalloc byte[IPv6Bytes];
        if (AddressLiteral.TryReadIPv4(ascii, out var four))
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes, four);
            address = new IPAddress(bytes[..sizeof(uint)]);
            return true;
        }

        if (!AddressLiteral.TryReadIPv6(ascii, out var six))
            return false;
        BinaryPrimitives.WriteUInt128BigEndian(bytes, six);
        address = new IPAddress(bytes);
        return true;
    }
}
