namespace FastExit.Policy;

internal enum DnsNameFault : byte
{
    None,
    Empty,
    TooLong,
    Label,
    Character,
    Numeric,
}

/// <summary>
/// The host names that may be asked for: RFC 1123 labels of 1..63 letters, digits, hyphens (inside) and underscores, at
/// most 253 bytes without the final dot. A last label that is a number (<c>127.1</c>, <c>0x7f000001</c>) is refused: a
/// resolver would read it as an address that no literal parser has seen. Allocates nothing.
/// </summary>
internal static class DnsName
{
    public const int MaximumBytes = 253;
    public const int MaximumLabelBytes = 63;

    /// <summary>Checks a name that has no final dot.</summary>
    public static DnsNameFault Check(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty) return DnsNameFault.Empty;
        if (name.Length > MaximumBytes) return DnsNameFault.TooLong;

        var labelStart = 0;
        for (var i = 0; i <= name.Length; i++)
        {
            if (i < name.Length && name[i] != '.')
            {
                var c = (char)name[i];
                if (!char.IsAsciiLetterOrDigit(c) && c != '-' && c != '_') return DnsNameFault.Character;
                continue;
            }

            var label = name[labelStart..i];
            if (label.Length is 0 or > MaximumLabelBytes || label[0] == '-' || label[^1] == '-') return DnsNameFault.Label;
            if (i == name.Length && IsNumber(label)) return DnsNameFault.Numeric;
            labelStart = i + 1;
        }

        return DnsNameFault.None;
    }

    private static bool IsNumber(ReadOnlySpan<byte> label)
    {
        if (label.Length >= 2 && label[0] == '0' && (label[1] | 0x20) == 'x')
        {
            foreach (var c in label[2..])
            {
                if (!char.IsAsciiHexDigit((char)c)) return false;
            }

            return true;
        }

        foreach (var c in label)
        {
            if (!char.IsAsciiDigit((char)c)) return false;
        }

        return true;
    }
}
