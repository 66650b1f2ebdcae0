namespace FastExit.Bench.Tun;

/// <summary>Where packets of the tunnel go; called on the client's thread.</summary>
internal interface IPacketSink
{
    /// <summary>One IP packet; valid during the call.</summary>
    void Write(ReadOnlySpan<byte> packet);

    /// <summary>No more packets wait for now.</summary>
    void Flush();
}
