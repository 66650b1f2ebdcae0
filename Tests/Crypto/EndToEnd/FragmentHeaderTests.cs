using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

[Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
public class FragmentHeaderTests
{
    // end-to-end.md A.7
    [Theory]
    [InlineData("923456780a0500", 0x12345678u, 10, 5, SetLink.None, 0u)]
    [InlineData("9234567803018badcafe", 0x12345678u, 3, 1, SetLink.Previous, 0x0badcafeu)]
    [InlineData("92345678ffff8badcafe", 0x12345678u, 255, 255, SetLink.Next, 0x0badcafeu)]
    public void Published_headers(string hex, uint set, byte total, byte position, SetLink link, uint linked)
    {
        byte[] bytes = Convert.FromHexString(hex);
        Assert.True(FragmentHeader.TryRead(bytes, out FragmentHeader header));
        Assert.Equal(new FragmentHeader(set, total, position, link, linked), header);
        byte[] written = new byte[16];
        Assert.Equal(bytes.Length, header.Write(written));
        Assert.Equal(bytes, written[..bytes.Length]);
        byte[] identifier = new byte[FragmentHeader.IdentifierBytes];
        FragmentHeader.WriteIdentifier(identifier, header.SetId, header.Position);
        Assert.Equal($"12345678{position:x2}", Convert.ToHexStringLower(identifier));
    }

    [Theory]
    [InlineData("")]
    [InlineData("923456780a05")]
    [InlineData("123456780a0500")]
    [InlineData("800000000a0500")]
    [InlineData("923456780a0000")]
    [InlineData("923456780a0b00")]
    [InlineData("92345678000000")]
    [InlineData("923456780a0501")]
    [InlineData("923456780a010badcafe")]
    [InlineData("923456780a018badca")]
    [InlineData("923456780a058badcafe")]
    [InlineData("92345678fffe8badcafe")]
    [InlineData("923456780a0180000000")]
    [InlineData("923456780a0192345678")]
    public void Malformed_headers(string hex) =>
        Assert.False(FragmentHeader.TryRead(Convert.FromHexString(hex), out _));

    [Fact]
    public void A_link_at_position_one_is_always_to_the_previous_set()
    {
        Assert.True(FragmentHeader.TryRead(Convert.FromHexString("9234567801018badcafe"), out FragmentHeader header));
        Assert.Equal(SetLink.Previous, header.Link);
    }

    [Fact]
    public void Generated_inputs_agree_with_the_rules_and_write_back()
    {
        SeededBytes random = new(17);
        byte[] buffer = new byte[16], written = new byte[16];
        byte[][] valid =
        [
            Convert.FromHexString("923456780a0500"), Convert.FromHexString("9234567803018badcafe"),
            Convert.FromHexString("92345678ffff8badcafe"),
        ];
        int accepted = 0;
        Allocation.AssertNone(() =>
        {
            for (int i = 0; i < 500_000; i++)
            {
                Span<byte> input;
                if (i % 4 == 0)
                {
                    input = buffer.AsSpan(0, random.Below(16));
                    random.Fill(input);
                }
                else
                {
                    input = random.Mutate(valid[random.Below(valid.Length)], buffer);
                }

                bool ok = FragmentHeader.TryRead(input, out FragmentHeader header);
                if (ok != IsLegal(input))
                    Assert.Fail(Convert.ToHexString(input));
                if (!ok)
                    continue;
                accepted++;
                int length = header.Write(written);
                if (length != header.HeaderBytes || !written.AsSpan(0, length).SequenceEqual(input[..length]))
                    Assert.Fail(Convert.ToHexString(input));
            }
        });
        Assert.True(accepted > 200_000);
    }

    [Fact]
    public void Set_ids_are_legal_and_distinct()
    {
        uint seen = 0;
        for (int i = 0; i < 10_000; i++)
        {
            uint id = SetId.Next();
            Assert.InRange(id, 1u, SetId.Maximum);
            seen |= id;
        }

        Assert.Equal(SetId.Maximum, seen);
        uint[] ids = new uint[300];
        SetId.Fill(ids);
        Assert.Equal(300, ids.Distinct().Count());
        Allocation.AssertNone(() => SetId.Next());
    }

    // The rules of end-to-end.md §3.2, bit by bit.
    private static bool IsLegal(ReadOnlySpan<byte> b)
    {
        if (b.Length < 7 || (b[0] & 0x80) == 0)
            return false;
        if (((b[0] & 0x7F) | b[1] | b[2] | b[3]) == 0 || b[5] < 1 || b[5] > b[4])
            return false;
        if (b[6] == 0)
            return true;
        if (b.Length < 10 || (b[6] & 0x80) == 0 || ((b[6] & 0x7F) | b[7] | b[8] | b[9]) == 0)
            return false;
        if (b[..4].SequenceEqual(b[6..10]))
            return false;
        return b[5] == 1 || (b[5] == 255 && b[4] == 255);
    }
}
