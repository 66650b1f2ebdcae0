using System.Net;
using FastExit.Topology;
using SimpleBase;

namespace FastExit.Bench.Lab.Api;

/// <summary>One node as the directory shows it.</summary>
internal sealed record DirectoryNode(uint Id, string Identity, TopologyRole Role, IReadOnlyList<IPAddress> Addresses, int MixPort)
{
    /// <summary>X25519, base58, of the current rotation.</summary>
    public required string SphinxKey { get; init; }

    /// <summary>The next rotation's.</summary>
    public string? NextSphinxKey { get; init; }

    public string? NoiseKey { get; init; }

    public string? Hostname { get; init; }

    public int? WebsocketPort { get; init; }

    public int? SecureWebsocketPort { get; init; }

    public required string Performance { get; init; }

    public string? NetworkRequester { get; init; }

    public bool UsesExitPolicy { get; init; } = true;

    public string? IpPacketRouter { get; init; }

    /// <summary>The build as the node itself describes it, a JSON object; null: what the lab says.</summary>
    public string? Build { get; init; }

    public bool IsMix => Role <= TopologyRole.Mix3;

    public int Layer => (int)Role + 1;

    /// <summary>What a lab's folder knows of its nodes; ids are their places, from 1 on.</summary>
    public static DirectoryNode[] From(NetworkTopology topology, ExitAddress? exit, DirectorySettings settings) =>
        [.. topology.Nodes.Select((node, i) =>
        {
            string identity = Base58.Bitcoin.Encode(node.Identity);
            bool isExit = exit is not null && node.Identity.AsSpan().SequenceEqual(exit.Identity);
            return new DirectoryNode(
                (uint)i + 1, identity, node.Role, [node.MixAddress.Address, .. node.OtherAddresses], node.MixAddress.Port)
            {
                SphinxKey = Base58.Bitcoin.Encode(node.SphinxKey),
                NoiseKey = node.NoiseKey is null ? null : Base58.Bitcoin.Encode(node.NoiseKey),
                WebsocketPort = settings.Websockets.TryGetValue(identity, out int port) ? port : null,
                Performance = settings.Performance.GetValueOrDefault(node.Role, DirectorySettings.DefaultPerformance),
                NetworkRequester = isExit ? exit!.NetworkRequester : null,
                IpPacketRouter = isExit && settings.RoutesIpPackets ? exit!.IpPacketRouter : null,
            };
        })];
}
