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

    /// <summary>A million bursts, cut anywhere: what comes out is what went in, up to the first frame with a wrong header.</summary>
    [Fact]
    public void BurstsEndAtTheirFirstWrongFrame()
    {
        int good = GeneratedInputs.Accepted(61, (random, inputs) =>
        {
            int accepted = 0, cut = 0;
            byte[] stream = new byte[4 * 2500];
            var sent = new List<(PacketSize Size, KeyRotation Rotation, int Offset)>();
            var reader = new FrameReader();
            for (int i = 0; i < inputs; i++)
            {
                sent.Clear();
                int end = 0;
                bool sound = true;
                for (int frames = random.Next(1, 4); frames > 0 && sound; frames--)
                {
                    var size = random.Next(8) == 0 ? PacketSize.Regular : PacketSize.Acknowledgement;
                    bool legacy = random.Next(4) == 0;
                    var rotation = legacy ? KeyRotation.Unknown : (KeyRotation)random.Next(3);
                    byte[] head = legacy ? [7, (byte)size, 0] : [8, (byte)size, 0, (byte)rotation];
                    if (random.Next(64) == 0)
                    {
                        // Above every good value of its place, version 9, size 6, type 1, rotation 3.
                        int at = random.Next(head.Length);
                        head[at] = (byte)random.Next(at switch { 0 => 9, 1 => 6, 2 => 1, _ => 3 }, 256);
                        sound = false;
                    }

                    head.CopyTo(stream, end);
                    end += head.Length;
                    if (!sound)
                        break;
                    BitConverter.TryWriteBytes(stream.AsSpan(end), random.NextInt64());
                    sent.Add((size, rotation, end));
                    end += PacketSizes.PacketBytes(size);
                }

                int received = 0, done = 0;
                bool taken = true;
                while (done < end && taken)
                {
                    int portion = random.Next(2) == 0 ? end - done : random.Next(1, end - done + 1);
                    stream.AsSpan(done, portion).CopyTo(reader.Free.Span);
                    done += portion;
                    cut += done < end ? 1 : 0;
                    taken = reader.Received(portion, packet =>
                    {
                        (PacketSize size, KeyRotation rotation, int offset) = sent[received++];
                        Assert.True(packet.Size == size && packet.Rotation == rotation
                            && packet.Span.SequenceEqual(stream.AsSpan(offset, PacketSizes.PacketBytes(size))));
                        packet.Return();
                    });
                }

                Assert.Equal(sound, taken);
                Assert.Equal(sent.Count, received);
                accepted += taken ? 1 : 0;
                if (!taken)
                    Assert.True(reader.TryReset());
            }

            Assert.True(cut > inputs / 4);
            return accepted;
        });
        Assert.InRange(good, 900_000, 990_000);
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
