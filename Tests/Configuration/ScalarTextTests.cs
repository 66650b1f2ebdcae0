using System.Globalization;
using System.Net;
using FastExit.Configuration;
using Xunit;

namespace FastExit.Tests.Configuration;

/// <summary>The three small parsers take more than a million generated texts each; they cost well under a microsecond.</summary>
public sealed class ScalarTextTests
{
    private const int Inputs = 1_200_000;

    [Theory]
    [InlineData("0s", 0)]
    [InlineData("1500ms", 1_500)]
    [InlineData("300s", 300_000)]
    [InlineData("5m", 300_000)]
    [InlineData("6h", 21_600_000)]
    [InlineData("7d", 604_800_000)]
    public void Durations_have_units(string text, long milliseconds)
    {
        Assert.True(DurationText.TryParse(text, out var duration));
        Assert.Equal(milliseconds, (long)duration.TotalMilliseconds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("-5s")]
    [InlineData("+5s")]
    [InlineData("5 s")]
    [InlineData("5S")]
    [InlineData("1.5s")]
    [InlineData("5s ")]
    [InlineData("36501d")]
    [InlineData("999999999999999d")]
    [InlineData("9999999999999999s")]
    [InlineData("٣s")]
    public void Other_durations_are_refused(string text) => Assert.False(DurationText.TryParse(text, out _));

    [Theory]
    [InlineData("512B", 512)]
    [InlineData("64KiB", 65_536)]
    [InlineData("64MiB", 67_108_864)]
    [InlineData("2GiB", 2_147_483_648)]
    public void Sizes_have_units(string text, long bytes)
    {
        Assert.True(SizeText.TryParse(text, out var size));
        Assert.Equal(bytes, size);
    }

    [Theory]
    [InlineData("")]
    [InlineData("64")]
    [InlineData("64MB")]
    [InlineData("64 MiB")]
    [InlineData("-1B")]
    [InlineData("1048577GiB")]
    [InlineData("9999999999999999B")]
    [InlineData("99999999999999999B")]
    public void Other_sizes_are_refused(string text) => Assert.False(SizeText.TryParse(text, out _));

    [Theory]
    [InlineData("127.0.0.1:1789", "127.0.0.1:1789")]
    [InlineData("0.0.0.0:0", "0.0.0.0:0")]
    [InlineData("[::]:1789", "[::]:1789")]
    [InlineData("[2001:DB8::1]:65535", "[2001:db8::1]:65535")]
    public void Endpoints_are_literal(string text, string expected)
    {
        Assert.True(EndpointText.TryParse(text, out var endpoint));
        Assert.Equal(expected, endpoint.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData(":1")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:01")]
    [InlineData("127.0.0.1:+1")]
    [InlineData("127.1:80")]
    [InlineData("1:80")]
    [InlineData("0x7f.0.0.1:80")]
    [InlineData("127.0.0.01:80")]
    [InlineData("localhost:80")]
    [InlineData("::1:80")]
    [InlineData("[::1%1]:80")]
    [InlineData("[fe80::1%lo]:80")]
    [InlineData("[127.0.0.1]:80")]
    [InlineData("[[::1]]:80")]
    [InlineData("[::1]")]
    [InlineData("[::1/64]:80")]
    public void Other_endpoints_are_refused(string text) => Assert.False(EndpointText.TryParse(text, out _));

    [Fact]
    public void Durations_match_their_definition_on_generated_texts()
    {
        var units = new Dictionary<string, decimal> { ["ms"] = 1, ["s"] = 1_000, ["m"] = 60_000, ["h"] = 3_600_000, ["d"] = 86_400_000 };
        Generated(1, "0123456789msmhd -", ["ms", "s", "m", "h", "d", ""], text =>
        {
            var digits = text.TakeWhile(char.IsAsciiDigit).Count();
            var known = digits is > 0 and <= 15 && units.ContainsKey(text[digits..]);
            var expected = known ? decimal.Parse(text[..digits], CultureInfo.InvariantCulture) * units[text[digits..]] : -1;
            var fits = known && expected <= (decimal)DurationText.Maximum.TotalMilliseconds;
            if (DurationText.TryParse(text, out var duration) != fits || (fits && (decimal)duration.TotalMilliseconds != expected))
                return false;
            return !fits || (DurationText.TryParse(DurationText.Format(duration), out var again) && again == duration);
        });
    }

    [Fact]
    public void Sizes_match_their_definition_on_generated_texts()
    {
        var units = new Dictionary<string, decimal> { ["B"] = 1, ["KiB"] = 1 << 10, ["MiB"] = 1 << 20, ["GiB"] = 1 << 30 };
        Generated(2, "0123456789BKMGi ", ["B", "KiB", "MiB", "GiB", ""], text =>
        {
            var digits = text.TakeWhile(char.IsAsciiDigit).Count();
            var known = digits is > 0 and <= 16 && units.ContainsKey(text[digits..]);
            var expected = known ? decimal.Parse(text[..digits], CultureInfo.InvariantCulture) * units[text[digits..]] : -1;
            var fits = known && expected <= SizeText.Maximum;
            if (SizeText.TryParse(text, out var bytes) != fits || (fits && bytes != expected))
                return false;
            return !fits || (SizeText.TryParse(SizeText.Format(bytes), out var again) && again == bytes);
        });
    }

    [Fact]
    public void Endpoints_print_back_on_generated_texts()
    {
        var random = new Random(3);
        var alphabet = "0123456789abcf.:[]% /x";
        Span<char> buffer = stackalloc char[64];
        var read = 0;
        for (var i = 0; i < Inputs; i++)
        {
            string text;
            if (random.Next(2) == 0)
            {
                var bytes = new byte[random.Next(2) == 0 ? 4 : 16];
                random.NextBytes(bytes);
                text = new IPEndPoint(new IPAddress(bytes), random.Next(65_536)).ToString();
                Assert.True(EndpointText.TryParse(text, out _), text);
                if (random.Next(2) == 0)
                    text = text.Remove(random.Next(text.Length), 1).Insert(0, random.Next(2) == 0 ? "" : "1");
            }
            else
            {
                var length = random.Next(buffer.Length);
                for (var j = 0; j < length; j++)
                    buffer[j] = alphabet[random.Next(alphabet.Length)];
                text = new string(buffer[..length]);
            }

            if (!EndpointText.TryParse(text, out var endpoint))
                continue;
            read++;
            Assert.True(EndpointText.TryParse(endpoint.ToString(), out var again), text);
            Assert.Equal(endpoint, again);
        }

        Assert.InRange(read, Inputs / 8, Inputs * 3 / 4);
    }

    private static void Generated(int seed, string alphabet, string[] endings, Func<string, bool> holds)
    {
        var random = new Random(seed);
        Span<char> buffer = stackalloc char[24];
        for (var i = 0; i < Inputs; i++)
        {
            var length = random.Next(1, 20);
            var digitsOnly = random.Next(4) != 0;
            for (var j = 0; j < length; j++)
                buffer[j] = alphabet[random.Next(digitsOnly ? 10 : alphabet.Length)];
            var text = string.Concat(buffer[..length], endings[random.Next(endings.Length)]);
            if (!holds(text))
                Assert.Fail($"wrong for '{text}'");
        }
    }
}
