using System.Text;

namespace FastExit.Policy;

/// <summary>
/// One line of the torrc-like policy text (network-requester.md §5.2). Accepts what other requesters accept, host rules,
/// rules without the <c>ExitPolicy</c> word, and any run of white space between the words. Never throws.
/// </summary>
internal static class PolicyLine
{
    private const string Keyword = "ExitPolicy";
    private const int QuotedCharacters = 80;

    /// <summary>Reads a line; true with a null rule for a blank or comment line; false with what is wrong.</summary>
    public static bool TryRead(ReadOnlySpan<char> line, int number, out PolicyRule? rule, out string problem, out string mend)
    {
        rule = null;
        problem = mend = "";
        var comment = line.IndexOf('#');
        if (comment >= 0) line = line[..comment];
        var rest = line.Trim();
        if (rest.IsEmpty) return true;
        if (rest.StartsWith(Keyword, StringComparison.Ordinal)) rest = rest[Keyword.Length..].TrimStart();

        var wordEnd = 0;
        while (wordEnd < rest.Length && !char.IsWhiteSpace(rest[wordEnd])) wordEnd++;
        if (!TryReadAction(rest[..wordEnd], out var action))
        {
            problem = $"'{Quote(rest[..wordEnd])}' is not an action";
            mend = "begin the rule with accept, reject, accept6 or reject6 in lower case";
            return false;
        }

        var pattern = rest[wordEnd..].TrimStart();
        if (pattern.IsEmpty)
        {
            problem = "the rule has no pattern";
            mend = "write address:ports after the action, as in 'accept *:443'";
            return false;
        }

        var colon = pattern.LastIndexOf(':');
        if (colon < 0)
        {
            problem = $"'{Quote(pattern)}' has no ports";
            mend = "add a colon and the ports: ':443', ':8000-8010' or ':*'";
            return false;
        }

        if (!PortRange.TryParse(pattern[(colon + 1)..], out var ports))
        {
            problem = $"'{Quote(pattern[(colon + 1)..])}' is not a port, a range or *";
            mend = "write one port (443), a range from low to high (8000-8010) or * for all, and one rule for each range";
            return false;
        }

        return TryReadPattern(pattern[..colon], action, ports, number, out rule, out problem, out mend);
    }

    private static bool TryReadPattern(
        ReadOnlySpan<char> target, PolicyAction action, PortRange ports, int number, out PolicyRule? rule, out string problem, out string mend)
    {
        rule = null;
        problem = mend = "";
        var fault = AddressPattern.TryParse(target, out var address);
        if (fault == AddressPatternFault.None)
        {
            rule = new PolicyRule(action, address, null, ports, number);
            return true;
        }

        switch (fault)
        {
            case AddressPatternFault.PrefixLength:
                problem = $"'{Quote(target)}' has a prefix length out of bounds";
                mend = "use 0 to 32 for IPv4 and 0 to 128 for IPv6, not a dotted mask";
                return false;
            case AddressPatternFault.Brackets:
                problem = $"'{Quote(target)}' has no IPv6 address in its brackets";
                mend = "put brackets around IPv6 addresses only, with the prefix length behind them: [fc00::]/7";
                return false;
        }

        if (HostPattern.TryParse(target, out var host))
        {
            rule = new PolicyRule(action, null, host, ports, number);
            return true;
        }

        problem = $"'{Quote(target)}' is neither an address nor a host name";
        mend = "write *, *4, *6, an address with an optional /length, or a full host name such as example.org or *.example.org";
        return false;
    }

    private static bool TryReadAction(ReadOnlySpan<char> word, out PolicyAction action)
    {
        (var known, action) = word switch
        {
            "accept" => (true, PolicyAction.Accept),
            "reject" => (true, PolicyAction.Reject),
            "accept6" => (true, PolicyAction.Accept6),
            "reject6" => (true, PolicyAction.Reject6),
            _ => (false, default),
        };
        return known;
    }

    // A fetched page can hold anything; its bytes must not reach a terminal as control sequences.
    private static string Quote(ReadOnlySpan<char> text)
    {
        var quoted = new StringBuilder(Math.Min(text.Length, QuotedCharacters) + 1);
        foreach (var c in text[..Math.Min(text.Length, QuotedCharacters)])
            quoted.Append(char.IsControl(c) || char.IsSurrogate(c) || !char.IsAscii(c) && char.IsWhiteSpace(c) ? '?' : c);
        if (text.Length > QuotedCharacters) quoted.Append('…');
        return quoted.ToString();
    }
}
