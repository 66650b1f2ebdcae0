using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace FastExit.Native.Netlink;

/// <summary>
/// Writes one or more netlink messages (<c>netlink(7)</c>) into a buffer: a 16-byte <c>nlmsghdr</c>, a family header,
/// then attributes of length, type and value, each padded to 4 bytes. Everything is in the host's byte order but what
/// is written by a method that says otherwise. For the control plane: throws when the buffer is too small.
/// </summary>
internal ref struct NetlinkMessageWriter(Span<byte> buffer)
{
    public const int HeaderBytes = 16;
    private const ushort Nested = 0x8000;

    private readonly Span<byte> _buffer = buffer;
    private int _messageAt;

    public int Length { get; private set; }

    public readonly ReadOnlySpan<byte> Written => _buffer[..Length];

    /// <summary>Opens a message; <see cref="End"/> closes it.</summary>
    public void Begin(ushort type, NetlinkFlags flags, uint sequence)
    {
        _messageAt = Length;
        Span<byte> header = Take(HeaderBytes);
        Write(header[4..], type);
        Write(header[6..], (ushort)flags);
        Write(header[8..], sequence);
    }

    public readonly void End() => Write(_buffer[_messageAt..], Length - _messageAt);

    /// <summary>A family header: zeroed bytes of the message's own, to be filled by the caller.</summary>
    public Span<byte> Take(int bytes)
    {
        int aligned = (bytes + 3) & ~3;
        if (_buffer.Length - Length < aligned)
            throw new InvalidOperationException("The netlink message outgrows its buffer");
        Span<byte> taken = _buffer.Slice(Length, aligned);
        taken.Clear();
        Length += aligned;
        return taken[..bytes];
    }

    public void Attribute(ushort type, scoped ReadOnlySpan<byte> value)
    {
        Span<byte> attribute = Take(4 + value.Length);
        Write(attribute, (ushort)(4 + value.Length));
        Write(attribute[2..], type);
        value.CopyTo(attribute[4..]);
    }

    public void Attribute(ushort type, uint value) =>
        Attribute(type, BitConverter.GetBytes(value));

    /// <summary>In network order, as nftables has its numbers.</summary>
    public void BigEndian(ushort type, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        Attribute(type, bytes);
    }

    /// <summary>UTF-8 with a terminating zero.</summary>
    public void Text(ushort type, string value)
    {
        Span<byte> bytes = stackalloc byte[Encoding.UTF8.GetByteCount(value) + 1];
        bytes[Encoding.UTF8.GetBytes(value, bytes)] = 0;
        Attribute(type, bytes);
    }

    /// <summary>Opens a nested attribute; give the result to <see cref="EndNest"/>.</summary>
    public int BeginNest(ushort type)
    {
        int at = Length;
        Write(Take(4)[2..], (ushort)(type | Nested));
        return at;
    }

    public readonly void EndNest(int at) => Write(_buffer[at..], (ushort)(Length - at));

    private static void Write<T>(Span<byte> destination, T value)
        where T : unmanaged => MemoryMarshal.Write(destination, in value);
}

/// <summary><c>NLM_F_*</c> of requests.</summary>
[Flags]
internal enum NetlinkFlags : ushort
{
    None = 0,
    Request = 0x001,
    Multi = 0x002,
    Acknowledge = 0x004,
    Dump = 0x300,
    Replace = 0x100,
    Exclusive = 0x200,
    Create = 0x400,
    Append = 0x800,
}
