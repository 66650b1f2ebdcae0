using System.Net;
using FastExit.Policy;

namespace FastExit.Resolution;

/// <summary>Whether and how a destination may be connected to.</summary>
public enum DestinationOutcome : byte
{
    /// <summary>Connect to the addresses of the verdict, and only to those.</summary>
    Allowed,

    /// <summary>The exit policy refuses the name or one of its addresses.</summary>
    DeniedByPolicy,

    /// <summary>One of the addresses is not part of the public internet, or is the node's own.</summary>
    DeniedByGuard,

    /// <summary>The name does not exist or has no addresses.</summary>
    NameNotFound,

    /// <summary>No usable answer from the resolver.</summary>
    ResolverFailed,

    /// <summary>Not a <c>host:port</c>.</summary>
    Malformed,
}

/// <summary>Why the resolver gave no usable answer.</summary>
public enum ResolverFault : byte
{
    /// <summary>It did.</summary>
    None,

    /// <summary>No answer in time.</summary>
    Timeout,

    /// <summary>An error answer (SERVFAIL, REFUSED …), a garbled one, or no server to reach.</summary>
    ServerFailure,

    /// <summary>Too many names are being resolved already.</summary>
    Overloaded,
}

/// <summary>
/// The result for one destination. Holds what an operator's check or a client's error needs; its text forms never name the
/// destination.
/// </summary>
public sealed class DestinationVerdict
{
    private static readonly IReadOnlyList<IPEndPoint> NoEndpoints = [];

    internal DestinationVerdict(DestinationOutcome outcome) => Outcome = outcome;

    /// <summary>The outcome.</summary>
    public DestinationOutcome Outcome { get; }

    /// <summary>Checked endpoints in the order to try them (RFC 8305 §4); empty unless allowed.</summary>
    public IReadOnlyList<IPEndPoint> Endpoints { get; internal init; } = NoEndpoints;

    /// <summary>Everything that the host resolved to, allowed or not.</summary>
    public IReadOnlyList<NumericAddress> Resolved { get; internal init; } = [];

    /// <summary>The rule that decided; null when no rule covered the destination or the rules were not reached.</summary>
    public PolicyRule? Rule { get; internal init; }

    /// <summary>The guarded range that an address fell into, for <see cref="DestinationOutcome.DeniedByGuard"/>.</summary>
    public GuardedRange? Range { get; internal init; }

    /// <summary>The first address that was refused; null when none was, or the name was refused unresolved.</summary>
    public NumericAddress? Refused { get; internal init; }

    /// <summary>What is wrong, for <see cref="DestinationOutcome.Malformed"/>.</summary>
    public DestinationFault Fault { get; internal init; }

    /// <summary>What failed, for <see cref="DestinationOutcome.ResolverFailed"/>.</summary>
    public ResolverFault ResolverFault { get; internal init; }

    /// <summary>The reason in words for the client, without the destination.</summary>
    public string Explain() => Outcome switch
    {
        DestinationOutcome.Allowed => "allowed",
        DestinationOutcome.DeniedByPolicy when Rule is null => "denied: no rule of the exit policy covers the destination",
        DestinationOutcome.DeniedByPolicy => $"denied by the exit policy: {Rule}",
        DestinationOutcome.DeniedByGuard => $"denied: not a public address ({Range!.Name})",
        DestinationOutcome.NameNotFound => "the name does not exist or has no addresses",
        DestinationOutcome.ResolverFailed => ResolverFault switch
        {
            ResolverFault.Timeout => "the name could not be resolved in time",
            ResolverFault.Overloaded => "the resolver is overloaded, try again later",
            _ => "the name could not be resolved: the resolver failed",
        },
        _ => $"malformed address: {DestinationAddress.Describe(Fault)}",
    };

    /// <summary>The outcome alone, so that a stray log line names no destination.</summary>
    public override string ToString() => Outcome.ToString();
}
