using System.Buffers.Binary;
using FastExit.Native.Tun;

namespace FastExit.IpPacketRouter.Packets;

/// <summary>
/// Cuts an IPv4 packet into fragments for a smaller link (RFC 791 §3.2), one after the other; a fragment is cut into smaller ones the same
/// way. The packet may be fragmented and has no options that every fragment must carry: <see cref="MayCut"/>.
/// </summary>
public ref struct IPv4Fragmenter
{
    private const ushort MoreFlag = 0x2000, KeptFlags = 0xC000, OffsetMask = 0x1FFF;

    private const int DoNotFragmentFlag = 0x40, FragmentOffset = 6, ChecksumOffset = 10;

    private readonly ReadOnlySpan<byte> _packet;
    private readonly ReadOnlySpan<byte> _payload;
    private readonly int _mtu;
    private readonly int _flagsAndOffset;
    private int _done;

    /// <param name="packet">Its first <c>ip.Bytes</c> bytes count.</param>
    /// <param name="ip">What it says of itself.</param>
    /// <param name="mtu">At least 28: a header and eight bytes.</param>
    public IPv4Fragmenter(ReadOnlySpan<byte> packet, in IpPacket ip, int mtu)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mtu, IpPacket.IPv4HeaderBytes + 8);
        int headerBytes = (packet[0] & 15) * 4;
        _packet = packet;
        _payload = packet[headerBytes..ip.Bytes];
        _mtu = mtu;
        _flagsAndOffset = BinaryPrimitives.ReadUInt16BigEndian(packet[FragmentOffset..]);
    }

    public static bool MayCut(ReadOnlySpan<byte> packet, in IpPacket ip) =>
        !ip.IsIPv6 && !ip.AsksRouters && (packet[FragmentOffset] & DoNotFragmentFlag) == 0;

    /// <summary>Writes the next one; false after the last. The destination holds an MTU.</summary>
    public bool TryNext(scoped Span<byte> destination, out int bytes)
    {
        bytes = 0;
        if (_done >= _payload.Length)
            return false;
        int left = _payload.Length - _done;
        int piece = left <= _mtu - IpPacket.IPv4HeaderBytes ? left : (_mtu - IpPacket.IPv4HeaderBytes) & ~7;
        bytes = IpPacket.IPv4HeaderBytes + piece;
        Span<byte> header = destination[..IpPacket.IPv4HeaderBytes];
        _packet[..IpPacket.IPv4HeaderBytes].CopyTo(header);
        _payload.Slice(_done, piece).CopyTo(destination[IpPacket.IPv4HeaderBytes..]);

        // Padding behind the header is left out.
        header[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)bytes);
        int more = piece < left ? MoreFlag : _flagsAndOffset & MoreFlag;
        int offset = (_flagsAndOffset & OffsetMask) + (_done / 8);
        BinaryPrimitives.WriteUInt16BigEndian(header[FragmentOffset..], (ushort)((_flagsAndOffset & KeptFlags) | more | offset));
        header.Slice(ChecksumOffset, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(header[ChecksumOffset..], InternetChecksum.Compute(header));
        _done += piece;
        return true;
    }
}
