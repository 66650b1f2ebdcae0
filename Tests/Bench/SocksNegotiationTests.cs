using System.Globalization;
using FastExit.Bench.Socks;
using Xunit;

namespace FastExit.Tests.Bench;

public class SocksNegotiationTests
{
    private static readonly SocksCredentials s_credentials = new("alice", "secret");

    [Theory]
    [InlineData("04 01 01BB 01020304 00", "1.2.3.4:443")]
    [InlineData("04 01 0050 7F000001 6D6500", "127.0.0.1:80")]
    [InlineData("04 01 01BB 00000001 00 6578616D706C652E636F6D 00", "example.com:443")]
    [InlineData("04 01 01BB 00000005 7573657200 61 00", "a:443")]
    public void Version4RequestsAreRead(string bytes, string expected)
    {
        var negotiation = new SocksNegotiation(null);
        Conversation talk = Talk(negotiation, Hex(bytes));
        Assert.Equal(SocksStep.Request, talk.End);
        Assert.Equal(SocksVersion.Four, negotiation.Version);
        Assert.Equal(expected, negotiation.HostPort);
        Assert.Empty(talk.Sent);
        Assert.Empty(talk.Rest);
    }

    [Theory]
    [InlineData("01 01020304 01BB", "1.2.3.4:443")]
    [InlineData("03 0B 6578616D706C652E636F6D 0050", "example.com:80")]
    [InlineData("04 26064700000000000000000000001111 01BB", "[2606:4700::1111]:443")]
    [InlineData("04 00000000000000000000FFFF01020304 01BB", "1.2.3.4:443")]
    [InlineData("03 05 5B3A3A315D 01BB", "[::1]:443")]
    [InlineData("03 03 3A3A31 01BB", "[::1]:443")]
    [InlineData("03 07 312E322E332E34 01BB", "1.2.3.4:443")]
    public void Version5RequestsAreRead(string destination, string expected)
    {
        var negotiation = new SocksNegotiation(null);
        Conversation talk = Talk(negotiation, Hex("05 01 00 05 01 00" + destination + "474554"));
        Assert.Equal(SocksStep.Request, talk.End);
        Assert.Equal(expected, negotiation.HostPort);
        Assert.Equal("0500", Convert.ToHexString(talk.Sent));
        Assert.Equal("474554", Convert.ToHexString(talk.Rest));
    }

    [Theory]
    [InlineData("05 01 00 05 02 00 01 01020304 01BB", SocksStep.Refuse, "0500 05070001000000000000")] // BIND
    [InlineData("05 01 00 05 03 00 01 01020304 01BB", SocksStep.Refuse, "0500 05070001000000000000")] // UDP ASSOCIATE
    [InlineData("05 01 00 05 F0 00 03 01 61 01BB", SocksStep.Refuse, "0500 05070001000000000000")] // RESOLVE
    [InlineData("05 01 00 05 01 00 02 01020304 01BB", SocksStep.Refuse, "0500 05080001000000000000")]
    [InlineData("05 01 00 05 01 00 01 01020304 0000", SocksStep.Refuse, "0500 05010001000000000000")] // port 0
    [InlineData("05 01 00 05 01 00 03 00 01BB", SocksStep.Refuse, "0500 05010001000000000000")] // empty name
    [InlineData("05 01 00 05 01 00 03 03 610A62 01BB", SocksStep.Refuse, "0500 05010001000000000000")] // line feed in a name
    [InlineData("05 01 00 04 01 00 01", SocksStep.Refuse, "0500 05010001000000000000")]
    [InlineData("05 01 01", SocksStep.Refuse, "05FF")] // GSSAPI only
    [InlineData("05 00", SocksStep.Refuse, "05FF")]
    [InlineData("04 02 01BB 01020304 00", SocksStep.Refuse, "005B000000000000")]
    [InlineData("04 01 0000 01020304 00", SocksStep.Refuse, "005B000000000000")]
    [InlineData("04 01 01BB 00000001 00 00", SocksStep.Refuse, "005B000000000000")]
    [InlineData("47455420", SocksStep.Close, "")]
    [InlineData("06", SocksStep.Close, "")]
    public void RefusalsAreByteExact(string bytes, object end, string replies)
    {
        Conversation talk = Talk(new SocksNegotiation(null), Hex(bytes));
        Assert.Equal((SocksStep)end, talk.End);
        Assert.Equal(replies.Replace(" ", "", StringComparison.Ordinal), Convert.ToHexString(talk.Sent));
    }

    [Fact]
    public void RepliesHaveTheirFullLength()
    {
        byte[] reply = new byte[SocksReply.MaximumBytes];
        for (byte code = 0; code <= 8; code++)
        {
            Array.Fill(reply, (byte)0xAA);
            Assert.Equal(10, SocksReply.Write(SocksVersion.Five, (SocksOutcome)code, reply));
            Assert.Equal($"05{code:X2}0001000000000000", Convert.ToHexString(reply));
            Array.Fill(reply, (byte)0xAA);
            Assert.Equal(8, SocksReply.Write(SocksVersion.Four, (SocksOutcome)code, reply));
            Assert.Equal(code == 0 ? "005A000000000000" : "005B000000000000", Convert.ToHexString(reply.AsSpan(0, 8)));
        }
    }

