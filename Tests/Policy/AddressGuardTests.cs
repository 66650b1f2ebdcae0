using System.Net;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

/// <summary>network-requester.md §5.3, with the ranges that other requesters miss.</summary>
public class AddressGuardTests
{
    // Written out by hand, not taken from the product's table: first and last refused address, and the neighbours that
    // pass ("-" where the neighbour is refused by another range or does not exist).
    [Theory]
    [InlineData("0.0.0.0", "0.255.255.255", "-", "1.0.0.0")]
    [InlineData("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0")]
    [InlineData("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0")]
    [InlineData("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0")]
    [InlineData("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0")]
    [InlineData("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0")]
    [InlineData("192.0.0.0", "192.0.0.8", "191.255.255.255", "192.0.0.9")]
    [InlineData("192.0.0.11", "192.0.0.255", "192.0.0.10", "192.0.1.0")]
    [InlineData("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0")]
    [InlineData("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0")]
    [InlineData("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0")]
    [InlineData("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0")]
    [InlineData("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0")]
    [InlineData("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0")]
    [InlineData("224.0.0.0", "239.255.255.255", "223.255.255.255", "-")]
    [InlineData("240.0.0.0", "255.255.255.255", "-", "-")]
    [InlineData("168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17")]
    [InlineData("169.254.169.254", "169.254.169.254", "-", "-")]
    [InlineData("100.100.100.200", "100.100.100.200", "-", "-")]
    [InlineData("::", "::", "-", "-")]
    [InlineData("::1", "::1", "-", "-")]
    [InlineData("::127.0.0.1", "::ffff:ffff", "-", "::1:0:0")]
    [InlineData("64:ff9b::", "64:ff9b::ffff:ffff", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::1:0:0")]
    [InlineData("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:2::")]
    [InlineData("100::", "100:0:0:1:ffff:ffff:ffff:ffff", "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "100:0:0:2::")]
    [InlineData("2001::", "2001:1::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:1::1")]
    [InlineData("2001:1::3", "2001:2:ffff:ffff:ffff:ffff:ffff:ffff", "2001:1::2", "2001:3::")]
    [InlineData("2001:4::", "2001:4:111:ffff:ffff:ffff:ffff:ffff", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff", "2001:4:112::")]
    [InlineData("2001:4:113::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:4:112:ffff:ffff:ffff:ffff:ffff", "2001:20::")]
    [InlineData("2001:40::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::")]
    [InlineData("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::")]
    [InlineData("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::")]
    [InlineData("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::")]
    [InlineData("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f01::")]
    [InlineData("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::")]
    [InlineData("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-")]
    [InlineData("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-", "-")]
    [InlineData("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-", "-")]
    [InlineData("fd00:ec2::254", "fd00:ec2::254", "-", "-")]
    public void EachRangeIsRefusedUpToItsEdges(string first, string last, string before, string after)
    {
        Assert.False(AddressGuard.Default.IsAllowed(IPAddress.Parse(first)));
        Assert.False(AddressGuard.Default.IsAllowed(IPAddress.Parse(last)));
        if (before != "-") Assert.True(AddressGuard.Default.IsAllowed(IPAddress.Parse(before)));
        if (after != "-") Assert.True(AddressGuard.Default.IsAllowed(IPAddress.Parse(after)));
    }

    [Fact]
    public void TheTableRefusesBothEndsAndMiddleOfEveryRange()
    {
        foreach (var range in AddressGuard.Ranges)
        {
            var width = range.Prefix.Last - range.Prefix.First;
            foreach (var bits in new[] { range.Prefix.First, range.Prefix.Last, range.Prefix.First + (width / 2) })
            {
                var address = range.Prefix.IsIPv6 ? NumericAddress.IPv6(bits) : NumericAddress.IPv4((uint)bits);
                if (AddressGuard.Exceptions.Any(exception => exception.Contains(address))) continue;
                Assert.True(AddressGuard.Default.TryRefuse(address, out var found), $"{address} of {range.Prefix}");
                Assert.NotNull(found);
            }
        }
    }

    [Theory]
    [InlineData("8.8.8.8")]
    [InlineData("1.1.1.1")]
    [InlineData("2606:4700::1111")]
    [InlineData("2a00:1450:4001:80e::200e")]
    [InlineData("2001:3::1")]
    [InlineData("2001:20::1")]
    [InlineData("2001:30::1")]
    public void PublicAddressesPass(string address) => Assert.True(AddressGuard.Default.IsAllowed(IPAddress.Parse(address)));

    [Theory]
    [InlineData("::ffff:127.0.0.1", false)]
    [InlineData("::ffff:10.1.2.3", false)]
    [InlineData("::ffff:169.254.169.254", false)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("64:ff9b::8.8.8.8", false)]
    [InlineData("2002:7f00:1::", false)]
    [InlineData("2001:0:4136:e378:8000:63bf:80ff:fffe", false)]
    [InlineData("fe80::1%3", false)]
    [InlineData("2606:4700::1111%3", true)]
    public void EmbeddedAndScopedFormsAreSeenThrough(string text, bool allowed) =>
        Assert.Equal(allowed, AddressGuard.Default.IsAllowed(IPAddress.Parse(text)));

    [Fact]
    public void OwnAddressesAreRefusedInEveryForm()
    {
        var guard = AddressGuard.Default.WithOwnAddresses([IPAddress.Parse("93.184.216.34"), IPAddress.Parse("2606:2800::1")]);
        Assert.False(guard.IsAllowed(IPAddress.Parse("93.184.216.34")));
        Assert.False(guard.IsAllowed(IPAddress.Parse("::ffff:93.184.216.34")));
        Assert.False(guard.IsAllowed(IPAddress.Parse("2606:2800::1%7")));
        Assert.True(guard.IsAllowed(IPAddress.Parse("93.184.216.35")));
        Assert.True(guard.TryRefuse(NumericAddress.From(IPAddress.Parse("93.184.216.34")), out var range));
        Assert.Contains("own", range!.Name, StringComparison.Ordinal);
        Assert.True(AddressGuard.Default.IsAllowed(IPAddress.Parse("93.184.216.34")));
    }

    [Fact]
    public void AllowedPrefixesOpenOnlyThemselves()
    {
        var guard = AddressGuard.Default.WithAllowed("127.0.0.0/8", "fd00:1::/32");
        Assert.True(guard.IsAllowed(IPAddress.Loopback));
        Assert.True(guard.IsAllowed(IPAddress.Parse("::ffff:127.0.0.1")));
        Assert.True(guard.IsAllowed(IPAddress.Parse("fd00:1::5")));
        Assert.False(guard.IsAllowed(IPAddress.IPv6Loopback));
        Assert.False(guard.IsAllowed(IPAddress.Parse("10.0.0.1")));
        Assert.False(guard.IsAllowed(IPAddress.Parse("fd00:2::5")));
        Assert.False(AddressGuard.Default.IsAllowed(IPAddress.Loopback));
    }

    [Fact]
    public void OpeningARangeDoesNotOpenTheNodeItself()
    {
        var guard = AddressGuard.Default.WithAllowed("10.0.0.0/8").WithOwnAddresses([IPAddress.Parse("10.0.0.5")]);
        Assert.True(guard.IsAllowed(IPAddress.Parse("10.0.0.6")));
        Assert.False(guard.IsAllowed(IPAddress.Parse("10.0.0.5")));
        Assert.True(guard.WithAllowed("10.0.0.5/32").IsAllowed(IPAddress.Parse("10.0.0.5")));
    }

    [Fact]
    public void BadPrefixesSayWhatWasExpected() =>
        Assert.Contains("10.0.0.0/8", Assert.Throws<FormatException>(() => AddressGuard.Default.WithAllowed("10.0.0.0/33")).Message, StringComparison.Ordinal);

    [Fact]
    public void LookingUpAllocatesNothing()
    {
        var guard = AddressGuard.Default.WithAllowed("127.0.0.0/8").WithOwnAddresses([IPAddress.Parse("93.184.216.34")]);
        var policy = ExitPolicy.Bundled;
        var random = new Random(7);
        var allowed = 0;
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20_000; i++)
        {
            var address = NumericAddress.IPv4((uint)random.NextInt64(uint.MaxValue));
            if (guard.IsAllowed(address) && policy.Evaluate("example.org", address, 443).IsAllowed) allowed++;
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.InRange(allowed, 15_000, 19_000);
    }
}
