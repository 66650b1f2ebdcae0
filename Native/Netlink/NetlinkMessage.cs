using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace FastExit.Native.Netlink;

/// <summary>A received netlink message; lengths were checked against the datagram.</summary>
/// <param name="type">From the header.</param>
/// <param name="flags">From the header.</param>
/// <param name="sequence">From the header.</param>
/// <param name="body">All after the header.</param>
internal readonly ref struct NetlinkMessage(ushort type, ushort flags, uint sequence, ReadOnlySpan<byte> body)
{
    public const ushort ErrorType = 2;
    public const ushort DoneType = 3;

    private const ushort CappedFlag = 0x100;
    private const ushort ExtendedFlag = 0x200;

    public ushort Type { get; } = type;

    public ushort Flags { get; } = flags;

    public uint Sequence { get; } = sequence;

    public ReadOnlySpan<byte> Body { get; } = body;

    /// <summary>Cuts the first message off a datagram; false when nothing whole is left.</summary>
    public static bool TryRead(ref ReadOnlySpan<byte> datagram, out NetlinkMessage message)
    {
        message = default;
        if (datagram.Length < NetlinkMessageWriter.HeaderBytes)
            return false;
        uint length = MemoryMarshal.Read<uint>(datagram);
        if (length < NetlinkMessageWriter.HeaderBytes || length > (uint)datagram.Length)
            return false;
        message = new NetlinkMessage(
            MemoryMarshal.Read<ushort>(datagram[4..]),
            MemoryMarshal.Read<ushort>(datagram[6..]),
            MemoryMarshal.Read<uint>(datagram[8..]),
            datagram[NetlinkMessageWriter.HeaderBytes..(int)length]);
        datagram = datagram[(int)Math.Min((length + 3) & ~3u, (uint)datagram.Length)..];
        return true;
    }

    /// <summary>The attributes after a family header; empty when the body is shorter than that.</summary>
    public NetlinkAttributes Attributes(int familyHeaderBytes) =>
        new(familyHeaderBytes <= Body.Length ? Body[familyHeaderBytes..] : default);

    /// <summary>Reads an NLMSG_ERROR: 0 for an acknowledgement, else the positive errno, and what the kernel says of
    /// it (NETLINK_EXT_ACK) or null.</summary>
    public bool TryReadError(out int errno, out string? text)
    {
        errno = 0;
        text = null;
        if (Type != ErrorType || Body.Length < 4)
            return false;
        errno = -MemoryMarshal.Read<int>(Body);
        if ((Flags & ExtendedFlag) == 0 || Body.Length < 4 + NetlinkMessageWriter.HeaderBytes)
            return true;
        // The request is echoed before the attributes: its header alone when capped, else all of it.
        uint echoed = (Flags & CappedFlag) != 0
            ? NetlinkMessageWriter.HeaderBytes
            : (MemoryMarshal.Read<uint>(Body[4..]) + 3) & ~3u;
        if (echoed > (uint)Body.Length - 4)
            return true;
        var attributes = new NetlinkAttributes(Body[(4 + (int)echoed)..]);
        while (attributes.TryNext(out ushort type, out ReadOnlySpan<byte> value))
        {
            const ushort MessageText = 1;
            if (type == MessageText)
                text = NetlinkAttributes.Text(value);
        }

        return true;
    }
}

/// <summary>Walks attributes; stops at the first that is not whole.</summary>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> rest)
{
    private const ushort TypeMask = 0x3fff;

    private ReadOnlySpan<byte> _rest = rest;

    public bool TryNext(out ushort type, out ReadOnlySpan<byte> value)
    {
        type = 0;
        value = default;
        if (_rest.Length < 4)
            return false;
        int length = MemoryMarshal.Read<ushort>(_rest);
        if (length < 4 || length > _rest.Length)
            return false;
        type = (ushort)(MemoryMarshal.Read<ushort>(_rest[2..]) & TypeMask);
        value = _rest[4..length];
        _rest = _rest[Math.Min((length + 3) & ~3, _rest.Length)..];
        return true;
    }

    /// <summary>Up to the first zero.</summary>
    public static string Text(ReadOnlySpan<byte> value)
    {
        int end = value.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? value : value[..end]);
    }

    /// <summary>The host's order; 0 when it is too short.</summary>
    public static uint Number(ReadOnlySpan<byte> value) => value.Length < 4 ? 0 : MemoryMarshal.Read<uint>(value);

    /// <summary>Network order; 0 when it is too short.</summary>
    public static uint BigEndian(ReadOnlySpan<byte> value) =>
        value.Length < 4 ? 0 : BinaryPrimitives.ReadUInt32BigEndian(value);
}
