namespace FastExit.Bench.Lab.Entry;

/// <summary>What an entry gateway says, gives away and puts up with.</summary>
internal sealed record EntrySettings
{
    /// <summary>Newest protocol that is spoken here; an answer with a higher number makes clients give up.</summary>
    public const byte NewestProtocol = 6;

    /// <summary>What <c>supportedProtocol</c> is answered with.</summary>
    public byte AnnouncedProtocol { get; init; } = NewestProtocol;

    /// <summary>Bytes that a client finds on its account.</summary>
    public long FirstBandwidth { get; init; } = 1_000_000_000_000;

    /// <summary>Bytes that a claim adds.</summary>
    public long ClaimedBandwidth { get; init; } = 64L << 30;

    public TimeSpan UpgradeTimeout { get; init; } = TimeSpan.FromSeconds(1.5);

    /// <summary>For each message before the client is known.</summary>
    public TimeSpan FirstMessageTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Messages after which a client should be known.</summary>
    public int EarlyMessages { get; init; } = 16;

    public TimeSpan TimestampSkew { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>How long the old connection of a client that comes again has to answer a ping.</summary>
    public TimeSpan DuplicatePing { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A connection on which nothing came for so long is asked whether it lives, and ends when it stays silent for half of it.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a client may refuse to take what is pushed.</summary>
    public TimeSpan WriteStall { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Pushes that wait for one connected client.</summary>
    public int QueuedPushes { get; init; } = 16384;

    /// <summary>Pushes that are kept for one client that is away.</summary>
    public int StoredPushes { get; init; } = 1024;

    /// <summary>Bytes of all that wait or are kept.</summary>
    public long WaitingBytes { get; init; } = 256L << 20;

    public int MaximumConnections { get; init; } = 1024;

    /// <summary>Registered clients; beyond them the one that was away longest is forgotten.</summary>
    public int MaximumClients { get; init; } = 10_000;

    /// <summary>Messages in a row that cannot be understood, after which a known client is shown the door.</summary>
    public int BadMessages { get; init; } = 16;
}
