using System.Net;

namespace FastExit.Policy;

/// <summary>A range that no client may reach, and what lives there.</summary>
public sealed record GuardedRange(AddressPrefix Prefix, string Name);

/// <summary>
/// Keeps clients away from everything that is not the public internet (network-requester.md §5.3), before any rule and in
/// open-proxy mode too: special-purpose ranges of the IANA registries, multicast, transition prefixes that can carry a
/// private IPv4 address inside an IPv6 one (NAT64, 6to4, Teredo, IPv4-compatible), cloud metadata services, and the node's
/// own addresses. IPv4-mapped IPv6 is judged as IPv4 and scope ids are ignored. Immutable; looking up allocates nothing.
/// </summary>
/// <remarks>
/// Order: an own address is refused unless an allowed prefix names exactly that one address, so that opening a private
/// range does not open the node's own ports; then allowed prefixes pass; then the table decides.
/// </remarks>
public sealed class AddressGuard
{
    private readonly AddressPrefix[] _allowed;
    private readonly AddressPrefix[] _own;

    private AddressGuard(AddressPrefix[] allowed, AddressPrefix[] own)
    {
        _allowed = allowed;
        _own = own;
    }

    /// <summary>The table alone: nothing opened, no own addresses.</summary>
    public static AddressGuard Default { get; } = new([], []);

    /// <summary>The guarded ranges, for display; more specific names stand first.</summary>
    public static IReadOnlyList<GuardedRange> Ranges => GuardTable.Ranges;

    /// <summary>Public islands inside guarded ranges (anycast services of the IANA registries).</summary>
    public static IReadOnlyList<AddressPrefix> Exceptions => GuardTable.Exceptions;

    /// <summary>A guard that also lets these prefixes pass: an operator's deliberate opening, or a lab's loopback.</summary>
    public AddressGuard WithAllowed(IEnumerable<AddressPrefix> prefixes) => new([.. _allowed, .. prefixes], _own);

    /// <summary>As the other overload, from text; throws <see cref="FormatException"/>.</summary>
    public AddressGuard WithAllowed(params string[] prefixes) => WithAllowed(prefixes.Select(AddressPrefix.Parse));

    /// <summary>A guard that also refuses the node's own addresses.</summary>
    public AddressGuard WithOwnAddresses(IEnumerable<IPAddress> addresses) =>
        WithOwnPrefixes(addresses.Select(address => AddressPrefix.Of(NumericAddress.From(address))));

    /// <summary>A guard that also refuses networks behind the node itself, such as the tunnel's.</summary>
    public AddressGuard WithOwnPrefixes(IEnumerable<AddressPrefix> prefixes) => new(_allowed, [.. _own, .. prefixes]);

    /// <summary>Whether clients may reach the address.</summary>
    public bool IsAllowed(IPAddress address) => IsAllowed(NumericAddress.From(address));

    /// <summary>Whether clients may reach the address.</summary>
    public bool IsAllowed(NumericAddress address) => !TryRefuse(address, out _);

    /// <summary>True with the reason when clients may not reach the address.</summary>
    public bool TryRefuse(NumericAddress address, out GuardedRange? range)
    {
        range = null;
        foreach (var own in _own)
        {
            if (!own.Contains(address)) continue;
            if (IsOpened(address, singleOnly: true)) return false;
            range = GuardTable.Own;
            return true;
        }

        if (IsOpened(address, singleOnly: false)) return false;
        foreach (var exception in GuardTable.Exceptions)
        {
            if (exception.Contains(address)) return false;
        }

        foreach (var candidate in GuardTable.Ranges)
        {
            if (!candidate.Prefix.Contains(address)) continue;
            range = candidate;
            return true;
        }

        return false;
    }

    private bool IsOpened(NumericAddress address, bool singleOnly)
    {
        foreach (var prefix in _allowed)
        {
            if ((!singleOnly || prefix.IsSingle) && prefix.Contains(address)) return true;
        }

        return false;
    }
}
