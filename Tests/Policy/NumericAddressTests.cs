using System.Net;
using System.Text;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

public class NumericAddressTests
{
    private const int GeneratedLiterals = 1_000_000;

    [Theory]
    [InlineData("::", "::")]
    [InlineData("::1", "::1")]
    [InlineData("1::", "1::")]
    [InlineData("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1")]
    [InlineData("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1")]
    [InlineData("2001:0:0:1:0:0:0:1", "2001:0:0:1::1")]
    [InlineData("1:0:0:0:0:0:0:0", "1::")]
    [InlineData("0:0:0:0:0:0:0:1", "::1")]
    [InlineData("2606:4700:0:0:0:0:0:1111", "2606:4700::1111")]
    [InlineData("64:ff9b::10.0.0.1", "64:ff9b::a00:1")]
    [InlineData("1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a")]
    [InlineData("::ffff:1.2.3.4", "1.2.3.4")]
    [InlineData("255.255.255.255", "255.255.255.255")]
    [InlineData("0.0.0.0", "0.0.0.0")]
    public void LiteralsReadAndPrint(string text, string canonical)
    {
        Assert.True(NumericAddress.TryParse(Encoding.ASCII.GetBytes(text), out var address));
        Assert.Equal(canonical, address.ToString());
        Assert.Equal(address, NumericAddress.From(address.ToIPAddress()));
    }

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData(":::")]
    [InlineData("1")]
    [InlineData("1:2:3:4:5:6:7")]
    [InlineData("1:2:3:4:5:6:7:8:9")]
    [InlineData("1:2:3:4:5:6:7:8::")]
    [InlineData("1::2:3:4:5:6:7:8")]
    [InlineData("::1::")]
    [InlineData("1:")]
    [InlineData(":1")]
    [InlineData("12345::")]
    [InlineData("g::")]
    [InlineData("::1%1")]
    [InlineData("[::1]")]
    [InlineData("::1.2.3")]
    [InlineData("1.2.3.4::")]
    [InlineData("1:2:3:4:5:6:7:1.2.3.4")]
    [InlineData("1.2.3")]
    [InlineData("1.2.3.4.5")]
    [InlineData("256.1.1.1")]
    [InlineData("01.1.1.1")]
    [InlineData("00.1.1.1")]
    [InlineData("1.1.1.1 ")]
    [InlineData("0x1.1.1.1")]
    [InlineData("-1.1.1.1")]
    public void OtherTextIsNoLiteral(string text) => Assert.False(NumericAddress.TryParse(Encoding.ASCII.GetBytes(text), out _));

    [Fact]
    public void RandomLiteralsAgreeWithTheFramework()
    {
        var random = new Random(5952);
        const string alphabet = "0123456789abcdefABCDEF::::....";
        var accepted = 0;
        Span<byte> bytes = stackalloc byte[16];
        for (var i = 0; i < GeneratedLiterals; i++)
        {
            string text;
            if (i % 2 == 0)
            {
                // Sparse bytes make runs of zeros, where :: may go in several places.
                for (var b = 0; b < 16; b++) bytes[b] = random.Next(3) == 0 ? (byte)random.Next(256) : (byte)0;
                text = new IPAddress(bytes).ToString();
                if (random.Next(4) == 0) text = text.Remove(random.Next(text.Length), 1);
            }
            else
            {
                text = string.Create(random.Next(1, 20), random, static (span, source) => source.GetItems<char>(alphabet, span));
            }

            var mine = NumericAddress.TryParse(Encoding.ASCII.GetBytes(text), out var address);
            if (!mine)
            {
                // The framework reads short and hexadecimal IPv4 forms besides; every colon form that it takes must be ours too.
                if (text.Contains(':', StringComparison.Ordinal) && IPAddress.TryParse(text, out var six) && !IsLax(text)) Assert.Fail($"{text} is {six}");
                continue;
            }

            accepted++;
            Assert.Equal(NumericAddress.From(IPAddress.Parse(text)), address);
            Assert.True(NumericAddress.TryParse(Encoding.ASCII.GetBytes(address.ToString()), out var again));
            Assert.Equal(address, again);
        }

        Assert.True(accepted > GeneratedLiterals / 4);
    }

    // The framework lets :: stand for no group, and reads leading zeros in a dotted tail.
    private static bool IsLax(string text)
    {
        var groups = text.Split(':', StringSplitOptions.RemoveEmptyEntries);
        var width = groups.Sum(group => group.Contains('.', StringComparison.Ordinal) ? 2 : 1);
        return (text.Contains("::", StringComparison.Ordinal) && width == 8) || text.Contains('.', StringComparison.Ordinal);
    }
}
