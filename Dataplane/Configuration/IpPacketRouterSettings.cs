namespace FastExit.Configuration;

/// <summary>
/// The service that carries clients' IP packets to the internet through a device of this host. A prefix is the device's own address with its
/// length; clients get the other addresses, number n (2..65534) being the prefix plus n. Limits are per core.
/// </summary>
public sealed record IpPacketRouterSettings
{
    /// <summary>Making the device needs CAP_NET_ADMIN.</summary>
    public bool Enabled { get; init; }

    public string? Device { get; init; } = "tun";

    /// <summary>The kernel puts a number for %d.</summary>
    public string? Name { get; init; } = "nymtun%d";

    /// <summary>Null: no IPv4.</summary>
    public string? Ipv4 { get; init; } = "10.0.0.1/16";

    /// <summary>Null: no IPv6.</summary>
    public string? Ipv6 { get; init; } = "fc00::1/112";
    public int Mtu { get; init; } = 1500;
    public int MaximumSessions { get; init; } = 8192;
    public int NewSessionsPerSecond { get; init; } = 200;
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>Longest wait for more packets to fill a reply, where the client names none.</summary>
    public TimeSpan BufferTimeout { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Of one session, towards its client.</summary>
    public int QueueBytes { get; init; } = 256 << 10;

    /// <summary>From one client; 0: no limit.</summary>
    public int PacketsPerSecond { get; init; }
    public bool ClientToClient { get; init; }

    /// <summary>Decodes and counts requests of versions 6 and 7; they are never served.</summary>
    public bool LegacyDiagnostics { get; init; }
    public bool Nat { get; init; } = true;
    public bool SetForwarding { get; init; } = true;
    public bool Offload { get; init; } = true;

    public int SurbMinimum { get; init; } = 160;
    public int SurbMaximum { get; init; } = 500;
    public int SurbRequestMaximum { get; init; } = 100;
    public long SurbBytes { get; init; } = 128L << 20;
    public int MaximumSets { get; init; } = 1024;
    public int MaximumPendingAcks { get; init; } = 8192;

    /// <summary>What this service's own rooms are sized by: <paramref name="shared"/> but for what differs here.</summary>
    public DeliverySettings DeliveryFrom(DeliverySettings shared) => shared with
    {
        MaximumPeers = MaximumSessions,
        SurbMinimum = SurbMinimum,
        SurbMaximum = SurbMaximum,
        SurbRequestMaximum = SurbRequestMaximum,
        // What was asked for may arrive beside what the client sends by itself.
        MaximumSurbsPerPeer = Math.Max(shared.MaximumSurbsPerPeer, SurbMaximum + SurbRequestMaximum),
        SurbBytes = SurbBytes,
        MaximumSets = MaximumSets,
        MaximumPendingAcks = MaximumPendingAcks,
    };
}
