using System.Net;
using System.Net.NetworkInformation;
using System.Security.Cryptography;
using FastExit.Commands;
using FastExit.Configuration;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Identity;
using FastExit.IpPacketRouter.Host;
using FastExit.Memory;
using FastExit.MixLink;
using FastExit.Native.Sockets;
using FastExit.NetworkRequester;
using FastExit.NetworkRequester.Protocol;
using FastExit.Policy;
using FastExit.Resolution;
using FastExit.Sphinx;
using FastExit.Topology;

namespace FastExit.Cores;

/// <summary>
/// A running exit: its cores, the rings between them, and the control plane they ask. Everything that can fail for a reason the
/// operator can mend (addresses, memory, kernel) fails in <see cref="Start"/>.
/// </summary>
internal sealed partial class ExitRuntime : IExitService
{
    private const int ListenBacklog = 512;
    private static readonly TimeSpan s_keySwitchPoll = TimeSpan.FromMilliseconds(20);

    private readonly ExitSettings _settings;
    private readonly SemaphoreSlim _switching = new(1);
    private NetworkTopology _topology;
    private readonly List<SocketDescriptor> _listeners = [];
    private readonly SlotPool[] _pools;
    private readonly Core[] _cores;
    private readonly CoreCounters[] _counters;
    private readonly PolicySource _policy;
    private readonly DestinationResolver _resolver;
    private readonly DestinationDesk _desk;
    private readonly PublishedAnswers _answers;
    private readonly ServiceKeys _services;
    private readonly NoiseIdentity? _noise;
    private readonly IpPacketRouterService? _router;
    private readonly ReplayFilterStore _filters;
    private readonly ReplayFilterWatch _filterWatch;
    private readonly RouteTables _tables;
    private SphinxKeySet _keys;
    private AnnouncedSphinxKeys _announced;

    private ExitRuntime(
        ExitSettings settings, NodeKeys keys, NetworkTopology topology, IpPacketRouterService? router, Action<string> log)
    {
        _router = router;
        _settings = settings;
        _topology = topology;
        CheckLayers(topology);
        int cores = settings.Cores.Cores.Count;
        _counters = [.. Enumerable.Range(0, cores).Select(i => new CoreCounters(i))];
        Listening = OpenListeners(cores);
        _filters = new ReplayFilterStore(settings.DataDirectory, settings.MixLink, log);
        _keys = KeySet(keys, _ => null);
        _announced = AnnouncedSphinxKeys.From(keys);
        _tables = new RouteTables(keys);
        _filters.RemoveOthers(Enumerable.Range(0, _keys.Count).Select(i => _keys.Filter(i).Path));
        ServiceKeyTriple[] services = EnabledServices(settings, keys);
        _services = KeysOf(services);
        _noise = settings.MixLink.Noise && !keys.NoisePrivateKey.IsEmpty ? new NoiseIdentity(keys.NoisePrivateKey) : null;
        _policy = OpenPolicy(settings, log);
        _answers = new PublishedAnswers(Answers());
        AddressGuard guard = Guard(settings).WithOwnPrefixes(router?.Networks ?? []);
        router?.Use(CurrentPolicy(), guard);
        _policy.Changed += _ =>
        {
            _answers.Publish(Answers());
            router?.Use(CurrentPolicy(), guard);
        };
        _resolver = new DestinationResolver(
            CurrentPolicy, guard, ResolverOptionsOf(settings.Dns, settings.NetworkRequester));
        _desk = new DestinationDesk(
            _resolver, cores, settings.NetworkRequester.MaximumHalfOpen, settings.NetworkRequester.ResolveTimeout);
        _pools = new SlotPool[cores];
        for (int i = 0; i < cores; i++)
            _pools[i] = new SlotPool(i, settings.Memory);
        _cores = BuildCores(keys, services);
        _filterWatch = new ReplayFilterWatch(() => Volatile.Read(ref _keys), log);
        Completion = AllEndedAsync([.. _cores.Select(c => c.Ended)]);
    }

    public IReadOnlyList<CoreCounters> Counters => _counters;

    public IReadOnlyList<IPEndPoint> Listening { get; }

    public IReadOnlyList<ReplayFilterFill> ReplayFilters => _filterWatch.Read();

    public PolicySource Policy => _policy;

    public PolicySnapshot? PolicyInForce => _policy.Snapshot;

    /// <summary>What the node announces now; changes with <see cref="UseKeysAsync"/>.</summary>
    public AnnouncedSphinxKeys Keys => Volatile.Read(ref _announced);

    /// <summary>Ends when every core has drained; faults when one died.</summary>
    public Task Completion { get; }

