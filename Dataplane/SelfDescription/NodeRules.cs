using System.Globalization;
using System.Net.Sockets;
using System.Text;
using FastExit.Commands;
using FastExit.Policy;

namespace FastExit.SelfDescription;

/// <summary>
/// Judges what a node says of itself by the rules of the network's API and of its clients (mix-link.md §6.3 to §6.6, entry-and-directory.md
/// §4). Each finding says what it means for the node. <see cref="Finding.Fail(string, string, string)"/>: the node would not be used.
/// </summary>
/// <param name="node">What it says.</param>
/// <param name="isPublic">False for a network with a directory of its own: addresses need not be global, and nobody scores.</param>
internal sealed class NodeRules(DescribedNode node, bool isPublic)
{
    private const int LongestSkewSeconds = 30;
    private static readonly TimeSpan s_slow = TimeSpan.FromSeconds(1);

    private readonly List<Finding> _findings = [];

    /// <summary>The identity that must answer; null: any.</summary>
    public byte[]? Identity { get; init; }

    /// <summary>The newest release that the network knows; null: distances are not judged.</summary>
    public SemanticVersion? Newest { get; init; }

    /// <summary>Now, to compare the node's clock with.</summary>
    public DateTimeOffset? Now { get; init; }

    public IReadOnlyList<Finding> Judge()
    {
        Answers();
        if (node.Host is { } host)
        {
            Keys(host);
            Addresses(host);
        }

        Roles();
        Ports();
        Build();
        Details();
        Services();
        Policy();
        return _findings;
    }

    private void Answers()
    {
        const string Subject = "answers";
        const string Mend = "see that `fastexit run` serves node.http_listen and that the port is open";
        if (node.Faults.TryGetValue("/health", out var silent) || node.Health != "up")
        {
            Fail(Subject, $"/health: {silent ?? $"status \"{Printable(node.Health ?? "")}\""}; the API skips the node", Mend);
            return;
        }

        foreach (var (path, fault) in node.Faults.OrderBy(fault => fault.Key, StringComparer.Ordinal))
        {
            switch (path)
            {
                case "/auxiliary-details":
                    Scored(Subject, $"{path}: {fault}; taken as terms not accepted, which is scored 0", "answer it");
                    break;
                case "/ip-packet-router" or "/description":
                    Warn(Subject, $"{path}: {fault}; taken as not there", "answer it, or with 501 if there is none");
                    break;
                default:
                    Fail(Subject, $"{path}: {fault}; the API does not describe the node", "answer it");
                    break;
            }
        }

        var slowest = node.Answers.Slowest;
        if (slowest >= s_slow)
            Warn(Subject, string.Create(CultureInfo.InvariantCulture, $"the slowest took {slowest.TotalSeconds:0.0} s; the API waits {NodeAnswers.Patience.TotalSeconds:0} s"), "see what keeps the host busy");
        else if (node.Faults.Count == 0)
            Ok(Subject, "all that the API asks for");
        if (Now is { } now && node.Answers.Date is { } date && Math.Abs((now - date).TotalSeconds) is var skew && skew > LongestSkewSeconds)
            Fail("clock", string.Create(CultureInfo.InvariantCulture, $"{skew:0} s off this host's; refresh requests older than {LongestSkewSeconds} s or of the future are refused, and key rotations come too early or late"), "run a time service, for example systemd-timesyncd or chrony");
    }

    private void Keys(HostInformation host)
    {
        if (!node.IsSignatureValid)
            Fail("signature", "is not that of the identity over the data; the API refuses the node", "serve what this program signs, unchanged");
        else if (Identity is not null && !host.Identity.AsSpan().SequenceEqual(Identity))
            Fail("signature", "good, but of another identity than this data directory's; the API refuses a node whose identity is not the bonded one", "ask the right node, or use the right data directory");
        else
            Ok("signature", "good");

        const string Sphinx = "sphinx keys";
        if (!host.SphinxKey.AsSpan().SequenceEqual(host.Primary.PublicKey))
            Fail(Sphinx, "x25519_sphinx is not the primary key; older readers send to a key that does not open", "announce the primary key twice");
        else if (host.Primary.RotationId is 0 or uint.MaxValue)
            Warn(Sphinx, $"rotation {host.Primary.RotationId} means none, so packets name no rotation", "make keys for the network's current rotation");
        else if (host.PreAnnounced is { } next && next.RotationId != unchecked(host.Primary.RotationId + 1))
            Fail(Sphinx, $"rotation {next.RotationId} is announced beside {host.Primary.RotationId}; clients would use neither in the rotation between", "announce the key of the next rotation alone");
        else if (host.PreAnnounced is { } same && same.PublicKey.AsSpan().SequenceEqual(host.Primary.PublicKey))
            Fail(Sphinx, "the next rotation's key is the current one; packets of both would share a replay filter", "make a fresh key");
        else
            Ok(Sphinx, $"rotation {host.Primary.RotationId}{(host.PreAnnounced is null ? "" : $", and {host.PreAnnounced.RotationId} to come")}");

        if (host.Noise is null)
            Warn("noise", "no key is announced; other nodes link in plain, and anyone between reads who sends to whom", "set mix_link.noise = true");
        else if (host.Noise.SupportedVersion != HostInformation.NoiseVersion)
            Warn("noise", $"version {host.Noise.SupportedVersion}; nodes of today know {HostInformation.NoiseVersion}", "announce that");
        else if (host.Noise.PublicKey.AsSpan().SequenceEqual(host.Primary.PublicKey))
            Fail("noise", "the key is the Sphinx key", "make a key of its own");
        else
            Ok("noise", $"version {host.Noise.SupportedVersion}");
    }

