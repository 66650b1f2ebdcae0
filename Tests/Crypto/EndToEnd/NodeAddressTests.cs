using System.Net;
using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

[Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
public class NodeAddressTests
{
    // end-to-end.md A.3
    [Theory]
    [InlineData("1.2.3.4", 42, "04002a01020304000000000000000000000000")]
    [InlineData("0102:0304:0506:0708:090a:0b0c:0d0e:0f10", 42, "06002a0102030405060708090a0b0c0d0e0f10")]
    public void Published_encodings(string address, ushort port, string hex)
    {
        NodeAddress node = NodeAddress.From(new IPEndPoint(IPAddress.Parse(address), port));
        byte[] padded = new byte[19];
        Array.Fill(padded, (byte)0xAA);
        node.Write(padded);
        Assert.Equal(hex, Convert.ToHexStringLower(padded));

        byte[] sphinx = new byte[32];
        Array.Fill(sphinx, (byte)0xAA);
        node.Write(sphinx);
        Assert.Equal(hex + new string('0', 26), Convert.ToHexStringLower(sphinx));

        byte[] compact = new byte[19];
        int written = node.WriteCompact(compact);
        Assert.Equal(address.Contains(':') ? 19 : 7, written);
        Assert.True(NodeAddress.TryRead(compact.AsSpan(0, written), out NodeAddress read, out int significant));
        Assert.Equal(written, significant);
        Assert.Equal(node, read);
        Assert.Equal(node.GetHashCode(), read.GetHashCode());
        Assert.Equal(new IPEndPoint(IPAddress.Parse(address), port), read.ToIPEndPoint());
    }

    [Fact]
    public void Padding_is_not_checked_and_family_is()
    {
        byte[] bytes = Convert.FromHexString("04002a01020304ffffffffffffffffffffffff");
        Assert.True(NodeAddress.TryRead(bytes, out NodeAddress node, out int significant));
        Assert.Equal((7, "1.2.3.4:42"), (significant, node.ToString()));
        bytes[0] = 6;
        Assert.False(NodeAddress.TryRead(bytes.AsSpan(0, 18), out _, out _));
        Assert.True(NodeAddress.TryRead(bytes, out _, out _));
        bytes[0] = 4;
        Assert.False(NodeAddress.TryRead(bytes.AsSpan(0, 6), out _, out _));
        for (int family = 0; family < 256; family++)
        {
            bytes[0] = (byte)family;
            Assert.Equal(family is 4 or 6, NodeAddress.TryRead(bytes, out _, out _));
        }

        Assert.False(NodeAddress.TryRead(new byte[32], out node, out _));
        Assert.Equal(0, node.Family);
        Assert.Throws<InvalidOperationException>(() => default(NodeAddress).ToIPEndPoint());
    }

    [Fact]
    public void Generated_inputs_read_back_what_was_written()
    {
        SeededBytes random = new(3);
        byte[] input = new byte[40], output = new byte[32];
        int accepted = 0;
        Allocation.AssertNone(() =>
        {
            for (int i = 0; i < 500_000; i++)
            {
                Span<byte> bytes = input.AsSpan(0, random.Below(input.Length));
                random.Fill(bytes);
                if (!bytes.IsEmpty && random.Below(3) > 0)
                    bytes[0] = (byte)(4 + random.Below(3));
                bool ok = NodeAddress.TryRead(bytes, out NodeAddress node, out int significant);
                bool expected = bytes.Length >= 7 && (bytes[0] == 4 || (bytes[0] == 6 && bytes.Length >= 19));
                if (ok != expected)
                    Assert.Fail(Convert.ToHexString(bytes));
                if (!ok)
                    continue;
                accepted++;
                node.Write(output);
                if (!output.AsSpan(0, significant).SequenceEqual(bytes[..significant])
                    || output.AsSpan(significant).ContainsAnyExcept((byte)0)
                    || !NodeAddress.TryRead(output, out NodeAddress again, out _)
                    || again != node)
                {
                    Assert.Fail(Convert.ToHexString(bytes));
                }
            }
        });
        Assert.True(accepted > 500_000);
    }
}
