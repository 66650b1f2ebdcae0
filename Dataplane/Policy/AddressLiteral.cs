using System.Globalization;
using System.Text;

namespace FastExit.Policy;

/// <summary>
/// Address literals as the network's peers read them: four decimal octets without leading zeros; RFC 4291 §2.2 groups of
/// one to four hex digits, where <c>::</c> stands for at least one group and the last two groups may be dotted. No scope,
/// no brackets, no octal, hex or short forms. Reading allocates nothing.
/// </summary>
internal static class AddressLiteral
{
    public static bool TryReadIPv4(ReadOnlySpan<byte> text, out uint bits)
    {
        bits = 0;
        var at = 0;
        for (var octet = 0; octet < 4; octet++)
        {
            if (octet > 0)
            {
                if (at >= text.Length || text[at] != '.') return false;
                at++;
            }

            var start = at;
            uint value = 0;
            while (at < text.Length && at - start < 3 && char.IsAsciiDigit((char)text[at]))
                value = (value * 10) + (uint)(text[at++] - '0');

            var digits = at - start;
            if (digits == 0 || value > 255 || (digits > 1 && text[start] == '0')) return false;
            bits = (bits << 8) | value;
        }

        return at == text.Length;
    }

    public static bool TryReadIPv6(ReadOnlySpan<byte> text, out UInt128 bits)
    {
        bits = 0;
        Span<ushort> groups = stackalloc ushort[8];
        var count = 0;
        var gap = -1;
        var at = 0;
        if (text.StartsWith("::"u8))
        {
            gap = 0;
            at = 2;
        }
        else if (text.IsEmpty)
        {
            return false;
        }

        while (at < text.Length)
        {
            if (count <= 6 && TryReadIPv4(text[at..], out var tail))
            {
                groups[count++] = (ushort)(tail >> 16);
                groups[count++] = (ushort)tail;
                at = text.Length;
                break;
            }

            if (count == 8 || !TryReadGroup(text[at..], out groups[count], out var digits)) return false;
            count++;
            at += digits;
            if (at == text.Length) break;
            if (text[at++] != ':' || at == text.Length) return false;
            if (text[at] != ':') continue;
            if (gap >= 0) return false;
            gap = count;
            at++;
        }

        if (gap < 0 ? count != 8 : count > 7) return false;
        var missing = 8 - count;
        for (var i = 0; i < 8; i++)
        {
            ushort group = 0;
            if (gap < 0 || i < gap) group = groups[i];
            else if (i >= gap + missing) group = groups[i - missing];
            bits = (bits << 16) | group;
        }

        return true;
    }

    public static string FormatIPv4(uint bits) =>
        string.Create(CultureInfo.InvariantCulture, $"{bits >> 24}.{(bits >> 16) & 255}.{(bits >> 8) & 255}.{bits & 255}");

    /// <summary>RFC 5952: lower case, the first longest run of two or more zero groups as <c>::</c>; mapped addresses dotted.</summary>
    public static string FormatIPv6(UInt128 bits)
    {
        if ((bits >> 32) == 0xffff) return "::ffff:" + FormatIPv4((uint)bits);

        int runStart = -1, runLength = 1;
        for (var i = 0; i < 8; i++)
        {
            var end = i;
            while (end < 8 && Group(bits, end) == 0) end++;
            if (end - i > runLength) (runStart, runLength) = (i, end - i);
            if (end > i) i = end;
        }

        var text = new StringBuilder(39);
        for (var i = 0; i < 8; i++)
        {
            if (i == runStart)
            {
                text.Append("::");
                i += runLength - 1;
                continue;
            }

            if (i > 0 && text[^1] != ':') text.Append(':');
            text.Append(CultureInfo.InvariantCulture, $"{Group(bits, i):x}");
        }

        return text.ToString();
    }

    private static ushort Group(UInt128 bits, int index) => (ushort)(bits >> (112 - (16 * index)));

    private static bool TryReadGroup(ReadOnlySpan<byte> text, out ushort group, out int digits)
    {
        var value = 0;
        digits = 0;
        while (digits < text.Length && digits < 4 && char.IsAsciiHexDigit((char)text[digits]))
        {
            var c = text[digits] | 0x20;
            value = (value << 4) | (c <= '9' ? c - '0' : c - 'a' + 10);
            digits++;
        }

        group = (ushort)value;
        return digits > 0;
    }
}
