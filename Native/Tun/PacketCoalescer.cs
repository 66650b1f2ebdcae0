using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;

namespace FastExit.Native.Tun;

/// <summary>
/// Joins packets on their way to a TUN into few large frames, so that the host's stack sees each flow once per batch
/// (what GRO does for a network card). Joined are TCP segments that follow one another and UDP datagrams of one size,
/// in the batch's order, whose headers say the same in every other field, options included; all but the last carry
/// the same number of bytes, and PSH only the last. Checksums are verified first, so nothing broken is made good. Cut
/// apart again the frame gives the same packets, but for the IPv4 identification where "don't fragment" makes it
/// meaningless. All else passes as a frame of one packet, and packets of one flow keep their order.
/// <para>A batch: <see cref="Clear"/>, <see cref="Add"/> …, then <see cref="Fill"/> for each of <see cref="Frames"/>.
/// Payload is not copied: packets and this object must stay unchanged until the writes are complete. One thread;
/// allocates nothing after construction.</para>
/// </summary>
public sealed class PacketCoalescer : IDisposable
{
    /// <summary>Packets in one frame: what kernels take at most in a UDP frame.</summary>
    public const int MaximumSegments = 64;

    /// <summary>Parts that a <see cref="GatherList"/> for <see cref="Fill"/> must hold.</summary>
    public const int MaximumParts = 1 + MaximumSegments;

    private const int MaximumPacketBytes = 65535;
    private const int HeaderSlotBytes = 128;

    private readonly bool coalesceUdp;
    private readonly Part[] parts;
    private readonly Frame[] frames;
    private readonly int[] buckets;
    private readonly PinnedRegion headers;

