using System.Net;
using FastExit.Topology;

namespace FastExit.Bench.Lab.Api;

/// <summary>Where a lab's directory listens and what it says beside the topology.</summary>
internal sealed record DirectorySettings
{
    public const string DefaultPerformance = "0.99";

    /// <summary>Port 0 takes one that is free.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, 0);

    /// <summary>A second listener by TLS, with a certificate that it signs itself; null: none.</summary>
    public IPEndPoint? ListenTls { get; init; }

    /// <summary>Websocket ports of entry gateways, by their identity in base58.</summary>
    public IReadOnlyDictionary<string, int> Websockets { get; init; } = new Dictionary<string, int>();

    /// <summary>Decimal fraction of each kind of node; <see cref="DefaultPerformance"/> where it says nothing.</summary>
    public IReadOnlyDictionary<TopologyRole, string> Performance { get; init; } = new Dictionary<TopologyRole, string>();

    /// <summary>The exit's version where it does not say so itself; clients choose the router's protocol by it.</summary>
    public string BuildVersion { get; init; } = "1.37.0";

    /// <summary>Whether the exit's router runs: its address is known in any case.</summary>
    public bool RoutesIpPackets { get; init; } = true;

    /// <summary>Length of an epoch; null: an hour, and the rotation stays.</summary>
    public TimeSpan? Epoch { get; init; }

    public uint ValidityEpochs { get; init; } = 24;

    /// <summary>The exit's own description, for example <c>http://127.0.0.1:8080</c>; null: what the lab's folder says is all.</summary>
    public Uri? ExitApi { get; init; }

    public TimeSpan ExitApiPeriod { get; init; } = TimeSpan.FromSeconds(5);

    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

