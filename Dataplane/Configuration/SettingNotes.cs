using System.Collections.Frozen;

namespace FastExit.Configuration;

/// <summary>
/// What the configuration file says about each key, and its range: numbers, bytes for sizes, milliseconds for durations, entries for lists.
/// </summary>
internal static class SettingNotes
{
    public const string Announced = "mix_link.announced";
    public const string TopologyFile = "topology.file";
    public const string PolicyFile = "policy.file";
    public const string MetricsTokenFile = "node.metrics_token_file";

    private const long Second = 1_000;
    private const long Minute = 60 * Second;
    private const long Hour = 60 * Minute;
    private const long Day = 24 * Hour;
    private const long Kibi = 1L << 10;
    private const long Mebi = 1L << 20;
    private const long Gibi = 1L << 30;

    private static readonly FrozenDictionary<string, Entry> s_entries = Entries().ToFrozenDictionary(entry => entry.Key);
    private static readonly FrozenDictionary<string, string> s_sections = new Dictionary<string, string>
    {
        ["cores"] = "One pinned thread per core; each has its own sockets, memory and counters.",
        ["memory"] = "Pinned memory of each core. All of it together must stay below 2 GiB per core.",
        ["mix_link"] = "The link to the mix nodes: framed packets over TCP.",
        ["delivery"] = "Reassembly of messages, SURBs and acknowledgements; limits are per core.",
        ["network_requester"] = "The service that opens TCP connections for clients; limits are per core.",
        ["ipr"] = "The service that carries clients' IP packets; limits are per core. Needs CAP_NET_ADMIN; `fastexit check --ipr` says whether this host is ready.",
        ["dns"] = "How destinations' names are resolved.",
        ["policy"] = "Which destinations clients may reach.",
        ["metrics"] = "Prometheus endpoint.",
        ["node"] = "What this node says of itself over HTTP; `fastexit node describe` shows it and checks it against the network's rules.",
        ["directory"] = "The network's API, which tells of its nodes. The last good answer is kept in directory-cache.json.",
        ["topology"] = "The network's nodes.",
    }.ToFrozenDictionary();

    public static Entry? For(string key) => s_entries.GetValueOrDefault(key);

    public static string? ForSection(string section) => s_sections.GetValueOrDefault(section);

    public sealed record Entry(string Key, string Text, long Minimum = 0, long Maximum = long.MaxValue);

