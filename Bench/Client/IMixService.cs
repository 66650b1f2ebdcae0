namespace FastExit.Bench.Client;

/// <summary>The part of a client that knows its service; every call is on the thread of the <see cref="MixClient"/>.</summary>
internal interface IMixService
{
    /// <summary>The service may need SURBs: it has something to answer, and its answers can be taken.</summary>
    bool WantsSurbs { get; }

    /// <summary>What other threads want sent; true: there was something.</summary>
    bool TakeCommands(long now);

    /// <summary>Any reply packet of the service, before it is looked at.</summary>
    void HeardReply(long now);

    /// <summary>The application bytes of a reply; false: malformed.</summary>
    bool Receive(ReadOnlySpan<byte> data, long now);

    /// <summary>All deliveries that waited are taken.</summary>
    void DeliveriesTaken();

    /// <summary>Every 50 ms.</summary>
    void Tick(long now);

    /// <summary>The thread ends.</summary>
    void Stopped();
}
