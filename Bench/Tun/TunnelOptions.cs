using System.Net;
using FastExit.Bench.Client;

namespace FastExit.Bench.Tun;

/// <summary>What <c>fastexit-bench tun</c> was asked for.</summary>
internal sealed record TunnelOptions
{
    public required ClientTarget Target { get; init; }

    public string Name { get; init; } = "nym%d";

    /// <summary>Of a namespace that <c>ip netns</c> knows.</summary>
    public string? Namespace { get; init; }

    public string? NamespacePath { get; init; }

    /// <summary>Networks behind the tunnel; in another namespace everything.</summary>
    public IReadOnlyList<IPNetwork> Routes { get; init; } = [];

    public TunnelSettings Settings { get; init; } = new();
}
