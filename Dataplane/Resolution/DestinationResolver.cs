using System.Net;
using System.Text;
using FastExit.Policy;

namespace FastExit.Resolution;

/// <summary>
/// Turns <c>host:port</c> into checked endpoints: parse, early refusal by name, one resolution (hosts file, cache, DNS),
/// then guard and policy for every address. One bad address denies the whole name, and the verdict's endpoints are the ones
/// that were checked, so a name that changes its answer cannot slip past (network-requester.md §4.10, §5.6). Equal names
/// asked at the same time share one query. Thread safe; control plane only; destinations are never logged.
/// </summary>
public sealed class DestinationResolver : IDisposable
{
    private static readonly NumericAddress[] Loopback = [NumericAddress.IPv4(0x7f000001), NumericAddress.IPv6(1)];

    private readonly Func<ExitPolicy> _policy;
    private readonly AddressGuard _guard;
    private readonly ResolverOptions _options;
    private readonly HostsFile _hosts;
    private readonly DnsLookup _dns;
    private readonly NameCache _cache;
    private readonly AddressOrder _order;
    private readonly Dictionary<string, Task<NameLookup>> _inFlight = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();

    /// <summary>A resolver; the policy is read anew for every verdict, so a refreshed one holds at once.</summary>
    public DestinationResolver(Func<ExitPolicy> policy, AddressGuard guard, ResolverOptions? options = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(guard);
        _options = options ?? new ResolverOptions();
        if (_options.TotalTimeout > TimeSpan.FromSeconds(5) || _options.TotalTimeout <= TimeSpan.Zero)
            throw new ArgumentException("The total time for a name must be more than 0 and at most 5 s.", nameof(options));
        time ??= TimeProvider.System;
        _policy = policy;
        _guard = guard;
        _hosts = new HostsFile(_options.HostsPath, time);
        _dns = new DnsLookup(_options);
        _cache = new NameCache(_options.CacheEntries, _options.CacheBytes, time);
        _order = new AddressOrder(_options.PreferIPv6, time);
    }

    /// <summary>Names and bytes in the cache, and queries under way, for metrics.</summary>
    public (int Names, long Bytes, int Queries) Load
    {
        get
        {
            lock (_gate) return (_cache.Count, _cache.Bytes, _inFlight.Count);
        }
    }

    internal ExitPolicy Policy => _policy();

    internal AddressGuard Guard => _guard;

    /// <summary>Judges <c>host:port</c>. Throws only when the token is cancelled.</summary>
    public ValueTask<DestinationVerdict> ResolveAsync(string hostPort, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(hostPort);
        if (hostPort.Length > DestinationAddress.MaximumBytes)
            return new(new DestinationVerdict(DestinationOutcome.Malformed) { Fault = DestinationFault.TooLong });
        Span<byte> bytes = stackalloc byte[DestinationAddress.MaximumBytes * 3];
        return ResolveAsync(bytes[..Encoding.UTF8.GetBytes(hostPort, bytes)], cancellation);
    }

    /// <summary>Judges <c>host:port</c> in bytes, which are not used after the call returns.</summary>
    public ValueTask<DestinationVerdict> ResolveAsync(ReadOnlySpan<byte> hostPort, CancellationToken cancellation = default) =>
        DestinationAddress.TryParse(hostPort, out var destination, out var fault)
            ? ResolveAsync(destination, hostPort, cancellation)
            : new(new DestinationVerdict(DestinationOutcome.Malformed) { Fault = fault });

    /// <summary>Judges a parsed destination; <paramref name="parsed"/> are the bytes it was parsed from, not used after the call returns.</summary>
    public ValueTask<DestinationVerdict> ResolveAsync(
        DestinationAddress destination, ReadOnlySpan<byte> parsed, CancellationToken cancellation = default)
    {
        var policy = _policy();
        if (destination.Kind is DestinationKind.IPv4 or DestinationKind.IPv6)
            return new(Judge(policy, null, [destination.Address], destination.Port));
        if (destination.Kind == DestinationKind.None)
            return new(new DestinationVerdict(DestinationOutcome.Malformed) { Fault = DestinationFault.Empty });

        var name = Encoding.ASCII.GetString(destination.Host(parsed)).ToLowerInvariant();
        if (policy.TryRefuseName(name, destination.Port, out var refusal))
            return new(new DestinationVerdict(DestinationOutcome.DeniedByPolicy) { Rule = refusal.Rule });

        var lookup = LookUpAsync(name);
        return lookup.IsCompletedSuccessfully
            ? new(Judge(name, lookup.Result, destination.Port))
            : AwaitAsync(name, destination.Port, lookup, cancellation);
    }

