using System.Globalization;
using System.Net;
using FastExit.Configuration;
using FastExit.IpPacketRouter.Host;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Native.Tun;

namespace FastExit.Commands;

/// <summary>
/// What `fastexit check` looks at for the IP packet router. Device and table are tried under names of their own and are gone at once; the
/// table's rules name documentation addresses only, so they touch no packet.
/// </summary>
internal static class TunnelChecks
{
    private const int NetAdmin = 12;
    private const string CapabilityMend =
        "AmbientCapabilities=CAP_NET_ADMIN in the service's unit, or `setcap cap_net_admin+ep` on the program; in a container --cap-add NET_ADMIN";

    public static IEnumerable<Finding> All(IpPacketRouterSettings settings)
    {
        bool capable = HasNetAdmin();
        yield return capable
            ? Finding.Ok("CAP_NET_ADMIN", "present")
            : Finding.Fail("CAP_NET_ADMIN", "this process does not have it", CapabilityMend);
        yield return Device();
        string? noIPv6 = TunnelPlan.NoIPv6();
        if (settings.Ipv6 is not null)
        {
            yield return noIPv6 is null
                ? Finding.Ok("IPv6", "present")
                : Finding.Warn("IPv6", $"{noIPv6}; clients get IPv4 only", "`sysctl -w net.ipv6.conf.all.disable_ipv6=0`, or set ipr.ipv6 = \"\"");
        }

        foreach (bool ipv6 in new[] { false, true })
        {
            if ((ipv6 ? settings.Ipv6 : settings.Ipv4) is null || (ipv6 && noIPv6 is not null))
                continue;
            yield return Forwarding(ipv6, settings.SetForwarding);
            yield return Route(ipv6);
        }

        if (!capable)
            yield break;
        if (settings.Nat)
            yield return Table();
        foreach (Finding finding in OtherTables(settings))
            yield return finding;
    }

    private static Finding Device()
    {
        const string Subject = "tunnel device";
        try
        {
            using TunDevice device = TunDevice.Open(new TunOptions { Name = "fxcheck%d" });
            return Finding.Ok(Subject, $"can be made; offload {device.Offload}");
        }
        catch (NativeException error)
        {
            return Refused(Subject, error);
        }
    }

    private static Finding Forwarding(bool ipv6, bool maySet)
    {
        string subject = $"{HostForwarding.FamilyOf(ipv6)} forwarding";
        string key = HostForwarding.KeyOf(ipv6);
        string command = $"`sysctl -w {HostForwarding.Dotted(key)}=1`";
        if (HostForwarding.IsOn(ipv6))
            return Finding.Ok(subject, "on");
        if (!maySet)
            return Finding.Fail(subject, "off, and ipr.set_forwarding is false", $"{command}, or set ipr.set_forwarding = true");
        return MayWrite(key)
            ? Finding.Ok(subject, "off; `run` turns it on")
            : Finding.Fail(subject, "off, and this process may not turn it on", $"let root do it: {command} (a file in /etc/sysctl.d keeps it)");
    }

    private static Finding Route(bool ipv6)
    {
        string subject = $"{HostForwarding.FamilyOf(ipv6)} route";
        using var routes = new RouteNetlink();
        return HostForwarding.HasDefaultRoute(routes, ipv6)
            ? Finding.Ok(subject, "this host has a default route")
            : Finding.Warn(subject, "this host has no default route; clients' packets end here", $"give it one, or set ipr.{(ipv6 ? "ipv6" : "ipv4")} = \"\"");
    }

    private static Finding Table()
    {
        const string Subject = "nftables";
        try
        {
            using NetfilterTable table = NetfilterTable.Install(new NetfilterOptions
            {
                Name = string.Create(CultureInfo.InvariantCulture, $"check_{Environment.ProcessId}"),
                Device = "fxcheck",
                PoolIPv4 = IPNetwork.Parse("192.0.2.0/24"),
                PoolIPv6 = IPNetwork.Parse("2001:db8::/112"),
            });
            return table.IsOwned
                ? Finding.Ok(Subject, "an own table can be made; the kernel removes it with the process")
                : Finding.Warn(Subject, "an own table can be made, but it outlives a kill until the next start", "install Linux 5.12 or newer");
        }
        catch (NativeException error)
        {
            return Refused(Subject, error);
        }
    }

    private static IEnumerable<Finding> OtherTables(IpPacketRouterSettings settings)
    {
        const string Subject = "other firewalls";
        IReadOnlyList<string> warnings = [];
        Finding? refused = null;
        try
        {
            warnings = NetfilterTable.DroppingChains(settings.Name!.Replace("%d", "0", StringComparison.Ordinal));
        }
        catch (NativeException error)
        {
            refused = Refused(Subject, error);
        }

        if (refused is not null)
            return [refused];
        if (warnings.Count == 0)
            return [Finding.Ok(Subject, "no nftables chain drops forwarded packets by default")];
        return warnings.Select(warning =>
        {
            int mend = warning.IndexOf(": ", StringComparison.Ordinal);
            return Finding.Warn(Subject, warning[..mend], warning[(mend + 2)..].TrimEnd('.'));
        });
    }

    // A refusal reads "what failed: errno, text. Mend."
    private static Finding Refused(string subject, NativeException error)
    {
        int end = error.Message.IndexOf(". ", StringComparison.Ordinal);
        return end < 0
            ? Finding.Fail(subject, error.Message.TrimEnd('.'), "set ipr.enabled = false on this host")
            : Finding.Fail(subject, error.Message[..end], error.Message[(end + 2)..].TrimEnd('.'));
    }

    private static bool HasNetAdmin()
    {
        const string Name = "CapEff:";
        string? line = File.ReadLines("/proc/self/status").FirstOrDefault(text => text.StartsWith(Name, StringComparison.Ordinal));
        return line is not null
            && ulong.TryParse(line[Name.Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong set)
            && (set >> NetAdmin & 1) != 0;
    }

    private static bool MayWrite(string key)
    {
        try
        {
            // Opening for writing asks the kernel and changes nothing.
            using FileStream opened = new("/proc/sys/" + key, FileMode.Open, FileAccess.Write);
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
