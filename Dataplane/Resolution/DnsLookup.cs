using System.Net;
using System.Net.Sockets;
using DnsClient;
using DnsClient.Protocol;
using FastExit.Policy;

namespace FastExit.Resolution;

/// <summary>
/// Asks DNS servers for both address families of a name at once. Answers are followed from the asked name through its
/// CNAME chain; records of other owners are ignored. Never throws and never takes longer than the total time.
/// </summary>
internal sealed class DnsLookup
{
    private const int MaximumAliases = 16;

    private readonly LookupClient _client;
    private readonly ResolverOptions _options;

    public DnsLookup(ResolverOptions options)
    {
        _options = options;
        var servers = options.Servers.Count > 0 ? options.Servers : ResolvConf.Servers(options.ResolvConfPath);
        _client = new LookupClient(new LookupClientOptions([.. servers])
        {
            Timeout = options.QueryTimeout,
            Retries = 1,
            UseCache = false,
            UseTcpFallback = true,
            ThrowDnsErrors = false,
            ContinueOnDnsError = true,
            ContinueOnEmptyResponse = false,
            EnableAuditTrail = false,
            ExtendedDnsBufferSize = 1232,
        });
    }

    public async Task<NameLookup> QueryAsync(string name, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_options.TotalTimeout);
        var four = QueryFamilyAsync(name, QueryType.A, limit.Token);
        var six = QueryFamilyAsync(name, QueryType.AAAA, limit.Token);
        var firstDone = await Task.WhenAny(four, six).ConfigureAwait(false);
        var first = await firstDone.ConfigureAwait(false);
        var other = firstDone == four ? six : four;
        // Nothing in hand: only then is the other family worth the whole time.
        if (first.Addresses.Length > 0)
            await Task.WhenAny(other, Task.Delay(_options.FamilyDelay, limit.Token)).ConfigureAwait(false);
        else
            await other.ConfigureAwait(false);

        var second = other.IsCompleted ? await other.ConfigureAwait(false) : FamilyAnswer.Failed(ResolverFault.Timeout);
        await limit.CancelAsync().ConfigureAwait(false);
        return Combine(first, second);
    }

    private static NameLookup Combine(FamilyAnswer first, FamilyAnswer second)
    {
        NumericAddress[] addresses = [.. first.Addresses.Concat(second.Addresses).Distinct()];
        if (addresses.Length > 0)
            return new NameLookup(addresses, ResolverFault.None, first.TimeToLive < second.TimeToLive ? first.TimeToLive : second.TimeToLive);
        // NXDOMAIN speaks for all types, so one such answer outweighs a failure of the other family.
        if (first.IsNoSuchName || second.IsNoSuchName) return NameLookup.NotFound;
        var fault = first.Fault != ResolverFault.None ? first.Fault : second.Fault;
        return fault == ResolverFault.None ? NameLookup.NotFound : NameLookup.Failed(fault);
    }

    private async Task<FamilyAnswer> QueryFamilyAsync(string name, QueryType type, CancellationToken cancellation)
    {
        try
        {
            var response = await _client.QueryAsync(new DnsQuestion(name + ".", type), cancellation)
                .WaitAsync(cancellation).ConfigureAwait(false);
            return response.Header.ResponseCode switch
            {
                DnsHeaderResponseCode.NoError => Follow(name, response.Answers),
                DnsHeaderResponseCode.NotExistentDomain => FamilyAnswer.NoSuchName,
                _ => FamilyAnswer.Failed(ResolverFault.ServerFailure),
            };
        }
        catch (OperationCanceledException)
        {
            return FamilyAnswer.Failed(ResolverFault.Timeout);
        }
        catch (DnsResponseException error)
        {
            return FamilyAnswer.Failed(error.Code == DnsResponseCode.ConnectionTimeout ? ResolverFault.Timeout : ResolverFault.ServerFailure);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // A server can answer with anything, and the client's parser throws many types.
            return FamilyAnswer.Failed(error is SocketException { SocketErrorCode: SocketError.TimedOut } ? ResolverFault.Timeout : ResolverFault.ServerFailure);
        }
    }

    private static FamilyAnswer Follow(string name, IReadOnlyList<DnsResourceRecord> answers)
    {
        var owner = name;
        var lifetime = int.MaxValue;
        for (var alias = 0; alias <= MaximumAliases; alias++)
        {
            var addresses = new List<NumericAddress>();
            string? next = null;
            foreach (var record in answers)
            {
                if (!IsName(record.DomainName, owner)) continue;
                if (record is AddressRecord address) addresses.Add(NumericAddress.From(address.Address));
                else if (record is CNameRecord canonical) next ??= Trimmed(canonical.CanonicalName);
                else continue;
                lifetime = Math.Min(lifetime, record.InitialTimeToLive);
            }

            if (addresses.Count > 0) return new FamilyAnswer([.. addresses], false, ResolverFault.None, TimeSpan.FromSeconds(Math.Max(0, lifetime)));
            if (next is null) break;
            owner = next;
        }

        return FamilyAnswer.Empty;
    }

    private static bool IsName(DnsString domain, string name) => Trimmed(domain).Equals(name, StringComparison.OrdinalIgnoreCase);

    private static string Trimmed(DnsString domain) => domain.Value.TrimEnd('.');

    private sealed record FamilyAnswer(NumericAddress[] Addresses, bool IsNoSuchName, ResolverFault Fault, TimeSpan TimeToLive)
    {
        public static FamilyAnswer Empty { get; } = new([], false, ResolverFault.None, TimeSpan.MaxValue);

        public static FamilyAnswer NoSuchName { get; } = new([], true, ResolverFault.None, TimeSpan.MaxValue);

        public static FamilyAnswer Failed(ResolverFault fault) => new([], false, fault, TimeSpan.MaxValue);
    }
}
