using System.Net;
using FastExit.IpPacketRouter.Protocol;

namespace FastExit.Bench.Tun;

internal enum TunnelPhase : byte
{
    Connecting,
    Up,
    Reconnecting,
    Closing,

    /// <summary>Ended in order.</summary>
    Closed,

    /// <summary>Never was up: refused, or not answered in any version.</summary>
    Failed,
}

/// <summary>How a tunnel stands; a new object at every change.</summary>
/// <param name="Phase">What it is doing.</param>
/// <param name="Version">Of the attempt or of the tunnel.</param>
/// <param name="Pair">The tunnel's addresses, those of the time before while it reconnects.</param>
/// <param name="Mtu">For the device; 0 before the first connect.</param>
/// <param name="Reason">Why it is in this phase, for a person; may be empty.</param>
internal sealed record TunnelState(TunnelPhase Phase, byte Version, AddressPair Pair, int Mtu, string Reason)
{
    public bool HasIPv4 => Pair.IPv4 != 0;

    public bool HasIPv6 => Pair.IPv6 != 0;

    public IPAddress IPv4 => Addresses.From(Pair.IPv4);

    public IPAddress IPv6 => Addresses.From(Pair.IPv6);

    public string PairText => (HasIPv4, HasIPv6) switch
    {
        (true, true) => $"{IPv4} {IPv6}",
        (true, false) => $"{IPv4} (no IPv6)",
        (false, true) => $"{IPv6} (no IPv4)",
        _ => "no address",
    };
}
