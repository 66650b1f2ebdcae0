namespace FastExit.Bench.Socks;

/// <summary>How a SOCKS request ended; the values are the reply codes of RFC 1928 §6.</summary>
internal enum SocksOutcome : byte
{
    Granted = 0,
    GeneralFailure = 1,
    NotAllowed = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    ConnectionRefused = 5,
    TimeToLiveExpired = 6,
    CommandNotSupported = 7,
    AddressTypeNotSupported = 8,
}

/// <summary>Replies in full length: 10 bytes for SOCKS5 (RFC 1928 §6, bound address 0.0.0.0:0), 8 for SOCKS4.</summary>
internal static class SocksReply
{
    public const int MaximumBytes = 10;
    private const byte Granted4 = 0x5A;
    private const byte Rejected4 = 0x5B;
    private const byte IPv4Address = 1;

    /// <returns>Bytes written to <paramref name="reply"/>.</returns>
    public static int Write(SocksVersion version, SocksOutcome outcome, Span<byte> reply)
    {
        if (version == SocksVersion.Four)
        {
            reply[..8].Clear();
            reply[1] = outcome == SocksOutcome.Granted ? Granted4 : Rejected4;
            return 8;
        }

        reply[..10].Clear();
        reply[0] = 5;
        reply[1] = (byte)outcome;
        reply[3] = IPv4Address;
        return 10;
    }
}
