using System.Globalization;
using FastExit.Bench.Micro.Compare;
using Xunit;

namespace FastExit.Tests.Bench.Micro;

public sealed class OpenSslSpeedTests
{
    private const string Line = "+F5:22:253:31351.948052:0.000032";

    [Theory]
    [InlineData(Line, 31351.948052)]
    [InlineData("+DTP:253:X25519:1\n+R7:31040:253:0.99\n+H:16:64\n+F5:22:253:40000.5:0.000025\n", 40000.5)]
    [InlineData("+F5:22:256:10000:0.0001\r\n+F5:3:253:20000:0.00005\r\n", 20000)]
    public void The_rate_of_the_curve_is_read(string output, double rate)
    {
        Assert.True(OpenSslSpeed.Parse(output, out double seconds));
        Assert.Equal(1 / rate, seconds, 1e-12);
    }

    [Theory]
    [InlineData("")]
    [InlineData("+F5:22:253")]
    [InlineData("+F5:22:448:31351.9:0.000032")]
    [InlineData("+F5:22:253:0.0:inf")]
    [InlineData("+F5:22:253:NaN:0.000032")]
    [InlineData("+F5:22:253:Infinity:0")]
    [InlineData("+F5:22:253:-3:0.1")]
    [InlineData("+F4:22:253:31351.9:0.000032")]
    [InlineData("speed: Unknown algorithm ecdhx25519")]
    public void What_is_no_rate_of_the_curve_is_refused(string output)
    {
        Assert.False(OpenSslSpeed.Parse(output, out double seconds));
        Assert.Equal(double.NaN, seconds);
    }

    [Fact]
    public void A_million_spoilt_lines_give_a_time_or_none()
    {
        Random random = new(253);
        int read = 0;
        char[] line = Line.ToCharArray();
        for (int i = 0; i < 1_000_000; i++)
        {
            Line.CopyTo(line);
            for (int change = random.Next(4); change > 0; change--)
                line[random.Next(line.Length)] = (char)random.Next(10, 127);
            if (!OpenSslSpeed.Parse(new string(line, 0, random.Next(1, line.Length + 1)), out double seconds))
                continue;
            read++;
            Assert.True(seconds > 0 && double.IsFinite(seconds), seconds.ToString(CultureInfo.InvariantCulture));
        }

        Assert.InRange(read, 1000, 999_000);
    }
}
