using FastExit.Policy;

namespace FastExit.Resolution;

/// <summary>What is known of a name: its addresses, that it has none, or that nobody could tell.</summary>
internal sealed record NameLookup(NumericAddress[] Addresses, ResolverFault Fault, TimeSpan TimeToLive)
{
    public static NameLookup NotFound { get; } = new([], ResolverFault.None, TimeSpan.Zero);

    public static NameLookup Overloaded { get; } = new([], ResolverFault.Overloaded, TimeSpan.Zero);

    public static NameLookup Failed(ResolverFault fault) => new([], fault, TimeSpan.Zero);
}
