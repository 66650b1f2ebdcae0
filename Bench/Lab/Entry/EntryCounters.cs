namespace FastExit.Bench.Lab.Entry;

internal enum EntryCounter
{
    Connections,
    Registrations,
    Authentications,

    /// <summary>Connections that never got known: a wrong message, signature, time, or none in time.</summary>
    Refused,

    /// <summary>Messages of known clients that make no sense.</summary>
    BadMessages,
    Forwarded,

    /// <summary>To a first hop that is no node of the network.</summary>
    UnknownHops,
    OutOfBandwidth,
    Pushed,

    /// <summary>Not queued or kept: the client takes too little, or has been away too long.</summary>
    NotKept,
}

/// <summary>What an entry gateway's websocket side has done so far; any thread.</summary>
internal sealed class EntryCounters
{
    private readonly long[] _values = new long[Enum.GetValues<EntryCounter>().Length];

    public long this[EntryCounter counter] => Volatile.Read(ref _values[(int)counter]);

    public void Add(EntryCounter counter, long amount = 1) => Interlocked.Add(ref _values[(int)counter], amount);
}
