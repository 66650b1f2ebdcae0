using System.Buffers.Binary;

namespace FastExit.Native.Tun;

/// <summary>What kind of large packet follows (<c>VIRTIO_NET_HDR_GSO_*</c>), without the ECN bit.</summary>
public enum SegmentationKind : byte
{
    None = 0,
    TcpV4 = 1,

    /// <summary>UDP fragmentation, gone from Linux; never sent, and refused when read.</summary>
    UdpFragments = 3,
    TcpV6 = 4,

    /// <summary>UDP datagrams of equal size (USO), IPv4 or IPv6.</summary>
    Udp = 5,
}

/// <summary>
/// The header before every packet of a device with <c>IFF_VNET_HDR</c>: <c>struct virtio_net_hdr</c>, 10 bytes,
/// little-endian as <c>TUNSETVNETLE</c> asks (virtio 1.3 §5.1.6): flags, gso type, then four 16-bit words. The
/// 12-byte form adds a buffer count that TUN always sets to zero or ignores; the 10-byte form is the device's own
/// default and saves the copy.
/// </summary>
/// <param name="Flags">Bit 0: checksum to be completed. Bit 1: checksum known to be good.</param>
/// <param name="RawKind">Segmentation kind with the ECN bit.</param>
/// <param name="HeaderBytes">IP and transport header together; a hint when read.</param>
/// <param name="SegmentBytes">Payload of each segment but the last; 0 when there is no segmentation.</param>
/// <param name="ChecksumStart">Where the sum begins, from the start of the IP packet.</param>
/// <param name="ChecksumOffset">Where it is stored, from <paramref name="ChecksumStart"/>.</param>
public readonly record struct VirtioNetHeader(
    byte Flags, byte RawKind, ushort HeaderBytes, ushort SegmentBytes, ushort ChecksumStart, ushort ChecksumOffset)
{
    public const int Bytes = 10;

    public const byte NeedsChecksumFlag = 1;
    public const byte DataValidFlag = 2;
    public const byte EcnBit = 0x80;

    /// <summary>The checksum field holds the pseudo-header's sum only; the rest is the reader's to add.</summary>
    public bool NeedsChecksum => (Flags & NeedsChecksumFlag) != 0;

    public SegmentationKind Kind => (SegmentationKind)(RawKind & ~EcnBit);

    /// <summary>The first segment carries CWR, and only the first may.</summary>
    public bool HasEcn => (RawKind & EcnBit) != 0;

    /// <summary>False when there are fewer than <see cref="Bytes"/> bytes. Fields are not judged.</summary>
    public static bool TryRead(ReadOnlySpan<byte> source, out VirtioNetHeader header)
    {
        header = default;
        if (source.Length < Bytes)
            return false;
        header = new VirtioNetHeader(
            source[0],
            source[1],
            BinaryPrimitives.ReadUInt16LittleEndian(source[2..]),
            BinaryPrimitives.ReadUInt16LittleEndian(source[4..]),
            BinaryPrimitives.ReadUInt16LittleEndian(source[6..]),
            BinaryPrimitives.ReadUInt16LittleEndian(source[8..]));
        return true;
    }

    /// <summary>False when there is no room for <see cref="Bytes"/> bytes.</summary>
    public bool TryWrite(Span<byte> destination)
    {
        if (destination.Length < Bytes)
            return false;
        destination[0] = Flags;
        destination[1] = RawKind;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[2..], HeaderBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[4..], SegmentBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[6..], ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[8..], ChecksumOffset);
        return true;
    }
}