    public static ExitRuntime Start(ExitSettings settings, NodeKeys keys, NetworkTopology topology, Action<string> log)
    {
        IpPacketRouterService? router =
            settings.Ipr.Enabled ? IpPacketRouterService.Start(settings.Ipr, settings.Cores.Cores.Count, log) : null;
        ExitRuntime runtime;
        try
        {
            runtime = new ExitRuntime(settings, keys, topology, router, log);
        }
        catch
        {
            router?.Dispose();
            throw;
        }

        try
        {
            foreach (Core core in runtime._cores)
                core.Start();
            Task.WhenAll(runtime._cores.Select(c => c.Started)).GetAwaiter().GetResult();
            _ = runtime._tables.BuildAsync();
            return runtime;
        }
        catch
        {
            runtime.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    /// <summary>Tells every client connection that it ends, sends what is queued, and stops; at the limit it stops anyway.</summary>
    public async Task DrainAsync(TimeSpan limit)
    {
        foreach (Core core in _cores)
            core.BeginDrain();
        await Task.WhenAny(Completion, Task.Delay(limit)).ConfigureAwait(false);
        foreach (Core core in _cores)
            core.Stop();
        await Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async Task<string?> ReloadPolicyAsync() =>
        await _policy.RefreshAsync().ConfigureAwait(false) ? null : _policy.LastError?.Message ?? "not read";

    public async ValueTask DisposeAsync()
    {
        foreach (Core core in _cores)
            core.Dispose();
        _tables.Dispose();
        _router?.Dispose();
        foreach (SocketDescriptor listener in _listeners)
            listener.Dispose();
        _desk.Dispose();
        _resolver.Dispose();
        await _policy.DisposeAsync().ConfigureAwait(false);
        foreach (SlotPool pool in _pools)
            pool.Dispose();
        _filterWatch.Retire(_keys, successor: null);
        _filterWatch.Dispose();
        _services.Wipe();
        _noise?.Wipe();
    }

    /// <summary>Faults with the first core that dies, without waiting for the others.</summary>
    private static async Task AllEndedAsync(List<Task> cores)
    {
        while (cores.Count > 0)
        {
            Task ended = await Task.WhenAny(cores).ConfigureAwait(false);
            await ended.ConfigureAwait(false);
            cores.Remove(ended);
        }
    }

    private static PolicySource OpenPolicy(ExitSettings settings, Action<string> log)
    {
        PolicySource policy = PolicySource.Start(new PolicySourceOptions
        {
            FilePath = settings.Policy.File,
            Url = settings.Policy.Url,
            CachePath = settings.Policy.Url is null ? null : Path.Combine(settings.DataDirectory, "policy-cache.txt"),
            RefreshInterval = settings.Policy.Refresh,
        });
        policy.Changed += snapshot => log($"exit policy now from {snapshot.Origin}: {snapshot.Policy.Rules.Length} rules");
        return policy;
    }

    private static AddressGuard Guard(ExitSettings settings)
    {
        IEnumerable<IPAddress> own = NetworkInterface.GetAllNetworkInterfaces()
            .SelectMany(i => i.GetIPProperties().UnicastAddresses)
            .Select(a => a.Address)
            .Append(settings.MixLink.Announced.Address)
            .Where(a => !IPAddress.IsLoopback(a));
        AddressGuard guard = AddressGuard.Default.WithOwnAddresses(own);
        if (settings.Policy.AllowedLocalPrefixes.Count == 0)
            return guard;
        return guard.WithAllowed([.. settings.Policy.AllowedLocalPrefixes]);
    }

    private static ResolverOptions ResolverOptionsOf(DnsSettings dns, NetworkRequesterSettings requester) => new()
    {
        Servers = dns.Servers,
        QueryTimeout = dns.QueryTimeout,
        TotalTimeout = requester.ResolveTimeout,
        ShortestPositive = dns.CacheMinimum,
        LongestPositive = dns.CacheMaximum,
        CacheEntries = dns.CacheEntries,
    };

    /// <summary>What queries about the policy are told; host rules have no wire form and are left out.</summary>
    private ServiceAnswers Answers()
    {
        bool open = _settings.Policy.OpenProxy;
        string upstream = open ? "" : _settings.Policy.Url?.ToString() ?? "";
        return new ServiceAnswers(
            open,
            "FastExit network requester",
            upstream,
            [.. CurrentPolicy().WireRules.Select(r => new ExitPolicyEntry(
                (ExitPolicyAction)r.Action, r.PatternText, r.Ports.Start, r.Ports.End))]);
    }

    private ExitPolicy CurrentPolicy() => _settings.Policy.OpenProxy ? ExitPolicy.Open : _policy.Current;

    private List<IPEndPoint> OpenListeners(int cores)
    {
        var bound = new List<IPEndPoint>();
        foreach (IPEndPoint address in _settings.MixLink.Listen)
        {
            // Port 0 is chosen by the kernel once; the other cores join it.
            EndpointAddress target = EndpointAddress.From(address);
            for (int core = 0; core < cores; core++)
            {
                _listeners.Add(SocketDescriptor.ListenTcp(target, ListenBacklog, reusePort: cores > 1, out target));
                if (core == 0)
                    bound.Add(target.ToIPEndPoint());
            }
        }

        return bound;
    }

    private SphinxKeySet KeySet(NodeKeys keys, Func<uint, ReplayFilter?> kept)
    {
        var members = new List<(byte[] PrivateKey, uint Rotation, ReplayFilter Filter)>();
        foreach (SphinxKey key in keys.SphinxKeys)
        {
            ReplayFilter? filter = kept(key.RotationId);
            bool isSame = filter is not null && (filter.Path is null || filter.Path == _filters.PathOf(key.PublicKey));
            members.Add((PinnedCopy(key.PrivateKey), key.RotationId, isSame ? filter! : _filters.Open(key.PublicKey)));
        }

        var set = new SphinxKeySet([.. members]);
        foreach ((byte[] privateKey, _, _) in members)
            CryptographicOperations.ZeroMemory(privateKey);
        return set;
    }

    /// <summary>A copy that the collector does not move, so that wiping it wipes all of it.</summary>
    private static byte[] PinnedCopy(ReadOnlySpan<byte> secret)
    {
        byte[] copy = GC.AllocateArray<byte>(secret.Length, pinned: true);
        secret.CopyTo(copy);
        return copy;
    }

    private Core[] BuildCores(NodeKeys keys, ServiceKeyTriple[] services)
    {
        int count = _pools.Length;
        var parcels = new SpscRing<CoreParcel>?[count][];
        var returns = new SpscRing<SlotHandle>?[count][];
        for (int from = 0; from < count; from++)
        {
            parcels[from] = new SpscRing<CoreParcel>?[count];
            returns[from] = new SpscRing<SlotHandle>?[count];
            for (int to = 0; to < count; to++)
            {
                if (from == to)
                    continue;
                // A parcel is a slot of the sender's, so neither ring can overflow by more than acks, which are repeated.
                parcels[from][to] = new SpscRing<CoreParcel>(_pools[from].TotalSlots);
                returns[from][to] = new SpscRing<SlotHandle>(_pools[to].TotalSlots);
            }
        }

        List<NodeAddress> nextHops = [.. _topology.Nodes.Select(n => NodeAddress.From(n.MixAddress))];
        NodeAddress own = NodeAddress.From(_settings.MixLink.Announced);
        byte[] ownIdentity = keys.Identity.ToArray();
        byte[] ownSphinxKey = keys.SphinxKeys[0].PublicKey.ToArray();
        ServicePlan[] plans = [.. services.Select(PlanOf)];
        var cores = new Core[count];
        var agreement = new DrainAgreement(count);
        for (int i = 0; i < count; i++)
        {
            int core = i;
            cores[i] = new Core(
                new CorePlan(
                    i,
                    _settings.Cores.Cores[i],
                    _settings,
                    new CoreMemory(i, _pools, returns[i]),
                    new CoreLinks(i, parcels[i]),
                    [.. Enumerable.Range(0, count).Select(from => parcels[from][core])],
                    [.. Enumerable.Range(0, count).Select(from => returns[from][core])],
                    [.. Enumerable.Range(0, Listening.Count).Select(l => _listeners[(l * count) + core])],
                    _services,
                    plans,
                    () => Volatile.Read(ref _keys),
                    () => new RouteBook(_topology, ownIdentity, ownSphinxKey, own, _settings.Delivery.MeanHopDelay, _tables.Tables),
                    nextHops,
                    () => Volatile.Read(ref _topology),
                    _noise,
                    _desk.Gate(i),
                    _counters[i]),
                cores,
                agreement);
        }

        return cores;
    }

    /// <summary>In the order of <see cref="ServicePlan"/>.</summary>
    private static ServiceKeyTriple[] EnabledServices(ExitSettings settings, NodeKeys keys)
    {
        if (!settings.Ipr.Enabled)
            return [keys.NetworkRequester];
        ServiceKeyTriple router = keys.IpPacketRouter
            ?? throw new CommandException("ipr.enabled is true, but keys/ holds no keys of an IP packet router; restore them, or remove what is left of them and start again");
        return [keys.NetworkRequester, router];
    }

    private static ServiceKeys KeysOf(ServiceKeyTriple[] services)
    {
        (byte[] Identity, byte[] EncryptionPrivateKey)[] keys =
            [.. services.Select(s => (s.Address.Identity.ToArray(), PinnedCopy(s.EncryptionPrivateKey)))];
        var all = new ServiceKeys(keys);
        foreach ((_, byte[] privateKey) in keys)
            CryptographicOperations.ZeroMemory(privateKey);
        return all;
    }

    private ServicePlan PlanOf(ServiceKeyTriple keys, int index)
    {
        var identity = new ServiceIdentity(keys.Address, PinnedCopy(keys.AcknowledgementKey));
        return index switch
        {
            ServicePlan.NetworkRequester => new ServicePlan(
                identity, _settings.Delivery,
                core => new NrShard(
                    core.Settings.NetworkRequester, core.Memory, core.Ring, core.Replies, _desk.Gate(core.Core), core.Counters, _answers,
                    core.Now)),
            ServicePlan.IpPacketRouter => new ServicePlan(
                identity, _settings.Ipr.DeliveryFrom(_settings.Delivery), _router!.BuildShard),
            _ => throw new ArgumentOutOfRangeException(nameof(index)),
        };
    }
}
