namespace FastExit.Policy;

internal enum AddressPatternFault : byte
{
    None,
    NotAnAddress,
    Brackets,
    PrefixLength,
}

/// <summary>
/// The address half of a rule (network-requester.md §5.2): <c>*</c>, <c>*4</c>, <c>*6</c> or a prefix. Immutable.
/// </summary>
public sealed class AddressPattern
{
    private readonly AddressPrefix _prefix;

    private AddressPattern(string text, AddressPrefix prefix, bool isAny)
    {
        Text = text;
        _prefix = prefix;
        IsAny = isAny;
    }

    /// <summary><c>*</c>: every address of both families.</summary>
    public static AddressPattern Any { get; } = new("*", default, true);

    /// <summary><c>*4</c>.</summary>
    public static AddressPattern AnyIPv4 { get; } = new("*4", new AddressPrefix(false, 0, 0), false);

    /// <summary><c>*6</c>.</summary>
    public static AddressPattern AnyIPv6 { get; } = new("*6", new AddressPrefix(true, 0, 0), false);

    /// <summary>Canonical text, as it goes on the wire: <c>*</c>, <c>*4</c>, <c>*6</c>, <c>a.b.c.d/len</c>, <c>x::y/len</c>.</summary>
    public string Text { get; }

    /// <summary>Whether this is <c>*</c>.</summary>
    public bool IsAny { get; }

    /// <summary>The compared prefix; meaningless for <c>*</c>.</summary>
    public AddressPrefix Prefix => _prefix;

    /// <summary>Whether the address matches.</summary>
    public bool Matches(NumericAddress address) => IsAny || _prefix.Contains(address);

    /// <inheritdoc/>
    public override string ToString() => Text;

    internal static AddressPatternFault TryParse(ReadOnlySpan<char> text, out AddressPattern? pattern)
    {
        pattern = text switch
        {
            "*" => Any,
            "*4" => AnyIPv4,
            "*6" => AnyIPv6,
            _ => null,
        };
        if (pattern is not null) return AddressPatternFault.None;

        var fault = TryReadPrefix(text, out var isIPv6, out var bits, out var length);
        if (fault != AddressPatternFault.None) return fault;
        pattern = length == 0
            ? isIPv6 ? AnyIPv6 : AnyIPv4
            : new AddressPattern(AddressPrefix.Format(isIPv6, bits, length), new AddressPrefix(isIPv6, bits, length), false);
        return AddressPatternFault.None;
    }

    internal static AddressPatternFault TryReadPrefix(ReadOnlySpan<char> text, out bool isIPv6, out UInt128 bits, out int length)
    {
        isIPv6 = false;
        bits = 0;
        length = 0;
        var slash = text.IndexOf('/');
        var literal = slash < 0 ? text : text[..slash];
        var bracketed = literal.Length > 0 && literal[0] == '[';
        if (bracketed)
        {
            if (literal.Length < 2 || literal[^1] != ']') return AddressPatternFault.Brackets;
            literal = literal[1..^1];
        }

        Span<byte> ascii = stackalloc byte[64];
        if (literal.Length > ascii.Length) return AddressPatternFault.NotAnAddress;
        for (var i = 0; i < literal.Length; i++)
        {
            if (!char.IsAscii(literal[i])) return AddressPatternFault.NotAnAddress;
            ascii[i] = (byte)literal[i];
        }

        ascii = ascii[..literal.Length];
        if (AddressLiteral.TryReadIPv4(ascii, out var four))
        {
            if (bracketed) return AddressPatternFault.Brackets;
            bits = four;
        }
        else if (AddressLiteral.TryReadIPv6(ascii, out bits))
        {
            isIPv6 = true;
        }
        else
        {
            return bracketed ? AddressPatternFault.Brackets : AddressPatternFault.NotAnAddress;
        }

        var width = isIPv6 ? 128 : 32;
        if (slash < 0) length = width;
        else if (!PortRange.TryReadNumber(text[(slash + 1)..], width, out length)) return AddressPatternFault.PrefixLength;
        return AddressPatternFault.None;
    }
}
