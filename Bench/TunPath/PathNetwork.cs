using System.Diagnostics;
using System.Net;
using FastExit.Native.Netlink;

namespace FastExit.Bench.TunPath;

/// <summary>
/// Two hosts, each a network namespace with one tunnel device: what one sends to the other goes out of its device, and only a
/// <see cref="ForwardingPath"/> carries it on. Each host has the address that the other side's tunnel gives its client.
/// </summary>
internal sealed class PathNetwork : IDisposable
{
    public const int Mtu = 1500;

    private readonly string _leftName;
    private readonly string _rightName;

    /// <param name="name">At most a few letters, different for each network of a process.</param>
    public PathNetwork(string name)
    {
        _leftName = $"fxb{Environment.ProcessId}{name}l";
        _rightName = $"fxb{Environment.ProcessId}{name}r";
        Ip("netns", "add", _leftName);
        Ip("netns", "add", _rightName);
        Left = NetworkNamespace.OpenNamed(_leftName);
        Right = NetworkNamespace.OpenNamed(_rightName);
    }

    public NetworkNamespace Left { get; }

    public NetworkNamespace Right { get; }

    public static IPAddress LeftHost { get; } = IPAddress.Parse("10.2.0.2");

    public static IPAddress RightHost { get; } = IPAddress.Parse("10.1.0.2");

    /// <summary>Gives the device its host's address and the route to the other; on a thread inside the namespace.</summary>
    public static void Configure(int interfaceIndex, IPAddress host)
    {
        using var netlink = new RouteNetlink();
        netlink.SetMtu(interfaceIndex, Mtu);
        netlink.SetUp(interfaceIndex, true);
        netlink.AddAddress(interfaceIndex, host, 32);
        IPAddress other = host.Equals(LeftHost) ? RightHost : LeftHost;
        netlink.AddRoute(new IPNetwork(other, 32), interfaceIndex);
    }

    public void Dispose()
    {
        Left.Dispose();
        Right.Dispose();
        Ip("netns", "del", _leftName);
        Ip("netns", "del", _rightName);
    }

    private static void Ip(params string[] arguments)
    {
        using Process process = Process.Start("ip", arguments);
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"`ip {string.Join(' ', arguments)}` failed: this measurement needs root and iproute2.");
    }
}
