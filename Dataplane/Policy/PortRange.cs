using System.Globalization;

namespace FastExit.Policy;

/// <summary>
/// The port half of a rule (network-requester.md §5.2): <c>*</c> is 1-65535, <c>n</c>, <c>n-m</c> with 1 ≤ n ≤ m, or
/// <c>0</c> alone, which contains port zero only.
/// </summary>
public readonly record struct PortRange
{
    private PortRange(ushort start, ushort end)
    {
        Start = start;
        End = end;
    }

    /// <summary>1-65535.</summary>
    public static PortRange All { get; } = new(1, ushort.MaxValue);

    /// <summary>Port zero only.</summary>
    public static PortRange Zero { get; }

    /// <summary>First port.</summary>
    public ushort Start { get; }

    /// <summary>Last port, inclusive.</summary>
    public ushort End { get; }

    /// <summary>Whether this is <c>*</c>.</summary>
    public bool IsAll => Start == 1 && End == ushort.MaxValue;

    /// <summary>Makes a range; false unless both are zero or 1 ≤ start ≤ end.</summary>
    public static bool TryCreate(int start, int end, out PortRange range)
    {
        range = default;
        if (start == 0 && end == 0) return true;
        if (start < 1 || start > end || end > ushort.MaxValue) return false;
        range = new PortRange((ushort)start, (ushort)end);
        return true;
    }

    /// <summary>Reads the text form. Leading zeros and a leading <c>+</c> are read as peers read them.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PortRange range)
    {
        range = All;
        if (text is "*") return true;
        var dash = text.IndexOf('-');
        if (dash < 0) return TryReadNumber(text, ushort.MaxValue, out var port) && TryCreate(port, port, out range);
        return TryReadNumber(text[..dash], ushort.MaxValue, out var start)
            && TryReadNumber(text[(dash + 1)..], ushort.MaxValue, out var end)
            && start > 0
            && TryCreate(start, end, out range);
    }

    /// <summary>Whether the port lies in the range.</summary>
    public bool Contains(ushort port) => port >= Start && port <= End;

    /// <summary>
    /// Contains, or the port is zero: a request for port zero compares the address only, as other requesters do
    /// (network-requester.md §5.1). Requests for port zero are refused before they come here.
    /// </summary>
    public bool Matches(ushort port) => port == 0 || Contains(port);

    /// <summary>Canonical text.</summary>
    public override string ToString()
    {
        if (IsAll) return "*";
        return Start == End
            ? Start.ToString(CultureInfo.InvariantCulture)
            : string.Create(CultureInfo.InvariantCulture, $"{Start}-{End}");
    }

    internal static bool TryReadNumber(ReadOnlySpan<char> text, int maximum, out int value)
    {
        value = 0;
        if (text.Length > 0 && text[0] == '+') text = text[1..];
        if (text.IsEmpty) return false;
        foreach (var c in text)
        {
            if (!char.IsAsciiDigit(c)) return false;
            value = (value * 10) + (c - '0');
            if (value > maximum) return false;
        }

        return true;
    }
}
