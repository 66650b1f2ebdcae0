using FastExit.Bench.Client;
using FastExit.IpPacketRouter.Protocol;

namespace FastExit.Bench.Tun;

/// <summary>Limits and waits of one <see cref="TunnelEngine"/>; defaults from ip-packet-router.md §2 and §9.6.</summary>
internal sealed record TunnelSettings : MixSettings
{
    public TunnelSettings()
    {
        // An exit that answers at 1,000 packets a second uses up a hundred SURBs and more while the next ones are on their way.
        RestingSurbs = 160;
        MaximumSurbs = 480;
        FirstSurbs = 24;
        MaximumInFlightPackets = 1024;
    }

    /// <summary>Tried in this order, each for its own time.</summary>
    public IReadOnlyList<VersionAttempt> Versions { get; init; } =
    [
        new(IprVersion.StreamWithMtu, TimeSpan.FromSeconds(5)),
        new(IprVersion.Stream, TimeSpan.FromSeconds(10)),
        new(IprVersion.Raw, TimeSpan.FromSeconds(10)),
    ];

    /// <summary>Largest packet of the device; null: what the exit reports, else <see cref="UnreportedMtu"/>.</summary>
    public int? Mtu { get; init; }

    /// <summary>What exits that report none may carry (ip-packet-router.md §2.4).</summary>
    public int UnreportedMtu { get; init; } = 1420;

    public int MaximumMtu { get; init; } = 1500;

    /// <summary>How long the exit may wait for more packets to fill an answer.</summary>
    public TimeSpan ExitBufferTimeout { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How long a bundle may wait for more packets while the sender is busy.</summary>
    public TimeSpan BundleWait { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Packets that wait to be bundled; the newest are dropped.</summary>
    public int QueueBytes { get; init; } = 256 << 10;

    /// <summary>Without any answer for so long the exit is asked whether it is there.</summary>
    public TimeSpan PingAfter { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The same when packets have gone up for so long and nothing came down.</summary>
    public TimeSpan AnswerWait { get; init; } = TimeSpan.FromSeconds(3);

    public TimeSpan PongWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Pings in a row without an answer, before the tunnel is connected anew.</summary>
    public int MissedPongs { get; init; } = 3;

    /// <summary>Packets have gone up for so long and none came down.</summary>
    public TimeSpan OneWayLimit { get; init; } = TimeSpan.FromSeconds(45);

    /// <summary>Between two rounds of attempts to connect anew; doubled up to ten times itself.</summary>
    public TimeSpan ReconnectWait { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan DisconnectWait { get; init; } = TimeSpan.FromSeconds(2);
}

/// <summary>A version to try, and how long its answer may take.</summary>
internal readonly record struct VersionAttempt(byte Version, TimeSpan Wait);
