using System.Globalization;
using System.Text;
using FastExit.Policy;

namespace FastExit.Resolution;

/// <summary>One resolved address and what guard and rules say of it alone; <paramref name="Range"/> is null when the guard lets it pass.</summary>
public sealed record AddressCheck(NumericAddress Address, GuardedRange? Range, PolicyVerdict Verdict)
{
    /// <summary>Whether this address alone would pass.</summary>
    public bool IsAllowed => Range is null && Verdict.IsAllowed;
}

/// <summary>What an operator is told about one destination.</summary>
/// <param name="Verdict">The whole verdict, the same that a client would get.</param>
/// <param name="PolicySource">Where the rules come from.</param>
/// <param name="Addresses">Every resolved address, judged; empty when the name was not resolved.</param>
public sealed record PolicyCheckResult(DestinationVerdict Verdict, string PolicySource, IReadOnlyList<AddressCheck> Addresses)
{
    /// <summary>For a name without addresses: the first rule that matches whatever they are; null when none does.</summary>
    public PolicyRule? Pending { get; init; }

    /// <summary>Whether a rule for certain addresses stands before <see cref="Pending"/>.</summary>
    public bool AddressRulesBefore { get; init; }

    /// <summary>Whether the rules could not be applied, because the name did not resolve.</summary>
    public bool IsUnknown => Verdict.Outcome is DestinationOutcome.ResolverFailed or DestinationOutcome.NameNotFound;

    /// <summary>Whether a client may connect.</summary>
    public bool IsAllowed => Verdict.Outcome == DestinationOutcome.Allowed;

    /// <summary>The text of the deciding rule; null when none decided.</summary>
    public string? Rule => Verdict.Rule?.ToString();

    /// <summary>Its line in the policy; 0 when none decided.</summary>
    public int Line => Verdict.Rule?.Line ?? 0;

    /// <summary>The result in lines for a terminal: verdict, rule with its place, then each address.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        if (IsUnknown) return UnknownText();
        text.Append(Verdict.Explain()).Append('\n');
        if (Rule is not null) text.Append(CultureInfo.InvariantCulture, $"rule: {Rule} ({PolicySource}, line {Line})\n");
        foreach (var address in Addresses) text.Append(CultureInfo.InvariantCulture, $"{address.Address}: {Explain(address)}\n");
        return text.ToString();
    }

    private string UnknownText()
    {
        var before = AddressRulesBefore ? ", unless a rule for certain addresses before it does" : "";
        var rule = Pending is { } pending
            ? string.Create(CultureInfo.InvariantCulture, $"first match: {pending} ({PolicySource}, line {pending.Line}); it decides{before}")
            : $"first match: none ({PolicySource}), so it is denied{before.Replace("before it does", "accepts it", StringComparison.Ordinal)}";
        var guard = Pending is { Accepts: true } ? "; the addresses must be public as well" : "";
        return $"cannot tell: {Verdict.Explain()}\n{rule}{guard}\n";
    }

    private static string Explain(AddressCheck check)
    {
        if (check.Range is { } range) return $"refused, {range.Name}";
        return check.Verdict.Rule is { } rule
            ? string.Create(CultureInfo.InvariantCulture, $"{(check.IsAllowed ? "allowed" : "refused")}, line {rule.Line}: {rule}")
            : "refused, no rule covers it";
    }
}

/// <summary>What <c>fastexit policy check host:port</c> shows.</summary>
public static class PolicyCheck
{
    /// <summary>Judges a destination as a client's would be, and each of its addresses for itself.</summary>
    public static async Task<PolicyCheckResult> RunAsync(
        string hostPort, DestinationResolver resolver, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(resolver);
        var policy = resolver.Policy;
        var verdict = await resolver.ResolveAsync(hostPort, cancellation).ConfigureAwait(false);
        var result = new PolicyCheckResult(verdict, policy.Source, CheckAddresses(hostPort, policy, resolver.Guard, verdict));
        var bytes = Encoding.UTF8.GetBytes(hostPort);
        if (!result.IsUnknown || !DestinationAddress.TryParse(bytes, out var destination, out _)) return result;
        var pending = policy.FirstForAnyAddress(Encoding.ASCII.GetString(destination.Host(bytes)), destination.Port, out var before);
        return result with { Pending = pending, AddressRulesBefore = before };
    }

    private static List<AddressCheck> CheckAddresses(string hostPort, ExitPolicy policy, AddressGuard guard, DestinationVerdict verdict)
    {
        var checks = new List<AddressCheck>(verdict.Resolved.Count);
        var bytes = Encoding.UTF8.GetBytes(hostPort);
        if (!DestinationAddress.TryParse(bytes, out var destination, out _)) return checks;
        var name = destination.Kind == DestinationKind.Name ? Encoding.ASCII.GetString(destination.Host(bytes)) : null;
        foreach (var address in verdict.Resolved)
        {
            guard.TryRefuse(address, out var range);
            var rules = name is null ? policy.Evaluate(address, destination.Port) : policy.Evaluate(name, address, destination.Port);
            checks.Add(new AddressCheck(address, range, rules));
        }

        return checks;
    }
}
