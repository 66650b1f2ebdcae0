namespace FastExit.Policy;

/// <summary>
/// What a rule does; the values are the wire's variant numbers (network-requester.md §2.6). The suffix 6 does not restrict
/// the family: <c>accept6 *:443</c> accepts IPv4 too, as every requester of the network reads it (§5.1).
/// </summary>
public enum PolicyAction : byte
{
    /// <summary><c>accept</c></summary>
    Accept = 0,

    /// <summary><c>reject</c></summary>
    Reject = 1,

    /// <summary><c>accept6</c>, same meaning as accept.</summary>
    Accept6 = 2,

    /// <summary><c>reject6</c>, same meaning as reject.</summary>
    Reject6 = 3,
}

/// <summary>One rule of an exit policy: an address rule or a host rule. Immutable.</summary>
public sealed class PolicyRule
{
    internal PolicyRule(PolicyAction action, AddressPattern? address, HostPattern? host, PortRange ports, int line)
    {
        Action = action;
        Address = address;
        Host = host;
        Ports = ports;
        Line = line;
    }

    /// <summary>What it does.</summary>
    public PolicyAction Action { get; }

    /// <summary>The addresses it matches; null in a host rule.</summary>
    public AddressPattern? Address { get; }

    /// <summary>The names it matches; null in an address rule.</summary>
    public HostPattern? Host { get; }

    /// <summary>The ports it matches.</summary>
    public PortRange Ports { get; }

    /// <summary>Line of the file from 1, or position in the list for policies without lines.</summary>
    public int Line { get; }

    /// <summary>Whether it matches names; such a rule has no wire form.</summary>
    public bool IsHostRule => Host is not null;

    /// <summary>Whether it accepts.</summary>
    public bool Accepts => Action is PolicyAction.Accept or PolicyAction.Accept6;

    /// <summary>The address or host pattern without ports, as the wire carries it (<c>*</c>, <c>10.0.0.0/8</c>, <c>fc00::/7</c>).</summary>
    public string PatternText => Host?.Text ?? Address!.Text;

    /// <summary>The action's word.</summary>
    public string ActionText => Action switch
    {
        PolicyAction.Accept => "accept",
        PolicyAction.Reject => "reject",
        PolicyAction.Accept6 => "accept6",
        _ => "reject6",
    };

    /// <summary>Whether this address rule matches; a host rule never does. Port 0 compares the address only.</summary>
    public bool Matches(NumericAddress address, ushort port) =>
        Address is not null && Ports.Matches(port) && Address.Matches(address);

    /// <summary>Whether this host rule matches; an address rule never does. Port 0 compares the name only.</summary>
    public bool Matches(ReadOnlySpan<char> host, ushort port) =>
        Host is not null && Ports.Matches(port) && Host.Matches(host);

    /// <summary>Canonical line: <c>reject 5.188.10.0/23:*</c>.</summary>
    public override string ToString() => $"{ActionText} {PatternText}:{Ports}";
}
