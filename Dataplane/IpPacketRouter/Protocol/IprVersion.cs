namespace FastExit.IpPacketRouter.Protocol;

/// <summary>Version bytes of the IP Packet Router (ip-packet-router.md §0.3).</summary>
public static class IprVersion
{
    public const byte LegacyUnsigned = 6;
    public const byte LegacySigned = 7;

    /// <summary>Anonymous, raw: never inside a stream.</summary>
    public const byte Raw = 8;

    /// <summary>The bytes of <see cref="Raw"/> inside stream frames.</summary>
    public const byte Stream = 9;

    /// <summary>As <see cref="Stream"/>, with the MTU in a successful connect.</summary>
    public const byte StreamWithMtu = 10;

    public const byte Newest = StreamWithMtu;

    /// <summary>Service type in the second byte of a request.</summary>
    public const byte ServiceType = 1;

    public static bool IsServed(byte version) => version is >= Raw and <= Newest;

    public static bool UsesStream(byte version) => version >= Stream;
}

/// <summary>What precedes a message: its version and, from version 9 on, the stream frame it travels in.</summary>
public readonly record struct IprEnvelope(byte Version, ulong StreamId, uint Sequence)
{
    /// <summary>Version 8, no frame.</summary>
    public static IprEnvelope Raw => new(IprVersion.Raw, 0, 0);

    public bool HasStream => IprVersion.UsesStream(Version);

    /// <summary>Bytes of the stream frame: 16 or none.</summary>
    public int FrameBytes => HasStream ? StreamFrame.HeaderBytes : 0;
}

/// <summary>What reading a message came to. Only <see cref="Ok"/> lets the message act.</summary>
public enum IprReadStatus : byte
{
    Ok,

    /// <summary>Fewer than two bytes.</summary>
    TooShort,

    /// <summary>The service type of another service.</summary>
    NotIpr,

    /// <summary>Below 6 or above 10; the envelope is set, so an answer can name the newest version.</summary>
    UnknownVersion,

    /// <summary>Version 6 or 7, which <see cref="LegacyIprRequest"/> decodes.</summary>
    LegacyVersion,

    /// <summary>A stream frame without payload: the stream was opened.</summary>
    StreamOpen,

    /// <summary>A stream frame whose type is neither Open nor Data.</summary>
    BadFrame,

    /// <summary>Version 8 or older in a stream, or a newer one outside.</summary>
    WrongTransport,

    /// <summary>Does not decode, or bytes are left over.</summary>
    Malformed,
}
