using System.Collections.Immutable;
using System.Text;

namespace FastExit.Policy;

/// <summary>
/// An exit policy: one ordered list of address and host rules, first match wins, an exhausted list denies
/// (network-requester.md §5.1, §5.2). An address rule looks at the resolved address, a host rule at the name that the
/// client asked for; a client that sends a literal address is judged by address rules alone. Immutable and thread safe;
/// evaluation allocates nothing.
/// </summary>
/// <remarks>
/// Host rules have no wire form. <see cref="WireRules"/> leaves them out and keeps the order of the rest, so peers are shown
/// what holds for addresses; a published policy can therefore be wider (a left-out host reject) or narrower (a left-out host
/// accept) than the one in force, and <see cref="HostRuleCount"/> tells whether that is so.
/// </remarks>
public sealed class ExitPolicy
{
    /// <summary>Largest policy text that is read, in bytes of UTF-8.</summary>
    public const int MaximumBytes = 1024 * 1024;

    private const string BundledResource = "FastExit.Policy.default-policy.txt";

    private static readonly Lazy<ExitPolicy> BundledPolicy = new(ReadBundled);

    private readonly PolicyRule[] _rules;

    private ExitPolicy(string source, PolicyRule[] rules)
    {
        Source = source;
        _rules = rules;
        Rules = ImmutableArray.Create(rules);
        WireRules = [.. rules.Where(static rule => !rule.IsHostRule)];
    }

    /// <summary><c>accept *:*</c>, the open proxy; the address guard still stands before it.</summary>
    public static ExitPolicy Open { get; } = Parse("accept *:*", "open proxy");

    /// <summary>The fallback compiled into the program; see its text for what it is and is not.</summary>
    public static ExitPolicy Bundled => BundledPolicy.Value;

    /// <summary>File path, address or name of the text it was read from.</summary>
    public string Source { get; }

    /// <summary>All rules in order.</summary>
    public ImmutableArray<PolicyRule> Rules { get; }

    /// <summary>The address rules in order: what the query answer and the node's JSON can express.</summary>
    public ImmutableArray<PolicyRule> WireRules { get; }

    /// <summary>How many host rules <see cref="WireRules"/> leaves out.</summary>
    public int HostRuleCount => Rules.Length - WireRules.Length;

    /// <summary>Whether the last rule rejects <c>*:*</c>, the sign that a fetched text is whole.</summary>
    public bool EndsWithReject => _rules is [.., { Accepts: false, Address.IsAny: true, Ports.IsAll: true }];

    /// <summary>Reads policy text; throws <see cref="PolicyFormatException"/> at the first bad line.</summary>
    /// <param name="text">Lines ended by LF or CRLF; a byte order mark is skipped.</param>
    /// <param name="source">Name for errors: path or address.</param>
    public static ExitPolicy Parse(string text, string source)
    {
        ArgumentNullException.ThrowIfNull(text);
        var rules = new List<PolicyRule>();
        var rest = text.AsSpan();
        if (rest.Length > 0 && rest[0] == '\uFEFF') rest = rest[1..];
        var number = 0;
        while (!rest.IsEmpty)
        {
            var end = rest.IndexOf('\n');
            var line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            number++;
            if (!PolicyLine.TryRead(line, number, out var rule, out var problem, out var mend))
                throw new PolicyFormatException(source, number, problem, mend);
            if (rule is not null) rules.Add(rule);
        }

        return new ExitPolicy(source, [.. rules]);
    }

    /// <summary>Reads a policy file of at most <see cref="MaximumBytes"/>.</summary>
    public static ExitPolicy Load(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[MaximumBytes + 1];
            var length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > MaximumBytes)
                throw new PolicyFormatException(path, 0, "the file is larger than 1 MiB", "give the path of an exit policy");
            return Parse(Encoding.UTF8.GetString(bytes, 0, length), path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PolicyFormatException(
                path, 0, $"the file cannot be read ({error.Message.TrimEnd('.')})", "check the path and its permissions");
        }
    }

    /// <summary>Judges a resolved or literal address that was asked for without a name.</summary>
    public PolicyVerdict Evaluate(NumericAddress address, ushort port)
    {
        foreach (var rule in _rules)
        {
            if (rule.Matches(address, port)) return PolicyVerdict.By(rule);
        }

        return default;
    }

    /// <summary>Judges one resolved address of a name; the name without brackets or port, any case.</summary>
    public PolicyVerdict Evaluate(ReadOnlySpan<char> host, NumericAddress address, ushort port)
    {
        foreach (var rule in _rules)
        {
            if (rule.IsHostRule ? rule.Matches(host, port) : rule.Matches(address, port)) return PolicyVerdict.By(rule);
        }

        return default;
    }

    /// <summary>
    /// Judges a name before it is resolved: true when the rules refuse it whatever its addresses are, because no address
    /// rule that stands before the deciding one could match. False says nothing: resolve, then judge each address by
    /// <see cref="Evaluate(ReadOnlySpan{char}, NumericAddress, ushort)"/>.
    /// </summary>
    public bool TryRefuseName(ReadOnlySpan<char> host, ushort port, out PolicyVerdict verdict)
    {
        verdict = default;
        foreach (var rule in _rules)
        {
            if (!rule.Ports.Matches(port)) continue;
            if (rule.Address is { IsAny: false }) return false;
            if (rule.IsHostRule && !rule.Matches(host, port)) continue;
            if (rule.Accepts) return false;
            verdict = PolicyVerdict.By(rule);
            return true;
        }

        return true;
    }

    /// <summary>
    /// What can be said of a name whose addresses are unknown: the first rule that matches whatever they are, and whether a rule
    /// for certain addresses stands before it and could decide first.
    /// </summary>
    public PolicyRule? FirstForAnyAddress(ReadOnlySpan<char> host, ushort port, out bool addressRulesBefore)
    {
        addressRulesBefore = false;
        foreach (var rule in _rules)
        {
            if (!rule.Ports.Matches(port)) continue;
            if (rule.Address is { IsAny: false }) addressRulesBefore = true;
            else if (rule.Address is not null || rule.Matches(host, port)) return rule;
        }

        return null;
    }

    /// <summary>Canonical text: one rule a line, LF, host rules included; reading it back gives the same policy.</summary>
    public string ToCanonicalText()
    {
        var text = new StringBuilder();
        foreach (var rule in _rules) text.Append(rule).Append('\n');
        return text.ToString();
    }

    internal static ExitPolicy FromRules(string source, IEnumerable<PolicyRule> rules) => new(source, [.. rules]);

    private static ExitPolicy ReadBundled()
    {
        using var stream = typeof(ExitPolicy).Assembly.GetManifestResourceStream(BundledResource)
            ?? throw new InvalidOperationException("The bundled exit policy is missing from the program file.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return Parse(reader.ReadToEnd(), "bundled policy");
    }
}
