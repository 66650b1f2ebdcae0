using System.Net;

namespace FastExit.Configuration;

/// <summary>Everything a running exit is told, already validated. Defaults are the ones `fastexit init` writes.</summary>
public sealed record ExitSettings
{
    public required string DataDirectory { get; init; }
    public CoreSettings Cores { get; init; } = new();
    public MemorySettings Memory { get; init; } = new();
    public required MixLinkSettings MixLink { get; init; }
    public DeliverySettings Delivery { get; init; } = new();
    public NetworkRequesterSettings NetworkRequester { get; init; } = new();
    public IpPacketRouterSettings Ipr { get; init; } = new();
    public DnsSettings Dns { get; init; } = new();
    public PolicySettings Policy { get; init; } = new();
    public MetricsSettings Metrics { get; init; } = new();
    public NodeSettings Node { get; init; } = new();
    public DirectorySettings Directory { get; init; } = new();

    /// <summary>JSON list of the known nodes; its addresses are the only next hops that packets are sent to.</summary>
    public required string TopologyFile { get; init; }
}

/// <summary>One pinned thread per entry.</summary>
public sealed record CoreSettings
{
    public IReadOnlyList<int> Cores { get; init; } = [0];

    /// <summary>False where affinity is not wanted (tests beside other load).</summary>
    public bool Pin { get; init; } = true;
}

/// <summary>Sizes of one core's pinned memory.</summary>
public sealed record MemorySettings
{
    /// <summary>Slots of 2,560 bytes: regular and ack packets, NR reads.</summary>
    public int RegularSlots { get; init; } = 16384;

    /// <summary>Slots for Extended packets (33,133 bytes).</summary>
    public int ExtendedSlots { get; init; } = 256;

    /// <summary>Bytes for messages of several fragments that are not complete yet, and for assembled ones in use.</summary>
    public long AssemblyBytes { get; init; } = 64L << 20;

    public bool HugePages { get; init; } = true;
}

public sealed record MixLinkSettings
{
    public IReadOnlyList<IPEndPoint> Listen { get; init; } = [new(IPAddress.IPv6Any, 1789)];

    /// <summary>Own mixnet address as others reach it: first hop of nothing, last hop of our acks.</summary>
    public required IPEndPoint Announced { get; init; }

    /// <summary>Frames v7 are sent (3-byte header); v8 when false. Both are accepted.</summary>
    public bool LegacyFraming { get; init; } = true;

    /// <summary>False: every link is plain, as if no node had a Noise key (mix-link.md §2).</summary>
    public bool Noise { get; init; } = true;

    /// <summary>Who may connect without Noise: <c>unknown</c> (addresses that no node with a Noise key announces), <c>never</c>, <c>always</c>.</summary>
    public string AcceptPlain { get; init; } = "unknown";

    /// <summary>Noise handshakes that a core begins in a second for addresses that no node announces, and as many for those that one does.</summary>
    public int HandshakesPerSecond { get; init; } = 200;

    /// <summary>A Noise handshake that took longer is given up, on either side.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(1.5);

    /// <summary>Packets go to the topology's addresses alone; false: to every global address.</summary>
    public bool RoutingFilter { get; init; } = true;

    /// <summary>Connections to next hops come from <see cref="Announced"/>: others look up there whether we speak Noise.</summary>
    public bool BindAnnounced { get; init; } = true;

    public int MaximumConnections { get; init; } = 4096;

