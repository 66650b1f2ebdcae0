using System.Buffers.Binary;

namespace FastExit.Native.Tun;

/// <summary>
/// Turns one frame read from a TUN queue into the IP packets it stands for, complete with lengths and checksums, as
/// the network card would (Linux <c>Documentation/networking/segmentation-offloads.rst</c>): TCP segments count on
/// in sequence number and IPv4 identification, CWR stays on the first, FIN and PSH on the last; UDP datagrams are cut
/// at the segment size. A frame without segmentation gives one packet. Reads the frame as it goes, so the frame must
/// not change until the last packet is out. Allocates nothing, keeps nothing, throws nothing.
/// </summary>
/// <example>
/// <code>
/// if (PacketSegmenter.TryOpen(frame, out PacketSegmenter segmenter))
///     while (segmenter.TryNext(slot, out int bytes)) …
/// </code>
/// </example>
public ref struct PacketSegmenter
{
    private const byte FinOrPush = 0x01 | 0x08;
    private const byte CongestionReduced = 0x80;

    private readonly ReadOnlySpan<byte> packet;
    private readonly VirtioNetHeader header;
    private readonly PacketLayout layout;
    private readonly ulong fixedSum;
    private int payloadAt;
    private int index;

    private PacketSegmenter(ReadOnlySpan<byte> packet, VirtioNetHeader header, PacketLayout layout)
    {
        this.packet = packet;
        this.header = header;
        this.layout = layout;
        Packets = 1;
        if (header.Kind == SegmentationKind.None)
            return;
        int payload = packet.Length - layout.PayloadOffset;
        Packets = Math.Max((payload + header.SegmentBytes - 1) / header.SegmentBytes, 1);
        payloadAt = layout.PayloadOffset;
        fixedSum = InternetChecksum.Sum(layout.Addresses(packet)) + layout.Protocol;
    }

    /// <summary>How many packets the frame holds.</summary>
    public int Packets { get; }

    /// <summary>Bytes of the next packet; 0 when all are out.</summary>
    public readonly int NextBytes
    {
        get
        {
            if (index >= Packets)
                return 0;
            if (header.Kind == SegmentationKind.None)
                return packet.Length;
            return layout.PayloadOffset + Math.Min(header.SegmentBytes, packet.Length - payloadAt);
        }
    }

    /// <summary>False for a frame that is cut off or whose header does not fit its packet.</summary>
    public static bool TryOpen(ReadOnlySpan<byte> frame, out PacketSegmenter segmenter)
    {
        segmenter = default;
        if (!VirtioNetHeader.TryRead(frame, out VirtioNetHeader header))
            return false;
        ReadOnlySpan<byte> packet = frame[VirtioNetHeader.Bytes..];
        PacketLayout layout = default;
        if (header.Kind == SegmentationKind.None)
        {
            if (packet.IsEmpty || (header.NeedsChecksum && !ChecksumFits(header, packet.Length)))
                return false;
        }
        else if (!PacketLayout.TryRead(packet, out layout) || !Agrees(header, layout))
        {
            return false;
        }

        segmenter = new PacketSegmenter(packet, header, layout);
        return true;
    }

    /// <summary>Completes the checksum of a packet that is not segmented, where it lies.</summary>
    /// <returns>False when the header points outside the packet, which then is unchanged.</returns>
    public static bool TryCompleteChecksum(VirtioNetHeader header, Span<byte> packet)
    {
        if (!header.NeedsChecksum)
            return true;
        if (!ChecksumFits(header, packet.Length))
            return false;
        // The field holds the pseudo-header's sum and so takes part as it stands.
        ushort sum = InternetChecksum.Compute(packet[header.ChecksumStart..]);
        BinaryPrimitives.WriteUInt16BigEndian(
            packet[(header.ChecksumStart + header.ChecksumOffset)..], sum == 0 ? (ushort)0xffff : sum);
        return true;
    }

    /// <summary>
    /// Writes the next packet. False when all are out or the destination is shorter than <see cref="NextBytes"/>;
    /// then nothing was written and nothing skipped.
    /// </summary>
    public bool TryNext(Span<byte> destination, out int bytes)
    {
        bytes = NextBytes;
        if (bytes == 0 || destination.Length < bytes)
        {
            bytes = 0;
            return false;
        }

        Span<byte> output = destination[..bytes];
        if (header.Kind == SegmentationKind.None)
        {
            packet.CopyTo(output);
            _ = TryCompleteChecksum(header, output);
        }
        else
        {
            packet[..layout.PayloadOffset].CopyTo(output);
            ulong payloadSum = InternetChecksum.CopyAndSum(
                packet.Slice(payloadAt, bytes - layout.PayloadOffset), output[layout.PayloadOffset..]);
            WriteNetworkHeader(output);
            WriteTransportHeader(output, payloadSum);
            payloadAt += bytes - layout.PayloadOffset;
        }

        index++;
        return true;
    }

    private static bool ChecksumFits(VirtioNetHeader header, int packetBytes) =>
        header.ChecksumStart + header.ChecksumOffset + 2 <= packetBytes;

    private static bool Agrees(VirtioNetHeader header, PacketLayout layout)
    {
        bool kind = header.Kind switch
        {
            SegmentationKind.TcpV4 => !layout.IsIPv6 && layout.Protocol == PacketLayout.Tcp,
            SegmentationKind.TcpV6 => layout.IsIPv6 && layout.Protocol == PacketLayout.Tcp,
            SegmentationKind.Udp => layout.Protocol == PacketLayout.Udp,
            _ => false,
        };
        bool checksum = !header.NeedsChecksum || (header.ChecksumStart == layout.TransportOffset
            && header.ChecksumOffset == layout.ChecksumOffset);
        return kind && checksum && header.SegmentBytes > 0;
    }

    private readonly void WriteNetworkHeader(Span<byte> output)
    {
        if (layout.IsIPv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(output[4..], (ushort)(output.Length - PacketLayout.IPv6Bytes));
            return;
        }

        BinaryPrimitives.WriteUInt16BigEndian(output[2..], (ushort)output.Length);
        ushort identification = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        BinaryPrimitives.WriteUInt16BigEndian(output[4..], (ushort)(identification + index));
        output[10..12].Clear();
        ushort sum = InternetChecksum.Compute(output[..layout.TransportOffset]);
        BinaryPrimitives.WriteUInt16BigEndian(output[10..], sum);
    }

    private readonly void WriteTransportHeader(Span<byte> output, ulong payloadSum)
    {
        Span<byte> transport = output[layout.TransportOffset..];
        if (layout.Protocol == PacketLayout.Tcp)
        {
            uint sequence = BinaryPrimitives.ReadUInt32BigEndian(packet[(layout.TransportOffset + 4)..]);
            sequence += (uint)(payloadAt - layout.PayloadOffset);
            BinaryPrimitives.WriteUInt32BigEndian(transport[4..], sequence);
            if (index > 0)
                transport[13] &= unchecked((byte)~CongestionReduced);
            if (index < Packets - 1)
                transport[13] &= unchecked((byte)~FinOrPush);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transport.Length);
        }

        Span<byte> field = transport.Slice(layout.ChecksumOffset, 2);
        field.Clear();
        // Transport headers are of even length, so that the sums may be added.
        ReadOnlySpan<byte> transportHeader = transport[..(layout.PayloadOffset - layout.TransportOffset)];
        ushort sum = InternetChecksum.Finish(
            InternetChecksum.Sum(transportHeader, payloadSum + fixedSum + (uint)transport.Length));
        // Zero would say that a UDP datagram has none (RFC 768); TCP's may be zero.
        bool none = sum == 0 && layout.Protocol == PacketLayout.Udp;
        BinaryPrimitives.WriteUInt16BigEndian(field, none ? (ushort)0xffff : sum);
    }
}