    private static IEnumerable<Entry> Entries() =>
    [
        new("cores.cores", "CPU numbers, one thread each.", 1, 64),
        new("cores.pin", "false lets the threads wander (beside other load)."),

        new("memory.regular_slots", "Slots of 2,560 bytes: packets and reads of destinations' sockets.", 2_048, 819_200),
        new("memory.extended_slots", "Slots of 34,816 bytes: extended packets.", 1, 32_768),
        new("memory.assembly_bytes", "For messages of several packets that are not complete yet, and for those in use.", 5 * Mebi + 512 * Kibi, 2 * Gibi - 1),
        new("memory.huge_pages", "Try 2 MiB pages first (vm.nr_hugepages)."),

        new("mix_link.listen", "Addresses that mix nodes connect to; port 0 lets the kernel pick.", 1, 16),
        new(Announced, "This node's mix address as others reach it. Required."),
        new("mix_link.legacy_framing", "true sends frames of version 7, false of version 8; both are accepted."),
        new("mix_link.noise", "false speaks and takes plain frames only; for tests."),
        new("mix_link.accept_plain", "Who may connect without Noise: \"unknown\" are addresses that no node with a Noise key announces; \"never\"; \"always\"."),
        new("mix_link.handshakes_per_second", "Noise handshakes that one core begins in a second for unknown addresses, and as many for nodes' own; 0.2 ms of its time each. More are refused.", 1, 100_000),
        new("mix_link.handshake_timeout", "A Noise handshake that took longer is given up.", 10, Minute),
        new("mix_link.routing_filter", "true sends packets to the topology's nodes only, false to every global address."),
        new("mix_link.bind_announced", "Connections to next hops come from mix_link.announced, where they look up whether this node speaks Noise. Without effect if the host does not have that address (NAT)."),
        new("mix_link.maximum_connections", "Connections from mix nodes, per core. One more is accepted, and the one without a packet for longest is closed.", 1, 60_000),
        new("mix_link.ingress_idle", "A connection from a mix node that brings no whole packet for so long is closed.", Second, Day),
        new("mix_link.egress_queue_packets", "Packets that wait for one next hop.", 1, 65_536),
        new("mix_link.connect_timeout", "For a connection to a next hop.", 10, 5 * Minute),
        new("mix_link.initial_backoff", "Pause after the first failed connection to a next hop; doubles.", 10, Hour),
        new("mix_link.maximum_backoff", "Longest such pause.", 10, Day),
        new("mix_link.egress_expiry", "A packet that waited longer for its next hop is dropped.", 10, 10 * Minute),
        new("mix_link.egress_idle", "An unused connection to a next hop is closed.", Second, Day),
        new("mix_link.replay_filter_packets", "Packets that the filter of one key remembers, for all cores: 5 bytes of memory each, 320 MB for 64000000. Full, it refuses everything; size it for the key's life.", 1_000, 400_000_000),
        new("mix_link.replay_filter_persistent", "true keeps each key's filter in a file under replay/, as large as the filter, so that packets of before a restart are refused after it."),

        new("delivery.maximum_sets", "Fragment sets that are not complete.", 16, 1 << 20),
        new("delivery.set_age", "Older incomplete sets are dropped.", Second, Hour),
        new("delivery.maximum_message_bytes", "Longer messages are refused.", 2 * Kibi, 4 * Mebi),
        new("delivery.maximum_peers", "Clients: sender tags and return addresses.", 1, 1 << 20),
        new("delivery.maximum_surbs_per_peer", "SURBs kept for one client.", 1, 65_536),
        new("delivery.surb_bytes", "Memory for all clients' SURBs.", Mebi, 64 * Gibi),
        new("delivery.peer_age", "A client not heard of for so long is forgotten.", Minute, 7 * Day),
        new("delivery.surb_age", "Older SURBs are dropped.", Minute, 7 * Day),
        new("delivery.stale_surb_age", "SURBs of the key rotation before the current one are dropped so long after the change.", Second, 7 * Day),
        new("delivery.surb_reserve", "SURBs of a client kept back to ask it for more.", 1, 1_000),
        new("delivery.surb_minimum", "Below so many SURBs more are asked for.", 1, 10_000),
        new("delivery.surb_maximum", "Up to so many SURBs are asked for.", 1, 65_536),
        new("delivery.surb_request_maximum", "SURBs in one request.", 1, 100),
        new("delivery.surb_request_again", "Pause before the same client is asked again.", 100, Hour),
        new("delivery.parked_packets_per_peer", "Packets waiting for SURBs, per client.", 0, 65_536),
        new("delivery.parked_age", "Longest such wait.", Second, Hour),
        new("delivery.maximum_pending_acks", "Sent packets whose acknowledgement is awaited.", 16, 1 << 20),
        new("delivery.pooled_acks", "Acknowledgements built ahead in idle time, 405 bytes of memory each; 0 builds none ahead.", 0, 65_536),
        new("delivery.maximum_retransmissions", "Times that one packet is sent again.", 0, 250),
        new("delivery.mean_hop_delay", "Mean delay that packets get at each mix node; 0s sends without delay.", 0, Minute),
        new("delivery.ack_wait", "Added to 1.5 × the expected round trip before a packet is sent again.", 1, 10 * Minute),

        new("network_requester.enabled", "false serves no connections."),
        new("network_requester.maximum_connections", "Open connections to destinations.", 1, 1 << 20),
        new("network_requester.maximum_connections_per_client", "Of one client.", 1, 1 << 20),
        new("network_requester.maximum_half_open", "Connections being opened.", 1, 65_536),
        new("network_requester.connects_per_second", "Connects that one core takes in a second, from all clients; more are refused.", 1, 1_000_000),
        new("network_requester.window_packets", "Sent but not acknowledged packets per connection (a client's own window is 1,000).", 1, 1_000),
        new("network_requester.resolve_timeout", "For a destination's name.", 10, 5 * Minute),
        new("network_requester.connect_timeout", "For a connection to a destination.", 10, 5 * Minute),
        new("network_requester.connect_stagger", "Head start of an address before the next is tried too (RFC 8305 §5).", 10, 10 * Second),
        new("network_requester.keepalive", "A client whose connection was silent this long gets an empty message, and knows that it lives.", Second, Day),
        new("network_requester.idle_timeout", "A connection without data in either direction is closed.", Second, 7 * Day),
        new("network_requester.half_close_timeout", "A connection lives on so long after one side closed.", Second, Day),
        new("network_requester.gap_timeout", "Wait for a missing message before the connection is closed.", Second, Hour),
        new("network_requester.reorder_bytes_per_connection", "Data held because an earlier message is missing.", 4 * Kibi, Gibi),
        new("network_requester.early_bytes_per_connection", "Data held that arrived before its connection was open.", 2 * Kibi, 16 * Mebi),
        new("network_requester.early_messages_per_connection", "Messages of that kind.", 1, 1_000),
        new("network_requester.maximum_early_connections", "Connections with data of that kind.", 1, 1 << 20),
        new("network_requester.early_slot_percent", "Share of the slots of each size that all data of that kind may hold; the oldest gives way.", 1, 90),
        new("network_requester.early_age", "How long such data is held.", Second, Hour),
        new("network_requester.tombstone_age", "How long a closed connection's id is remembered.", Second, Day),
        new("network_requester.maximum_tombstones", "Ids remembered.", 16, 1 << 24),

        new("ipr.enabled", "true carries packets through a device of this host, which `run` makes and removes again."),
        new("ipr.device", "Kind of device: \"tun\"."),
        new("ipr.name", "Its name; the kernel puts a number for %d."),
        new("ipr.ipv4", "Its IPv4 address and prefix, /8 to /29; clients get the others. \"\" has no IPv4."),
        new("ipr.ipv6", "Its IPv6 address and prefix, at most /112. \"\" has no IPv6."),
        new("ipr.mtu", "Longest packet, either way: IPv6 needs 1280, one reply to a client holds 1578.", 1_280, 1_578),
        new("ipr.maximum_sessions", "Clients with a pair of addresses.", 1, 65_533),
        new("ipr.new_sessions_per_second", "Of all clients.", 1, 1_000_000),
        new("ipr.idle_timeout", "A client not heard of for so long loses its addresses.", Second, Day),
        new("ipr.buffer_timeout", "Wait for more packets to fill a reply, where the client names none; 0s sends at once.", 0, Second),
        new("ipr.queue_bytes", "Packets that wait for one client.", 4 * Kibi, 64 * Mebi),
        new("ipr.packets_per_second", "Packets that one client may send in a second; 0: no limit.", 0, 10_000_000),
        new("ipr.client_to_client", "true lets clients reach each other."),
        new("ipr.legacy_diagnostics", "true decodes requests of versions 6 and 7 to count them by kind; neither is served, because they name their sender."),
        new("ipr.nat", "true hides clients behind this host's address and lets nothing in that they did not ask for, by an nftables table of the exit's own (inet fastexit_<device>)."),
        new("ipr.set_forwarding", "true turns on the kernel's forwarding (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding), which then stays on; false leaves it and refuses to start while it is off."),
        new("ipr.offload", "true moves many packets with one read or write (GSO, GRO)."),
        new("ipr.surb_minimum", "Below so many SURBs more are asked for.", 1, 10_000),
        new("ipr.surb_maximum", "Up to so many SURBs are asked for.", 1, 65_536),
        new("ipr.surb_request_maximum", "SURBs in one request.", 1, 100),
        new("ipr.surb_bytes", "Memory for all clients' SURBs.", Mebi, 64 * Gibi),
        new("ipr.maximum_sets", "Fragment sets that are not complete.", 16, 1 << 20),
        new("ipr.maximum_pending_acks", "Packets that wait to be sent, or for their acknowledgement.", 16, 1 << 20),

        new("dns.servers", "Servers as IP:PORT; [] takes the system's resolv.conf.", 0, 8),
        new("dns.query_timeout", "For one query to one server.", 10, Minute),
        new("dns.cache_minimum", "Answers are kept at least so long …", 0, Hour),
        new("dns.cache_maximum", "… and at most so long.", 0, Day),
        new("dns.cache_entries", "Names kept.", 0, 1 << 22),

        new(PolicyFile, "Policy file; \"\" takes the bundled one. Read again on SIGHUP."),
        new("policy.url", "Refreshed from this http or https address; \"\" never."),
        new("policy.refresh", "Pause between refreshes.", Minute, 30 * Day),
        new("policy.open_proxy", "true lets clients reach every public address and port. Dangerous."),
        new("policy.allowed_local_prefixes", "Prefixes beyond the public internet that clients may reach, such as \"127.0.0.1/32\". For laboratories only.", 0, 64),

        new("metrics.listen", "Address of the endpoint; \"\" has none."),
        new("metrics.allow_remote", "true lets it listen beyond loopback. The endpoint has no password."),

        new("node.http_listen", "Address of the HTTP interface by which the network learns of this node, usually \"[::]:8080\"; \"\" has none, and the network cannot use the node."),
        new("node.announced_addresses", "This node's IP addresses as others reach it, IPv4 first; the first one is that of mix_link.announced. [] announces that one alone.", 0, 16),
        new("node.hostname", "DNS name of this node, where it has one; clients then use it instead of the address."),
        new("node.location", "Country where it stands, in two capital letters, such as \"CH\"."),
        new("node.binary_name", "Name that the node gives for its program. The network's scoring knows \"nym-node\" alone: anything else is scored 0."),
        new("node.build_version", "Version that it gives; \"\" gives this program's."),
        new("node.accept_operator_terms", "true states that you accept the network's terms and conditions for operators; false is scored 0."),
        new("node.ws_port", "Port announced for clients' websockets. This program does not listen there.", 1, 65_535),
        new("node.wss_port", "The same under TLS, by a reverse proxy; 0: none.", 0, 65_535),
        new("node.moniker", "Name that explorers show."),
        new("node.website", "Address that explorers show."),
        new("node.security_contact", "Where to report problems."),
        new("node.details", "Further text that explorers show."),
        new("node.expose_system_info", "true shows kernel, processor and memory of this host to everybody."),
        new(MetricsTokenFile, "File with a token of 16 characters or more (mode 0600); with it the metrics are served there too, to whoever sends it. \"\" keeps them away."),

        new("directory.urls", "Base URLs of the network's API, tried in order, such as \"https://validator.nymtech.net/api\"; [] uses topology.file.", 0, 8),
        new("directory.refresh", "Pause between refreshes.", Second, Day),
        new("directory.minimum_performance", "Mix nodes below this performance, in percent, are not used.", 0, 100),
        new("directory.start_wait", "A start without cached answer waits so long for the API.", 0, Day),

        new(TopologyFile, "JSON list of the known nodes; relative to this directory. Packets go to its addresses only."),
    ];
}
