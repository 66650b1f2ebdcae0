using System.Buffers.Binary;
using FastExit.Native.Tun;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class TunSegmenterTests
{
    [Fact]
    public void The_checksum_example_of_rfc_1071_holds()
    {
        byte[] data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        Assert.Equal(0xddf2, InternetChecksum.Fold(InternetChecksum.Sum(data)));
        Assert.Equal(0x220d, InternetChecksum.Compute(data));
    }

    [Fact]
    public void Checksums_equal_a_naive_loop_at_every_length_and_alignment()
    {
        var random = new Random(1);
        byte[] data = new byte[70000];
        random.NextBytes(data);
        for (int length = 0; length < 600; length++)
            for (int start = 0; start < 4; start++)
                Check(data.AsSpan(start, length));
        Check(data);
        Array.Fill(data, (byte)0xff);
        Check(data);
        Check(data.AsSpan(0, 65535));

        static void Check(ReadOnlySpan<byte> span)
        {
            ushort expected = (ushort)~TunPackets.Naive(span);
            Assert.Equal(expected, InternetChecksum.Compute(span));
            byte[] copy = new byte[span.Length + 1];
            copy[^1] = 0xa5;
            Assert.Equal(expected, InternetChecksum.Finish(InternetChecksum.CopyAndSum(span, copy)));
            Assert.True(span.SequenceEqual(copy.AsSpan(0, span.Length)));
            Assert.Equal(0xa5, copy[^1]);
        }
    }

    [Fact]
    public void An_updated_checksum_equals_one_computed_anew()
    {
        var random = new Random(2);
        byte[] data = new byte[64];
        for (int round = 0; round < 200_000; round++)
        {
            random.NextBytes(data);
            ushort before = InternetChecksum.Compute(data);
            int at = random.Next(16) * 2;
            int length = random.Next(1, 9) * 2;
            byte[] old = data[at..(at + length)];
            random.NextBytes(data.AsSpan(at, length));
            Assert.Equal(InternetChecksum.Compute(data), InternetChecksum.Update(before, old, data.AsSpan(at, length)));
        }
    }

    [Fact]
    public void A_header_reads_back_what_was_written()
    {
        var random = new Random(3);
        byte[] bytes = new byte[VirtioNetHeader.Bytes];
        byte[] again = new byte[VirtioNetHeader.Bytes];
        for (int round = 0; round < 1_000_000; round++)
        {
            random.NextBytes(bytes);
            Assert.True(VirtioNetHeader.TryRead(bytes, out VirtioNetHeader header));
            Assert.True(header.TryWrite(again));
            Assert.True(again.AsSpan().SequenceEqual(bytes));
        }

        Assert.False(VirtioNetHeader.TryRead(bytes.AsSpan(1), out _));
        Assert.False(default(VirtioNetHeader).TryWrite(again.AsSpan(1)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Tcp_segments_count_on_and_keep_flags_where_they_belong(bool ipv6)
    {
        byte[] payload = Payload(3000);
        byte[] packet = TunPackets.Tcp(ipv6, 0xffff_fe00, payload,
            TunPackets.Ack | TunPackets.Push | TunPackets.Fin | TunPackets.Congestion, identification: 0xffff);
        byte[] frame = TunPackets.Frame(packet, ipv6 ? SegmentationKind.TcpV6 : SegmentationKind.TcpV4, 1400);
        Assert.True(PacketSegmenter.TryOpen(frame, out PacketSegmenter segmenter));
        Assert.Equal(3, segmenter.Packets);

        int transport = ipv6 ? 40 : 20;
        byte[] slot = new byte[1500];
        byte[] flags = new byte[3];
        for (int index = 0; index < 3; index++)
        {
            Assert.False(segmenter.TryNext(slot.AsSpan(0, segmenter.NextBytes - 1), out _));
            Assert.True(segmenter.TryNext(slot, out int bytes));
            Assert.True(TunPackets.Verifies(slot.AsSpan(0, bytes)));
            uint sequence = BinaryPrimitives.ReadUInt32BigEndian(slot.AsSpan(transport + 4));
            Assert.Equal(unchecked(0xffff_fe00 + (uint)(index * 1400)), sequence);
            if (!ipv6)
                Assert.Equal((ushort)(0xffff + index), BinaryPrimitives.ReadUInt16BigEndian(slot.AsSpan(4)));
            flags[index] = slot[transport + 13];
        }

        Assert.False(segmenter.TryNext(slot, out _));
        Assert.Equal(0, segmenter.NextBytes);
        Assert.Equal(
            [TunPackets.Ack | TunPackets.Congestion, TunPackets.Ack, TunPackets.Ack | TunPackets.Push | TunPackets.Fin],
            flags);
    }

    [Fact]
    public void A_packet_with_half_a_checksum_is_completed()
    {
        byte[] packet = TunPackets.Udp(ipv6: true, Payload(33));
        byte[] frame = TunPackets.Frame(packet, SegmentationKind.None, 0);
        Assert.True(PacketSegmenter.TryOpen(frame, out PacketSegmenter segmenter));
        byte[] slot = new byte[1500];
        Assert.True(segmenter.TryNext(slot, out int bytes));
        Assert.Equal(packet, slot[..bytes]);
    }

    [Fact]
    public void Every_valid_frame_gives_its_payload_back_in_packets_that_verify()
    {
        var random = new Random(4);
        byte[] slot = new byte[70000];
        byte[] source = Payload(65536);
        for (int round = 0; round < 5000; round++)
        {
            bool ipv6 = random.Next(2) == 0;
            bool tcp = random.Next(2) == 0;
            int size = random.Next(20) == 0 ? random.Next(0, 65400) : random.Next(0, 4000);
            int segment = random.Next(1, 1461) + (size / 100);
            ReadOnlySpan<byte> payload = source.AsSpan(random.Next(source.Length - size), size);
            byte[] packet = tcp
                ? TunPackets.Tcp(ipv6, (uint)random.Next(), payload, optionBytes: random.Next(11) * 4)
                : TunPackets.Udp(ipv6, payload, (ushort)random.Next());
            SegmentationKind kind = !tcp ? SegmentationKind.Udp
                : ipv6 ? SegmentationKind.TcpV6 : SegmentationKind.TcpV4;
            byte[] frame = TunPackets.Frame(packet, kind, segment);
            Assert.True(PacketSegmenter.TryOpen(frame, out PacketSegmenter segmenter));
            int headerBytes = packet.Length - size;
            int at = 0;
            while (segmenter.NextBytes > 0)
            {
                Assert.True(segmenter.TryNext(slot, out int bytes));
                Assert.True(TunPackets.Verifies(slot.AsSpan(0, bytes)));
                Assert.True(slot.AsSpan(headerBytes, bytes - headerBytes)
                    .SequenceEqual(payload.Slice(at, bytes - headerBytes)));
                at += bytes - headerBytes;
            }

            Assert.Equal(size, at);
        }
    }

    [Fact]
    public void No_frame_makes_it_throw_or_write_outside()
    {
        var random = new Random(5);
        byte[] good = TunPackets.Frame(TunPackets.Tcp(false, 1, Payload(300)), SegmentationKind.TcpV4, 100);
        byte[] good6 = TunPackets.Frame(TunPackets.Udp(true, Payload(300)), SegmentationKind.Udp, 100);
        byte[] frame = new byte[400];
        byte[] slot = new byte[512];
        int opened = 0;
        for (int round = 0; round < 1_000_000; round++)
        {
            int length = random.Next(0, frame.Length);
            byte[] model = random.Next(2) == 0 ? good : good6;
            if (random.Next(4) == 0)
            {
                random.NextBytes(frame);
            }
            else
            {
                length = random.Next(3) == 0 ? Math.Min(length, model.Length) : model.Length;
                model.AsSpan(0, length).CopyTo(frame);
                for (int change = random.Next(1, 5); change > 0; change--)
                    frame[random.Next(Math.Min(length + 1, 90))] = (byte)random.Next(256);
            }

            if (!PacketSegmenter.TryOpen(frame.AsSpan(0, length), out PacketSegmenter segmenter))
                continue;
            opened++;
            for (int packets = 0; segmenter.NextBytes > 0; packets++)
            {
                Assert.True(packets < 65536);
                int room = segmenter.NextBytes;
                slot[room] = 0xa5;
                Assert.True(segmenter.TryNext(slot.AsSpan(0, room), out int bytes));
                Assert.Equal(room, bytes);
                Assert.Equal(0xa5, slot[room]);
            }
        }

        Assert.InRange(opened, 100_000, 999_999);
    }

    [Fact]
    public void Segmenting_allocates_nothing()
    {
        byte[] frame = TunPackets.Frame(TunPackets.Tcp(false, 1, Payload(60000)), SegmentationKind.TcpV4, 1400);
        byte[] slot = new byte[1500];
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 100; round++)
            Run();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Run()
        {
            Assert.True(PacketSegmenter.TryOpen(frame, out PacketSegmenter segmenter));
            while (segmenter.TryNext(slot, out _))
            {
            }
        }
    }

    private static byte[] Payload(int bytes)
    {
        byte[] payload = new byte[bytes];
        new Random(bytes).NextBytes(payload);
        return payload;
    }
}
