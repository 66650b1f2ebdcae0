namespace FastExit.Policy;

/// <summary>The ranges of <see cref="AddressGuard"/>; sources: IANA special-purpose registries (RFC 6890) and vendors' metadata services.</summary>
internal static class GuardTable
{
    /// <summary>Reason for an own address; its prefix is not looked at.</summary>
    public static readonly GuardedRange Own = new(default, "own address of this node");

    public static readonly GuardedRange[] Ranges =
    [
        Range("169.254.169.254/32", "cloud metadata"),
        Range("168.63.129.16/32", "cloud metadata"),
        Range("100.100.100.200/32", "cloud metadata"),
        Range("192.0.0.192/32", "cloud metadata"),
        Range("fd00:ec2::254/128", "cloud metadata"),
        Range("fd20:ce::254/128", "cloud metadata"),
        Range("fe80::a9fe:a9fe/128", "cloud metadata"),

        Range("0.0.0.0/8", "this network"),
        Range("10.0.0.0/8", "private"),
        Range("100.64.0.0/10", "carrier-grade NAT"),
        Range("127.0.0.0/8", "loopback"),
        Range("169.254.0.0/16", "link-local"),
        Range("172.16.0.0/12", "private"),
        Range("192.0.0.0/24", "IETF protocol assignments"),
        Range("192.0.2.0/24", "documentation"),
        Range("192.88.99.0/24", "6to4 relay anycast"),
        Range("192.168.0.0/16", "private"),
        Range("198.18.0.0/15", "benchmarking"),
        Range("198.51.100.0/24", "documentation"),
        Range("203.0.113.0/24", "documentation"),
        Range("224.0.0.0/4", "multicast"),
        Range("240.0.0.0/4", "reserved and broadcast"),

        Range("::/128", "unspecified"),
        Range("::1/128", "loopback"),
        Range("::/96", "IPv4-compatible"),
        Range("64:ff9b::/96", "NAT64"),
        Range("64:ff9b:1::/48", "local NAT64"),
        Range("100::/64", "discard only"),
        Range("100:0:0:1::/64", "dummy prefix"),
        Range("2001::/32", "Teredo"),
        Range("2001::/23", "IETF protocol assignments"),
        Range("2001:db8::/32", "documentation"),
        Range("2002::/16", "6to4"),
        Range("3fff::/20", "documentation"),
        Range("5f00::/16", "segment routing"),
        Range("fc00::/7", "unique local"),
        Range("fe80::/10", "link-local"),
        Range("fec0::/10", "site-local"),
        Range("ff00::/8", "multicast"),
    ];

    public static readonly AddressPrefix[] Exceptions =
    [
        AddressPrefix.Parse("192.0.0.9/32"),
        AddressPrefix.Parse("192.0.0.10/32"),
        AddressPrefix.Parse("2001:1::1/128"),
        AddressPrefix.Parse("2001:1::2/128"),
        AddressPrefix.Parse("2001:3::/32"),
        AddressPrefix.Parse("2001:4:112::/48"),
        AddressPrefix.Parse("2001:20::/28"),
        AddressPrefix.Parse("2001:30::/28"),
    ];

    private static GuardedRange Range(string prefix, string name) => new(AddressPrefix.Parse(prefix), name);
}
