using System.Net;
using System.Net.Sockets;
using FastExit.Policy;

namespace FastExit.Configuration;

/// <summary>Values read so far with the places they stand at; <see cref="Build"/> fills in defaults and checks what concerns several keys.</summary>
internal sealed class SettingDraft(string dataDirectory, string path, IReadOnlyDictionary<string, SettingDraft.Entry> values)
{
    private const int MaximumCore = 1023;

    // IFNAMSIZ with its zero is 16.
    private const int LongestDeviceName = 15;
    private const int RegularSlotBytes = 2_560;
    private const int ExtendedSlotBytes = 34_816;

    // Each of the seven slot classes begins at a huge page's border.
    private const long BorderBytes = 7L * (2 << 20);

    private static readonly string[] s_memoryKeys = ["memory.assembly_bytes", "memory.regular_slots", "memory.extended_slots"];

    public sealed record Entry(object? Value, string Place);

    /// <exception cref="ConfigurationException">Something is missing, or keys contradict each other.</exception>
    public ExitSettings Build()
    {
        if (!values.TryGetValue(SettingNotes.Announced, out var announced))
            throw new ConfigurationException($"{path}: {SettingNotes.Announced} is missing; add this node's address: announced = \"IP:PORT\" under [mix_link]");

        var settings = ConfigurationFile.Defaults(dataDirectory, (IPEndPoint)announced.Value!);
        foreach (var setting in Setting.All)
        {
            if (!values.TryGetValue(setting.Key, out var entry))
                continue;
            var value = setting.IsPath && entry.Value is string relative ? Path.GetFullPath(relative, dataDirectory) : entry.Value;
            // The records were made a moment ago and nobody else has them yet.
            setting.Property.SetValue(setting.Room is null ? settings : setting.Room.GetValue(settings), value);
        }

        Check(settings);
        return settings;
    }

    private void Check(ExitSettings settings)
    {
        CheckCores(settings.Cores.Cores);
        CheckAddresses(settings);
        CheckMemory(settings.Memory);
        CheckOrder("mix_link.initial_backoff", settings.MixLink.InitialBackoff, "mix_link.maximum_backoff", settings.MixLink.MaximumBackoff);
        CheckOrder("dns.cache_minimum", settings.Dns.CacheMinimum, "dns.cache_maximum", settings.Dns.CacheMaximum);
        var delivery = settings.Delivery;
        CheckOrder("delivery.surb_minimum", delivery.SurbMinimum, "delivery.surb_maximum", delivery.SurbMaximum);
        CheckOrder("delivery.surb_reserve", delivery.SurbReserve, "delivery.surb_minimum", delivery.SurbMinimum);
        var nr = settings.NetworkRequester;
        CheckOrder(
            "network_requester.maximum_connections_per_client",
            nr.MaximumConnectionsPerClient,
            "network_requester.maximum_connections",
            nr.MaximumConnections);
        CheckIpPacketRouter(settings);
        if (NodeSettingRules.Broken(settings) is (var key, var problem))
            throw Wrong(key, problem);
        foreach (var url in settings.Directory.Urls)
        {
            if (!Uri.TryCreate(url, UriKind.Absolute, out var parsed) || parsed.Scheme is not ("http" or "https")
                || parsed.Query.Length > 0 || parsed.Fragment.Length > 0)
                throw Wrong("directory.urls", $"has \"{TomlAssignments.Printable(url)}\"; write base URLs such as \"https://validator.nymtech.net/api\"");
        }

        foreach (var prefix in settings.Policy.AllowedLocalPrefixes)
        {
            if (!AddressPrefix.TryParse(prefix, out _))
                throw Wrong("policy.allowed_local_prefixes", $"has \"{TomlAssignments.Printable(prefix)}\"; write prefixes such as \"127.0.0.1/32\" or \"fd00::/8\"");
        }
    }

