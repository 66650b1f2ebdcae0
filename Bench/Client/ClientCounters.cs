namespace FastExit.Bench.Client;

/// <summary>What the engine has done so far; written by its thread, read by any.</summary>
internal sealed class ClientCounters
{
    private readonly long[] _values = new long[Enum.GetValues<ClientCounter>().Length];

    public long this[ClientCounter counter] => Volatile.Read(ref _values[(int)counter]);

    public void Increment(ClientCounter counter) => Interlocked.Increment(ref _values[(int)counter]);

    public void Add(ClientCounter counter, long amount) => Interlocked.Add(ref _values[(int)counter], amount);

    public void Set(ClientCounter counter, long value) => Volatile.Write(ref _values[(int)counter], value);
}

internal enum ClientCounter
{
    PacketsSent,
    Retransmissions,
    GivenUp,
    AcksReceived,
    AcksUnknown,
    RepliesReceived,
    RepliesUnknown,
    Malformed,
    LateFragments,
    Overflowed,
    SurbsMade,
    SurbRequests,
    BytesUp,
    BytesDown,
    Probes,
    ServiceLost,

    /// <summary>Of a tunnel: IP packets that went up, came down, or did neither.</summary>
    IpPacketsUp,
    IpPacketsDown,
    IpPacketsDropped,

    /// <summary>Of a tunnel: not its own addresses, not IP, or seen before.</summary>
    IpPacketsRefused,
    BundlesUp,
    Duplicates,
    Reconnects,

    /// <summary>Gauges from here on.</summary>
    Connections,
    SurbsAvailable,
    PacketsInFlight,
    MessagesWaiting,

    /// <summary>Milliseconds from a packet's sending to its ack, smoothed.</summary>
    RoundTrip,
}