    /// <summary>A connection without a complete frame for so long is closed; longer than <see cref="EgressIdle"/>, which other nodes may have too.</summary>
    public TimeSpan IngressIdle { get; init; } = TimeSpan.FromMinutes(10);
    public int EgressQueuePackets { get; init; } = 2000;
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(1.5);
    public TimeSpan InitialBackoff { get; init; } = TimeSpan.FromSeconds(1);
    public TimeSpan MaximumBackoff { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A packet that waited longer for its peer is dropped.</summary>
    public TimeSpan EgressExpiry { get; init; } = TimeSpan.FromSeconds(5);
    public TimeSpan EgressIdle { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Packets that the replay filter of one key holds, for all cores; 5 bytes each, touched as they come.</summary>
    public int ReplayFilterPackets { get; init; } = 64_000_000;

    /// <summary>The filters lie in files of the data directory and outlive the process.</summary>
    public bool ReplayFilterPersistent { get; init; } = true;
}

public sealed record DeliverySettings
{
    public int MaximumSets { get; init; } = 4096;
    public TimeSpan SetAge { get; init; } = TimeSpan.FromMinutes(2);
    public int MaximumMessageBytes { get; init; } = 2 << 20;

    /// <summary>Clients (sender tags and return addresses) per core.</summary>
    public int MaximumPeers { get; init; } = 16384;
    public int MaximumSurbsPerPeer { get; init; } = 512;
    public long SurbBytes { get; init; } = 64L << 20;
    public TimeSpan PeerAge { get; init; } = TimeSpan.FromMinutes(30);
    public TimeSpan SurbAge { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long after a key rotation SURBs of the one before are kept: one epoch, as long as nodes accept their old key.</summary>
    public TimeSpan StaleSurbAge { get; init; } = TimeSpan.FromHours(1);

    /// <summary>SURBs kept back to ask for more (end-to-end.md §8).</summary>
    public int SurbReserve { get; init; } = 2;
    public int SurbMinimum { get; init; } = 10;
    public int SurbMaximum { get; init; } = 200;
    public int SurbRequestMaximum { get; init; } = 50;
    public TimeSpan SurbRequestAgain { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Packets waiting for SURBs, per client.</summary>
    public int ParkedPacketsPerPeer { get; init; } = 64;
    public TimeSpan ParkedAge { get; init; } = TimeSpan.FromSeconds(45);

    /// <summary>Sent fragments whose ack is awaited, per core.</summary>
    public int MaximumPendingAcks { get; init; } = 8192;

    /// <summary>Acks built ahead in idle time, per core; 405 bytes each.</summary>
    public int PooledAcks { get; init; } = 2048;
    public int MaximumRetransmissions { get; init; } = 10;
    public TimeSpan MeanHopDelay { get; init; } = TimeSpan.FromMilliseconds(15);

    /// <summary>Added to 1.5 × the expected round trip before a fragment is sent again.</summary>
    public TimeSpan AckWait { get; init; } = TimeSpan.FromMilliseconds(1500);
}

public sealed record NetworkRequesterSettings
{
    public bool Enabled { get; init; } = true;
    public int MaximumConnections { get; init; } = 16384;
    public int MaximumConnectionsPerClient { get; init; } = 1024;
    public int MaximumHalfOpen { get; init; } = 1024;

    /// <summary>Of all clients of a core; a second's worth may come at once.</summary>
    public int ConnectsPerSecond { get; init; } = 10_000;

    /// <summary>Sent but not yet acknowledged packets per connection (the peer's window is 1,000 messages).</summary>
    public int WindowPackets { get; init; } = 512;
    public TimeSpan ResolveTimeout { get; init; } = TimeSpan.FromSeconds(4);
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>RFC 8305 §5.</summary>
    public TimeSpan ConnectStagger { get; init; } = TimeSpan.FromMilliseconds(250);
    public TimeSpan Keepalive { get; init; } = TimeSpan.FromSeconds(60);
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>How long a connection lives on after one side closed.</summary>
    public TimeSpan HalfCloseTimeout { get; init; } = TimeSpan.FromSeconds(60);
    public TimeSpan GapTimeout { get; init; } = TimeSpan.FromSeconds(120);
    public int ReorderBytesPerConnection { get; init; } = 4 << 20;
    public int EarlyBytesPerConnection { get; init; } = 64 << 10;
    public int EarlyMessagesPerConnection { get; init; } = 32;
    public int MaximumEarlyConnections { get; init; } = 4096;

    /// <summary>Of each class of slots, in percent, for all such data together.</summary>
    public int EarlySlotPercent { get; init; } = 25;
    public TimeSpan EarlyAge { get; init; } = TimeSpan.FromSeconds(30);
    public TimeSpan TombstoneAge { get; init; } = TimeSpan.FromMinutes(10);
    public int MaximumTombstones { get; init; } = 65536;
}

public sealed record DnsSettings
{
    /// <summary>Empty: the system's resolv.conf.</summary>
    public IReadOnlyList<IPEndPoint> Servers { get; init; } = [];
    public TimeSpan QueryTimeout { get; init; } = TimeSpan.FromSeconds(2);
    public TimeSpan CacheMinimum { get; init; } = TimeSpan.FromSeconds(30);
    public TimeSpan CacheMaximum { get; init; } = TimeSpan.FromSeconds(60);
    public int CacheEntries { get; init; } = 10_000;
}

public sealed record PolicySettings
{
    /// <summary>Path of a policy file; null: the bundled one.</summary>
    public string? File { get; init; }

    /// <summary>Refreshed from here; null: never.</summary>
    public Uri? Url { get; init; }
    public TimeSpan Refresh { get; init; } = TimeSpan.FromHours(6);
    public bool OpenProxy { get; init; }

    /// <summary>Prefixes the address guard lets through although they are not global (lab only, logged loudly), e.g. "127.0.0.1/32".</summary>
    public IReadOnlyList<string> AllowedLocalPrefixes { get; init; } = [];
}

/// <summary>The network's API as source of the topology (mix-link.md §6.8).</summary>
public sealed record DirectorySettings
{
    /// <summary>Base URLs, tried in order; empty: the topology file is used.</summary>
    public IReadOnlyList<string> Urls { get; init; } = [];
    public TimeSpan Refresh { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Mix nodes below it, in percent, get no packets.</summary>
    public int MinimumPerformance { get; init; } = 50;

    /// <summary>Longest wait for the first answer of a node without a cached one.</summary>
    public TimeSpan StartWait { get; init; } = TimeSpan.FromMinutes(15);
}

public sealed record MetricsSettings
{
    /// <summary>Null: no endpoint.</summary>
    public IPEndPoint? Listen { get; init; } = new(IPAddress.Loopback, 9184);

    /// <summary>Lets <see cref="Listen"/> be an address that others reach; the endpoint has no password.</summary>
    public bool AllowRemote { get; init; }
}
