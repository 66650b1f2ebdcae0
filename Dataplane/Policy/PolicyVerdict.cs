namespace FastExit.Policy;

/// <summary>What the rules say.</summary>
public enum PolicyDecision : byte
{
    /// <summary>No rule matched; counts as a denial.</summary>
    NotCovered,

    /// <summary>The deciding rule accepts.</summary>
    Accepted,

    /// <summary>The deciding rule rejects.</summary>
    Rejected,
}

/// <summary>A decision and the rule that made it (null when no rule matched).</summary>
public readonly record struct PolicyVerdict(PolicyDecision Decision, PolicyRule? Rule)
{
    /// <summary>Whether the destination may be reached.</summary>
    public bool IsAllowed => Decision == PolicyDecision.Accepted;

    internal static PolicyVerdict By(PolicyRule rule) =>
        new(rule.Accepts ? PolicyDecision.Accepted : PolicyDecision.Rejected, rule);
}
