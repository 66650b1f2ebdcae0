using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

/// <summary>The size table of end-to-end.md §3.1 and the rotation byte of §2.3.</summary>
[Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
public class PacketSizeTests
{
    [Theory]
    [InlineData(PacketSize.Regular, 1, 2413, 2065, 2048, 1643, 1611)]
    [InlineData(PacketSize.Extended8, 4, 8557, 8209, 8192, 7787, 7755)]
    [InlineData(PacketSize.Extended16, 5, 16749, 16401, 16384, 15979, 15947)]
    [InlineData(PacketSize.Extended32, 3, 33133, 32785, 32768, 32363, 32331)]
    [InlineData(PacketSize.Acknowledgement, 2, 386, 38, 21, 21, 0)]
    public void Sizes_of_the_table(
        PacketSize size, byte code, int packet, int payload, int plaintext, int delivered, int fragment)
    {
        Assert.Equal(packet, PacketSizes.PacketBytes(size));
        Assert.Equal(payload, PacketSizes.PayloadBytes(size));
        Assert.Equal(plaintext, PacketSizes.PlaintextBytes(size));
        Assert.Equal(delivered, PacketSizes.DeliveredBytes(size));
        Assert.Equal(fragment, PacketSizes.FragmentBytes(size));
        Assert.True(PacketSizes.TryFromCode(code, out PacketSize fromCode));
        Assert.Equal(size, fromCode);
        Assert.True(PacketSizes.TryFromPacketBytes(packet, out PacketSize fromBytes));
        Assert.Equal(size, fromBytes);
    }

    [Fact]
    public void Nothing_else_is_a_size()
    {
        int codes = 0, lengths = 0;
        for (int code = 0; code < 256; code++)
            codes += PacketSizes.TryFromCode((byte)code, out _) ? 1 : 0;
        for (int bytes = -10; bytes < 70_000; bytes++)
            lengths += PacketSizes.TryFromPacketBytes(bytes, out _) ? 1 : 0;
        Assert.Equal((5, 5), (codes, lengths));
        Assert.Equal(0, PacketSizes.PacketBytes((PacketSize)6));
        Assert.Equal(0, PacketSizes.PayloadBytes((PacketSize)0));
        Assert.Equal(0, PacketSizes.FragmentBytes((PacketSize)7));
        Assert.Equal(0, PacketSizes.DeliveredBytes((PacketSize)7));
    }

    [Fact]
    public void Layout_offsets()
    {
        Assert.Equal(801, PacketLayout.FragmentOffset);
        Assert.Equal(437, PacketSizes.FragmentOffsetInPlaintext);
        Assert.Equal(769, PacketLayout.KeyBlockOffset);
    }

    [Theory]
    [InlineData(0u, KeyRotation.Unknown)]
    [InlineData(uint.MaxValue, KeyRotation.Unknown)]
    [InlineData(1u, KeyRotation.Odd)]
    [InlineData(2u, KeyRotation.Even)]
    [InlineData(uint.MaxValue - 1, KeyRotation.Even)]
    [InlineData(12345u, KeyRotation.Odd)]
    public void Rotation_parity(uint id, KeyRotation rotation) => Assert.Equal(rotation, KeyRotation.FromId(id));
}
