namespace FastExit.Bench.Client;

/// <summary>Limits and waits of one <see cref="MixClient"/>, whatever service it talks to; defaults from end-to-end.md §6 and §8.</summary>
internal record MixSettings
{
    /// <summary>Mean of the exponential delay at each hop that delays.</summary>
    public TimeSpan MeanHopDelay { get; init; } = TimeSpan.FromMilliseconds(15);

    /// <summary>Added to 1.5 × the expected round trip before a packet is sent again.</summary>
    public TimeSpan AckWait { get; init; } = TimeSpan.FromMilliseconds(1500);

    /// <summary>Times a packet is sent again, unless its message says otherwise; null: until it is acknowledged or not wanted any more.</summary>
    public int? MaximumRetransmissions { get; init; }

    /// <summary>Packets sent and not acknowledged, before data waits.</summary>
    public int MaximumInFlightPackets { get; init; } = 384;

    /// <summary>SURBs that lie at the service when little is going on.</summary>
    public int RestingSurbs { get; init; } = 48;

    /// <summary>SURBs at the service and on their way while a download runs at full speed.</summary>
    public int MaximumSurbs { get; init; } = 440;

    /// <summary>SURBs attached to a request when the service may have none.</summary>
    public int FirstSurbs { get; init; } = 20;

    public int MaximumReplyKeys { get; init; } = 65536;

    public TimeSpan ReplyKeyAge { get; init; } = TimeSpan.FromHours(24);

    public long AssemblyBytes { get; init; } = 16 << 20;
}
