using FastExit.Commands;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;

namespace FastExit.IpPacketRouter.Host;

/// <summary>Whether this host passes packets on: the kernel's switches and the routes out of it.</summary>
internal static class HostForwarding
{
    // A default route is often written as two halves (0.0.0.0/1 and 128.0.0.0/1).
    private const int LongestDefaultPrefix = 1;

    public static string KeyOf(bool ipv6) => ipv6 ? ForwardingSysctl.IPv6Key : ForwardingSysctl.IPv4Key;

    public static bool IsOn(bool ipv6) => ipv6 ? ForwardingSysctl.ForwardsIPv6 : ForwardingSysctl.ForwardsIPv4;

    /// <summary>A switch as sysctl(8) writes it.</summary>
    public static string Dotted(string key) => key.Replace('/', '.');

    /// <summary>Turns forwarding on for the family unless it is on. What is changed is logged and stays.</summary>
    /// <exception cref="CommandException">It is off and may not be changed.</exception>
    /// <exception cref="NativeException">It is off and the kernel refuses.</exception>
    public static void Require(bool ipv6, bool mayChange, RouteNetlink routes, Action<string> log)
    {
        if (IsOn(ipv6))
            return;
        string key = KeyOf(ipv6);
        if (!mayChange)
        {
            throw new CommandException(
                $"{Dotted(key)} is not 1, so this host passes no {FamilyOf(ipv6)} packet on, and ipr.set_forwarding is false;"
                + $" `sysctl -w {Dotted(key)}=1`, set ipr.set_forwarding = true, or ipr.{(ipv6 ? "ipv6" : "ipv4")} = \"\"");
        }

        using var settings = new ForwardingSysctl(restore: false);
        if (ipv6)
            KeepAdvertisedRoutes(settings, routes, log);
        Log(settings.Set(key, "1"), log);
    }

    /// <summary>Whether any route leads out of this host.</summary>
    public static bool HasDefaultRoute(RouteNetlink routes, bool ipv6) => routes.Routes().Any(route => IsDefault(route, ipv6));

    public static string FamilyOf(bool ipv6) => ipv6 ? "IPv6" : "IPv4";

    private static bool IsDefault(Route route, bool ipv6) =>
        route.Destination.PrefixLength <= LongestDefaultPrefix
        && route.Destination.BaseAddress.AddressFamily == (ipv6 ? System.Net.Sockets.AddressFamily.InterNetworkV6 : System.Net.Sockets.AddressFamily.InterNetwork);

    // A host that forwards ignores router advertisements unless accept_ra is 2, and would lose its own default route with them.
    private static void KeepAdvertisedRoutes(ForwardingSysctl settings, RouteNetlink routes, Action<string> log)
    {
        const string Advertised = "1", AdvertisedToRouter = "2";
        var ways = routes.Routes().Where(route => IsDefault(route, ipv6: true)).Select(route => route.Index).ToHashSet();
        foreach (Link link in routes.Links().Where(link => ways.Contains(link.Index)))
        {
            string key = $"net/ipv6/conf/{link.Name}/accept_ra";
            if (ForwardingSysctl.Read(key) == Advertised)
                Log(settings.Set(key, AdvertisedToRouter), log);
        }
    }

    private static void Log(SysctlChange? change, Action<string> log)
    {
        if (change is not null)
            log($"changed {Dotted(change.Key)} from {change.Before} to {change.After}; it stays so when the exit ends");
    }
}
