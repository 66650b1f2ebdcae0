using System.Globalization;
using System.Text;

namespace FastExit.Policy;

/// <summary>
/// The host half of a host rule: <c>example.org</c> (that name only) or <c>*.example.org</c> (its sub-domains at any depth,
/// not the name itself). Kept in lower case, without final dot, international names as punycode. A name needs two labels,
/// so a mistyped address or keyword is an error instead of a rule that never matches.
/// </summary>
public sealed class HostPattern
{
    private static readonly IdnMapping Punycode = new() { AllowUnassigned = true, UseStd3AsciiRules = false };

    private HostPattern(string name, bool isWildcard)
    {
        Name = name;
        IsWildcard = isWildcard;
        Text = isWildcard ? "*." + name : name;
    }

    /// <summary>The name without the wildcard.</summary>
    public string Name { get; }

    /// <summary>Whether sub-domains are meant.</summary>
    public bool IsWildcard { get; }

    /// <summary>Canonical text.</summary>
    public string Text { get; }

    /// <summary>Whether the asked-for name matches; case and one final dot are ignored.</summary>
    public bool Matches(ReadOnlySpan<char> host)
    {
        if (host.Length > 0 && host[^1] == '.') host = host[..^1];
        if (!IsWildcard) return host.Equals(Name, StringComparison.OrdinalIgnoreCase);
        return host.Length > Name.Length + 1
            && host[^(Name.Length + 1)] == '.'
            && host.EndsWith(Name, StringComparison.OrdinalIgnoreCase);
    }

    /// <inheritdoc/>
    public override string ToString() => Text;

    internal static bool TryParse(ReadOnlySpan<char> text, out HostPattern? pattern)
    {
        pattern = null;
        var wildcard = text.StartsWith("*.");
        if (wildcard) text = text[2..];
        if (text.Length > 0 && text[^1] == '.') text = text[..^1];
        if (text.IsEmpty || text.Length > DnsName.MaximumBytes) return false;

        var name = text.ToString();
        if (!Ascii.IsValid(name) && !TryPunycode(name, out name)) return false;
        if (name.Length > DnsName.MaximumBytes) return false;

        Span<byte> ascii = stackalloc byte[DnsName.MaximumBytes];
        ascii = ascii[..Encoding.ASCII.GetBytes(name, ascii)];
        if (DnsName.Check(ascii) != DnsNameFault.None) return false;
        if (!wildcard && !name.Contains('.')) return false;
        pattern = new HostPattern(name.ToLowerInvariant(), wildcard);
        return true;
    }

    private static bool TryPunycode(string name, out string ascii)
    {
        try
        {
            ascii = Punycode.GetAscii(name.ToLowerInvariant());
            return true;
        }
        catch (ArgumentException)
        {
            ascii = "";
            return false;
        }
    }
}
