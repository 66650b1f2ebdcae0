using FastExit.Serialization;

namespace FastExit.IpPacketRouter.Protocol;

/// <summary>Kinds of request; the control kinds follow their wire codes by one.</summary>
public enum IprRequestKind : byte
{
    Data = 0,
    Connect = 1,
    Disconnect = 2,
    Ping = 3,
    Health = 4,
}

/// <summary>
/// A request of version 8, 9 or 10 (ip-packet-router.md §1.3 to §1.5), read in place: [stream frame] | version | service type 1 |
/// <c>00</c> bundle, or <c>01</c> control. Version 8 travels raw, the others in stream frames; anything else is refused as the
/// reference refuses it. Trailing bytes make a message malformed.
/// </summary>
public readonly struct IprRequest
{
    private const byte DataVariant = 0, ControlVariant = 1;

    private IprRequest(IprEnvelope envelope, bool framed, IprRequestKind kind, ulong requestId, ulong? timeout, int offset, int bytes)
    {
        Envelope = envelope;
        IsFramed = framed;
        Kind = kind;
        RequestId = requestId;
        BufferTimeoutMilliseconds = timeout;
        BundleOffset = offset;
        BundleBytes = bytes;
    }

    /// <summary>Version, stream id and sequence of the sender. Set for Ok and UnknownVersion.</summary>
    public IprEnvelope Envelope { get; }

    /// <summary>The message came in a stream frame, whatever its version.</summary>
    public bool IsFramed { get; }

    public byte Version => Envelope.Version;

    public bool HasStream => IsFramed;

    public ulong StreamId => Envelope.StreamId;

    public uint Sequence => Envelope.Sequence;

    public IprRequestKind Kind { get; }

    /// <summary>Of control requests; to be echoed.</summary>
    public ulong RequestId { get; }

    /// <summary>The wish of a connect, unclamped; null when it has none.</summary>
    public ulong? BufferTimeoutMilliseconds { get; }

    /// <summary>Where the bundle of a data request starts, from the start of the message.</summary>
    public int BundleOffset { get; }

    public int BundleBytes { get; }

    public static IprReadStatus TryRead(ReadOnlySpan<byte> message, out IprRequest request)
    {
        request = default;
        StreamFrame frame = default;
        bool framed = StreamFrame.IsFrame(message);
        if (framed && !StreamFrame.TryRead(message, out frame))
            return IprReadStatus.BadFrame;
        ReadOnlySpan<byte> body = framed ? message[StreamFrame.HeaderBytes..] : message;
        if (framed && body.IsEmpty)
            return IprReadStatus.StreamOpen;
        if (body.Length < 2)
            return IprReadStatus.TooShort;

        byte version = body[0];
        if (version >= IprVersion.Raw && body[1] != IprVersion.ServiceType)
            return IprReadStatus.NotIpr;
        var envelope = new IprEnvelope(version, frame.StreamId, frame.Sequence);
        request = new IprRequest(envelope, framed, default, 0, null, 0, 0);
        if (version is < IprVersion.LegacyUnsigned or > IprVersion.Newest)
            return IprReadStatus.UnknownVersion;
        if (framed != envelope.HasStream)
            return IprReadStatus.WrongTransport;
        if (version < IprVersion.Raw)
            return IprReadStatus.LegacyVersion;

        var reader = new BincodeReader(body[2..]);
        if (!reader.TryReadVarint(out ulong variant))
            return IprReadStatus.Malformed;
        return variant switch
        {
            DataVariant => ReadData(message, ref reader, envelope, ref request),
            ControlVariant => ReadControl(ref reader, envelope, ref request),
            _ => IprReadStatus.Malformed,
        };
    }

    private static IprReadStatus ReadData(
        ReadOnlySpan<byte> message, ref BincodeReader reader, IprEnvelope envelope, ref IprRequest request)
    {
        if (!reader.TryReadBuffer(out ReadOnlySpan<byte> bundle) || !reader.AtEnd)
            return IprReadStatus.Malformed;
        request = new IprRequest(
            envelope, envelope.HasStream, IprRequestKind.Data, 0, null, message.Length - bundle.Length, bundle.Length);
        return IprReadStatus.Ok;
    }

    private static IprReadStatus ReadControl(ref BincodeReader reader, IprEnvelope envelope, ref IprRequest request)
    {
        ulong timeout = 0;
        bool hasTimeout = false;
        if (!reader.TryReadVarint(out ulong variant) || variant > (byte)IprRequestKind.Health - 1
            || !reader.TryReadVarint(out ulong requestId))
            return IprReadStatus.Malformed;
        IprRequestKind kind = (IprRequestKind)(variant + 1);
        if (kind == IprRequestKind.Connect
            && (!reader.TryReadBool(out hasTimeout) || (hasTimeout && !reader.TryReadVarint(out timeout))))
            return IprReadStatus.Malformed;
        if (!IprTimestamp.TryRead(ref reader, out _) || !reader.AtEnd)
            return IprReadStatus.Malformed;
        request = new IprRequest(envelope, envelope.HasStream, kind, requestId, hasTimeout ? timeout : null, 0, 0);
        return IprReadStatus.Ok;
    }
}
