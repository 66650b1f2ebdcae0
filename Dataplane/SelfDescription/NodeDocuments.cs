using System.Collections.Frozen;
using System.Diagnostics;
using FastExit.Commands;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Identity;
using FastExit.NetworkRequester.Protocol;
using FastExit.Policy;

namespace FastExit.SelfDescription;

/// <summary>
/// Everything under `/api/v1` (mix-link.md §6.1) of one node, as JSON made from settings, keys and policy. Any thread may read. Holds a copy of the identity's seed, zeroed on <see cref="Dispose"/>.
/// </summary>
internal sealed class NodeDocuments : IDisposable
{
    private static readonly object s_never = new();

    private readonly ExitSettings _settings;
    private readonly Func<PolicySnapshot> _policy;
    private readonly Func<IReadOnlyList<CoreCounters>> _counters;
    private readonly SecretBytes _identitySeed;
    private readonly FrozenDictionary<string, NodeDocument> _documents;
    private readonly NodeLoad _load = new(TimeProvider.System);
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly byte[] _identity;
    private readonly byte[] _noise;

    /// <param name="settings">Of the node.</param>
    /// <param name="keys">Of the node; only what never changes is taken from here.</param>
    /// <param name="announced">The Sphinx keys to announce: the same object until they change.</param>
    /// <param name="policy">The exit policy in force: the same object until it changes.</param>
    /// <param name="counters">Of its cores.</param>
    public NodeDocuments(
        ExitSettings settings, NodeKeys keys, Func<AnnouncedSphinxKeys> announced, Func<PolicySnapshot> policy, Func<IReadOnlyList<CoreCounters>> counters)
    {
        _settings = settings;
        _policy = policy;
        _counters = counters;
        _identitySeed = new SecretBytes(keys.IdentitySeed.Length);
        keys.IdentitySeed.CopyTo(_identitySeed.Span);
        _identity = keys.Identity.ToArray();
        _noise = settings.MixLink.Noise ? keys.NoisePublicKey.ToArray() : [];
        Recipient? requester = settings.NetworkRequester.Enabled ? keys.NetworkRequester.Address : null;
        Recipient? router = settings.Ipr.Enabled ? keys.IpPacketRouter?.Address : null;
        _documents = Documents(announced, requester, router).ToFrozenDictionary(pair => pair.Path, pair => pair.Document);
        // What the network asks for first is ready before it asks.
        foreach (var document in _documents.Values)
            document.Read();
    }

    /// <summary>The sections that a node of this network may have and this one has not; they answer 501.</summary>
    public static IReadOnlySet<string> Absent { get; } = new HashSet<string>
    {
        "/gateway/client-interfaces/wireguard", "/authenticator", "/lewes-protocol", "/mixnode", "/metrics/wireguard-stats", "/metrics/sessions",
        "/metrics/verloc", "/metrics/mixing", "/network/upgrade-mode-status", "/bridges/client-params",
    };

    /// <summary>The document at a path below `/api/v1`; null: there is none (501 where <see cref="Absent"/> or a service that is off, else 404).</summary>
    public NodeDocument? Find(string path) => _documents.GetValueOrDefault(path);

    public void Dispose() => _identitySeed.Dispose();