    /// <param name="capacity">Packets in a batch.</param>
    /// <param name="coalesceUdp">The device takes large UDP frames: it was granted <see cref="TunOffload.UdpV4"/>.
    /// </param>
    public PacketCoalescer(int capacity, bool coalesceUdp)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        Capacity = capacity;
        this.coalesceUdp = coalesceUdp;
        parts = new Part[capacity];
        frames = new Frame[capacity];
        buckets = new int[BitOperations.RoundUpToPowerOf2((uint)capacity * 2)];
        // The first slot stays zero: the header of a packet that is alone.
        headers = PinnedRegion.Allocate((long)HeaderSlotBytes * (capacity + 1), preferHugePages: false);
    }

    public int Capacity { get; }

    /// <summary>Packets in the batch.</summary>
    public int Packets { get; private set; }

    /// <summary>Frames that the batch makes so far, in the order of their first packets.</summary>
    public int Frames { get; private set; }

    public void Clear()
    {
        Packets = Frames = 0;
        Array.Clear(buckets);
    }

    /// <summary>Takes the next packet, without a <see cref="VirtioNetHeader"/>; false when the batch is full.</summary>
    public bool Add(PinnedRegion region, long offset, int length)
    {
        ArgumentNullException.ThrowIfNull(region);
        ReadOnlySpan<byte> packet = region.Slice(offset, length);
        if (Packets == Capacity)
            return false;
        int part = Packets++;
        parts[part] = new Part(region, offset, length, -1);
        if (!PacketLayout.TryRead(packet, out PacketLayout layout))
        {
            StartFrame(part, length);
            return true;
        }

        ref int bucket = ref FindBucket(packet, layout);
        if (bucket == 0 || !TryJoin(ref frames[bucket - 1], part, packet, layout))
        {
            // A later frame of the flow takes the bucket: nothing joins the earlier one past it.
            bucket = StartFrame(part, length) + 1;
            ref Frame frame = ref frames[bucket - 1];
            frame.Layout = layout;
            frame.Open = MayLead(packet, layout);
            frame.SegmentBytes = length - layout.PayloadOffset;
        }

        return true;
    }

    /// <summary>How many packets a frame joins.</summary>
    public int PacketsIn(int frame) => FrameAt(frame).Packets;

    /// <summary>Bytes of a frame, its <see cref="VirtioNetHeader"/> included.</summary>
    public int BytesOf(int frame) => VirtioNetHeader.Bytes + FrameAt(frame).Bytes;

    /// <summary>Empties the list and puts a frame's parts into it, ready for one vectored write.</summary>
    /// <exception cref="InvalidOperationException">The list holds fewer than it takes
    /// (<see cref="MaximumParts"/>).</exception>
    public void Fill(int frame, GatherList list)
    {
        ArgumentNullException.ThrowIfNull(list);
        ref readonly Frame chosen = ref FrameAt(frame);
        list.Clear();
        bool joined = chosen.Packets > 1;
        long slot = joined ? (long)HeaderSlotBytes * (frame + 1) : 0;
        int headerBytes = joined
            ? WriteHeader(chosen, headers.Slice(slot, HeaderSlotBytes))
            : VirtioNetHeader.Bytes;
        bool fits = list.TryAdd(headers, slot, headerBytes);
        int skipped = joined ? chosen.Layout.PayloadOffset : 0;
        for (int at = chosen.First; at >= 0; at = parts[at].Next)
        {
            ref readonly Part part = ref parts[at];
            fits &= list.TryAdd(part.Region, part.Offset + skipped, part.Length - skipped);
        }

        if (!fits)
            throw new InvalidOperationException($"A frame may take {MaximumParts} parts");
    }

    /// <summary>Writes a frame in one piece; its bytes, or 0 when the destination is shorter than
    /// <see cref="BytesOf"/>.</summary>
    public int Copy(int frame, Span<byte> destination)
    {
        int bytes = BytesOf(frame);
        if (destination.Length < bytes)
            return 0;
        ref readonly Frame chosen = ref FrameAt(frame);
        bool joined = chosen.Packets > 1;
        int written = VirtioNetHeader.Bytes;
        destination[..written].Clear();
        if (joined)
            written = WriteHeader(chosen, destination);
        int skipped = joined ? chosen.Layout.PayloadOffset : 0;
        for (int at = chosen.First; at >= 0; at = parts[at].Next)
        {
            ReadOnlySpan<byte> rest = parts[at].Span[skipped..];
            rest.CopyTo(destination[written..]);
            written += rest.Length;
        }

        return written;
    }

    public void Dispose() => headers.Dispose();

    private ref readonly Frame FrameAt(int frame)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)frame, (uint)Frames, nameof(frame));
        return ref frames[frame];
    }

    private int StartFrame(int part, int length)
    {
        frames[Frames] = new Frame { First = part, Last = part, Packets = 1, Bytes = length };
        return Frames++;
    }

    private bool TryJoin(ref Frame frame, int part, ReadOnlySpan<byte> packet, PacketLayout layout)
    {
        if (!frame.Open)
            return false;
        int payload = packet.Length - layout.PayloadOffset;
        ReadOnlySpan<byte> first = parts[frame.First].Span;
        bool fits = frame.Layout == layout && payload > 0 && payload <= frame.SegmentBytes
            && frame.Packets < MaximumSegments && frame.Bytes + payload <= MaximumPacketBytes;
        if (!fits || !PacketFlow.Continues(first, packet, layout, frame.Packets, frame.Bytes - layout.PayloadOffset))
            return false;
        if (!frame.Verified && !PacketFlow.Verifies(first, layout))
        {
            frame.Open = false;
            return false;
        }

        frame.Verified = true;
        if (!PacketFlow.Verifies(packet, layout))
            return false;
        parts[frame.Last].Next = part;
        frame.Last = part;
        frame.Packets++;
        frame.Bytes += payload;
        frame.Open = payload == frame.SegmentBytes && !PacketFlow.Pushes(packet, layout);
        return true;
    }

    private bool MayLead(ReadOnlySpan<byte> packet, PacketLayout layout) =>
        packet.Length > layout.PayloadOffset && PacketFlow.IsPlain(packet, layout)
        && (layout.Protocol == PacketLayout.Tcp || coalesceUdp) && !PacketFlow.Pushes(packet, layout);

    private int WriteHeader(in Frame frame, Span<byte> destination)
    {
        PacketLayout layout = frame.Layout;
        ReadOnlySpan<byte> first = parts[frame.First].Span;
        SegmentationKind kind = layout.Protocol == PacketLayout.Udp ? SegmentationKind.Udp
            : layout.IsIPv6 ? SegmentationKind.TcpV6 : SegmentationKind.TcpV4;
        new VirtioNetHeader(
            VirtioNetHeader.NeedsChecksumFlag,
            (byte)kind,
            (ushort)layout.PayloadOffset,
            (ushort)frame.SegmentBytes,
            (ushort)layout.TransportOffset,
            (ushort)layout.ChecksumOffset).TryWrite(destination);

        Span<byte> header = destination.Slice(VirtioNetHeader.Bytes, layout.PayloadOffset);
        first[..layout.PayloadOffset].CopyTo(header);
        if (layout.IsIPv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(header[4..], (ushort)(frame.Bytes - PacketLayout.IPv6Bytes));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)frame.Bytes);
            header[10..12].Clear();
            ushort sum = InternetChecksum.Compute(header[..layout.TransportOffset]);
            BinaryPrimitives.WriteUInt16BigEndian(header[10..], sum);
        }

        int transportBytes = frame.Bytes - layout.TransportOffset;
        Span<byte> transport = header[layout.TransportOffset..];
        if (layout.Protocol == PacketLayout.Tcp)
            transport[13] = parts[frame.Last].Span[layout.TransportOffset + 13];
        else
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transportBytes);
        ulong pseudo = InternetChecksum.PseudoHeader(layout.Addresses(header), layout.Protocol, transportBytes);
        BinaryPrimitives.WriteUInt16BigEndian(transport[layout.ChecksumOffset..], InternetChecksum.Fold(pseudo));
        return VirtioNetHeader.Bytes + layout.PayloadOffset;
    }

    // Open addressing; never full, as there are twice as many buckets as packets.
    private ref int FindBucket(ReadOnlySpan<byte> packet, PacketLayout layout)
    {
        uint mask = (uint)buckets.Length - 1;
        uint at = PacketFlow.Hash(packet, layout);
        while (true)
        {
            ref int bucket = ref buckets[at++ & mask];
            if (bucket == 0)
                return ref bucket;
            ref readonly Frame frame = ref frames[bucket - 1];
            if (PacketFlow.IsSame(parts[frame.First].Span, frame.Layout, packet, layout))
                return ref bucket;
        }
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Part(PinnedRegion region, long offset, int length, int next)
    {
        public readonly PinnedRegion Region = region;
        public readonly long Offset = offset;
        public readonly int Length = length;
        public int Next = next;

        public readonly ReadOnlySpan<byte> Span => Region.Slice(Offset, Length);
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Frame
    {
        public PacketLayout Layout;
        public int First;
        public int Last;
        public int Packets;
        public int Bytes;
        public int SegmentBytes;
        public bool Open;
        public bool Verified;
    }
}