    private void CheckIpPacketRouter(ExitSettings settings)
    {
        var ipr = settings.Ipr;
        if (ipr.Device != "tun")
            throw Wrong("ipr.device", "must be \"tun\", the only kind there is");
        if (ipr.Name is not { Length: <= LongestDeviceName } name || name is "." or ".." || name.Any(c => c is '/' or ':' || char.IsWhiteSpace(c) || !char.IsAscii(c))
            || name is "lo" or "all" or "default" or "" || name.Count(c => c == '%') > 1
            || name.Replace("%d", "", StringComparison.Ordinal).Contains('%', StringComparison.Ordinal))
            throw Wrong("ipr.name", $"must be a device name of at most {LongestDeviceName} characters with one %d at most, such as \"nymtun%d\"");
        if (ipr.Ipv4 is { } ipv4 && !TunnelPrefix.TryParse(ipv4, AddressFamily.InterNetwork, out _, out var problem))
            throw Wrong("ipr.ipv4", problem);
        if (ipr.Ipv6 is { } ipv6 && !TunnelPrefix.TryParse(ipv6, AddressFamily.InterNetworkV6, out _, out problem))
            throw Wrong("ipr.ipv6", problem);
        if (ipr is { Ipv4: null, Ipv6: null })
            throw Wrong("ipr.ipv4", "and ipr.ipv6 are both \"\"; give one of them a prefix, such as \"10.0.0.1/16\"");
        CheckOrder("ipr.surb_minimum", ipr.SurbMinimum, "ipr.surb_maximum", ipr.SurbMaximum);
        CheckOrder("delivery.surb_reserve", settings.Delivery.SurbReserve, "ipr.surb_minimum", ipr.SurbMinimum);
    }

    private void CheckCores(IReadOnlyList<int> cores)
    {
        var seen = new HashSet<int>();
        foreach (var core in cores)
        {
            if (core > MaximumCore)
                throw Wrong("cores.cores", $"has {core}; CPU numbers go up to {MaximumCore}");
            if (!seen.Add(core))
                throw Wrong("cores.cores", $"has {core} twice; remove one of the two");
        }
    }

    private void CheckAddresses(ExitSettings settings)
    {
        var link = settings.MixLink;
        if (link.Announced.Port == 0 || !IsOneHost(link.Announced.Address))
            throw Wrong(SettingNotes.Announced, $"is {link.Announced}, which nobody can connect to; give the address and port that mix nodes reach");

        if (link.AcceptPlain is not ("unknown" or "never" or "always"))
            throw Wrong("mix_link.accept_plain", $"is \"{TomlAssignments.Printable(link.AcceptPlain ?? "")}\"; write \"unknown\", \"never\" or \"always\"");

        var listeners = new HashSet<IPEndPoint>();
        foreach (var listen in link.Listen)
        {
            if (IsMulticast(listen.Address))
                throw Wrong("mix_link.listen", $"has the multicast address {listen}; give an address of this machine");
            if (listen.Port != 0 && !listeners.Add(listen))
                throw Wrong("mix_link.listen", $"has {listen} twice; remove one of the two");
        }

        if (settings.Metrics.Listen is { } metrics)
        {
            if (!settings.Metrics.AllowRemote && !IPAddress.IsLoopback(metrics.Address))
                throw Wrong("metrics.listen", $"is {metrics}, which others reach; use 127.0.0.1 or [::1], or set metrics.allow_remote = true");
            if (IsMulticast(metrics.Address))
                throw Wrong("metrics.listen", $"is the multicast address {metrics}; use 127.0.0.1 or [::1]");
            if (listeners.Contains(metrics))
                throw Wrong("metrics.listen", $"is {metrics}, which mix_link.listen has too; change one of the two ports");
        }

        foreach (var server in settings.Dns.Servers)
        {
            if (server.Port == 0 || !IsOneHost(server.Address))
                throw Wrong("dns.servers", $"has {server}; give a server's address and port, such as \"9.9.9.9:53\"");
        }

        if (settings.Dns.Servers.Distinct().Count() != settings.Dns.Servers.Count)
            throw Wrong("dns.servers", "has a server twice; remove one of the two");
    }

    private void CheckMemory(MemorySettings memory)
    {
        var bytes = ((long)memory.RegularSlots * RegularSlotBytes) + ((long)memory.ExtendedSlots * ExtendedSlotBytes) + memory.AssemblyBytes + BorderBytes;
        if (bytes <= int.MaxValue)
            return;
        var blamed = s_memoryKeys.FirstOrDefault(values.ContainsKey) ?? s_memoryKeys[0];
        throw Wrong(blamed, $"makes one core's memory {bytes >> 20} MiB; keep all of [memory] below 2048 MiB, or use more cores");
    }

    private void CheckOrder<T>(string lower, T low, string upper, T high)
        where T : IComparable<T>
    {
        if (low.CompareTo(high) > 0)
            throw Wrong(values.ContainsKey(lower) ? lower : upper, $"contradicts: {lower} must not be above {upper}; change one of the two");
    }

    /// <summary>Whether others could connect to it: neither unspecified nor multicast nor broadcast.</summary>
    public static bool IsOneHost(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return !IsMulticast(address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any);
    }

    private static bool IsMulticast(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 ? address.IsIPv6Multicast : address.GetAddressBytes()[0] >= 224;

    private ConfigurationException Wrong(string key, string problem) =>
        new($"{(values.TryGetValue(key, out var entry) ? entry.Place : path)}: {key} {problem}");
}
