using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FastExit.Policy;
using FastExit.Resolution;
using Xunit;

namespace FastExit.Tests.Resolution;

/// <summary>Name resolution and verdicts against a real DNS server on loopback.</summary>
public sealed class DestinationResolverTests : ResolverBench
{
    [Theory]
    [InlineData("8.8.8.8:443", DestinationOutcome.Allowed)]
    [InlineData("8.8.8.8:25", DestinationOutcome.DeniedByPolicy)]
    [InlineData("198.41.0.4:443", DestinationOutcome.DeniedByPolicy)]
    [InlineData("127.0.0.1:443", DestinationOutcome.DeniedByGuard)]
    [InlineData("[::ffff:127.0.0.1]:443", DestinationOutcome.DeniedByGuard)]
    [InlineData("[64:ff9b::7f00:1]:443", DestinationOutcome.DeniedByGuard)]
    [InlineData("2606:4700:0:0:0:0:0:1111:443", DestinationOutcome.Allowed)]
    [InlineData("[2606:4700::1111]:443", DestinationOutcome.Allowed)]
    [InlineData("8.8.8.8:0", DestinationOutcome.Malformed)]
    [InlineData("127.1:443", DestinationOutcome.Malformed)]
    [InlineData("ü.example:443", DestinationOutcome.Malformed)]
    [InlineData("", DestinationOutcome.Malformed)]
    public async Task LiteralsAreJudgedWithoutDns(string hostPort, DestinationOutcome outcome)
    {
        using var resolver = Resolver();
        var verdict = await resolver.ResolveAsync(hostPort);
        Assert.Equal(outcome, verdict.Outcome);
        Assert.Equal(outcome == DestinationOutcome.Allowed ? 1 : 0, verdict.Endpoints.Count);
        Assert.Equal(0, Dns.AllQuestions);
    }

    [Fact]
    public async Task AMappedLiteralIsConnectedToAsIPv4()
    {
        using var resolver = Resolver();
        var verdict = await resolver.ResolveAsync("[::ffff:8.8.8.8]:443");
        Assert.Equal(new IPEndPoint(IPAddress.Parse("8.8.8.8"), 443), Assert.Single(verdict.Endpoints));
    }

    [Fact]
    public async Task BothFamiliesAreAskedAndInterleaved()
    {
        Dns.Serve("www.example", "8.8.8.8", "8.8.4.4", "1.1.1.1", "2606:4700::1111", "2606:4700::1001");
        using (var resolver = Resolver(options => options with { PreferIPv6 = true }))
        {
            var verdict = await resolver.ResolveAsync("WWW.Example.:443");
            Assert.Equal(DestinationOutcome.Allowed, verdict.Outcome);
            Assert.Equal("accept *:443", verdict.Rule!.ToString());
            Assert.Equal(
                ["2606:4700::1111", "8.8.8.8", "2606:4700::1001", "8.8.4.4", "1.1.1.1"],
                verdict.Endpoints.Select(endpoint => endpoint.Address.ToString()));
            Assert.All(verdict.Endpoints, endpoint => Assert.Equal(443, endpoint.Port));
        }

        using (var resolver = Resolver(options => options with { PreferIPv6 = false }))
        {
            var verdict = await resolver.ResolveAsync("www.example:443");
            Assert.Equal(AddressFamily.InterNetwork, verdict.Endpoints[0].AddressFamily);
            Assert.Equal(AddressFamily.InterNetworkV6, verdict.Endpoints[1].AddressFamily);
        }

        Assert.Equal((2, 2), (Dns.Questions("www.example", RecordType.A), Dns.Questions("www.example", RecordType.Aaaa)));
    }

    [Theory]
    [InlineData("8.8.8.8", "127.0.0.1")]
    [InlineData("8.8.8.8", "10.0.0.1")]
    [InlineData("8.8.8.8", "169.254.169.254")]
    [InlineData("8.8.8.8", "::1")]
    [InlineData("8.8.8.8", "::ffff:192.168.1.1")]
    [InlineData("8.8.8.8", "64:ff9b::a00:1")]
    [InlineData("2606:4700::1111", "fe80::1")]
    public async Task OneGuardedAddressDeniesTheWholeName(string good, string bad)
    {
        Dns.Serve("mixed.example", good, bad);
        using var resolver = Resolver();
        var verdict = await resolver.ResolveAsync("mixed.example:443");
        Assert.Equal(DestinationOutcome.DeniedByGuard, verdict.Outcome);
        Assert.Empty(verdict.Endpoints);
        Assert.Equal(NumericAddress.From(IPAddress.Parse(bad)), verdict.Refused);
        Assert.NotNull(verdict.Range);
    }

