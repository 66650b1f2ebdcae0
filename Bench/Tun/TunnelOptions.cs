using System.Net;

namespace FastExit.Bench.Tun;

/// <summary>What <c>fastexit-bench tun</c> was asked for.</summary>
internal sealed record TunnelOptions
{
    public required string Lab { get; init; }

    /// <summary>The router's address; null: the one of the lab's exit.</summary>
    public string? Provider { get; init; }

    public string Name { get; init; } = "nym%d";

    /// <summary>Of a namespace that <c>ip netns</c> knows.</summary>
    public string? Namespace { get; init; }

    public string? NamespacePath { get; init; }

    /// <summary>Networks behind the tunnel; in another namespace everything.</summary>
    public IReadOnlyList<IPNetwork> Routes { get; init; } = [];

    public TunnelSettings Settings { get; init; } = new();
}
