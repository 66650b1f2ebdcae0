using System.Net;

namespace FastExit.Configuration;

/// <summary>What the node says of itself over HTTP (mix-link.md §6).</summary>
public sealed record NodeSettings
{
    /// <summary>Null: no HTTP interface, and the network cannot describe the node.</summary>
    public IPEndPoint? HttpListen { get; init; }

    /// <summary>The first one, with the port of `mix_link.announced`, is the node's Sphinx address. Empty: that of `mix_link.announced`.</summary>
    public IReadOnlyList<string> AnnouncedAddresses { get; init; } = [];
    public string? Hostname { get; init; }

    /// <summary>ISO 3166-1 alpha-2.</summary>
    public string? Location { get; init; }
    public string? BinaryName { get; init; } = "fastexit";

    /// <summary>Null: the version of this program.</summary>
    public string? BuildVersion { get; init; }
    public bool AcceptOperatorTerms { get; init; }
    public int WsPort { get; init; } = 9000;

    /// <summary>0: none.</summary>
    public int WssPort { get; init; }
    public string? Moniker { get; init; }
    public string? Website { get; init; }
    public string? SecurityContact { get; init; }
    public string? Details { get; init; }
    public bool ExposeSystemInfo { get; init; }

    /// <summary>File with the token that opens the metrics under the same address; null: they are not there.</summary>
    public string? MetricsTokenFile { get; init; }

    /// <summary>The announced addresses in order; <paramref name="announced"/> is `mix_link.announced`.</summary>
    public IReadOnlyList<IPAddress> AddressesOr(IPEndPoint announced) =>
        AnnouncedAddresses.Count == 0 ? [announced.Address] : [.. AnnouncedAddresses.Select(IPAddress.Parse)];
}
