using FastExit.Configuration;

namespace FastExit.IpPacketRouter;

/// <summary>What one core's IP Packet Router allows (ipr.md §3.5, §5.3); the defaults are the recommended ones.</summary>
internal sealed record IprLimits
{
    /// <summary>Sessions at a time on this core.</summary>
    public int MaximumSessions { get; init; } = 8192;

    /// <summary>New sessions per second in the long run, and how many may come at once.</summary>
    public int NewSessionsPerSecond { get; init; } = 100;

    public int NewSessionsBurst { get; init; } = 500;

    /// <summary>A session of which nothing more was heard than the request to connect ends then.</summary>
    public TimeSpan HalfOpenTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A session whose client is silent ends then.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>How long a freed address is not given to another client.</summary>
    public TimeSpan AddressRest { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>How long a packet may wait for companions when the client did not say (ipr.md §2.2).</summary>
    public TimeSpan BundleTimeout { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>What may wait for one client, and for how long.</summary>
    public int QueueBytes { get; init; } = 256 << 10;

    public TimeSpan QueueAge { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Uplink packets per second and session; 0: no limit.</summary>
    public int PacketsPerSecond { get; init; }

    /// <summary>
    /// Packets in another client's name that a session may send before it is ended; one a second is forgiven, because sockets outlive
    /// the address of a client that connects again.
    /// </summary>
    public int MaximumSpoofedPackets { get; init; } = 100;

    /// <summary>Whether clients may send to each other.</summary>
    public bool ClientToClient { get; init; }

    /// <summary>Requests of versions 6 and 7 are decoded to count them; they are never served.</summary>
    public bool LegacyDiagnostics { get; init; }

    /// <summary>Longest IP packet in either direction, and what v10 clients are told.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>Retransmissions of data to clients in streams, which put messages in order (ipr.md §6.3); raw data has none.</summary>
    public int StreamRetransmissions { get; init; } = 2;

    /// <summary>What the operator may set, the rest as it stands here.</summary>
    public static IprLimits From(IpPacketRouterSettings settings) => new()
    {
        MaximumSessions = settings.MaximumSessions,
        NewSessionsPerSecond = settings.NewSessionsPerSecond,
        NewSessionsBurst = Math.Max(1, settings.NewSessionsPerSecond) * 5,
        IdleTimeout = settings.IdleTimeout,
        BundleTimeout = settings.BufferTimeout,
        QueueBytes = settings.QueueBytes,
        PacketsPerSecond = settings.PacketsPerSecond,
        ClientToClient = settings.ClientToClient,
        LegacyDiagnostics = settings.LegacyDiagnostics,
        Mtu = settings.Mtu,
    };
}
