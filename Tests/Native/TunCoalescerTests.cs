using System.Buffers.Binary;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Tun;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class TunCoalescerTests : IDisposable
{
    private const int Capacity = 128;
    private const int SlotBytes = 2048;

    private static readonly byte[] s_source = System.Security.Cryptography.RandomNumberGenerator.GetBytes(8192);

    private readonly PinnedRegion _region = PinnedRegion.Allocate(Capacity * SlotBytes);
    private readonly PacketCoalescer _coalescer = new(Capacity, coalesceUdp: true);
    private readonly byte[] _frame = new byte[TunQueue.MaximumFrameBytes];
    private readonly byte[] _slot = new byte[SlotBytes];

    public void Dispose()
    {
        _coalescer.Dispose();
        _region.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Segments_in_a_row_become_one_frame_and_come_apart_again(bool ipv6)
    {
        byte[][] batch = [.. Enumerable.Range(0, 10).Select(at => TunPackets.Tcp(
            ipv6, (uint)(at * 1000), Payload(at, at == 9 ? 400 : 1000),
            at == 9 ? (byte)(TunPackets.Ack | TunPackets.Push) : TunPackets.Ack, (ushort)(7 + at)))];
        Add(batch);
        Assert.Equal(1, _coalescer.Frames);
        Assert.Equal(10, _coalescer.PacketsIn(0));
        Assert.Equal(batch, Apart());

        Assert.True(VirtioNetHeader.TryRead(_frame, out VirtioNetHeader header));
        Assert.Equal(ipv6 ? SegmentationKind.TcpV6 : SegmentationKind.TcpV4, header.Kind);
        Assert.Equal(1000, header.SegmentBytes);
        Assert.True(header.NeedsChecksum);
    }

    [Fact]
    public void The_parts_of_a_list_are_the_copied_frame()
    {
        Add([.. Enumerable.Range(0, 5).Select(at => TunPackets.Udp(false, Payload(at, 200), (ushort)at))]);
        int bytes = _coalescer.Copy(0, _frame);
        Assert.Equal(_coalescer.BytesOf(0), bytes);
        Assert.Equal(0, _coalescer.Copy(0, _frame.AsSpan(0, bytes - 1)));
        using var list = new GatherList(PacketCoalescer.MaximumParts);
        _coalescer.Fill(0, list);
        Assert.Equal(6, list.Count);
        Assert.Equal(bytes, list.Bytes);
        using var few = new GatherList(5);
        Assert.Throws<InvalidOperationException>(() => _coalescer.Fill(0, few));
    }

    [Fact]
    public void What_does_not_continue_is_not_joined()
    {
        byte[] lead = TunPackets.Tcp(false, 1000, Payload(1, 500), identification: 5);
        byte[] next = TunPackets.Tcp(false, 1500, Payload(2, 500), identification: 6);
        Assert.Equal(1, FramesOf(lead, next));
        Assert.Equal(2, FramesOf(lead, TunPackets.Tcp(false, 1501, Payload(2, 500), identification: 6)));
        Assert.Equal(2, FramesOf(lead, TunPackets.Tcp(false, 1500, Payload(2, 501), identification: 6)));
        Assert.Equal(2, FramesOf(lead, TunPackets.Tcp(false, 1500, [], identification: 6)));
        Assert.Equal(2, FramesOf(lead, TunPackets.Tcp(false, 1500, Payload(2, 500), identification: 7)));
        Assert.Equal(2, FramesOf(lead, TunPackets.Tcp(false, 1500, Payload(2, 500), identification: 6, port: 9)));
        byte[] fewerOptions = TunPackets.Tcp(false, 1500, Payload(2, 500), identification: 6, optionBytes: 8);
        Assert.Equal(2, FramesOf(lead, fewerOptions));
        foreach (byte flag in (byte[])[TunPackets.Fin, TunPackets.Syn, 4, 32, 64, TunPackets.Congestion])
            Assert.Equal(2, FramesOf(lead, TunPackets.Tcp(
                false, 1500, Payload(2, 500), (byte)(TunPackets.Ack | flag), identification: 6)));
        // Any header bit apart from what segmentation changes: TOS, TTL, acknowledgement, window, options …
        foreach (int at in (int[])[1, 8, 20 + 9, 20 + 15, 20 + 19, 20 + 25])
            Assert.Equal(2, FramesOf(lead, Changed(next, at)));
        // A broken checksum, of the first or of the next.
        Assert.Equal(2, FramesOf(lead, Broken(next)));
        Assert.Equal(2, FramesOf(Broken(lead), next));
        // A short or pushed one ends the frame.
        Assert.Equal(2, FramesOf(
            lead,
            TunPackets.Tcp(false, 1500, Payload(2, 499), identification: 6),
            TunPackets.Tcp(false, 1999, Payload(3, 499), identification: 7)));
        // "Don't fragment" makes identification meaningless.
        Assert.Equal(1, FramesOf(
            TunPackets.Tcp(true, 0, Payload(1, 100), doNotFragment: true),
            TunPackets.Tcp(true, 100, Payload(2, 100), doNotFragment: true)));
    }

    [Fact]
    public void Udp_stays_apart_where_the_device_lacks_it()
    {
        using var plain = new PacketCoalescer(4, coalesceUdp: false);
        for (int at = 0; at < 2; at++)
        {
            byte[] packet = TunPackets.Udp(true, Payload(at, 100));
            packet.CopyTo(_region.Slice(at * SlotBytes, packet.Length));
            Assert.True(plain.Add(_region, at * SlotBytes, packet.Length));
        }

        Assert.Equal(2, plain.Frames);
    }

    [Fact]
    public void Any_batch_comes_apart_into_itself_with_each_flow_in_order()
    {
        var random = new Random(6);
        long packets = 0;
        long frames = 0;
        for (int round = 0; round < 3000; round++)
        {
            byte[][] batch = new byte[random.Next(1, 30)][];
            var next = new uint[4];
            var identification = new ushort[4];
            for (int at = 0; at < batch.Length; at++)
                batch[at] = Random(random, next, identification);
            Add(batch);
            packets += batch.Length;
            frames += _coalescer.Frames;
            List<byte[]> apart = Apart();
            Assert.Equal(batch.Length, apart.Count);
            foreach (IGrouping<string, byte[]> flow in batch.GroupBy(Flow))
                Assert.Equal(flow, apart.Where(packet => Flow(packet) == flow.Key));
        }

        Assert.InRange(frames, packets / 10, packets * 9 / 10);
    }

    [Fact]
    public void No_packets_make_it_throw_or_lose_bytes()
    {
        var random = new Random(7);
        byte[][] models =
        [
            TunPackets.Tcp(false, 0, Payload(1, 60)), TunPackets.Tcp(true, 0, Payload(1, 60)),
            TunPackets.Udp(false, Payload(1, 60)), TunPackets.Udp(true, Payload(1, 60)),
        ];
        _coalescer.Clear();
        long expected = 0;
        for (int round = 0; round < 1_000_000; round++)
        {
            byte[] model = models[random.Next(4)];
            Span<byte> packet = _region.Slice((long)_coalescer.Packets * SlotBytes, model.Length);
            model.CopyTo(packet);
            for (int change = random.Next(4); change > 0; change--)
                packet[random.Next(packet.Length)] = (byte)random.Next(256);
            int length = random.Next(4) == 0 ? random.Next(packet.Length + 1) : packet.Length;
            Assert.True(_coalescer.Add(_region, (long)_coalescer.Packets * SlotBytes, length));
            expected += length;
            if (_coalescer.Packets < Capacity)
                continue;
            Assert.False(_coalescer.Add(_region, 0, 1));
            for (int frame = 0; frame < _coalescer.Frames; frame++)
            {
                Assert.Equal(_coalescer.BytesOf(frame), _coalescer.Copy(frame, _frame));
                expected -= _coalescer.BytesOf(frame) - VirtioNetHeader.Bytes;
                if (_coalescer.PacketsIn(frame) > 1)
                    expected -= (_coalescer.PacketsIn(frame) - 1) * HeaderBytes(_frame);
            }

            Assert.Equal(0, expected);
            _coalescer.Clear();
        }
    }

    [Fact]
    public void A_batch_allocates_nothing()
    {
        using var list = new GatherList(PacketCoalescer.MaximumParts);
        byte[][] batch = [.. Enumerable.Range(0, 40).Select(
            at => TunPackets.Tcp(true, (uint)(at * 1000), Payload(at, 1000)))];
        Add(batch);
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 100; round++)
            Run();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Run()
        {
            _coalescer.Clear();
            for (int at = 0; at < batch.Length; at++)
                _coalescer.Add(_region, at * SlotBytes, batch[at].Length);
            for (int frame = 0; frame < _coalescer.Frames; frame++)
                _coalescer.Fill(frame, list);
        }
    }

    private static int HeaderBytes(ReadOnlySpan<byte> frame)
    {
        Assert.True(VirtioNetHeader.TryRead(frame, out VirtioNetHeader header));
        return header.HeaderBytes;
    }

    private static byte[] Random(Random random, uint[] next, ushort[] identification)
    {
        int flow = random.Next(4);
        bool ipv6 = flow < 2;
        int size = random.Next(10) switch { 0 => 0, 1 => random.Next(1, 300), _ => 300 };
        ushort id = random.Next(20) == 0 ? (ushort)random.Next() : identification[flow];
        identification[flow] = (ushort)(id + 1);
        uint sequence = random.Next(20) == 0 ? (uint)random.Next() : next[flow];
        next[flow] = sequence + (uint)size;
        byte flags = random.Next(10) switch
        {
            0 => TunPackets.Ack | TunPackets.Push,
            1 => (byte)random.Next(256),
            _ => TunPackets.Ack,
        };
        byte[] packet = flow % 2 == 0
            ? TunPackets.Tcp(ipv6, sequence, Payload(size, size), flags, id)
            : TunPackets.Udp(ipv6, Payload(size, size), id);
        return random.Next(20) == 0 ? Broken(packet) : packet;
    }

    private static string Flow(byte[] packet) => $"{packet[0] >> 4} {(packet[0] >> 4 == 6 ? packet[6] : packet[9])}";

    private static byte[] Changed(byte[] packet, int at)
    {
        byte[] changed = [.. packet];
        changed[at] ^= 1;
        BinaryPrimitives.WriteUInt16BigEndian(changed.AsSpan(10), 0);
        BinaryPrimitives.WriteUInt16BigEndian(
            changed.AsSpan(10), (ushort)~TunPackets.Naive(changed.AsSpan(0, 20)));
        ushort old = BinaryPrimitives.ReadUInt16BigEndian(changed.AsSpan(36));
        if (at >= 20)
        {
            int word = at & ~1;
            BinaryPrimitives.WriteUInt16BigEndian(changed.AsSpan(36), InternetChecksum.Update(
                old,
                BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(word)),
                BinaryPrimitives.ReadUInt16BigEndian(changed.AsSpan(word))));
        }

        Assert.True(TunPackets.Verifies(changed));
        return changed;
    }

    private static byte[] Broken(byte[] packet)
    {
        byte[] broken = [.. packet];
        broken[^1] ^= 0x40;
        return broken;
    }

    private static byte[] Payload(int seed, int bytes)
    {
        int start = seed * 131 % 4096;
        return s_source[start..(start + bytes)];
    }

    private int FramesOf(params byte[][] batch)
    {
        Add(batch);
        return _coalescer.Frames;
    }

    private void Add(byte[][] batch)
    {
        _coalescer.Clear();
        for (int at = 0; at < batch.Length; at++)
        {
            batch[at].CopyTo(_region.Slice(at * SlotBytes, batch[at].Length));
            Assert.True(_coalescer.Add(_region, at * SlotBytes, batch[at].Length));
        }
    }

    private List<byte[]> Apart()
    {
        var packets = new List<byte[]>();
        for (int frame = 0; frame < _coalescer.Frames; frame++)
        {
            int bytes = _coalescer.Copy(frame, _frame);
            Assert.True(PacketSegmenter.TryOpen(_frame.AsSpan(0, bytes), out PacketSegmenter segmenter));
            Assert.Equal(_coalescer.PacketsIn(frame), segmenter.Packets);
            while (segmenter.TryNext(_slot, out int length))
                packets.Add(_slot[..length]);
        }

        return packets;
    }
}