    [Fact]
    public async Task OneListedAddressDeniesTheWholeName()
    {
        Dns.Serve("listed.example", "8.8.8.8", "198.41.0.4");
        using var resolver = Resolver();
        var verdict = await resolver.ResolveAsync("listed.example:443");
        Assert.Equal((DestinationOutcome.DeniedByPolicy, 1), (verdict.Outcome, verdict.Rule!.Line));
    }

    [Fact]
    public async Task ARebindingNameCannotChangeWhatWasChecked()
    {
        var asked = 0;
        Dns.Answer = (name, type) => type == RecordType.A
            ? new DnsReply(0, [LoopbackDnsServer.Address(name, Interlocked.Increment(ref asked) == 1 ? "8.8.8.8" : "127.0.0.1", timeToLive: 0)])
            : DnsReply.Empty;
        using var resolver = Resolver();
        var first = await resolver.ResolveAsync("rebind.example:443");
        Assert.Equal("8.8.8.8", Assert.Single(first.Endpoints).Address.ToString());
        Assert.Equal("8.8.8.8", Assert.Single((await resolver.ResolveAsync("rebind.example:443")).Endpoints).Address.ToString());
        Assert.Equal(1, asked);

        Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(DestinationOutcome.DeniedByGuard, (await resolver.ResolveAsync("rebind.example:443")).Outcome);
        Assert.Equal("8.8.8.8", first.Endpoints[0].Address.ToString());
    }

    [Fact]
    public async Task RefusedNamesAreNotAskedOfDns()
    {
        using var resolver = Resolver();
        Policy = ExitPolicy.Parse("reject *.blocked.example:*\naccept *:443", "test");
        var byName = await resolver.ResolveAsync("www.Blocked.example:443");
        Assert.Equal((DestinationOutcome.DeniedByPolicy, 1), (byName.Outcome, byName.Rule!.Line));
        var byPort = await resolver.ResolveAsync("www.example:25");
        Assert.Equal(DestinationOutcome.DeniedByPolicy, byPort.Outcome);
        Assert.Null(byPort.Rule);
        Assert.Equal(0, Dns.AllQuestions);
    }

    [Fact]
    public async Task HostRulesMatchTheAskedNameNotItsAlias()
    {
        Dns.Answer = (name, type) => type == RecordType.A
            ? new DnsReply(0, [LoopbackDnsServer.Alias(name, "cdn.blocked.example"), LoopbackDnsServer.Address("cdn.blocked.example", "8.8.8.8")])
            : DnsReply.Empty;
        using var resolver = Resolver();
        Assert.Equal(DestinationOutcome.Allowed, (await resolver.ResolveAsync("www.example:443")).Outcome);
        var verdict = await resolver.ResolveAsync("www.blocked.example:443");
        Assert.Equal((DestinationOutcome.DeniedByPolicy, 2), (verdict.Outcome, verdict.Rule!.Line));
    }

    [Fact]
    public async Task AliasesAreFollowedAndStrangersIgnored()
    {
        Dns.Answer = (name, type) => type == RecordType.A
            ? new DnsReply(0,
            [
                LoopbackDnsServer.Address("stranger.example", "127.0.0.1"),
                LoopbackDnsServer.Address("c.example", "8.8.4.4"),
                LoopbackDnsServer.Alias("b.example", "C.example"),
                LoopbackDnsServer.Alias("a.example", "b.example"),
            ])
            : DnsReply.Empty;
        using var resolver = Resolver();
        var verdict = await resolver.ResolveAsync("a.example:443");
        Assert.Equal("8.8.4.4", Assert.Single(verdict.Endpoints).Address.ToString());
    }

    [Fact]
    public async Task AnAliasLoopHasNoAddresses()
    {
        Dns.Answer = (_, _) => new DnsReply(0, [LoopbackDnsServer.Alias("a.example", "b.example"), LoopbackDnsServer.Alias("b.example", "a.example")]);
        using var resolver = Resolver();
        Assert.Equal(DestinationOutcome.NameNotFound, (await resolver.ResolveAsync("a.example:443")).Outcome);
    }

    [Fact]
    public async Task ManyAddressesAreAllCheckedAndAFewHandedOut()
    {
        var good = Enumerable.Range(1, 60).Select(i => $"8.8.8.{i}").ToArray();
        Dns.Serve("many.example", good);
        Dns.Serve("many-and-one.example", [.. good, "10.1.1.1"]);
        using var resolver = Resolver();
        var verdict = await resolver.ResolveAsync("many.example:443");
        Assert.Equal((60, 8), (verdict.Resolved.Count, verdict.Endpoints.Count));
        Assert.Equal(DestinationOutcome.DeniedByGuard, (await resolver.ResolveAsync("many-and-one.example:443")).Outcome);
    }

