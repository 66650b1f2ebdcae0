using System.Text;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.NetworkRequester.Protocol;

public sealed class DestinationTextTests
{
    [Theory]
    [InlineData("example.com:443", "example.com", 443)]
    [InlineData("80.249.99.148:80", "80.249.99.148", 80)]
    [InlineData("2606:4700:0:0:0:0:0:1111:443", "2606:4700:0:0:0:0:0:1111", 443)]
    [InlineData("[2606:4700::1111]:443", "[2606:4700::1111]", 443)]
    [InlineData("xn--bcher-kva.example:65535", "xn--bcher-kva.example", 65535)]
    [InlineData("bücher.example:1", "bücher.example", 1)]
    [InlineData("a:080", "a", 80)]
    public void Reads(string text, string host, int port)
    {
        Assert.True(DestinationText.TryRead(Encoding.UTF8.GetBytes(text), out ReadOnlySpan<byte> read, out ushort readPort));
        Assert.Equal((host, (ushort)port), (Encoding.UTF8.GetString(read), readPort));
    }

    [Theory]
    [InlineData("")]
    [InlineData(":80")]
    [InlineData("example.com")]
    [InlineData("example.com:")]
    [InlineData("example.com:0")]
    [InlineData("example.com:00000")]
    [InlineData("example.com:65536")]
    [InlineData("example.com:000080")]
    [InlineData("example.com:+80")]
    [InlineData("example.com:80 ")]
    [InlineData("exa mple.com:80")]
    [InlineData("exa\0mple.com:80")]
    [InlineData("[::1:80")]
    [InlineData("::1]:80")]
    [InlineData("[]:80")]
    public void Refuses(string text) => Assert.False(DestinationText.TryRead(Encoding.UTF8.GetBytes(text), out _, out _));

    [Fact]
    public void RefusesLongHostsAndBrokenText()
    {
        Assert.True(DestinationText.TryRead(Encoding.UTF8.GetBytes(new string('a', 255) + ":80"), out _, out _));
        Assert.False(DestinationText.TryRead(Encoding.UTF8.GetBytes(new string('a', 256) + ":80"), out _, out _));
        Assert.False(DestinationText.TryRead([0xFF, 0xFE, (byte)':', (byte)'8'], out _, out _));
    }
}
