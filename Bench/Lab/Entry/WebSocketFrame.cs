using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace FastExit.Bench.Lab.Entry;

internal enum WebSocketOpcode : byte
{
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

internal enum WebSocketFrameStatus : byte
{
    Ok,
    Incomplete,
    Malformed,
}

/// <summary>
/// Header of one frame (RFC 6455 §5.2): final bit and opcode, mask bit and length of 7, 16 or 64 bits (big-endian), 4 bytes of mask.
/// Extensions are not spoken, so their bits must be zero.
/// </summary>
internal readonly record struct WebSocketFrame(WebSocketOpcode Opcode, bool Final, bool Masked, int HeaderBytes, long PayloadBytes, uint Mask)
{
    public const int LargestHeaderBytes = 14;
    public const int LargestControlBytes = 125;
    private const byte FinalBit = 0x80;
    private const byte ReservedBits = 0x70;
    private const byte MaskBit = 0x80;

    public bool IsControl => Opcode >= WebSocketOpcode.Close;

    public static WebSocketFrameStatus TryRead(ReadOnlySpan<byte> bytes, out WebSocketFrame frame)
    {
        frame = default;
        if (bytes.Length < 2)
            return WebSocketFrameStatus.Incomplete;
        var opcode = (WebSocketOpcode)(bytes[0] & 0x0F);
        bool final = (bytes[0] & FinalBit) != 0, masked = (bytes[1] & MaskBit) != 0;
        bool known = opcode is <= WebSocketOpcode.Binary or (>= WebSocketOpcode.Close and <= WebSocketOpcode.Pong);
        int form = bytes[1] & 0x7F;
        if (!known || (bytes[0] & ReservedBits) != 0 || (opcode >= WebSocketOpcode.Close && (!final || form > LargestControlBytes)))
            return WebSocketFrameStatus.Malformed;
        int lengthBytes = form switch { 126 => 2, 127 => 8, _ => 0 };
        int headerBytes = 2 + lengthBytes + (masked ? sizeof(uint) : 0);
        if (bytes.Length < headerBytes)
            return WebSocketFrameStatus.Incomplete;
        ulong length = lengthBytes switch
        {
            2 => BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
            8 => BinaryPrimitives.ReadUInt64BigEndian(bytes[2..]),
            _ => (ulong)form,
        };

        // The shortest form is the only right one.
        if (length > long.MaxValue || (lengthBytes == 2 && length < 126) || (lengthBytes == 8 && length <= ushort.MaxValue))
            return WebSocketFrameStatus.Malformed;
        uint mask = masked ? MemoryMarshal.Read<uint>(bytes[(2 + lengthBytes)..]) : 0;
        frame = new WebSocketFrame(opcode, final, masked, headerBytes, (long)length, mask);
        return WebSocketFrameStatus.Ok;
    }

    /// <summary>Writes the header of a whole message and returns its length; mask 0: unmasked.</summary>
    public static int Write(Span<byte> destination, WebSocketOpcode opcode, int payloadBytes, uint mask)
    {
        byte masked = mask == 0 ? (byte)0 : MaskBit;
        destination[0] = (byte)(FinalBit | (byte)opcode);
        int at = 2;
        if (payloadBytes < 126)
        {
            destination[1] = (byte)(masked | payloadBytes);
        }
        else if (payloadBytes <= ushort.MaxValue)
        {
            destination[1] = (byte)(masked | 126);
            BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)payloadBytes);
            at = 4;
        }
        else
        {
            destination[1] = (byte)(masked | 127);
            BinaryPrimitives.WriteUInt64BigEndian(destination[2..], (ulong)payloadBytes);
            at = 10;
        }

        if (mask == 0)
            return at;
        MemoryMarshal.Write(destination[at..], mask);
        return at + sizeof(uint);
    }

    /// <summary>Masks or unmasks (RFC 6455 §5.3), from the payload's first byte on.</summary>
    public static void ApplyMask(Span<byte> payload, uint mask)
    {
        if (mask == 0)
            return;
        Span<Vector<uint>> wide = MemoryMarshal.Cast<byte, Vector<uint>>(payload);
        var pattern = new Vector<uint>(mask);
        for (int i = 0; i < wide.Length; i++)
            wide[i] ^= pattern;

        // A vector has a multiple of four bytes, so the pattern goes on where it stopped.
        Span<byte> rest = payload[(wide.Length * Vector<byte>.Count)..];
        for (int i = 0; i < rest.Length; i++)
            rest[i] ^= (byte)(BitConverter.IsLittleEndian ? mask >> (8 * (i & 3)) : mask >> (24 - (8 * (i & 3))));
    }
}
