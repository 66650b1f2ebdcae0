using System.Globalization;
using System.Net;
using System.Net.Sockets;
using FastExit.Configuration;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

/// <summary>A million texts for each small parser behind rules and prefixes: none throws, and what is taken is written back as it reads.</summary>
public class PatternTextPropertyTests
{
    private const string Alphabet = "0123456789abcdef:./-*xyzXYZ [] %+,ü\0";

    [Fact]
    public void Port_ranges_are_told_from_everything_else()
    {
        int accepted = GeneratedInputs.Accepted(311, (random, count) => Count(count, () =>
        {
            string text = random.Next(4) switch
            {
                0 => $"{random.Next(70_000)}",
                1 => $"{random.Next(70_000)}-{random.Next(70_000)}",
                2 => "*",
                _ => Noise(random, 8),
            };
            if (!PortRange.TryParse(text, out PortRange range))
                return false;
            Assert.True(range.Start <= range.End, text);
            Assert.True(PortRange.TryParse(range.ToString(), out PortRange again), text);
            Assert.Equal(range, again);
            return true;
        }));
        Assert.InRange(accepted, GeneratedInputs.Count / 4, GeneratedInputs.Count);
    }

    [Fact]
    public void Address_prefixes_are_read_as_the_platform_reads_them()
    {
        int accepted = GeneratedInputs.Accepted(313, (random, count) => Count(count, () =>
        {
            string address = Address(random).ToString();
            string text = random.Next(4) switch
            {
                0 => string.Create(CultureInfo.InvariantCulture, $"{address}/{random.Next(-2, 140)}"),
                1 => address,
                2 => Spoiled(random, string.Create(CultureInfo.InvariantCulture, $"{address}/{random.Next(33)}")),
                _ => Noise(random, 20),
            };
            if (!AddressPrefix.TryParse(text, out AddressPrefix prefix))
                return false;
            Assert.True(AddressPrefix.TryParse(prefix.ToString(), out AddressPrefix again), text);
            Assert.Equal(prefix, again);
            int slash = text.IndexOf('/', StringComparison.Ordinal);
            string bare = (slash < 0 ? text : text[..slash]).Trim('[', ']');
            Assert.True(IPAddress.TryParse(bare, out IPAddress? expected), text);
            Assert.Equal(NumericAddress.From(expected), NumericAddress.From(Unmapped(prefix)));
            return true;
        }));
        Assert.InRange(accepted, GeneratedInputs.Count / 4, GeneratedInputs.Count);
    }

    [Fact]
    public void Host_patterns_match_their_own_names()
    {
        int accepted = GeneratedInputs.Accepted(317, (random, count) => Count(count, () =>
        {
            string name = string.Join('.', Enumerable.Range(0, random.Next(1, 5)).Select(_ => Label(random)));
            string text = random.Next(4) switch { 0 => name, 1 => "*." + name, 2 => Spoiled(random, name), _ => Noise(random, 24) };
            if (!HostPattern.TryParse(text, out HostPattern? pattern))
                return false;
            Assert.True(HostPattern.TryParse(pattern!.Text, out HostPattern? again), text);
            Assert.Equal((pattern.Name, pattern.IsWildcard), (again!.Name, again.IsWildcard));
            Assert.True(pattern.Matches(pattern.IsWildcard ? "a." + pattern.Name : pattern.Name), text);
            Assert.False(pattern.Matches(pattern.Name + "x"), text);
            return true;
        }));
        Assert.InRange(accepted, GeneratedInputs.Count / 8, GeneratedInputs.Count);
    }

    [Fact]
    public void Tunnel_prefixes_keep_the_devices_own_address()
    {
        int accepted = GeneratedInputs.Accepted(331, (random, count) => Count(count, () =>
        {
            AddressFamily family = random.Next(2) == 0 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
            string text = string.Create(CultureInfo.InvariantCulture, $"{Address(random)}/{random.Next(0, 130)}");
            text = random.Next(4) switch { 0 => Spoiled(random, text), 1 => Noise(random, 20), _ => text };
            if (!TunnelPrefix.TryParse(text, family, out TunnelPrefix prefix, out string problem))
            {
                Assert.NotEmpty(problem);
                return false;
            }

            Assert.Equal(family, prefix.Address.AddressFamily);
            Assert.True(prefix.Network.Contains(prefix.Address), text);
            Assert.True(TunnelPrefix.TryParse(prefix.ToString(), family, out TunnelPrefix again, out _), text);
            Assert.Equal(prefix, again);
            return true;
        }));
        Assert.InRange(accepted, GeneratedInputs.Count / 20, GeneratedInputs.Count);
    }

    private static int Count(int count, Func<bool> accepts)
    {
        int accepted = 0;
        for (int i = 0; i < count; i++)
            accepted += accepts() ? 1 : 0;
        return accepted;
    }

    private static IPAddress Unmapped(AddressPrefix prefix)
    {
        byte[] bytes = new byte[prefix.IsIPv6 ? 16 : 4];
        UInt128 bits = prefix.Bits;
        for (int i = bytes.Length - 1; i >= 0; i--, bits >>= 8)
            bytes[i] = (byte)bits;
        return new IPAddress(bytes);
    }

    private static IPAddress Address(Random random)
    {
        byte[] bytes = new byte[random.Next(2) == 0 ? 4 : 16];
        random.NextBytes(bytes);
        for (int i = random.Next(bytes.Length); i < bytes.Length; i++)
            bytes[i] = 0;
        return new IPAddress(bytes);
    }

    private static string Label(Random random) =>
        string.Concat(Enumerable.Range(0, random.Next(1, 8)).Select(_ => Alphabet[random.Next(10, 16)]));

    private static string Noise(Random random, int most) =>
        string.Concat(Enumerable.Range(0, random.Next(most)).Select(_ => Alphabet[random.Next(Alphabet.Length)]));

    private static string Spoiled(Random random, string text)
    {
        int at = random.Next(text.Length);
        return $"{text[..at]}{Alphabet[random.Next(Alphabet.Length)]}{text[(at + random.Next(2))..]}";
    }
}