    [Theory]
    [InlineData("05616C696365 06736563726574", true)]
    [InlineData("05616C696365 06736563726575", false)]
    [InlineData("05616C696366 06736563726574", false)]
    [InlineData("00 00", false)]
    public void PasswordIsCheckedWhenConfigured(string pair, bool granted)
    {
        var negotiation = new SocksNegotiation(s_credentials);
        Conversation talk = Talk(negotiation, Hex("05 02 00 02 01" + pair + "05 01 00 01 01020304 0050"));
        Assert.Equal(granted ? SocksStep.Request : SocksStep.Refuse, talk.End);
        Assert.Equal(granted ? "05020100" : "05020101", Convert.ToHexString(talk.Sent));
    }

    [Fact]
    public void WithCredentialsNobodyGetsInWithout()
    {
        Conversation talk = Talk(new SocksNegotiation(s_credentials), Hex("05 01 00"));
        Assert.Equal(SocksStep.Refuse, talk.End);
        Assert.Equal("05FF", Convert.ToHexString(talk.Sent));
    }

    [Fact]
    public void EndlessFieldsAreCutOff()
    {
        byte[] user = [4, 1, 0, 80, 1, 2, 3, 4, .. Enumerable.Repeat((byte)'u', 300)];
        Assert.Equal(SocksStep.Refuse, Talk(new SocksNegotiation(null), user).End);
        byte[] host = [4, 1, 0, 80, 0, 0, 0, 1, 0, .. Enumerable.Repeat((byte)'h', 300)];
        Assert.Equal(SocksStep.Refuse, Talk(new SocksNegotiation(null), host).End);
        byte[] longName = [5, 1, 0, 5, 1, 0, 3, 254, .. Enumerable.Repeat((byte)'h', 254), 0, 80];
        Assert.Equal(SocksStep.Refuse, Talk(new SocksNegotiation(null), longName).End);
    }

    /// <summary>Any bytes in any portions: no exception, no over-read, the same result as in one piece, never more input than promised.</summary>
    [Fact]
    public void FuzzedInputNeverBreaksIt()
    {
        const int Inputs = 1_000_000;
        var random = new Random(1928);
        byte[] input = new byte[600];
        byte[] reply = new byte[SocksReply.MaximumBytes];
        string[] seeds =
        [
            "0501000501000101020304 01BB", "050100050100030B6578616D706C652E636F6D0050", "04010050000000016162630061622E636400",
            "0502000201056161616161066262626262620501000101020304 0050", "0501000501000426064700000000000000000000001111 01BB",
        ];
        byte[][] valid = [.. seeds.Select(Hex)];
        int[] ends = new int[5];
        for (int i = 0; i < Inputs; i++)
        {
            int length = Mutate(random, valid, input);
            var whole = new SocksNegotiation((i & 7) == 0 ? s_credentials : null);
            SocksStep end = Run(whole, input.AsSpan(0, length), length, reply);
            ends[(int)end]++;
            if (end == SocksStep.Request)
            {
                Assert.InRange(whole.Port, 1, 65535);
                Assert.InRange(whole.Host.Length, 1, 253);
                Assert.DoesNotContain(whole.Host, char.IsControl);
            }

            var parts = new SocksNegotiation((i & 7) == 0 ? s_credentials : null);
            Assert.Equal(end, Run(parts, input.AsSpan(0, length), random.Next(1, 8), reply));
            Assert.Equal(whole.HostPort, parts.HostPort);
        }

        // The generator must reach every end, or the test shows nothing.
        Assert.All(new[] { SocksStep.NeedMore, SocksStep.Request, SocksStep.Refuse, SocksStep.Close }, step => Assert.True(ends[(int)step] > 1000));
    }

    private static int Mutate(Random random, byte[][] valid, byte[] input)
    {
        byte[] seed = valid[random.Next(valid.Length)];
        seed.CopyTo(input, 0);
        int length = seed.Length;
        int changes = random.Next(4);
        for (int i = 0; i < changes; i++)
            input[random.Next(length)] = (byte)random.Next(256);
        if (random.Next(4) == 0)
            length = random.Next(length + 1);
        if (random.Next(8) == 0)
        {
            int more = random.Next(input.Length - length);
            random.NextBytes(input.AsSpan(length, more));
            length += more;
        }

        return length;
    }

    private static SocksStep Run(SocksNegotiation negotiation, ReadOnlySpan<byte> input, int portion, byte[] reply)
    {
        int start = 0;
        int end = Math.Min(portion, input.Length);
        while (true)
        {
            SocksStep step = negotiation.Advance(input[start..end], out int consumed, reply, out int replyBytes);
            Assert.InRange(consumed, 0, end - start);
            Assert.InRange(replyBytes, 0, SocksReply.MaximumBytes);
            start += consumed;
            if (step is SocksStep.Request or SocksStep.Refuse or SocksStep.Close)
                return step;
            if (step == SocksStep.Reply)
                continue;
            Assert.Equal(0, consumed);
            Assert.True(end - start < SocksNegotiation.MaximumInputBytes);
            if (end == input.Length)
                return SocksStep.NeedMore;
            end = Math.Min(end + portion, input.Length);
        }
    }

    private static Conversation Talk(SocksNegotiation negotiation, byte[] input)
    {
        byte[] reply = new byte[SocksReply.MaximumBytes];
        var sent = new List<byte>();
        ReadOnlySpan<byte> rest = input;
        while (true)
        {
            SocksStep step = negotiation.Advance(rest, out int consumed, reply, out int replyBytes);
            rest = rest[consumed..];
            sent.AddRange(reply.AsSpan(0, replyBytes));
            if (step != SocksStep.Reply)
                return new Conversation(step, [.. sent], rest.ToArray());
        }
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal).ToUpper(CultureInfo.InvariantCulture));

    private sealed record Conversation(SocksStep End, byte[] Sent, byte[] Rest);
}
