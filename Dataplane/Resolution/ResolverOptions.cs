using System.Net;

namespace FastExit.Resolution;

/// <summary>Servers, times and limits of name resolution.</summary>
public sealed record ResolverOptions
{
    /// <summary>DNS servers in order; empty means those of <see cref="ResolvConfPath"/>.</summary>
    public IReadOnlyList<IPEndPoint> Servers { get; init; } = [];

    /// <summary>The system's resolver settings.</summary>
    public string ResolvConfPath { get; init; } = "/etc/resolv.conf";

    /// <summary>The system's table of fixed names.</summary>
    public string HostsPath { get; init; } = "/etc/hosts";

    /// <summary>Wait for one answer from one server; one more try follows.</summary>
    public TimeSpan QueryTimeout { get; init; } = TimeSpan.FromSeconds(1.5);

    /// <summary>Wait for a name altogether; at most 5 s.</summary>
    public TimeSpan TotalTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Further wait for the second address family once one has answered (RFC 8305 §3, more patient: no user waits on a click).</summary>
    public TimeSpan FamilyDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Shortest time a found name is kept, whatever its TTL.</summary>
    public TimeSpan ShortestPositive { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest time a found name is kept, whatever its TTL.</summary>
    public TimeSpan LongestPositive { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Time a missing name is kept.</summary>
    public TimeSpan Negative { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Time a failure is kept, so that a dead server is not asked by every retry.</summary>
    public TimeSpan Failure { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Most names kept.</summary>
    public int CacheEntries { get; init; } = 16 * 1024;

    /// <summary>Most bytes kept, counted with the objects' overhead.</summary>
    public long CacheBytes { get; init; } = 8 * 1024 * 1024;

    /// <summary>Most names being resolved at once; more are refused as overload.</summary>
    public int MaximumQueries { get; init; } = 1024;

    /// <summary>Most addresses handed out for one name; all are checked.</summary>
    public int MaximumAddresses { get; init; } = 8;

    /// <summary>Which family goes first; null asks the host whether it has a global IPv6 route.</summary>
    public bool? PreferIPv6 { get; init; }
}
