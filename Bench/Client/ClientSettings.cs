namespace FastExit.Bench.Client;

/// <summary>Limits and waits of one <see cref="ClientEngine"/>; defaults from network-requester.md §8.</summary>
internal sealed record ClientSettings : MixSettings
{
    /// <summary>Messages of one connection from the oldest unacknowledged one to the newest; the peer takes at most 1,000.</summary>
    public int ConnectionWindow { get; init; } = 512;

    /// <summary>The same before the service has answered the request to connect: more than it stores ahead of it would be lost.</summary>
    public int EarlyWindow { get; init; } = 16;

    /// <summary>Data messages of all connections together that wait or are not acknowledged.</summary>
    public int MaximumMessages { get; init; } = 2048;

    public int MaximumConnections { get; init; } = 512;

    /// <summary>Payload of one message upwards. 1,560 bytes are exactly one packet.</summary>
    public int MessagePayloadBytes { get; init; } = 1560;

    /// <summary>Without a single ack or reply for so long, and <see cref="SilentPackets"/> packets later, the service counts as gone.</summary>
    public TimeSpan ServiceSilence { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Packets in a row, repeated ones included, that have to stay unanswered; on a lossy path a few often do.</summary>
    public int SilentPackets { get; init; } = 8;

    /// <summary>With open connections and nothing heard for so long, the service is asked whether it still knows us.</summary>
    public TimeSpan ProbeAfter { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>How long that question may stay unanswered: enough for a loss in each direction.</summary>
    public TimeSpan ProbeWait { get; init; } = TimeSpan.FromSeconds(8);

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a refusal without a reason waits for the reason that may follow it.</summary>
    public TimeSpan ReasonWait { get; init; } = TimeSpan.FromSeconds(2);

    public TimeSpan Keepalive { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The same on a connection of which the service said nothing for so long.</summary>
    public TimeSpan KeepaliveUnheard { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>A connection on which the service said nothing for so long, keepalives included, is dead.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>How long the application may leave its received bytes unread while that holds up the others.</summary>
    public TimeSpan StalledReaderTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Received and unread bytes of one connection at which no more SURBs are handed out.</summary>
    public long UnreadBytes { get; init; } = 4 << 20;

    public long ReorderBytes { get; init; } = 8 << 20;

    /// <summary>Messages ahead of a lost one that are kept, in bytes bounded by <see cref="ReorderBytes"/>.</summary>
    public int ReorderMessages { get; init; } = 8192;
}
