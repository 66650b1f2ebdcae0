using FastExit.Crypto.Sphinx;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Size class of a Sphinx packet; the value is the code that stands in a mix-link frame (end-to-end.md §3.1).
/// </summary>
public enum PacketSize : byte
{
    Regular = 1,
    Acknowledgement = 2,
    Extended32 = 3,
    Extended8 = 4,
    Extended16 = 5,
}

/// <summary>
/// Byte sizes that follow from a <see cref="PacketSize"/> (end-to-end.md §3.1): a packet is a 348-byte header and a
/// payload; a payload is 16 zero bytes, the plaintext and one 0x01 marker; a plaintext is an ack prefix of 405 bytes,
/// a key block of 32 and one fragment. An acknowledgement's plaintext is 21 bytes of <see cref="AckContent"/> instead.
/// An unknown size code has size 0 everywhere.
/// </summary>
public static class PacketSizes
{
    /// <summary>First-hop address padded to 19, then a whole 386-byte acknowledgement packet.</summary>
    public const int AckPrefixBytes = 405;

    /// <summary>Ephemeral X25519 key of a forward packet, or the reply-key digest of a reply packet.</summary>
    public const int KeyBlockBytes = 32;

    public const int FragmentOffsetInPlaintext = AckPrefixBytes + KeyBlockBytes;

    public const int AcknowledgementPacketBytes = 386;

    public const int LargestPacketBytes = 33133;

    /// <summary>Bytes of the whole Sphinx packet, header included.</summary>
    public static int PacketBytes(PacketSize size) =>
        PlaintextBytes(size) is var plaintext and > 0 ? SphinxSizes.HeaderBytes + SphinxSizes.PayloadOverheadBytes + plaintext : 0;

    /// <summary>Bytes behind the Sphinx header.</summary>
    public static int PayloadBytes(PacketSize size) =>
        PlaintextBytes(size) is var plaintext and > 0 ? SphinxSizes.PayloadOverheadBytes + plaintext : 0;

    /// <summary>Bytes the last Sphinx hop recovers.</summary>
    public static int PlaintextBytes(PacketSize size) => size switch
    {
        PacketSize.Regular => 2048,
        PacketSize.Acknowledgement => 21,
        PacketSize.Extended8 => 8192,
        PacketSize.Extended16 => 16384,
        PacketSize.Extended32 => 32768,
        _ => 0,
    };

    /// <summary>
    /// Bytes handed to the receiving client: the plaintext without its ack prefix; for an acknowledgement all 21.
    /// </summary>
    public static int DeliveredBytes(PacketSize size) =>
        size == PacketSize.Acknowledgement ? PlaintextBytes(size) : FragmentBytes(size) is var fragment and > 0
            ? KeyBlockBytes + fragment
            : 0;

    /// <summary>Bytes of one fragment with its header and padding (the specification's A); 0 for an acknowledgement.</summary>
    public static int FragmentBytes(PacketSize size) =>
        size == PacketSize.Acknowledgement ? 0 : Math.Max(0, PlaintextBytes(size) - FragmentOffsetInPlaintext);

    public static bool TryFromCode(byte code, out PacketSize size)
    {
        size = (PacketSize)code;
        return code is >= 1 and <= 5;
    }

    public static bool TryFromPacketBytes(int packetBytes, out PacketSize size)
    {
        size = packetBytes switch
        {
            2413 => PacketSize.Regular,
            386 => PacketSize.Acknowledgement,
            33133 => PacketSize.Extended32,
            8557 => PacketSize.Extended8,
            16749 => PacketSize.Extended16,
            _ => 0,
        };
        return size != 0;
    }
}

/// <summary>
/// Offsets inside a packet as its builder sees it, before any Lioness layer (end-to-end.md §0): header, 16 zero bytes,
/// ack prefix, key block, fragment, 0x01.
/// </summary>
public static class PacketLayout
{
    public const int PayloadOffset = SphinxSizes.HeaderBytes;
    public const int PlaintextOffset = PayloadOffset + SphinxPayload.MessageOffset;
    public const int AckPrefixOffset = PlaintextOffset;
    public const int KeyBlockOffset = PlaintextOffset + PacketSizes.AckPrefixBytes;

    /// <summary>801: where a caller lays the fragment before building the packet around it.</summary>
    public const int FragmentOffset = PlaintextOffset + PacketSizes.FragmentOffsetInPlaintext;
}
