using FastExit.Policy;
using FastExit.Resolution;
using Xunit;

namespace FastExit.Tests.Resolution;

/// <summary>Names that DNS is not asked for, policy changes, and what is shown of a verdict.</summary>
public sealed class FixedNamesAndChecksTests : ResolverBench
{
    [Fact]
    public async Task TheHostsFileWinsButIsGuardedAndReadAgain()
    {
        File.WriteAllText(Hosts, "127.0.0.1 admin.example # local\n8.8.8.8\tFixed.example other.example\nnonsense\n");
        Dns.Serve("admin.example", "8.8.8.8");
        using var resolver = Resolver();
        Assert.Equal(DestinationOutcome.DeniedByGuard, (await resolver.ResolveAsync("admin.example:443")).Outcome);
        Assert.Equal("8.8.8.8", Assert.Single((await resolver.ResolveAsync("fixed.example:443")).Endpoints).Address.ToString());
        Assert.Equal(0, Dns.AllQuestions);

        File.WriteAllText(Hosts, "8.8.4.4 fixed.example\n");
        File.SetLastWriteTimeUtc(Hosts, DateTime.UtcNow.AddSeconds(5));
        Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal("8.8.4.4", Assert.Single((await resolver.ResolveAsync("fixed.example:443")).Endpoints).Address.ToString());
        Assert.Equal(DestinationOutcome.Allowed, (await resolver.ResolveAsync("admin.example:443")).Outcome);
    }

    [Theory]
    [InlineData("localhost:443", DestinationOutcome.DeniedByGuard)]
    [InlineData("LocalHost.:443", DestinationOutcome.DeniedByGuard)]
    [InlineData("a.localhost:443", DestinationOutcome.DeniedByGuard)]
    [InlineData("hidden.onion:443", DestinationOutcome.NameNotFound)]
    [InlineData("name.invalid:443", DestinationOutcome.NameNotFound)]
    public async Task SpecialNamesAreNotAskedOfDns(string hostPort, DestinationOutcome outcome)
    {
        Dns.Answer = (name, _) => new DnsReply(0, [LoopbackDnsServer.Address(name, "8.8.8.8")]);
        using var resolver = Resolver();
        Assert.Equal(outcome, (await resolver.ResolveAsync(hostPort)).Outcome);
        Assert.Equal(0, Dns.AllQuestions);
    }

    [Fact]
    public async Task AnOpenedLoopbackIsReachableByName()
    {
        using var resolver = new DestinationResolver(() => ExitPolicy.Open, AddressGuard.Default.WithAllowed("127.0.0.0/8", "::1/128"), Options());
        Assert.Equal(2, (await resolver.ResolveAsync("localhost:8080")).Endpoints.Count);
    }

    [Fact]
    public async Task ARefreshedPolicyHoldsAtOnceForKeptNames()
    {
        Dns.Serve("www.example", "8.8.8.8");
        using var resolver = Resolver();
        Assert.Equal(DestinationOutcome.Allowed, (await resolver.ResolveAsync("www.example:443")).Outcome);
        Policy = ExitPolicy.Parse("reject 8.0.0.0/8:*\naccept *:*", "test");
        Assert.Equal(DestinationOutcome.DeniedByPolicy, (await resolver.ResolveAsync("www.example:443")).Outcome);
        Assert.Equal(1, Dns.Questions("www.example", RecordType.A));
    }

    [Fact]
    public async Task VerdictTextsNeverNameTheDestination()
    {
        Dns.Serve("secret.example", "10.11.12.13");
        using var resolver = Resolver();
        foreach (var hostPort in new[] { "secret.example:443", "missing-secret.example:443", "secret.example:25", "secret..example:443" })
        {
            var verdict = await resolver.ResolveAsync(hostPort);
            foreach (var text in new[] { verdict.ToString(), verdict.Explain() })
            {
                Assert.DoesNotContain("secret", text, StringComparison.Ordinal);
                Assert.DoesNotContain("10.11.12.13", text, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task ACheckShowsRuleLineAndEveryAddress()
    {
        Dns.Serve("mixed.example", "8.8.8.8", "198.41.0.4", "127.0.0.1");
        using var resolver = Resolver();
        var result = await PolicyCheck.RunAsync("Mixed.example:443", resolver);
        Assert.False(result.IsAllowed);
        Assert.Equal(["8.8.8.8", "198.41.0.4", "127.0.0.1"], result.Addresses.Select(check => check.Address.ToString()));
        Assert.Equal([true, false, false], result.Addresses.Select(check => check.IsAllowed));
        Assert.Equal((DestinationOutcome.DeniedByPolicy, "reject 198.41.0.0/24:*", 1), (result.Verdict.Outcome, result.Rule, result.Line));
        Assert.Equal(
            """
            denied by the exit policy: reject 198.41.0.0/24:*
            rule: reject 198.41.0.0/24:* (test, line 1)
            8.8.8.8: allowed, line 3: accept *:443
            198.41.0.4: refused, line 1: reject 198.41.0.0/24:*
            127.0.0.1: refused, loopback

            """,
            result.ToText());

        var allowed = await PolicyCheck.RunAsync("8.8.8.8:443", resolver);
        Assert.True(allowed.IsAllowed);
        Assert.Equal((3, "accept *:443"), (allowed.Line, allowed.Rule));
        Assert.StartsWith("malformed address: ", (await PolicyCheck.RunAsync("nonsense", resolver)).ToText(), StringComparison.Ordinal);
    }
}
