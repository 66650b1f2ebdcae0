using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Tun;

namespace FastExit.Bench.Micro;

/// <summary>A large TCP frame of 45 packets of 1,400 bytes, per packet: cut apart with checksums, joined again with
/// its checksums verified; and the checksum alone over one packet's bytes.</summary>
public class TunBenchmarks
{
    private const int Segments = 45;
    private const int SegmentBytes = 1348;
    private const int HeaderBytes = 52;
    private const int SlotBytes = 2048;

    private readonly byte[] _frame = Frame();
    private readonly byte[] _slot = new byte[SlotBytes];
    private PinnedRegion _packets = null!;
    private PacketCoalescer _coalescer = null!;
    private GatherList _list = null!;

    [GlobalSetup]
    public void SetUp()
    {
        _packets = PinnedRegion.Allocate(Segments * SlotBytes);
        _coalescer = new PacketCoalescer(Segments, coalesceUdp: true);
        _list = new GatherList(PacketCoalescer.MaximumParts);
        PacketSegmenter.TryOpen(_frame, out PacketSegmenter segmenter);
        for (int at = 0; at < Segments; at++)
            segmenter.TryNext(_packets.Slice(at * SlotBytes, SlotBytes), out _);
        Join();
        if (_coalescer.Frames != 1)
            throw new InvalidOperationException("The packets were not joined");
    }

    [GlobalCleanup]
    public void TearDown()
    {
        _list.Dispose();
        _coalescer.Dispose();
        _packets.Dispose();
    }

    [Benchmark(OperationsPerInvoke = Segments)]
    public int TunSegment()
    {
        int total = 0;
        if (PacketSegmenter.TryOpen(_frame, out PacketSegmenter segmenter))
        {
            while (segmenter.TryNext(_slot, out int bytes))
                total += bytes;
        }

        return total;
    }

    [Benchmark(OperationsPerInvoke = Segments)]
    public void TunCoalesce() => Join();

    [Benchmark]
    public ushort TunChecksum1400() => InternetChecksum.Compute(_frame.AsSpan(0, 1400));

    private void Join()
    {
        _coalescer.Clear();
        for (int at = 0; at < Segments; at++)
            _coalescer.Add(_packets, at * SlotBytes, HeaderBytes + SegmentBytes);
        _coalescer.Fill(0, _list);
    }

    private static byte[] Frame()
    {
        byte[] frame = new byte[VirtioNetHeader.Bytes + HeaderBytes + (Segments * SegmentBytes)];
        new Random(1).NextBytes(frame);
        new VirtioNetHeader(1, (byte)SegmentationKind.TcpV4, HeaderBytes, SegmentBytes, 20, 16).TryWrite(frame);
        Span<byte> packet = frame.AsSpan(VirtioNetHeader.Bytes);
        packet[..HeaderBytes].Clear();
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);
        packet[8] = 64;
        packet[9] = 6;
        packet[12] = packet[16] = 10;
        packet[32] = 0x80;
        packet[33] = 0x10;
        return frame;
    }
}