    [Fact]
    public async Task MissingNamesAndNamesWithoutAddressesAreNotFoundAndKeptBriefly()
    {
        Dns.Answer = (name, _) => name == "empty.example" ? DnsReply.Empty : DnsReply.NoSuchName;
        using var resolver = Resolver();
        foreach (var name in new[] { "missing.example", "empty.example" })
        {
            Assert.Equal(DestinationOutcome.NameNotFound, (await resolver.ResolveAsync($"{name}:443")).Outcome);
            Assert.Equal(DestinationOutcome.NameNotFound, (await resolver.ResolveAsync($"{name}:80")).Outcome);
            Assert.Equal(1, Dns.Questions(name, RecordType.A));
            Time.Advance(TimeSpan.FromSeconds(5));
            Assert.Equal(DestinationOutcome.NameNotFound, (await resolver.ResolveAsync($"{name}:443")).Outcome);
            Assert.Equal(2, Dns.Questions(name, RecordType.A));
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(4)]
    public async Task AnErrorAnswerIsAResolverFailure(int code)
    {
        Dns.Answer = (_, _) => new DnsReply(code, []);
        using var resolver = Resolver();
        var verdict = await resolver.ResolveAsync("www.example:443");
        Assert.Equal((DestinationOutcome.ResolverFailed, ResolverFault.ServerFailure), (verdict.Outcome, verdict.ResolverFault));

        Dns.Serve("www.example", "8.8.8.8");
        Assert.Equal(DestinationOutcome.ResolverFailed, (await resolver.ResolveAsync("www.example:443")).Outcome);
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(DestinationOutcome.Allowed, (await resolver.ResolveAsync("www.example:443")).Outcome);
    }

    [Fact]
    public async Task ASilentServerFailsWithinTheTotalTime()
    {
        Dns.Answer = (_, _) => null;
        using var resolver = Resolver(options => options with
        {
            QueryTimeout = TimeSpan.FromMilliseconds(300),
            TotalTimeout = TimeSpan.FromMilliseconds(450),
        });
        var clock = Stopwatch.StartNew();
        var verdict = await resolver.ResolveAsync("www.example:443");
        Assert.Equal((DestinationOutcome.ResolverFailed, ResolverFault.Timeout), (verdict.Outcome, verdict.ResolverFault));
        Assert.InRange(clock.ElapsedMilliseconds, 400, 2000);
    }

    [Fact]
    public async Task ADeadServerIsAResolverFailure()
    {
        using var resolver = Resolver(options => options with { Servers = [new IPEndPoint(IPAddress.Loopback, 1)] });
        Assert.Equal(DestinationOutcome.ResolverFailed, (await resolver.ResolveAsync("www.example:443")).Outcome);
    }

    [Fact]
    public async Task ASecondServerIsAskedWhenTheFirstIsSilentOrBroken()
    {
        await using var second = new LoopbackDnsServer();
        second.Serve("silent.example", "8.8.8.8");
        second.Serve("broken.example", "8.8.8.8");
        Dns.Answer = (name, _) => name == "silent.example" ? null : DnsReply.ServerFailure;
        using var resolver = Resolver(options => options with { Servers = [Dns.Endpoint, second.Endpoint], QueryTimeout = TimeSpan.FromMilliseconds(200) });
        Assert.Equal(DestinationOutcome.Allowed, (await resolver.ResolveAsync("silent.example:443")).Outcome);
        Assert.Equal(DestinationOutcome.Allowed, (await resolver.ResolveAsync("broken.example:443")).Outcome);
    }

    [Fact]
    public async Task GarbledAnswersAreResolverFailures()
    {
        var random = new Random(1);
        using var resolver = Resolver(options => options with { QueryTimeout = TimeSpan.FromMilliseconds(100), TotalTimeout = TimeSpan.FromMilliseconds(300) });
        foreach (var length in new[] { 0, 1, 9, 10, 60 })
        {
            var garbage = new byte[length];
            random.NextBytes(garbage);
            if (length > 1) garbage[0] |= 0x80;
            Dns.Garbage = garbage;
            Assert.Equal(DestinationOutcome.ResolverFailed, (await resolver.ResolveAsync($"g{length}.example:443")).Outcome);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task OneSilentFamilyCostsOnlyTheFamilyDelay(bool sixIsSilent)
    {
        var silent = sixIsSilent ? RecordType.Aaaa : RecordType.A;
        Dns.Answer = (name, type) => type == silent
            ? null
            : new DnsReply(0, [LoopbackDnsServer.Address(name, type == RecordType.A ? "8.8.8.8" : "2606:4700::1111")]);
        using var resolver = Resolver(options => options with { FamilyDelay = TimeSpan.FromMilliseconds(100) });
        var clock = Stopwatch.StartNew();
        Assert.Single((await resolver.ResolveAsync("www.example:443")).Endpoints);
        Assert.InRange(clock.ElapsedMilliseconds, 90, 1400);
    }

    [Fact]
    public async Task OneBrokenFamilyDoesNotHideTheOther()
    {
        Dns.Answer = (name, type) => type == RecordType.Aaaa ? DnsReply.NoSuchName : new DnsReply(0, [LoopbackDnsServer.Address(name, "8.8.8.8")]);
        using var resolver = Resolver();
        Assert.Equal(DestinationOutcome.Allowed, (await resolver.ResolveAsync("nx6.example:443")).Outcome);
        Dns.Answer = (_, type) => type == RecordType.Aaaa ? DnsReply.ServerFailure : DnsReply.Empty;
        Assert.Equal(DestinationOutcome.ResolverFailed, (await resolver.ResolveAsync("fail6.example:443")).Outcome);
    }

    [Theory]
    [InlineData(1, 29, 30)]
    [InlineData(45, 44, 45)]
    [InlineData(86400, 59, 60)]
    public async Task FoundNamesAreKeptForTheirTtlWithinBounds(int timeToLive, int stillKept, int gone)
    {
        Dns.Answer = (name, type) => type == RecordType.A ? new DnsReply(0, [LoopbackDnsServer.Address(name, "8.8.8.8", timeToLive)]) : DnsReply.Empty;
        using var resolver = Resolver();
        await resolver.ResolveAsync("www.example:443");
        Time.Advance(TimeSpan.FromSeconds(stillKept));
        await resolver.ResolveAsync("www.example:443");
        Assert.Equal(1, Dns.Questions("www.example", RecordType.A));
        Time.Advance(TimeSpan.FromSeconds(gone - stillKept));
        await resolver.ResolveAsync("www.example:443");
        Assert.Equal(2, Dns.Questions("www.example", RecordType.A));
    }

    [Fact]
    public async Task EqualNamesAskedTogetherShareOneQuery()
    {
        Dns.Delay = TimeSpan.FromMilliseconds(150);
        Dns.Serve("www.example", "8.8.8.8");
        using var resolver = Resolver();
        var asks = Enumerable.Range(0, 100).Select(i => resolver.ResolveAsync(i % 2 == 0 ? "www.example:443" : "WWW.EXAMPLE.:80").AsTask()).ToArray();
        Assert.Equal((0, 1), (resolver.Load.Names, resolver.Load.Queries));
        Assert.All(await Task.WhenAll(asks), verdict => Assert.Equal(DestinationOutcome.Allowed, verdict.Outcome));
        Assert.Equal((1, 1), (Dns.Questions("www.example", RecordType.A), Dns.Questions("www.example", RecordType.Aaaa)));
        Assert.Equal((1, 0), (resolver.Load.Names, resolver.Load.Queries));
    }

    [Fact]
    public async Task OneImpatientAskerDoesNotSpoilTheQueryForOthers()
    {
        Dns.Delay = TimeSpan.FromMilliseconds(200);
        Dns.Serve("www.example", "8.8.8.8");
        using var resolver = Resolver();
        using var impatience = new CancellationTokenSource();
        var impatient = resolver.ResolveAsync("www.example:443", impatience.Token).AsTask();
        var patient = resolver.ResolveAsync("www.example:443").AsTask();
        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        Assert.Equal(DestinationOutcome.Allowed, (await patient).Outcome);
    }

    [Fact]
    public async Task TooManyNamesAtOnceAreRefusedAsOverload()
    {
        Dns.Delay = TimeSpan.FromMilliseconds(300);
        Dns.Serve("a.example", "8.8.8.8");
        using var resolver = Resolver(options => options with { MaximumQueries = 1 });
        var first = resolver.ResolveAsync("a.example:443").AsTask();
        var second = await resolver.ResolveAsync("b.example:443");
        Assert.Equal(ResolverFault.Overloaded, second.ResolverFault);
        Assert.Equal(DestinationOutcome.Allowed, (await first).Outcome);
    }
}
