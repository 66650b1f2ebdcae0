using FastExit.Policy;
using FastExit.Resolution;

namespace FastExit.Tests.Resolution;

/// <summary>A DNS server, a hosts file, a clock and a policy that a resolver under test is built on.</summary>
public abstract class ResolverBench : IDisposable
{
    private protected LoopbackDnsServer Dns { get; } = new();

    private protected SteppedTime Time { get; } = new();

    protected string Hosts { get; } = Path.GetTempFileName();

    protected ExitPolicy Policy { get; set; } =
        ExitPolicy.Parse("reject 198.41.0.0/24:*\nreject *.blocked.example:*\naccept *:443\naccept *:80\nreject *:*", "test");

    public void Dispose()
    {
        Dns.DisposeAsync().AsTask().Wait();
        File.Delete(Hosts);
        GC.SuppressFinalize(this);
    }

    protected ResolverOptions Options() => new() { Servers = [Dns.Endpoint], HostsPath = Hosts, PreferIPv6 = false };

    protected DestinationResolver Resolver(Func<ResolverOptions, ResolverOptions>? change = null) =>
        new(() => Policy, AddressGuard.Default, change is null ? Options() : change(Options()), Time);
}