    private IEnumerable<(string Path, NodeDocument Document)> Documents(Func<AnnouncedSphinxKeys> announced, Recipient? requester, Recipient? router)
    {
        var node = _settings.Node;
        yield return ("/health", Changing(json => json.StartObject().Name("status").Value("up")
            .Name("uptime").Value((long)Stopwatch.GetElapsedTime(_started).TotalSeconds).EndObject()));
        yield return ("/host-information", new NodeDocument(announced, keys => SignedObject.Sign(
            _identitySeed.Span, SerdeJson.Of(HostInformation.Of(_settings, _identity, (AnnouncedSphinxKeys)keys, _noise).Write))));
        yield return ("/roles", Fixed(json => json.StartObject()
            .Name("mixnode_enabled").Value(false)
            .Name("gateway_enabled").Value(requester is not null || router is not null)
            .Name("network_requester_enabled").Value(requester is not null)
            .Name("ip_packet_router_enabled").Value(router is not null).EndObject()));
        yield return ("/build-information", Fixed(json => WriteBuild(json, node)));
        yield return ("/auxiliary-details", Fixed(json => json.StartObject()
            .Name("location").Value(node.Location)
            .Name("announce_ports").StartObject().Name("verloc_port").Null().Name("mix_port").Value(_settings.MixLink.Announced.Port).EndObject()
            .Name("accepted_operator_terms_and_conditions").Value(node.AcceptOperatorTerms).EndObject()));
        yield return ("/description", Fixed(json => json.StartObject()
            .Name("moniker").Value(node.Moniker ?? "").Name("website").Value(node.Website ?? "")
            .Name("security_contact").Value(node.SecurityContact ?? "").Name("details").Value(node.Details ?? "").EndObject()));
        yield return ("/gateway", Fixed(json => WriteInterfaces(json.StartObject().Name("enforces_zk_nyms").Value(false).Name("client_interfaces")).EndObject()));
        yield return ("/gateway/client-interfaces", Fixed(json => WriteInterfaces(json)));
        yield return ("/gateway/client-interfaces/mixnet-websockets", Fixed(json => WriteWebsockets(json)));
        if (requester is { } nr)
        {
            yield return ("/network-requester", Fixed(json => WriteService(json, nr)));
            yield return ("/network-requester/exit-policy", new NodeDocument(_policy, snapshot => WritePolicy((PolicySnapshot)snapshot)));
        }

        if (router is { } ipr)
            yield return ("/ip-packet-router", Fixed(json => WriteService(json, ipr)));
        if (node.ExposeSystemInfo)
            yield return ("/system-info", new NodeDocument(() => s_never, _ => SystemInformation.Read()));
        yield return ("/load", new NodeDocument(_load.Read, sample => SerdeJson.Of(((NodeLoad.Sample)sample).Write)));
        yield return ("/metrics/packets-stats", Changing(json => PacketStatistics.Write(json, _counters())));
    }

    private static NodeDocument Fixed(Action<SerdeJson> write) => new(() => s_never, _ => SerdeJson.Of(write));

    private static NodeDocument Changing(Action<SerdeJson> write) => new(() => new object(), _ => SerdeJson.Of(write));

    // The build is deterministic and carries no time stamps; its compiler is the runtime's.
    private static void WriteBuild(SerdeJson json, NodeSettings node)
    {
        var own = BinaryInformation.Of(typeof(NodeDocuments).Assembly);
        json.StartObject()
            .Name("binary_name").Value(node.BinaryName)
            .Name("build_timestamp").Value(own.BuildTimestamp)
            .Name("build_version").Value(node.BuildVersion ?? ProgramVersion.Text)
            .Name("commit_sha").Value(own.CommitSha)
            .Name("commit_timestamp").Value(own.CommitTimestamp)
            .Name("commit_branch").Value(own.CommitBranch)
            .Name("rustc_version").Value(own.CompilerVersion)
            .Name("rustc_channel").Value(own.CompilerChannel)
            .Name("cargo_profile").Value(own.BuildProfile)
            .Name("cargo_triple").Value(own.Platform).EndObject();
    }

    private SerdeJson WriteInterfaces(SerdeJson json) =>
        WriteWebsockets(json.StartObject().Name("wireguard").Null().Name("mixnet_websockets")).EndObject();

    private SerdeJson WriteWebsockets(SerdeJson json)
    {
        json.StartObject().Name("ws_port").Value(_settings.Node.WsPort).Name("wss_port");
        return (_settings.Node.WssPort == 0 ? json.Null() : json.Value(_settings.Node.WssPort)).EndObject();
    }

    private static void WriteService(SerdeJson json, Recipient service) => json.StartObject()
        .Name("encoded_identity_key").Value(NodeKeys.Base58Text(service.Identity))
        .Name("encoded_x25519_key").Value(NodeKeys.Base58Text(service.EncryptionKey))
        .Name("address").Value(service.ToString()).EndObject();

    // The address is named only while what came from there is in force.
    private byte[] WritePolicy(PolicySnapshot snapshot)
    {
        var open = _settings.Policy.OpenProxy;
        var upstream = !open && snapshot.Origin is PolicyOrigin.Fetched or PolicyOrigin.Cache ? _settings.Policy.Url?.OriginalString ?? "" : "";
        return new SerdeJson().StartObject()
            .Name("enabled").Value(!open)
            .Name("upstream_source").Value(upstream)
            .Name("last_updated").Value(snapshot.LoadedAt.ToUnixTimeSeconds())
            .Name("policy").Raw(PolicyJson.ToBytes(open ? ExitPolicy.Open : snapshot.Policy))
            .EndObject().ToArray();
    }
}
