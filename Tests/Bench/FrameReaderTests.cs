using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.MixLink;
using Xunit;

namespace FastExit.Tests.Bench;

public class FrameReaderTests
{
    [Fact]
    public void AnyPortionsGiveTheSamePackets()
    {
        var random = new Random(3);
        PacketSize[] sizes = [PacketSize.Regular, PacketSize.Acknowledgement, PacketSize.Extended8, PacketSize.Extended16, PacketSize.Extended32];
        for (int round = 0; round < 30; round++)
        {
            var sent = new List<(PacketSize Size, KeyRotation Rotation, byte[] Bytes)>();
            var stream = new List<byte>();
            for (int i = 0; i < 20; i++)
            {
                var size = sizes[random.Next(sizes.Length)];
                var rotation = (KeyRotation)random.Next(3);
                byte version = rotation == KeyRotation.Unknown && random.Next(2) == 0 ? FrameHeader.LegacyVersion : FrameHeader.KeyRotationVersion;
                var header = new FrameHeader(version, size, rotation);
                byte[] head = new byte[header.Bytes];
                header.Write(head);
                byte[] packet = new byte[PacketSizes.PacketBytes(size)];
                random.NextBytes(packet);
                stream.AddRange(head);
                stream.AddRange(packet);
                sent.Add((size, rotation, packet));
            }

            var received = new List<(PacketSize Size, KeyRotation Rotation, byte[] Bytes)>();
            var reader = new FrameReader();
            ReadOnlySpan<byte> rest = stream.ToArray();
            int most = random.Next(1, 60_000);
            while (!rest.IsEmpty)
            {
                Memory<byte> free = reader.Free;
                int portion = Math.Min(Math.Min(rest.Length, free.Length), random.Next(1, most + 1));
                Assert.True(portion > 0);
                rest[..portion].CopyTo(free.Span);
                rest = rest[portion..];
                Assert.True(reader.Received(portion, p => received.Add((p.Size, p.Rotation, p.Span.ToArray()))));
            }

            Assert.Equal(sent.Count, received.Count);
            Assert.All(sent.Zip(received), pair =>
            {
                Assert.Equal(pair.First.Size, pair.Second.Size);
                Assert.Equal(pair.First.Rotation, pair.Second.Rotation);
                Assert.Equal(pair.First.Bytes, pair.Second.Bytes);
            });
        }
    }

    [Theory]
    [InlineData(6, 1, 0)]
    [InlineData(9, 1, 0)]
    [InlineData(7, 0, 0)]
    [InlineData(7, 6, 0)]
    [InlineData(7, 1, 2)]
    public void BadHeadersEndTheStream(byte version, byte size, byte type)
    {
        var reader = new FrameReader();
        new byte[] { version, size, type }.CopyTo(reader.Free.Span);
        Assert.False(reader.Received(3, _ => Assert.Fail("no packet was sent")));
    }
}
