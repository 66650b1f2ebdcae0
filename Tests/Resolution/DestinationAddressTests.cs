using System.Text;
using FastExit.Policy;
using FastExit.Resolution;
using Xunit;

namespace FastExit.Tests.Resolution;

/// <summary>network-requester.md §2.2 (host forms) and §9 (malformed destinations).</summary>
public class DestinationAddressTests
{
    private const int GeneratedInputs = 3_000_000;

    [Theory]
    [InlineData("example.org:443", DestinationKind.Name, "example.org", 443)]
    [InlineData("Example.ORG.:80", DestinationKind.Name, "Example.ORG", 80)]
    [InlineData("localhost:1", DestinationKind.Name, "localhost", 1)]
    [InlineData("xn--bcher-kva.example:65535", DestinationKind.Name, "xn--bcher-kva.example", 65535)]
    [InlineData("_srv.a-b.example:8", DestinationKind.Name, "_srv.a-b.example", 8)]
    [InlineData("1.example:80", DestinationKind.Name, "1.example", 80)]
    [InlineData("1.2.3.4:80", DestinationKind.IPv4, "1.2.3.4", 80)]
    [InlineData("2606:4700:0:0:0:0:0:1111:443", DestinationKind.IPv6, "2606:4700:0:0:0:0:0:1111", 443)]
    [InlineData("2606:4700::1111:443", DestinationKind.IPv6, "2606:4700::1111", 443)]
    [InlineData("[2606:4700::1111]:443", DestinationKind.IPv6, "2606:4700::1111", 443)]
    [InlineData("::1:80", DestinationKind.IPv6, "::1", 80)]
    [InlineData(":::80", DestinationKind.IPv6, "::", 80)]
    [InlineData("[::ffff:1.2.3.4]:80", DestinationKind.IPv4, "::ffff:1.2.3.4", 80)]
    public void HostForms(string text, DestinationKind kind, string host, int port)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        Assert.True(DestinationAddress.TryParse(bytes, out var destination, out var fault));
        Assert.Equal(DestinationFault.None, fault);
        Assert.Equal((kind, host, port), (destination.Kind, Encoding.ASCII.GetString(destination.Host(bytes)), destination.Port));
        if (kind == DestinationKind.Name) Assert.Throws<InvalidOperationException>(() => destination.ToIPEndPoint());
        else Assert.Equal(destination.Address, NumericAddress.From(destination.ToIPEndPoint().Address));
    }

    [Theory]
    [InlineData("", DestinationFault.Empty)]
    [InlineData("example.org", DestinationFault.PortMissing)]
    [InlineData("example.org:", DestinationFault.PortInvalid)]
    [InlineData("example.org:0", DestinationFault.PortInvalid)]
    [InlineData("example.org:080", DestinationFault.PortInvalid)]
    [InlineData("example.org:+80", DestinationFault.PortInvalid)]
    [InlineData("example.org:-1", DestinationFault.PortInvalid)]
    [InlineData("example.org:65536", DestinationFault.PortInvalid)]
    [InlineData("example.org:99999999999", DestinationFault.PortInvalid)]
    [InlineData("example.org:https", DestinationFault.PortInvalid)]
    [InlineData(":443", DestinationFault.HostEmpty)]
    [InlineData(".:443", DestinationFault.HostEmpty)]
    [InlineData("example.org\0:443", DestinationFault.ForbiddenByte)]
    [InlineData("exam ple.org:443", DestinationFault.ForbiddenByte)]
    [InlineData("example.org:443\n", DestinationFault.ForbiddenByte)]
    [InlineData("bücher.example:443", DestinationFault.ForbiddenByte)]
    [InlineData("\u007f.example:443", DestinationFault.ForbiddenByte)]
    [InlineData("[example.org]:443", DestinationFault.Brackets)]
    [InlineData("[1.2.3.4]:443", DestinationFault.Brackets)]
    [InlineData("[::1:443", DestinationFault.Brackets)]
    [InlineData("::1]:443", DestinationFault.Brackets)]
    [InlineData("[]:443", DestinationFault.Brackets)]
    [InlineData("[:443", DestinationFault.Brackets)]
    [InlineData("]:443", DestinationFault.Brackets)]
    [InlineData("[fe80::1%eth0]:443", DestinationFault.Brackets)]
    [InlineData("fe80::1%1:443", DestinationFault.AddressInvalid)]
    [InlineData("::1", DestinationFault.AddressInvalid)]
    [InlineData("http://example.org:443", DestinationFault.AddressInvalid)]
    [InlineData("1:2:3:443", DestinationFault.AddressInvalid)]
    [InlineData("127.1:80", DestinationFault.NumericHost)]
    [InlineData("2130706433:80", DestinationFault.NumericHost)]
    [InlineData("0x7f.1:80", DestinationFault.NumericHost)]
    [InlineData("0x7f000001:80", DestinationFault.NumericHost)]
    [InlineData("0X7F000001.:80", DestinationFault.NumericHost)]
    [InlineData("0x:80", DestinationFault.NumericHost)]
    [InlineData("1.2.3.4.:80", DestinationFault.NumericHost)]
    [InlineData("1.2.3.256:80", DestinationFault.NumericHost)]
    [InlineData("01.2.3.4:80", DestinationFault.NumericHost)]
    [InlineData("a..b:80", DestinationFault.LabelInvalid)]
    [InlineData("a.b..:80", DestinationFault.LabelInvalid)]
    [InlineData(".a.b:80", DestinationFault.LabelInvalid)]
    [InlineData("-a.b:80", DestinationFault.LabelInvalid)]
    [InlineData("a-.b:80", DestinationFault.LabelInvalid)]
    [InlineData("a/b:80", DestinationFault.NameCharacter)]
    [InlineData("user@example.org:80", DestinationFault.NameCharacter)]
    [InlineData("*.example.org:80", DestinationFault.NameCharacter)]
    public void MalformedForms(string text, DestinationFault expected)
    {
        Assert.False(DestinationAddress.TryParse(Encoding.UTF8.GetBytes(text), out var destination, out var fault));
        Assert.Equal(expected, fault);
        Assert.Equal(DestinationKind.None, destination.Kind);
        Assert.NotEqual(DestinationAddress.Describe(DestinationFault.None), DestinationAddress.Describe(fault));
    }

    [Fact]
    public void LengthLimitsAreExact()
    {
        var label63 = new string('a', 63);
        var name253 = $"{label63}.{label63}.{label63}.{new string('b', 61)}";
        Assert.Equal(253, name253.Length);
        Assert.Equal(DestinationFault.None, Fault($"{name253}:443"));
        Assert.Equal(DestinationFault.None, Fault($"{name253}.:65535"));
        Assert.Equal(DestinationFault.NameTooLong, Fault($"{name253}b:443"));
        Assert.Equal(DestinationFault.TooLong, Fault($"{name253}b.:65535"));
        Assert.Equal(DestinationFault.LabelInvalid, Fault($"a{label63}.example:443"));
        Assert.Equal(DestinationFault.TooLong, Fault(new string('a', 70_000) + ":443"));
    }

    [Fact]
    public void RandomInputsNeitherThrowNorAllocateAndMeanWhatTheySay()
    {
        var random = new Random(1234);
        var alphabet = "aZ09-._:[]%x1234567890fF:.:."u8.ToArray();
        byte[][] seeds =
        [
            "example.org:443"u8.ToArray(), "[2606:4700::1111]:443"u8.ToArray(), "2606:4700:0:0:0:0:0:1111:443"u8.ToArray(),
            "93.184.216.34:8080"u8.ToArray(), "xn--bcher-kva.example.:1"u8.ToArray(), "[::ffff:1.2.3.4]:65535"u8.ToArray(),
            Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("abcd.", 50)) + "efgh:80"),
        ];
        var buffer = new byte[300];
        var kinds = new int[4];
        var faults = new int[Enum.GetValues<DestinationFault>().Length];
        Check(buffer, seeds[0], kinds, faults);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < GeneratedInputs; i++)
        {
            int length;
            if (i % 3 == 0)
            {
                length = random.Next(0, i % 16 == 0 ? 300 : 24);
                for (var j = 0; j < length; j++) buffer[j] = alphabet[random.Next(alphabet.Length)];
            }
            else if (i % 3 == 1)
            {
                var seed = seeds[random.Next(seeds.Length)];
                length = seed.Length;
                seed.CopyTo(buffer, 0);
                for (var n = random.Next(0, 3); n > 0; n--) buffer[random.Next(length)] = alphabet[random.Next(alphabet.Length)];
            }
            else
            {
                length = random.Next(0, 40);
                random.NextBytes(buffer.AsSpan(0, length));
            }

            Check(buffer, buffer.AsSpan(0, length), kinds, faults);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.All(kinds, count => Assert.True(count > 1000));
        Assert.All(Enum.GetValues<DestinationFault>(), fault => Assert.True(faults[(int)fault] > 0, fault.ToString()));
    }

    // Invariants that hold for every accepted input, told independently of how the parser works.
    private static void Check(byte[] buffer, ReadOnlySpan<byte> text, int[] kinds, int[] faults)
    {
        var parsed = DestinationAddress.TryParse(text, out var destination, out var fault);
        kinds[(int)destination.Kind]++;
        faults[(int)fault]++;
        var sound = parsed == (fault == DestinationFault.None) && parsed == (destination.Kind != DestinationKind.None);
        if (parsed)
        {
            var host = destination.Host(text);
            Span<byte> port = stackalloc byte[5];
            System.Buffers.Text.Utf8Formatter.TryFormat(destination.Port, port, out var digits);
            sound &= destination.Port > 0 && text.EndsWith(port[..digits]) && text[^(digits + 1)] == ':';
            sound &= host.Length is > 0 and <= 253 && text.IndexOf(host) is 0 or 1;
            sound &= destination.Kind == DestinationKind.Name
                ? !host.Contains((byte)':') && host[^1] != '.' && host.IndexOfAnyExceptInRange((byte)'-', (byte)'z') < 0
                : destination.Kind == DestinationKind.IPv6 == destination.Address.IsIPv6;
        }

        if (!sound) Assert.Fail(Convert.ToHexString(buffer.AsSpan(0, text.Length)));
    }

    private static DestinationFault Fault(string text)
    {
        return DestinationAddress.TryParse(Encoding.ASCII.GetBytes(text), out _, out var fault) ? DestinationFault.None : fault;
    }
}
