using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using FastExit.SelfDescription;
using Xunit;

namespace FastExit.Tests.SelfDescription;

public sealed class SerdeJsonTests
{
    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("a\"b\\c/d", "a\\\"b\\\\c/d")]
    [InlineData("\b\f\n\r\t", "\\b\\f\\n\\r\\t")]
    [InlineData("\0\u0001\u000b\u001f", "\\u0000\\u0001\\u000b\\u001f")]
    [InlineData("\u007f\u0080\u2028\u2029", "\u007f\u0080\u2028\u2029")]
    [InlineData("<b>+&'", "<b>+&'")]
    [InlineData("Zürich 🦀", "Zürich 🦀")]
    public void Only_what_serde_json_escapes_is_escaped(string text, string written) =>
        Assert.Equal($"\"{written}\"", Encoding.UTF8.GetString(SerdeJson.Of(json => json.Value(text))));

    [Fact]
    public void Objects_lists_and_numbers_have_no_white_space()
    {
        var json = new SerdeJson().StartObject().Name("a").Value(-1).Name("b").StartArray().Value(true).Null().StartObject().EndObject().EndArray()
            .Name("c").Value((string?)null).Name("d").StartArray().EndArray().Name("e").Raw("{}"u8).Name("f").Value(long.MaxValue).EndObject();
        Assert.Equal("""{"a":-1,"b":[true,null,{}],"c":null,"d":[],"e":{},"f":9223372036854775807}""", Encoding.UTF8.GetString(json.Written));
    }

    [Fact]
    public void Any_text_is_read_back_by_another_reader_and_escaped_no_more_than_needed()
    {
        var accepted = GeneratedInputs.Accepted(7301, (random, count) =>
        {
            var right = 0;
            for (var i = 0; i < count; i++)
            {
                var text = Text(random);
                var written = SerdeJson.Of(json => json.Value(text));
                var reader = new Utf8JsonReader(written);
                reader.Read();
                var controls = text.Count(c => c < ' ');
                var short_ = text.Count(c => c is '"' or '\\' or '\b' or '\f' or '\n' or '\r' or '\t');
                var long_ = controls - text.Count(c => c is '\b' or '\f' or '\n' or '\r' or '\t');
                if (reader.GetString() == text && written.Length == Encoding.UTF8.GetByteCount(text) + 2 + short_ + (5 * long_))
                    right++;
            }

            return right;
        });
        Assert.Equal(GeneratedInputs.Count, accepted);
    }

    [Theory]
    [InlineData("::", "::")]
    [InlineData("::1", "::1")]
    [InlineData("::ffff:1.2.3.4", "::ffff:1.2.3.4")]
    [InlineData("::1.2.3.4", "::102:304")]
    [InlineData("::ffff:0:1.2.3.4", "::ffff:0:102:304")]
    [InlineData("64:ff9b::1.2.3.4", "64:ff9b::102:304")]
    [InlineData("2001:db8::5efe:1.2.3.4", "2001:db8::5efe:102:304")]
    [InlineData("2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1")]
    [InlineData("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1")]
    [InlineData("1:0:0:2:0:0:0:3", "1:0:0:2::3")]
    [InlineData("FE80:0:0:0:0:0:0:0", "fe80::")]
    [InlineData("255.0.255.0", "255.0.255.0")]
    public void Addresses_have_the_one_form(string text, string expected)
    {
        Assert.True(IpAddressText.TryParse(text, out var address));
        Assert.Equal(expected, IpAddressText.Format(address));
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("127.1")]
    [InlineData("0x7f.0.0.1")]
    [InlineData("01.2.3.4")]
    [InlineData("fe80::1%1")]
    [InlineData("[::1]")]
    [InlineData("::1::")]
    [InlineData("1.2.3.4:5")]
    [InlineData("é")]
    public void What_others_do_not_read_as_an_address_is_none(string text) => Assert.False(IpAddressText.TryParse(text, out _));

    [Fact]
    public void A_million_addresses_are_read_back_by_both_readers_and_are_in_canonical_form()
    {
        var accepted = GeneratedInputs.Accepted(7302, (random, count) =>
        {
            var right = 0;
            Span<byte> bytes = stackalloc byte[16];
            for (var i = 0; i < count; i++)
            {
                var address = new IPAddress(Address(random, bytes));
                var text = IpAddressText.Format(address);
                if (IPAddress.TryParse(text, out var system) && system.Equals(address)
                    && IpAddressText.TryParse(text, out var own) && own.Equals(address) && IsCanonical(address, text))
                    right++;
            }

            return right;
        });
        Assert.Equal(GeneratedInputs.Count, accepted);
    }

    // Short texts full of what needs care, and of pairs of surrogates that belong together.
    private static string Text(Random random)
    {
        var text = new StringBuilder();
        for (var length = random.Next(12); length > 0; length--)
        {
            text.Append(random.Next(6) switch
            {
                0 => (char)random.Next(0x20),
                1 => "\"\\/\b\f\n\r\t\u007f\u2028"[random.Next(10)],
                2 => (char)random.Next(0x20, 0x7f),
                3 => (char)random.Next(0x80, 0xd800),
                4 => (object)char.ConvertFromUtf32(random.Next(0x10000, 0x110000)),
                _ => (char)random.Next(0xe000, 0xfffe),
            });
        }

        return text.ToString();
    }

    private static ReadOnlySpan<byte> Address(Random random, Span<byte> bytes)
    {
        random.NextBytes(bytes);
        if (random.Next(4) == 0)
            return bytes[..4];
        // Runs of zeros, and the ranges that other formatters print dotted.
        for (var group = 0; group < 8; group++)
        {
            if (random.Next(2) == 0)
                bytes.Slice(2 * group, 2).Clear();
            else if (random.Next(4) == 0)
                bytes[2 * group] = 0;
        }

        if (random.Next(6) == 0)
            bytes[..10].Clear();
        if (random.Next(6) == 0)
            bytes.Slice(10, 2).Fill(0xff);
        if (random.Next(8) == 0)
            (bytes[8], bytes[9], bytes[10], bytes[11]) = (0, 0, 0x5e, 0xfe);
        return bytes;
    }

    // RFC 5952 §4, judged from the text and the bytes: no leading zero, no capital, and of the zero groups the first longest run is gone.
    private static bool IsCanonical(IPAddress address, string text)
    {
        if (address.AddressFamily == AddressFamily.InterNetwork || address.IsIPv4MappedToIPv6)
            return text == (address.IsIPv4MappedToIPv6 ? "::ffff:" : "") + address.MapToIPv4();
        var bytes = address.GetAddressBytes();
        var groups = Enumerable.Range(0, 8).Select(i => (bytes[2 * i] << 8) | bytes[(2 * i) + 1]).ToArray();
        var runs = Enumerable.Range(0, 8)
            .Select(start => (Start: start, Length: groups.Skip(start).TakeWhile(value => value == 0).Count()))
            .Where(run => run.Length > 1)
            .OrderByDescending(run => run.Length).ThenBy(run => run.Start);
        static string Join(IEnumerable<int> part) => string.Join(':', part.Select(value => value.ToString("x", CultureInfo.InvariantCulture)));
        foreach (var (start, length) in runs)
            return text == $"{Join(groups.Take(start))}::{Join(groups.Skip(start + length))}";
        return text == Join(groups);
    }
}
