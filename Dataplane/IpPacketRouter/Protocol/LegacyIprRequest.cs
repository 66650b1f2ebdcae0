using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.Serialization;

namespace FastExit.IpPacketRouter.Protocol;

/// <summary>Requests of versions 6 and 7, by wire code (ip-packet-router.md §1.7).</summary>
public enum LegacyIprRequestKind : byte
{
    StaticConnect = 0,
    DynamicConnect = 1,
    Disconnect = 2,
    Data = 3,
    Ping = 4,
    Health = 5,
}

/// <summary>Outcome of <see cref="LegacyIprRequest.CheckSignature"/>.</summary>
public enum LegacySignatureStatus : byte
{
    Valid,

    /// <summary>Ping, Health, Data and everything of version 6 carry none.</summary>
    Unsigned,
    Missing,
    Stale,
    Invalid,
}

/// <summary>
/// A request of version 6 or 7 (§1.7): these name the sender's whole Nym address, so they are decoded for diagnosis only and never
/// served. Version 7 signs the connects and the disconnect (§1.8).
/// </summary>
public ref struct LegacyIprRequest
{
    public static readonly TimeSpan LargestAge = TimeSpan.FromSeconds(10);

    public byte Version { get; private set; }

    public LegacyIprRequestKind Kind { get; private set; }

    public ulong RequestId { get; private set; }

    /// <summary>The addresses a static connect asks for.</summary>
    public AddressPair Pair { get; private set; }

    /// <summary>The sender's 96-byte address; empty for data.</summary>
    public ReadOnlySpan<byte> Sender { get; private set; }

    public ulong? BufferTimeoutMilliseconds { get; private set; }

    public IprTimestamp Timestamp { get; private set; }

    /// <summary>What a signature covers: the fields from the id to the timestamp.</summary>
    public ReadOnlySpan<byte> SignedBytes { get; private set; }

    /// <summary>64 bytes, or empty.</summary>
    public ReadOnlySpan<byte> Signature { get; private set; }

    public int BundleOffset { get; private set; }

    public int BundleBytes { get; private set; }

    private readonly bool IsSignedKind => Kind <= LegacyIprRequestKind.Disconnect;

    /// <summary>Ok, TooShort, UnknownVersion (neither 6 nor 7) or Malformed.</summary>
    public static IprReadStatus TryRead(ReadOnlySpan<byte> message, out LegacyIprRequest request)
    {
        request = default;
        if (message.Length < 2)
            return IprReadStatus.TooShort;
        if (message[0] is not (IprVersion.LegacyUnsigned or IprVersion.LegacySigned))
            return IprReadStatus.UnknownVersion;
        return TryReadBody(message, message[0], out request) ? IprReadStatus.Ok : IprReadStatus.Malformed;
    }

    /// <summary>Decodes by the shapes of <paramref name="shape"/> (6 or 7), whatever the message's first byte says.</summary>
    internal static bool TryReadBody(ReadOnlySpan<byte> message, byte shape, out LegacyIprRequest request)
    {
        request = default;
        if (message.IsEmpty)
            return false;
        var reader = new BincodeReader(message[1..]);
        if (!reader.TryReadVarint(out ulong kind) || kind > (byte)LegacyIprRequestKind.Health)
            return false;
        LegacyIprRequest result = default;
        result.Version = shape;
        result.Kind = (LegacyIprRequestKind)kind;
        bool read = result.Kind == LegacyIprRequestKind.Data
            ? result.TryReadData(message, ref reader)
            : result.TryReadControl(ref reader);
        request = result;
        return read && reader.AtEnd;
    }

    /// <summary>
    /// Version 7's checks in their order: presence, age (future stamps pass), signature by the key in the sender's address.
    /// Allocates; never on the packet path.
    /// </summary>
    public readonly LegacySignatureStatus CheckSignature(DateTime utcNow)
    {
        if (Version < IprVersion.LegacySigned || !IsSignedKind)
            return LegacySignatureStatus.Unsigned;
        if (Signature.IsEmpty)
            return LegacySignatureStatus.Missing;
        if (!Timestamp.TryToUtc(out DateTime sent) || utcNow - sent > LargestAge)
            return LegacySignatureStatus.Stale;
        return Ed25519.Verify(Sender[..Ed25519.PublicKeyBytes], SignedBytes, Signature)
            ? LegacySignatureStatus.Valid
            : LegacySignatureStatus.Invalid;
    }

    private bool TryReadData(ReadOnlySpan<byte> message, ref BincodeReader reader)
    {
        if (!reader.TryReadBuffer(out ReadOnlySpan<byte> bundle))
            return false;
        BundleOffset = message.Length - bundle.Length;
        BundleBytes = bundle.Length;
        return true;
    }

    private bool TryReadControl(ref BincodeReader reader)
    {
        ReadOnlySpan<byte> start = reader.Rest;
        if (!reader.TryReadVarint(out ulong requestId))
            return false;
        RequestId = requestId;
        if (Kind == LegacyIprRequestKind.StaticConnect)
        {
            if (!AddressPair.TryRead(ref reader, out AddressPair pair))
                return false;
            Pair = pair;
        }

        if (!reader.TryReadBuffer(out ReadOnlySpan<byte> sender) || sender.Length != Recipient.Bytes)
            return false;
        Sender = sender;
        if (Kind <= LegacyIprRequestKind.DynamicConnect && !TryReadOptions(ref reader))
            return false;
        if (Version >= IprVersion.LegacySigned)
        {
            if (!IprTimestamp.TryRead(ref reader, out IprTimestamp timestamp))
                return false;
            Timestamp = timestamp;
            SignedBytes = start[..(start.Length - reader.Rest.Length)];
            if (IsSignedKind && !TryReadSignature(ref reader))
                return false;
        }

        return Recipient.TryRead(sender, out _);
    }

    private bool TryReadOptions(ref BincodeReader reader)
    {
        ulong timeout = 0;
        bool read = reader.TryReadBool(out bool hasHops) && (!hasHops || reader.TryReadByte(out _))
            && reader.TryReadBool(out bool hasDelays) && (!hasDelays || reader.TryReadFixed(sizeof(double), out _));
        if (!read || !reader.TryReadBool(out bool hasTimeout) || (hasTimeout && !reader.TryReadVarint(out timeout)))
            return false;
        BufferTimeoutMilliseconds = hasTimeout ? timeout : null;
        return true;
    }

    private bool TryReadSignature(ref BincodeReader reader)
    {
        if (!reader.TryReadBool(out bool signed))
            return false;
        if (!signed)
            return true;
        bool read = reader.TryReadBuffer(out ReadOnlySpan<byte> signature) && signature.Length == Ed25519.SignatureBytes;
        Signature = signature;
        return read;
    }
}
