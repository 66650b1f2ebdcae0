using System.Buffers.Binary;
using FastExit.Serialization;

namespace FastExit.NetworkRequester.Protocol;

/// <summary>What a client asks.</summary>
public enum RequestKind : byte
{
    None,
    Connect,
    Send,
    Query,
    Control,
}

/// <summary>Wire codes of network-requester.md §1.3; responses use the same ones.</summary>
public enum ControlKind : byte
{
    Health = 0,
    BinaryInformation = 1,
    SupportedVersions = 2,

    /// <summary>Response only.</summary>
    Error = 0xFF,
}

/// <summary>Wire codes of network-requester.md §2.4; responses use the same ones.</summary>
public enum QueryKind : byte
{
    OpenProxy = 0,
    Description = 1,
    ExitPolicy = 2,

    /// <summary>Response only.</summary>
    Error = 3,
}

/// <summary>Why a message was not understood.</summary>
public enum RequestStatus : byte
{
    Ok,
    Empty,
    Incomplete,
    BadContentTag,
    EmptyControl,
    BadControlTag,
    NoData,
    UnsupportedProtocol,
    BadFlag,
    IdTooShort,
    AddressLengthTooShort,
    AddressTooShort,
    BadReturnAddressSize,
    HeaderTooShort,
    BadQuery,
    TrailingBytes,
}

/// <summary>
/// View of one request (network-requester.md §1.2, §2.1 to §2.4); spans point into the message. Integers are big-endian.
/// <list type="bullet">
/// <item>Connect: prefix | 00 | id 8 | L 2 | address L | return address 0 or 96</item>
/// <item>Send: prefix | 01 | id 8 | closed 1 | sequence 8 | payload</item>
/// <item>Query: prefix | 02 | varint</item>
/// <item>Control: 03 | 00 | tag, bytes behind the tag ignored</item>
/// </list>
/// Return addresses are only measured here; their keys are the reader's to check.
/// </summary>
public readonly ref struct Request
{
    private Request(RequestKind kind, MessageForm form)
    {
        Kind = kind;
        Form = form;
    }

    /// <summary>Also set when a query was not understood, so that it can be answered.</summary>
    public RequestKind Kind { get; private init; }

    public MessageForm Form { get; private init; }

    public ControlKind Control { get; private init; }

    public QueryKind Query { get; private init; }

    public ulong ConnectionId { get; private init; }

    /// <summary>Connect: `host:port` as sent, possibly empty or not UTF-8.</summary>
    public ReadOnlySpan<byte> Address { get; private init; }

    /// <summary>Connect: empty, or 96 bytes.</summary>
    public ReadOnlySpan<byte> ReturnAddress { get; private init; }

    public bool Closed { get; private init; }

    public ulong Sequence { get; private init; }

    public ReadOnlySpan<byte> Payload { get; private init; }

    public static RequestStatus TryRead(ReadOnlySpan<byte> message, out Request request)
    {
        request = default;
        if (message.IsEmpty)
            return RequestStatus.Empty;
        bool enveloped = message[0] >= 3;
        ReadOnlySpan<byte> provider = message;
        if (enveloped)
        {
            if (message.Length == 1)
                return RequestStatus.Incomplete;
            provider = message[2..];
            if (message[1] == 0)
                return TryReadControl(provider, out request);
            if (message[1] != 1)
                return RequestStatus.BadContentTag;
        }

        if (provider.IsEmpty)
            return RequestStatus.NoData;
        if (provider[0] > 3)
            return RequestStatus.UnsupportedProtocol;
        MessageForm form = provider[0] == 3 ? MessageForm.Version3
            : enveloped ? MessageForm.EnvelopedLegacy : MessageForm.Legacy;
        return TryReadContent(provider[1..], form, out request);
    }

    /// <summary>Reads a request from its flag on.</summary>
    public static RequestStatus TryReadContent(ReadOnlySpan<byte> content, MessageForm form, out Request request)
    {
        request = default;
        if (content.IsEmpty)
            return RequestStatus.NoData;
        ReadOnlySpan<byte> body = content[1..];
        switch (content[0])
        {
            case 0:
                return TryReadConnect(body, form, out request);
            case 1:
                return TryReadSend(body, form, out request);
            case 2:
                return TryReadQuery(body, form, out request);
            default:
                return RequestStatus.BadFlag;
        }
    }

    private static RequestStatus TryReadControl(ReadOnlySpan<byte> body, out Request request)
    {
        request = default;
        if (body.IsEmpty)
            return RequestStatus.EmptyControl;
        if (body[0] > (byte)ControlKind.SupportedVersions)
            return RequestStatus.BadControlTag;
        request = new Request(RequestKind.Control, MessageForm.Version3) { Control = (ControlKind)body[0] };
        return RequestStatus.Ok;
    }

    private static RequestStatus TryReadConnect(ReadOnlySpan<byte> body, MessageForm form, out Request request)
    {
        request = default;
        if (body.Length < 8)
            return RequestStatus.IdTooShort;
        if (body.Length < 10)
            return RequestStatus.AddressLengthTooShort;
        int addressBytes = BinaryPrimitives.ReadUInt16BigEndian(body[8..]);
        if (body.Length - 10 < addressBytes)
            return RequestStatus.AddressTooShort;
        ReadOnlySpan<byte> returnAddress = body[(10 + addressBytes)..];
        if (returnAddress.Length is not (0 or MessageSizes.ReturnAddressBytes))
            return RequestStatus.BadReturnAddressSize;
        request = new Request(RequestKind.Connect, form)
        {
            ConnectionId = BinaryPrimitives.ReadUInt64BigEndian(body),
            Address = body.Slice(10, addressBytes),
            ReturnAddress = returnAddress,
        };
        return RequestStatus.Ok;
    }

    private static RequestStatus TryReadSend(ReadOnlySpan<byte> body, MessageForm form, out Request request)
    {
        request = default;
        if (body.Length < MessageSizes.DataFieldsBytes)
            return RequestStatus.HeaderTooShort;
        request = new Request(RequestKind.Send, form)
        {
            ConnectionId = BinaryPrimitives.ReadUInt64BigEndian(body),
            Closed = body[8] != 0,
            Sequence = BinaryPrimitives.ReadUInt64BigEndian(body[9..]),
            Payload = body[MessageSizes.DataFieldsBytes..],
        };
        return RequestStatus.Ok;
    }

    private static RequestStatus TryReadQuery(ReadOnlySpan<byte> body, MessageForm form, out Request request)
    {
        request = new Request(RequestKind.Query, form);
        var reader = new BincodeReader(body);
        if (!reader.TryReadVarint(out ulong variant) || variant > (ulong)QueryKind.ExitPolicy)
            return RequestStatus.BadQuery;
        if (!reader.AtEnd)
            return RequestStatus.TrailingBytes;
        request = new Request(RequestKind.Query, form) { Query = (QueryKind)variant };
        return RequestStatus.Ok;
    }
}