    private void Addresses(HostInformation host)
    {
        const string Subject = "addresses";
        if (host.Addresses.Count == 0)
        {
            Fail(Subject, "none; clients silently leave the node out", "announce what others reach: node.announced_addresses");
            return;
        }

        var before = _findings.Count;
        foreach (var address in host.Addresses)
        {
            if (!AddressGuard.Default.TryRefuse(NumericAddress.From(address), out var range))
                continue;
            var text = IpAddressText.Format(address);
            var refused = range!.Name is "unspecified" or "loopback" or "multicast" or "this network";
            Public(Subject, refused ? $"{text} ({range.Name}); the API refuses the node" : $"{text} ({range.Name}); nobody outside reaches it", "announce public addresses: node.announced_addresses");
        }

        if (host.Addresses[0].AddressFamily != AddressFamily.InterNetwork)
            Warn(Subject, "the first one is IPv6; nodes and clients without IPv6 cannot reach the node, and some clients build a websocket URL of it that cannot be read", "put an IPv4 address first in node.announced_addresses");
        if (host.Addresses.Distinct().Count() != host.Addresses.Count)
            Warn(Subject, "one is there twice", "remove it from node.announced_addresses");
        if (_findings.Count == before)
            Ok(Subject, string.Join(", ", host.Addresses.Select(IpAddressText.Format)));

        if (host.Hostname is not { } name)
            return;
        if (DnsName.Check(Encoding.UTF8.GetBytes(name)) is not DnsNameFault.None || !name.Contains('.', StringComparison.Ordinal))
            Fail("hostname", $"\"{Printable(name)}\" is no full DNS name; clients prefer it to the address and would not get through", "correct node.hostname, or set it to \"\"");
        else
            Ok("hostname", $"{name}; clients' websockets go to it instead of the address");
    }

    private void Roles()
    {
        const string Subject = "roles";
        if (node.Roles is not { } roles)
            return;
        if (roles.Mixnode && roles.Gateway)
            Fail(Subject, "mix node and gateway at once; default clients leave out gateways that could be mix nodes", "turn mixnode_enabled off");
        else if (!roles.Gateway || !(roles.NetworkRequester || roles.IpPacketRouter))
            Fail(Subject, "no exit role", "set network_requester.enabled = true or ipr.enabled = true");
        else if (!roles.NetworkRequester || !roles.IpPacketRouter)
            Warn(Subject, $"exit for {(roles.NetworkRequester ? "TCP through the network requester" : "IP packets")} alone; the network recognises an exit gateway by both services", roles.NetworkRequester ? "set ipr.enabled = true" : "set network_requester.enabled = true");
        else
            Ok(Subject, "gateway with network requester and IP packet router: recognised as an exit gateway");
    }

    private void Ports()
    {
        if (node.Websockets is not { } ports)
            return;
        if (ports.Ws == 0)
            Fail("entry", "websocket port 0; clients cannot read the node", "set node.ws_port");
        else if (ports.Wss is not null && node.Host is { Hostname: null })
            Warn("entry", $"port {ports.Wss} under TLS without hostname; browsers' clients cannot use it", "set node.hostname, or node.wss_port = 0");
    }

