using System.Net;
using System.Net.Sockets;
using FastExit.Policy;

namespace FastExit.Resolution;

/// <summary>
/// The order in which addresses are tried: the preferred family first, then alternating (RFC 8305 §4); within a family the
/// order of the answer, which spreads load. IPv6 is preferred where the host has a route and a public source address for it
/// (what RFC 6724 decides for public destinations).
/// </summary>
internal sealed class AddressOrder(bool? preferIPv6, TimeProvider time)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(60);

    // Any address of the global unicast block serves: connecting a datagram socket only looks up the route.
    private static readonly IPEndPoint Probe = new(IPAddress.Parse("2600::1"), 53);

    private readonly Lock _looking = new();
    private bool _hasRoute;
    private long? _lookedAt;

    public List<NumericAddress> Arrange(IReadOnlyList<NumericAddress> addresses, int maximum) =>
        Interleave(addresses, preferIPv6 ?? HasRoute(), maximum);

    public static List<NumericAddress> Interleave(IReadOnlyList<NumericAddress> addresses, bool sixFirst, int maximum)
    {
        var preferred = addresses.Where(address => address.IsIPv6 == sixFirst).ToArray();
        var others = addresses.Where(address => address.IsIPv6 != sixFirst).ToArray();
        var ordered = new List<NumericAddress>(Math.Min(addresses.Count, maximum));
        for (var i = 0; ordered.Count < Math.Min(addresses.Count, maximum); i++)
        {
            if (i < preferred.Length) ordered.Add(preferred[i]);
            if (i < others.Length && ordered.Count < maximum) ordered.Add(others[i]);
        }

        return ordered;
    }

    private bool HasRoute()
    {
        lock (_looking)
        {
            if (_lookedAt is { } at && time.GetElapsedTime(at) < LookAgain) return _hasRoute;
            _lookedAt = time.GetTimestamp();
            return _hasRoute = LookUpRoute();
        }
    }

    private static bool LookUpRoute()
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(Probe);
            return socket.LocalEndPoint is IPEndPoint local && AddressGuard.Default.IsAllowed(local.Address);
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
