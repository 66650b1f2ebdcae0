using System.Buffers.Binary;

namespace FastExit.Serialization;

/// <summary>
/// Reads the bincode flavour of both services (network-requester.md §2.6, ip-packet-router.md §1.1): big-endian varints, raw bytes and
/// bools, strings and lists with a varint length. Non-minimal varints are accepted as the reference accepts them. A failed read leaves
/// the position undefined.
/// </summary>
public ref struct BincodeReader
{
    private ReadOnlySpan<byte> _rest;

    public BincodeReader(ReadOnlySpan<byte> bytes) => _rest = bytes;

    public readonly bool AtEnd => _rest.IsEmpty;

    public readonly ReadOnlySpan<byte> Rest => _rest;

    /// <summary>0..250 in one byte, else <c>FB</c> u16, <c>FC</c> u32 or <c>FD</c> u64.</summary>
    public bool TryReadVarint(out ulong value)
    {
        value = 0;
        if (_rest.IsEmpty)
            return false;
        byte first = _rest[0];
        int bytes = first switch
        {
            <= 250 => 0,
            0xFB => 2,
            0xFC => 4,
            0xFD => 8,
            _ => -1,
        };
        if (bytes < 0 || _rest.Length - 1 < bytes)
            return false;
        value = bytes switch
        {
            0 => first,
            2 => BinaryPrimitives.ReadUInt16BigEndian(_rest[1..]),
            4 => BinaryPrimitives.ReadUInt32BigEndian(_rest[1..]),
            _ => BinaryPrimitives.ReadUInt64BigEndian(_rest[1..]),
        };
        _rest = _rest[(1 + bytes)..];
        return true;
    }

    public bool TryReadUInt16(out ushort value)
    {
        bool read = TryReadVarint(out ulong wide) && wide <= ushort.MaxValue;
        value = read ? (ushort)wide : (ushort)0;
        return read;
    }

    public bool TryReadUInt32(out uint value)
    {
        bool read = TryReadVarint(out ulong wide) && wide <= uint.MaxValue;
        value = read ? (uint)wide : 0;
        return read;
    }

    /// <summary>Zig-zag, then varint.</summary>
    public bool TryReadInt32(out int value)
    {
        bool read = TryReadUInt32(out uint folded);
        value = (int)(folded >> 1) ^ -(int)(folded & 1);
        return read;
    }

    /// <summary>One raw byte.</summary>
    public bool TryReadByte(out byte value)
    {
        value = 0;
        if (_rest.IsEmpty)
            return false;
        value = _rest[0];
        _rest = _rest[1..];
        return true;
    }

    /// <summary>The next <paramref name="bytes"/> bytes, without a length in front.</summary>
    public bool TryReadFixed(int bytes, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (_rest.Length < bytes)
            return false;
        value = _rest[..bytes];
        _rest = _rest[bytes..];
        return true;
    }

    /// <summary>A byte buffer with its length in front.</summary>
    public bool TryReadBuffer(out ReadOnlySpan<byte> value)
    {
        value = default;
        return TryReadVarint(out ulong bytes) && bytes <= (ulong)_rest.Length && TryReadFixed((int)bytes, out value);
    }

    public bool TryReadBool(out bool value)
    {
        value = false;
        if (_rest.IsEmpty || _rest[0] > 1)
            return false;
        value = _rest[0] == 1;
        _rest = _rest[1..];
        return true;
    }

    /// <summary>UTF-8 text with its length in front.</summary>
    public bool TryReadString(out ReadOnlySpan<byte> text)
    {
        text = default;
        if (!TryReadVarint(out ulong bytes) || bytes > (ulong)_rest.Length)
            return false;
        text = _rest[..(int)bytes];
        _rest = _rest[(int)bytes..];
        return System.Text.Unicode.Utf8.IsValid(text);
    }
}

/// <summary>Writes what <see cref="BincodeReader"/> reads, varints in their shortest form. False: the destination is full.</summary>
public ref struct BincodeWriter
{
    private readonly Span<byte> _destination;

    public BincodeWriter(Span<byte> destination)
    {
        _destination = destination;
        Written = 0;
    }

    public int Written { get; private set; }

    private readonly Span<byte> Free => _destination[Written..];

    public bool TryWriteVarint(ulong value)
    {
        int bytes = value switch
        {
            <= 250 => 1,
            <= ushort.MaxValue => 3,
            <= uint.MaxValue => 5,
            _ => 9,
        };
        Span<byte> free = Free;
        if (free.Length < bytes)
            return false;
        switch (bytes)
        {
            case 1:
                free[0] = (byte)value;
                break;
            case 3:
                free[0] = 0xFB;
                BinaryPrimitives.WriteUInt16BigEndian(free[1..], (ushort)value);
                break;
            case 5:
                free[0] = 0xFC;
                BinaryPrimitives.WriteUInt32BigEndian(free[1..], (uint)value);
                break;
            default:
                free[0] = 0xFD;
                BinaryPrimitives.WriteUInt64BigEndian(free[1..], value);
                break;
        }

        Written += bytes;
        return true;
    }

    /// <summary>Zig-zag, then varint.</summary>
    public bool TryWriteInt32(int value) => TryWriteVarint((uint)((value << 1) ^ (value >> 31)));

    /// <summary>One raw byte.</summary>
    public bool TryWriteByte(byte value)
    {
        Span<byte> free = Free;
        if (free.IsEmpty)
            return false;
        free[0] = value;
        Written++;
        return true;
    }

    /// <summary>Bytes as they are, without a length in front.</summary>
    public bool TryWriteFixed(scoped ReadOnlySpan<byte> bytes)
    {
        if (!bytes.TryCopyTo(Free))
            return false;
        Written += bytes.Length;
        return true;
    }

    public bool TryWriteBool(bool value) => TryWriteVarint(value ? 1u : 0u);

    public bool TryWriteString(scoped ReadOnlySpan<byte> text)
    {
        if (!TryWriteVarint((ulong)text.Length) || !text.TryCopyTo(Free))
            return false;
        Written += text.Length;
        return true;
    }
}