    private void Build()
    {
        const string Subject = "build";
        if (node.Build is not { } build)
            return;
        var name = Printable(build.BinaryName);
        if (build.BinaryName != ConfigScore.ScoredName)
            Scored(Subject, $"binary name \"{name}\" is scored 0, because the scoring knows \"{ConfigScore.ScoredName}\" alone: performance 0, left out by default clients, no rewards", "node.binary_name decides what is said; read in Dataplane/SelfDescription/README.md what saying otherwise means");
        if (!SemanticVersion.TryParse(build.BuildVersion, out var version))
        {
            Scored("version", $"\"{Printable(build.BuildVersion)}\" is no semantic version; it cannot be scored, and clients do not find the IP packet router", "set node.build_version = \"\"");
            return;
        }

        if (Newest is { } newest && build.BinaryName == ConfigScore.ScoredName)
        {
            var score = ConfigScore.Of(build.BinaryName, version, acceptedTerms: true, newest);
            var seen = string.Create(CultureInfo.InvariantCulture, $"{version} of {newest}: scored about {score:0.00}");
            if (score < ConfigScore.LeastPerformance)
                Scored("version", $"{seen}; default clients leave the node out", "update the program");
            else
                Ok("version", seen);
        }

        if (node.Router is null)
            return;
        if (version < ConfigScore.DiscoveredRouter)
            Warn("version", $"{version}: clients that look for an IP packet router want {ConfigScore.DiscoveredRouter} or newer; those that are given its address connect by version 9", "give clients the address (`fastexit address --service ipr`)");
        else
            Ok("version", $"{version}: clients find the IP packet router and connect by version {(version < ConfigScore.RouterOfVersion10 ? "9" : "10, then 9")}");
    }

    private void Details()
    {
        if (node.Details is not { } details)
            return;
        if (!details.AcceptedTerms)
            Scored("terms", "the operators' terms and conditions are not accepted; scored 0: performance 0, left out by default clients, no rewards", "read them, and set node.accept_operator_terms = true if you do accept them");
        else
            Ok("terms", "accepted");
        if (details.Location is { } country && (country.Length != 2 || !country.All(char.IsAsciiLetterUpper)))
            Warn("location", $"\"{Printable(country)}\" is no country's two letters; the whole section may not be read then, and counts as terms not accepted", "correct node.location");
        if (details.MixPort == 0)
            Fail("mix port", "0; nobody can send packets to the node", "correct mix_link.announced");
    }

    private void Services()
    {
        Service("network requester", "network_requester.enabled", node.Roles?.NetworkRequester, node.Requester);
        Service("IP packet router", "ipr.enabled", node.Roles?.IpPacketRouter, node.Router);
    }

    private void Service(string subject, string setting, bool? enabled, DescribedService? service)
    {
        if (service is null)
        {
            if (enabled == true)
                Fail(subject, "enabled by the roles, but its section does not answer; clients cannot use it", $"answer it, or set {setting} = false");
            return;
        }

        if (service.Address is not { } address)
            Fail(subject, "the address cannot be read; clients cannot use it", "restore the node's keys");
        else if (node.Host is { } host && !address.Gateway.SequenceEqual(host.Identity))
            Fail(subject, "the address names another gateway than this node; packets go there", "restore the node's keys");
        else if (!address.Identity.SequenceEqual(service.Identity) || !address.EncryptionKey.SequenceEqual(service.Encryption))
            Fail(subject, "keys and address differ", "restore the node's keys");
        else if (enabled == false)
            Warn(subject, "described, but the roles say it is off; clients that look for one pass it by", $"set {setting} = true");
        else
            Ok(subject, address.ToString());
    }

    private void Policy()
    {
        const string Subject = "exit policy";
        if (node.Requester is null)
            return;
        if (node.Policy is not { } policy)
        {
            if (!node.Faults.ContainsKey("/network-requester/exit-policy"))
                Fail(Subject, "its section does not answer while the network requester's does; the API does not describe the node", "answer it");
            return;
        }

        if (policy.IsTheNetworks)
            Ok(Subject, $"the network's, of {policy.LastUpdated.UtcDateTime:u}");
        else if (!policy.Enabled)
            Warn(Subject, "none, everything is allowed; shown as not using the network's policy, and abuse comes from this host", "set policy.open_proxy = false");
        else
            Warn(Subject, $"{(policy.Source.Length == 0 ? "this node's own" : $"from {Printable(policy.Source)}")}; shown as not using the network's policy", $"set policy.url = \"{PolicySourceOptions.NetworkPolicyUrl}\"; the flag comes with the first fetch");
    }

    private static string Printable(string text)
    {
        const int Longest = 80;
        var clean = string.Concat(text.Take(Longest).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
        return text.Length > Longest ? clean + "…" : clean;
    }

    private void Ok(string subject, string seen) => _findings.Add(Finding.Ok(subject, seen));

    private void Warn(string subject, string seen, string mend) => _findings.Add(Finding.Warn(subject, seen, mend));

    private void Fail(string subject, string seen, string mend) => _findings.Add(Finding.Fail(subject, seen, mend));

    // Performance 0 keeps clients away as surely as a closed port.
    private void Scored(string subject, string seen, string mend) => Public(subject, seen, mend);

    private void Public(string subject, string seen, string mend) =>
        _findings.Add(isPublic ? Finding.Fail(subject, seen, mend) : Finding.Warn(subject, seen, mend));
}
