using System.Buffers.Binary;

namespace FastExit.IpPacketRouter.Protocol;

/// <summary>What a stream frame says it is; the router takes both alike and looks at the payload alone.</summary>
public enum StreamMessageType : byte
{
    Open = 0,
    Data = 1,
}

/// <summary>
/// The 16 bytes before a message inside a stream (ip-packet-router.md §6.1): kind u16 little-endian = 3 | stream id u64 BE | type |
/// sequence u32 BE | zero. The payload runs to the end of the message.
/// </summary>
public readonly record struct StreamFrame(ulong StreamId, StreamMessageType Type, uint Sequence)
{
    public const int HeaderBytes = 16;

    private const ushort StreamKind = 3;

    /// <summary>True when the message is a stream frame by its kind and length (§1.4), whatever its type byte says.</summary>
    public static bool IsFrame(ReadOnlySpan<byte> message) =>
        message.Length >= HeaderBytes && BinaryPrimitives.ReadUInt16LittleEndian(message) == StreamKind;

    /// <summary>False for anything but a stream frame of type Open or Data. The last header byte is ignored.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message, out StreamFrame frame)
    {
        frame = default;
        if (!IsFrame(message) || message[10] > (byte)StreamMessageType.Data)
            return false;
        frame = new StreamFrame(
            BinaryPrimitives.ReadUInt64BigEndian(message[2..]),
            (StreamMessageType)message[10],
            BinaryPrimitives.ReadUInt32BigEndian(message[11..]));
        return true;
    }

    /// <summary>Writes the 16 bytes; false: no room.</summary>
    public bool TryWrite(Span<byte> destination)
    {
        if (destination.Length < HeaderBytes)
            return false;
        BinaryPrimitives.WriteUInt16LittleEndian(destination, StreamKind);
        BinaryPrimitives.WriteUInt64BigEndian(destination[2..], StreamId);
        destination[10] = (byte)Type;
        BinaryPrimitives.WriteUInt32BigEndian(destination[11..], Sequence);
        destination[15] = 0;
        return true;
    }

    /// <summary>The sequence after this one; a wrap skips 0, which stands for the answer to a connect.</summary>
    public static uint NextSequence(uint sequence) => sequence == uint.MaxValue ? 1 : sequence + 1;
}
