using System.Buffers.Binary;
using System.Text.Unicode;
using FastExit.Serialization;

namespace FastExit.NetworkRequester.Protocol;

/// <summary>What an NR says.</summary>
public enum ResponseKind : byte
{
    None,
    NetworkData,
    ConnectionError,
    Query,
    Control,
}

/// <summary>Why a message was not understood.</summary>
public enum ResponseStatus : byte
{
    Ok,
    Empty,
    Incomplete,
    BadContentTag,
    EmptyControl,
    BadControlTag,
    NoData,
    BadFlag,
    IdTooShort,
    HeaderTooShort,
    BadQuery,
    TrailingBytes,
}

/// <summary>
/// View of one response (network-requester.md §1.2, §1.3, §2.5, §2.6); spans point into the message. Integers are big-endian.
/// <list type="bullet">
/// <item>NetworkData: prefix | 01 | closed 1 | id 8 | sequence 8 | payload</item>
/// <item>ConnectionError: prefix | 02 | id 8 | text</item>
/// <item>Query: prefix | 03 | bincode</item>
/// <item>Control: 03 | 00 | tag | JSON</item>
/// </list>
/// </summary>
public readonly ref struct Response
{
    private Response(ResponseKind kind, MessageForm form)
    {
        Kind = kind;
        Form = form;
    }

    public ResponseKind Kind { get; }

    public MessageForm Form { get; }

    public ControlKind Control { get; private init; }

    public QueryKind Query { get; private init; }

    public ulong ConnectionId { get; private init; }

    public bool Closed { get; private init; }

    public ulong Sequence { get; private init; }

    public ReadOnlySpan<byte> Payload { get; private init; }

    /// <summary>UTF-8: ConnectionError's text, a control answer's JSON, a query's description or error.</summary>
    public ReadOnlySpan<byte> Text { get; private init; }

    /// <summary>A ConnectionError is taken with any bytes in it; false when they are not UTF-8.</summary>
    public bool HasValidText => Utf8.IsValid(Text);

    /// <summary>Query OpenProxy, and `enabled` of ExitPolicy.</summary>
    public bool Enabled { get; private init; }

    /// <summary>Query ExitPolicy: where the policy comes from, UTF-8.</summary>
    public ReadOnlySpan<byte> Upstream { get; private init; }

    public bool HasPolicy { get; private init; }

    public ExitPolicyRules Policy { get; private init; }

    public static ResponseStatus TryRead(ReadOnlySpan<byte> message, out Response response)
    {
        response = default;
        if (message.IsEmpty)
            return ResponseStatus.Empty;
        bool enveloped = message[0] >= 3;
        ReadOnlySpan<byte> provider = message;
        if (enveloped)
        {
            if (message.Length == 1)
                return ResponseStatus.Incomplete;
            provider = message[2..];
            if (message[1] == 0)
                return TryReadControl(provider, out response);
            if (message[1] != 1)
                return ResponseStatus.BadContentTag;
        }

        if (provider.IsEmpty)
            return ResponseStatus.NoData;

        // Unlike in requests, a legacy response has no version byte: what stands there is the flag.
        if (provider[0] >= 3)
            return TryReadContent(provider[1..], MessageForm.Version3, out response);
        return TryReadContent(provider, enveloped ? MessageForm.EnvelopedLegacy : MessageForm.Legacy, out response);
    }

    /// <summary>Reads a response from its flag on.</summary>
    public static ResponseStatus TryReadContent(ReadOnlySpan<byte> content, MessageForm form, out Response response)
    {
        response = default;
        if (content.IsEmpty)
            return ResponseStatus.NoData;
        ReadOnlySpan<byte> body = content[1..];
        switch (content[0])
        {
            case 1:
                if (body.Length < MessageSizes.DataFieldsBytes)
                    return ResponseStatus.HeaderTooShort;
                response = new Response(ResponseKind.NetworkData, form)
                {
                    Closed = body[0] != 0,
                    ConnectionId = BinaryPrimitives.ReadUInt64BigEndian(body[1..]),
                    Sequence = BinaryPrimitives.ReadUInt64BigEndian(body[9..]),
                    Payload = body[MessageSizes.DataFieldsBytes..],
                };
                return ResponseStatus.Ok;
            case 2:
                if (body.IsEmpty)
                    return ResponseStatus.NoData;
                if (body.Length < 8)
                    return ResponseStatus.IdTooShort;
                response = new Response(ResponseKind.ConnectionError, form)
                {
                    ConnectionId = BinaryPrimitives.ReadUInt64BigEndian(body),
                    Text = body[8..],
                };
                return ResponseStatus.Ok;
            case 3:
                return TryReadQuery(body, form, out response);
            default:
                return ResponseStatus.BadFlag;
        }
    }

    private static ResponseStatus TryReadControl(ReadOnlySpan<byte> body, out Response response)
    {
        response = default;
        if (body.IsEmpty)
            return ResponseStatus.EmptyControl;
        var kind = (ControlKind)body[0];
        if (kind is not (ControlKind.Health or ControlKind.BinaryInformation or ControlKind.SupportedVersions or ControlKind.Error))
            return ResponseStatus.BadControlTag;
        response = new Response(ResponseKind.Control, MessageForm.Version3) { Control = kind, Text = body[1..] };
        return ResponseStatus.Ok;
    }

    private static ResponseStatus TryReadQuery(ReadOnlySpan<byte> body, MessageForm form, out Response response)
    {
        response = default;
        var reader = new BincodeReader(body);
        if (!reader.TryReadVarint(out ulong variant))
            return ResponseStatus.BadQuery;
        bool enabled = false;
        bool hasPolicy = false;
        ReadOnlySpan<byte> text = default;
        ReadOnlySpan<byte> upstream = default;
        ExitPolicyRules policy = default;
        bool read = variant switch
        {
            (ulong)QueryKind.OpenProxy => reader.TryReadBool(out enabled),
            (ulong)QueryKind.Description or (ulong)QueryKind.Error => reader.TryReadString(out text),
            (ulong)QueryKind.ExitPolicy => reader.TryReadBool(out enabled) && reader.TryReadString(out upstream)
                && reader.TryReadBool(out hasPolicy) && (!hasPolicy || ExitPolicyRules.TryRead(ref reader, out policy)),
            _ => false,
        };
        if (!read)
            return ResponseStatus.BadQuery;
        if (!reader.AtEnd)
            return ResponseStatus.TrailingBytes;
        response = new Response(ResponseKind.Query, form)
        {
            Query = (QueryKind)variant,
            Enabled = enabled,
            Text = text,
            Upstream = upstream,
            HasPolicy = hasPolicy,
            Policy = policy,
        };
        return ResponseStatus.Ok;
    }
}
