using System.Buffers.Binary;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Writes what stands before the application bytes of each message kind (end-to-end.md §2); each method returns the
/// bytes written. SURBs are always announced in the current form. SURBs and application bytes are the caller's to lay
/// behind. Throws if the destination is too short.
/// </summary>
public static class MessageWriter
{
    public const int PlainHeaderBytes = 1;
    public const int ReplyHeaderBytes = 2;

    /// <summary>Type, sender tag, content tag and SURB block head.</summary>
    public const int RepliableHeaderBytes = EndToEndMessage.SurbBlockOffset + SurbBlock.HeadBytes;

    public static int WritePlainHeader(Span<byte> destination)
    {
        destination[0] = EndToEndMessage.PlainType;
        return PlainHeaderBytes;
    }

    /// <summary>At least one application byte must follow: an empty reply cannot be received.</summary>
    public static int WriteReplyHeader(Span<byte> destination)
    {
        destination[1] = EndToEndMessage.ReplyDataContent;
        destination[0] = EndToEndMessage.ReplyType;
        return ReplyHeaderBytes;
    }

    /// <summary>Followed by <paramref name="surbs"/> SURBs of <paramref name="hops"/> hops, then application bytes.</summary>
    public static int WriteRepliableHeader(
        Span<byte> destination, ReadOnlySpan<byte> senderTag, int surbs, int hops, KeyRotation rotation) =>
        WriteSurbCarrier(destination, senderTag, 0, surbs, hops, rotation);

    /// <summary>Followed by <paramref name="surbs"/> SURBs of <paramref name="hops"/> hops and nothing else.</summary>
    public static int WriteAdditionalSurbsHeader(
        Span<byte> destination, ReadOnlySpan<byte> senderTag, int surbs, int hops, KeyRotation rotation) =>
        WriteSurbCarrier(destination, senderTag, 1, surbs, hops, rotation);

    /// <summary>Followed by <paramref name="surbs"/> SURBs of <paramref name="hops"/> hops and nothing else.</summary>
    public static int WriteHeartbeatHeader(
        Span<byte> destination, ReadOnlySpan<byte> senderTag, int surbs, int hops, KeyRotation rotation) =>
        WriteSurbCarrier(destination, senderTag, 2, surbs, hops, rotation);

    /// <summary>The whole 102-byte message: send <paramref name="amount"/> SURBs to <paramref name="recipient"/>.</summary>
    public static int WriteSurbRequest(Span<byte> destination, in Recipient recipient, uint amount)
    {
        destination = destination[..EndToEndMessage.SurbRequestBytes];
        destination[0] = EndToEndMessage.ReplyType;
        destination[1] = EndToEndMessage.SurbRequestContent;
        recipient.CopyTo(destination[2..]);
        BinaryPrimitives.WriteUInt32BigEndian(destination[(2 + Recipient.Bytes)..], amount);
        return EndToEndMessage.SurbRequestBytes;
    }

    private static int WriteSurbCarrier(
        Span<byte> destination, ReadOnlySpan<byte> senderTag, int content, int surbs, int hops, KeyRotation rotation)
    {
        destination = destination[..RepliableHeaderBytes];
        destination[0] = EndToEndMessage.RepliableType;
        senderTag[..EndToEndMessage.SenderTagBytes].CopyTo(destination[1..]);
        destination[EndToEndMessage.SurbBlockOffset - 1] = (byte)(EndToEndMessage.CurrentFormContents + content);
        SurbBlock.WriteHead(destination[EndToEndMessage.SurbBlockOffset..], surbs, hops, rotation);
        return RepliableHeaderBytes;
    }
}