    /// <summary>Gives up queries under way.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private async ValueTask<DestinationVerdict> AwaitAsync(string name, ushort port, Task<NameLookup> lookup, CancellationToken cancellation) =>
        Judge(name, await lookup.WaitAsync(cancellation).ConfigureAwait(false), port);

    private Task<NameLookup> LookUpAsync(string name)
    {
        // RFC 6761 §6.3: the name means this host everywhere, whatever a server says.
        if (name is "localhost" || name.EndsWith(".localhost", StringComparison.Ordinal))
            return Task.FromResult(new NameLookup(Loopback, ResolverFault.None, TimeSpan.Zero));
        if (_hosts.Find(name) is { } known) return Task.FromResult(new NameLookup(known, ResolverFault.None, TimeSpan.Zero));
        // RFC 7686 §2, RFC 6761 §6.4: never asked of a server, which would learn of it for nothing.
        if (name.EndsWith(".onion", StringComparison.Ordinal) || name.EndsWith(".invalid", StringComparison.Ordinal))
            return Task.FromResult(NameLookup.NotFound);

        lock (_gate)
        {
            if (_cache.TryGet(name, out var kept)) return Task.FromResult(kept!);
            if (_inFlight.TryGetValue(name, out var running)) return running;
            if (_inFlight.Count >= _options.MaximumQueries) return Task.FromResult(NameLookup.Overloaded);
            var stop = _stop.Token;
            running = Task.Run(() => QueryAsync(name, stop), CancellationToken.None);
            _inFlight[name] = running;
            return running;
        }
    }

    private async Task<NameLookup> QueryAsync(string name, CancellationToken stop)
    {
        var lookup = NameLookup.Failed(ResolverFault.ServerFailure);
        try
        {
            lookup = await _dns.QueryAsync(name, stop).ConfigureAwait(false);
            return lookup;
        }
        finally
        {
            lock (_gate)
            {
                _inFlight.Remove(name);
                _cache.Set(name, lookup, Lifetime(lookup));
            }
        }
    }

    private TimeSpan Lifetime(NameLookup lookup)
    {
        if (lookup.Fault != ResolverFault.None) return _options.Failure;
        if (lookup.Addresses.Length == 0) return _options.Negative;
        if (lookup.TimeToLive < _options.ShortestPositive) return _options.ShortestPositive;
        return lookup.TimeToLive > _options.LongestPositive ? _options.LongestPositive : lookup.TimeToLive;
    }

    private DestinationVerdict Judge(string name, NameLookup lookup, ushort port)
    {
        if (lookup.Fault != ResolverFault.None)
            return new DestinationVerdict(DestinationOutcome.ResolverFailed) { ResolverFault = lookup.Fault };
        // The policy may have been refreshed while the query ran.
        return lookup.Addresses.Length == 0
            ? new DestinationVerdict(DestinationOutcome.NameNotFound)
            : Judge(_policy(), name, lookup.Addresses, port);
    }

    private DestinationVerdict Judge(ExitPolicy policy, string? name, NumericAddress[] addresses, ushort port)
    {
        PolicyRule? deciding = null;
        foreach (var address in addresses)
        {
            if (_guard.TryRefuse(address, out var range))
                return new DestinationVerdict(DestinationOutcome.DeniedByGuard) { Range = range, Refused = address, Resolved = addresses };
            var verdict = name is null ? policy.Evaluate(address, port) : policy.Evaluate(name, address, port);
            if (!verdict.IsAllowed)
                return new DestinationVerdict(DestinationOutcome.DeniedByPolicy) { Rule = verdict.Rule, Refused = address, Resolved = addresses };
            deciding ??= verdict.Rule;
        }

        return new DestinationVerdict(DestinationOutcome.Allowed)
        {
            Endpoints = [.. _order.Arrange(addresses, _options.MaximumAddresses).Select(address => new IPEndPoint(address.ToIPAddress(), port))],
            Resolved = addresses,
            Rule = deciding,
        };
    }
}
