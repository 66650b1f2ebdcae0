using FastExit.Crypto.EndToEnd;
using FastExit.MixLink;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.MixLink;

public sealed class FrameHeaderTests
{
    /// <summary>mix-link.md A.2.</summary>
    [Theory]
    [InlineData("070100", 1, 0, 2413)]
    [InlineData("070200", 2, 0, 386)]
    [InlineData("08010002", 1, 2, 2413)]
    [InlineData("08030001", 3, 1, 33133)]
    public void PublishedHeaders(string hex, int size, int rotation, int packetBytes)
    {
        byte[] bytes = Convert.FromHexString(hex);
        Assert.Equal(FrameStatus.Ok, FrameHeader.TryRead(bytes, out FrameHeader header));
        Assert.Equal(((PacketSize)size, (KeyRotation)rotation, packetBytes, bytes.Length), (header.Size, header.Rotation, header.PacketBytes, header.Bytes));
        byte[] written = new byte[bytes.Length];
        header.Write(written);
        Assert.Equal(bytes, written);
        for (int i = 0; i < bytes.Length; i++)
            Assert.Equal(FrameStatus.Incomplete, FrameHeader.TryRead(bytes.AsSpan(0, i), out _));
    }

    [Fact]
    public void EveryHeaderOfFourBytesMeansWhatTheTableSays()
    {
        var random = new SeededBytes(1);
        Span<byte> bytes = stackalloc byte[4];
        int accepted = 0;
        for (int i = 0; i < 2_000_000; i++)
        {
            random.Fill(bytes);
            bytes[0] = (byte)(random.Below(4) == 0 ? bytes[0] : 7 + (bytes[0] & 1));
            if (random.Below(4) != 0)
                bytes[1] %= 8;
            if (random.Below(8) != 0)
                bytes[2] %= 2;
            bytes[3] = (byte)(random.Below(4) == 0 ? bytes[3] : bytes[3] % 4);
            FrameStatus expected = bytes[0] is not (7 or 8) ? FrameStatus.BadVersion
                : bytes[1] is 0 or > 5 ? FrameStatus.BadSize
                : bytes[2] != 0 ? FrameStatus.BadType
                : bytes[0] == 8 && bytes[3] > 2 ? FrameStatus.BadRotation
                : FrameStatus.Ok;
            Assert.Equal(expected, FrameHeader.TryRead(bytes, out FrameHeader header));
            // A verdict that fewer bytes allow is the same one.
            FrameStatus early = FrameHeader.TryRead(bytes[..random.Below(4)], out _);
            Assert.True(early == FrameStatus.Incomplete || early == expected);
            if (expected != FrameStatus.Ok)
                continue;
            accepted++;
            Assert.Equal(bytes[0] == 7 ? KeyRotation.Unknown : (KeyRotation)bytes[3], header.Rotation);
        }

        Assert.True(accepted > 100_000);
    }
}
