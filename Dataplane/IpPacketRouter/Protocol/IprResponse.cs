using FastExit.Serialization;

namespace FastExit.IpPacketRouter.Protocol;

/// <summary>
/// A response of version 8, 9 or 10 as a client reads it (ip-packet-router.md §1.6), in place: [stream frame] | version | <c>00</c>
/// bundle, or <c>01</c> control. A connect success has an MTU in version 10 and none before; either shape in the other version is
/// malformed, as are trailing bytes.
/// </summary>
public ref struct IprResponse
{
    private const byte DataVariant = 0, ControlVariant = 1;

    public IprEnvelope Envelope { get; private set; }

    public readonly byte Version => Envelope.Version;

    public readonly bool HasStream => Envelope.HasStream;

    public IprResponseKind Kind { get; private set; }

    /// <summary>Echo of the request's; 0 for data and unrequested disconnects.</summary>
    public ulong RequestId { get; private set; }

    /// <summary>Outcome of Connect and Disconnect.</summary>
    public bool Succeeded { get; private set; }

    public AddressPair Pair { get; private set; }

    /// <summary>Null before version 10.</summary>
    public ushort? Mtu { get; private set; }

    /// <summary>The wire code of a refusal or of an unrequested disconnect; its names follow.</summary>
    public byte Reason { get; private set; }

    public readonly IprConnectFailure ConnectFailure => (IprConnectFailure)Reason;

    public readonly IprDisconnectFailure DisconnectFailure => (IprDisconnectFailure)Reason;

    public readonly IprDisconnectReason DisconnectReason => (IprDisconnectReason)Reason;

    public readonly IprInfoKind InfoKind => (IprInfoKind)Reason;

    public IprInfoLevel Level { get; private set; }

    public byte MismatchedRequestVersion { get; private set; }

    public byte MismatchedResponseVersion { get; private set; }

    /// <summary>UTF-8 text of a refusal or an Info.</summary>
    public ReadOnlySpan<byte> Text { get; private set; }

    /// <summary>Health: the ten strings, each with its length in front.</summary>
    public ReadOnlySpan<byte> EncodedHealthTexts { get; private set; }

    public bool? Routable { get; private set; }

    /// <summary>Where the bundle of a data response starts, from the start of the message.</summary>
    public int BundleOffset { get; private set; }

    public int BundleBytes { get; private set; }

    public static IprReadStatus TryRead(ReadOnlySpan<byte> message, out IprResponse response)
    {
        IprResponse result = default;
        IprReadStatus status = TryReadInto(message, ref result);
        response = result;
        return status;
    }

    private static IprReadStatus TryReadInto(ReadOnlySpan<byte> message, ref IprResponse response)
    {
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
        response.Envelope = new IprEnvelope(version, frame.StreamId, frame.Sequence);
        if (version is < IprVersion.LegacyUnsigned or > IprVersion.Newest)
            return IprReadStatus.UnknownVersion;
        if (framed != response.HasStream)
            return IprReadStatus.WrongTransport;
        if (version < IprVersion.Raw)
            return IprReadStatus.LegacyVersion;

        var reader = new BincodeReader(body[1..]);
        bool read = reader.TryReadVarint(out ulong variant) && variant switch
        {
            DataVariant => response.TryReadData(message, ref reader),
            ControlVariant => response.TryReadControl(ref reader),
            _ => false,
        };
        return read && reader.AtEnd ? IprReadStatus.Ok : IprReadStatus.Malformed;
    }

    private bool TryReadData(ReadOnlySpan<byte> message, ref BincodeReader reader)
    {
        if (!reader.TryReadBuffer(out ReadOnlySpan<byte> bundle))
            return false;
        Kind = IprResponseKind.Data;
        BundleOffset = message.Length - bundle.Length;
        BundleBytes = bundle.Length;
        return true;
    }

    private bool TryReadControl(ref BincodeReader reader)
    {
        if (!reader.TryReadVarint(out ulong variant) || variant > (byte)IprResponseKind.Info - 1)
            return false;
        Kind = (IprResponseKind)(variant + 1);
        if (Kind != IprResponseKind.UnrequestedDisconnect)
        {
            if (!reader.TryReadVarint(out ulong requestId))
                return false;
            RequestId = requestId;
        }

        return Kind switch
        {
            IprResponseKind.Connect => TryReadConnect(ref reader),
            IprResponseKind.Disconnect => TryReadOutcome(ref reader)
                && (Succeeded || TryReadReason(ref reader, (byte)IprDisconnectFailure.Other)),
            IprResponseKind.UnrequestedDisconnect => TryReadReason(ref reader, (byte)IprDisconnectReason.Other),
            IprResponseKind.Health => TryReadHealth(ref reader),
            IprResponseKind.Info => TryReadInfo(ref reader),
            _ => true,
        };
    }

    private bool TryReadConnect(ref BincodeReader reader)
    {
        if (!TryReadOutcome(ref reader))
            return false;
        if (!Succeeded)
            return TryReadReason(ref reader, (byte)IprConnectFailure.Other);
        if (!AddressPair.TryRead(ref reader, out AddressPair pair))
            return false;
        Pair = pair;
        if (Version < IprVersion.StreamWithMtu)
            return true;
        bool read = reader.TryReadUInt16(out ushort mtu);
        Mtu = mtu;
        return read;
    }

    private bool TryReadOutcome(ref BincodeReader reader)
    {
        bool read = reader.TryReadVarint(out ulong outcome) && outcome <= 1;
        Succeeded = read && outcome == 0;
        return read;
    }

    private bool TryReadReason(ref BincodeReader reader, byte withText)
    {
        if (!reader.TryReadVarint(out ulong reason) || reason > withText)
            return false;
        Reason = (byte)reason;
        return Reason != withText || TryReadText(ref reader);
    }

    private bool TryReadText(ref BincodeReader reader)
    {
        bool read = reader.TryReadString(out ReadOnlySpan<byte> text);
        Text = text;
        return read;
    }

    private bool TryReadHealth(ref BincodeReader reader)
    {
        ReadOnlySpan<byte> texts = reader.Rest;
        for (int text = 0; text < IprResponseWriter.HealthTexts; text++)
        {
            if (!reader.TryReadString(out _))
                return false;
        }

        EncodedHealthTexts = texts[..(texts.Length - reader.Rest.Length)];
        if (!reader.TryReadBool(out bool known))
            return false;
        if (!known)
            return true;
        bool read = reader.TryReadBool(out bool routable);
        Routable = routable;
        return read;
    }

    private bool TryReadInfo(ref BincodeReader reader)
    {
        if (!reader.TryReadVarint(out ulong kind) || kind > (byte)IprInfoKind.PolicyRefused)
            return false;
        Reason = (byte)kind;
        if (InfoKind == IprInfoKind.VersionMismatch)
        {
            if (!reader.TryReadByte(out byte request) || !reader.TryReadByte(out byte answer))
                return false;
            MismatchedRequestVersion = request;
            MismatchedResponseVersion = answer;
        }
        else if (!TryReadText(ref reader))
        {
            return false;
        }

        bool read = reader.TryReadVarint(out ulong level) && level <= (byte)IprInfoLevel.Error;
        Level = read ? (IprInfoLevel)level : default;
        return read;
    }
}
