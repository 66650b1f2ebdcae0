using System.Net;
using FastExit.Policy;
using FastExit.Resolution;
using Xunit;

namespace FastExit.Tests.Resolution;

public class NameCacheTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public void EntriesAreBoundedAndTheLeastRecentlyUsedGoesFirst()
    {
        var cache = new NameCache(3, long.MaxValue, new SteppedTime());
        foreach (var name in new[] { "a", "b", "c" }) cache.Set(name, NameLookup.NotFound, Minute);
        Assert.True(cache.TryGet("a", out _));
        cache.Set("d", NameLookup.NotFound, Minute);
        Assert.Equal(["a", "c", "d"], new[] { "a", "b", "c", "d" }.Where(name => cache.TryGet(name, out _)));
    }

    [Fact]
    public void RandomUseStaysWithinBothBoundsAndAgreesWithAModel()
    {
        const long maximumBytes = 20_000;
        var time = new SteppedTime();
        var cache = new NameCache(40, maximumBytes, time);
        var random = new Random(3);
        var model = new Dictionary<string, (NameLookup Lookup, long Until)>();
        var hits = 0;
        for (var i = 0; i < 200_000; i++)
        {
            var name = "host" + random.Next(80);
            if (random.Next(2) == 0)
            {
                var lookup = new NameLookup(new NumericAddress[random.Next(0, 30)], ResolverFault.None, Minute);
                var lifetime = TimeSpan.FromSeconds(random.Next(0, 20));
                cache.Set(name, lookup, lifetime);
                model[name] = (lookup, time.GetTimestamp() + lifetime.Ticks);
            }
            else if (cache.TryGet(name, out var found))
            {
                hits++;
                Assert.Same(model[name].Lookup, found);
                Assert.True(time.GetTimestamp() < model[name].Until);
            }

            Assert.InRange(cache.Count, 0, 40);
            Assert.InRange(cache.Bytes, 0, maximumBytes);
            if (random.Next(20) == 0) time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.True(hits > 10_000);
    }

    [Fact]
    public void AnEntryLargerThanTheWholeCacheIsNotKept()
    {
        var cache = new NameCache(10, 1000, new SteppedTime());
        cache.Set("a", new NameLookup(new NumericAddress[100], ResolverFault.None, Minute), Minute);
        Assert.Equal((0, 0L), (cache.Count, cache.Bytes));
    }

    [Fact]
    public void ResolverSettingsAreRead()
    {
        var servers = ResolvConf.Parse(
            ["# comment", "search lan", "nameserver 192.0.2.1", "\tnameserver  2001:db8::53 ", "nameserver nonsense", "options ndots:1", "nameserver"]);
        Assert.Equal([new IPEndPoint(IPAddress.Parse("192.0.2.1"), 53), new IPEndPoint(IPAddress.Parse("2001:db8::53"), 53)], servers);
        Assert.Equal([new IPEndPoint(IPAddress.Loopback, 53)], ResolvConf.Servers("/nonexistent/resolv.conf"));
    }

    [Fact]
    public void HostsLinesAreRead()
    {
        var names = HostsFile.Parse(["127.0.0.1 localhost", "::1\tlocalhost ip6-localhost # six", "fe80::1%lo router.", "10.0.0.1 A.Example a", "#1.1.1.1 x", "x y", "1.1.1.1"]);
        Assert.Equal(["127.0.0.1", "::1"], names["localhost"].Select(address => address.ToString()));
        Assert.Equal("fe80::1", Assert.Single(names["router"]).ToString());
        Assert.Equal(["a", "a.example", "ip6-localhost", "localhost", "router"], names.Keys.Order());
    }

    [Fact]
    public void InterleavingKeepsEveryAddressUpToTheLimit()
    {
        NumericAddress[] addresses = [.. Enumerable.Range(1, 5).Select(i => NumericAddress.IPv4((uint)i)), NumericAddress.IPv6(UInt128.MaxValue)];
        for (var limit = 0; limit < 8; limit++)
        {
            var ordered = AddressOrder.Interleave(addresses, sixFirst: true, limit);
            Assert.Equal(Math.Min(limit, 6), ordered.Distinct().Count());
            if (limit > 1) Assert.Equal((true, false), (ordered[0].IsIPv6, ordered[1].IsIPv6));
        }
    }
}
