using System.Net.NetworkInformation;
using System.Net.Sockets;
using FastExit.Commands;
using FastExit.Configuration;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Native.Tun;

namespace FastExit.IpPacketRouter.Host;

/// <summary>The tunnel device as it is made, and made again when it is lost.</summary>
/// <param name="Name">May hold %d.</param>
/// <param name="Queues">One for each core.</param>
/// <param name="Offload">Asked for.</param>
/// <param name="Mtu">Bytes.</param>
/// <param name="IPv4">Null: this family is not carried.</param>
/// <param name="IPv6">Null: this family is not carried.</param>
internal sealed record TunnelPlan(
    string Name, int Queues, TunOffload Offload, int Mtu, TunnelPrefix? IPv4, TunnelPrefix? IPv6)
{
    private const string IPv6Switch = "net/ipv6/conf/all/disable_ipv6";

    public IEnumerable<TunnelPrefix> Prefixes
    {
        get
        {
            if (IPv4 is { } ipv4)
                yield return ipv4;
            if (IPv6 is { } ipv6)
                yield return ipv6;
        }
    }

    /// <summary>Null where the kernel has IPv6, else why not.</summary>
    public static string? NoIPv6() => ForwardingSysctl.Read(IPv6Switch) switch
    {
        null => "this kernel or container has no IPv6",
        "0" => null,
        _ => "IPv6 is switched off here (net.ipv6.conf.all.disable_ipv6)",
    };

    /// <summary>What the settings ask for, without IPv6 where the host has none.</summary>
    /// <exception cref="CommandException">No family is left.</exception>
    public static TunnelPlan From(IpPacketRouterSettings settings, int queues, Action<string> log)
    {
        TunnelPrefix? ipv4 = Read(settings.Ipv4, AddressFamily.InterNetwork);
        TunnelPrefix? ipv6 = Read(settings.Ipv6, AddressFamily.InterNetworkV6);
        if (ipv6 is not null && NoIPv6() is { } reason)
        {
            if (ipv4 is null)
                throw new CommandException($"ipr.ipv6 is {ipv6}, but {reason}; `sysctl -w net.ipv6.conf.all.disable_ipv6=0`, or give ipr.ipv4 a prefix");
            log($"WARNING: {reason}: the IP packet router carries IPv4 only; `sysctl -w net.ipv6.conf.all.disable_ipv6=0`, or set ipr.ipv6 = \"\"");
            ipv6 = null;
        }

        RefuseOverlap("ipr.ipv4", ipv4, settings.Name!);
        RefuseOverlap("ipr.ipv6", ipv6, settings.Name!);
        return new TunnelPlan(
            settings.Name!, queues, settings.Offload ? TunOffload.All : TunOffload.None, settings.Mtu, ipv4, ipv6);
    }

    /// <summary>Makes the device: queues, MTU, addresses, up.</summary>
    /// <exception cref="NativeException">With its mend; nothing is left behind.</exception>
    public TunDevice Make(RouteNetlink routes)
    {
        TunDevice device = TunDevice.Open(new TunOptions { Name = Name, Queues = Queues, Offload = Offload });
        try
        {
            if (IPv6 is not null)
                AllowIPv6(device.Name);
            routes.SetMtu(device.InterfaceIndex, Mtu);
            Raise(routes, device.InterfaceIndex);
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Addresses and up, whatever of it is there already.</summary>
    public void Raise(RouteNetlink routes, int index)
    {
        foreach (TunnelPrefix prefix in Prefixes)
            routes.AddAddress(index, prefix.Address, prefix.Bits);
        routes.SetUp(index, up: true);
    }

    // The host would lose its way to that network, or clients theirs. A device of the same name may be one that is just going.
    private static void RefuseOverlap(string key, TunnelPrefix? wanted, string deviceName)
    {
        if (wanted is not { } prefix)
            return;
        string stem = deviceName.Replace("%d", "", StringComparison.Ordinal);
        foreach (NetworkInterface device in NetworkInterface.GetAllNetworkInterfaces())
        {
            if (device.Name.StartsWith(stem, StringComparison.Ordinal))
                continue;
            foreach (UnicastIPAddressInformation own in device.GetIPProperties().UnicastAddresses)
            {
                if (own.Address.AddressFamily == prefix.Address.AddressFamily
                    && (prefix.Network.Contains(own.Address) || new TunnelPrefix(own.Address, own.PrefixLength).Network.Contains(prefix.Address)))
                {
                    throw new CommandException(
                        $"{key} is {prefix}, which overlaps {own.Address}/{own.PrefixLength} of this host's {device.Name}; give {key} a prefix that nothing here uses");
                }
            }
        }
    }

    // Hosts that switch IPv6 off for new devices (conf.default) mean their networks, not this tunnel.
    private static void AllowIPv6(string device)
    {
        string key = $"net/ipv6/conf/{device}/disable_ipv6";
        if (ForwardingSysctl.Read(key) != "1")
            return;
        using var settings = new ForwardingSysctl(restore: false);
        settings.Set(key, "0");
    }

    private static TunnelPrefix? Read(string? text, AddressFamily family) =>
        text is null ? null
        : TunnelPrefix.TryParse(text, family, out TunnelPrefix prefix, out string problem) ? prefix
        : throw new CommandException($"{text} {problem}");
}
