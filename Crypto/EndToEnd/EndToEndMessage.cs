using System.Buffers.Binary;

namespace FastExit.Crypto.EndToEnd;

/// <summary>What a reassembled message is (end-to-end.md §2).</summary>
public enum MessageKind : byte
{
    /// <summary>Application bytes of an unnamed sender.</summary>
    Plain,

    /// <summary>Application bytes of a sender tag, possibly with SURBs.</summary>
    RepliableData,

    /// <summary>SURBs that were asked for.</summary>
    AdditionalSurbs,

    /// <summary>SURBs that were not asked for.</summary>
    Heartbeat,

    /// <summary>Application bytes that came through a SURB; never empty.</summary>
    ReplyData,

    /// <summary>A holder of SURBs asks their maker for more.</summary>
    SurbRequest,
}

/// <summary>
/// View over one message without its padding (end-to-end.md §2.1 to §2.5): type byte 0 Plain, 1 Repliable (sender tag,
/// content tag, SURB block, data), 2 Reply (content byte, then data or Recipient and amount).
/// </summary>
public readonly ref struct EndToEndMessage
{
    public const int SenderTagBytes = 16;
    public const int SurbRequestBytes = 2 + Recipient.Bytes + 4;

    internal const byte PlainType = 0;
    internal const byte RepliableType = 1;
    internal const byte ReplyType = 2;
    internal const byte ReplyDataContent = 0;
    internal const byte SurbRequestContent = 1;

    // Content tags 0..2 are Data, AdditionalSurbs, Heartbeat with legacy SURBs, 3..5 the same with current ones.
    internal const byte CurrentFormContents = 3;
    internal const int SurbBlockOffset = 1 + SenderTagBytes + 1;

    private EndToEndMessage(
        MessageKind kind,
        ReadOnlySpan<byte> senderTag = default,
        SurbBlock surbs = default,
        ReadOnlySpan<byte> data = default,
        ReadOnlySpan<byte> recipientBytes = default,
        uint amount = 0)
    {
        Kind = kind;
        SenderTag = senderTag;
        Surbs = surbs;
        Data = data;
        RecipientBytes = recipientBytes;
        Amount = amount;
    }

    public MessageKind Kind { get; }

    /// <summary>16 bytes for the three repliable kinds, else empty.</summary>
    public ReadOnlySpan<byte> SenderTag { get; }

    /// <summary>SURBs of the three repliable kinds; an empty block otherwise.</summary>
    public SurbBlock Surbs { get; }

    /// <summary>Application bytes of Plain, RepliableData and ReplyData.</summary>
    public ReadOnlySpan<byte> Data { get; }

    /// <summary>SurbRequest: the 96 bytes of the Recipient to send SURBs to, already found valid.</summary>
    public ReadOnlySpan<byte> RecipientBytes { get; }

    /// <summary>SurbRequest: how many SURBs are wanted, as sent.</summary>
    public uint Amount { get; }

    /// <summary>False for anything malformed; then the whole message is to be discarded.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message, out EndToEndMessage result)
    {
        result = default;
        if (message.IsEmpty)
            return false;
        switch (message[0])
        {
            case PlainType:
                result = new EndToEndMessage(MessageKind.Plain, data: message[1..]);
                return true;
            case RepliableType:
                return TryReadRepliable(message, out result);
            case ReplyType:
                return TryReadReply(message, out result);
            default:
                return false;
        }
    }

    private static bool TryReadRepliable(ReadOnlySpan<byte> message, out EndToEndMessage result)
    {
        result = default;
        if (message.Length < SurbBlockOffset)
            return false;
        byte content = message[SurbBlockOffset - 1];
        if (content >= 2 * CurrentFormContents)
            return false;
        bool legacyForm = content < CurrentFormContents;
        ReadOnlySpan<byte> rest = message[SurbBlockOffset..];
        if (!SurbBlock.TryRead(rest, legacyForm, out SurbBlock surbs, out int blockBytes))
            return false;

        MessageKind kind = (content % CurrentFormContents) switch
        {
            0 => MessageKind.RepliableData,
            1 => MessageKind.AdditionalSurbs,
            _ => MessageKind.Heartbeat,
        };
        result = new EndToEndMessage(
            kind,
            message.Slice(1, SenderTagBytes),
            surbs,
            kind == MessageKind.RepliableData ? rest[blockBytes..] : default);
        return true;
    }

    private static bool TryReadReply(ReadOnlySpan<byte> message, out EndToEndMessage result)
    {
        result = default;
        if (message.Length < 3)
            return false;
        if (message[1] == ReplyDataContent)
        {
            result = new EndToEndMessage(MessageKind.ReplyData, data: message[2..]);
            return true;
        }

        if (message[1] != SurbRequestContent || message.Length != SurbRequestBytes)
            return false;
        ReadOnlySpan<byte> recipient = message.Slice(2, Recipient.Bytes);
        if (!Recipient.TryRead(recipient, out _))
            return false;
        uint amount = BinaryPrimitives.ReadUInt32BigEndian(message[(2 + Recipient.Bytes)..]);
        result = new EndToEndMessage(MessageKind.SurbRequest, recipientBytes: recipient, amount: amount);
        return true;
    }
}
