using System.Net;
using FastExit.Tests.Native;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary>
/// The network around a gateway, apart from the host's own: <c>gw</c> with one way out, to <c>net</c>, which plays the internet under
/// public addresses, and namespaces of applications, whose only way out is the device that a client puts there.
/// </summary>
internal sealed class TunnelWorld : IDisposable
{
    public const string GatewayDevice = "up0";
    public const string OutsideDevice = "wan";
    public const int WebPort = 80;
    public const int DeniedPort = 8081;
    public const int EchoPort = 7;
    public const int SpeedPort = 5201;

    private static readonly string[] s_tools = ["ip", "ping", "dig", "curl", "dnsmasq", "iperf3", "nft", "tcpdump"];
    private readonly List<NetworkNamespace> _applications = [];
    private readonly List<string> _folders = [];
    private readonly List<IDisposable> _servers = [];

    public TunnelWorld()
    {
        Gateway = NetworkNamespace.Create("gw");
        Internet = NetworkNamespace.Create("net");
        try
        {
            Gateway.Connect(Internet, GatewayDevice, OutsideDevice);
            AddAddress(Gateway, GatewayDevice, GatewayIPv4, GatewayIPv6);
            AddAddress(Internet, OutsideDevice, WebIPv4, WebIPv6);
            AddAddress(Internet, OutsideDevice, NamesIPv4, NamesIPv6);
            AddAddress(Internet, OutsideDevice, DeniedIPv4, DeniedIPv6);
            Gateway.Ip($"route add default via {WebIPv4}");
            Gateway.Ip($"-6 route add default via {WebIPv6}");

            // Whoever leaks a client's address is answered, and whoever knows one can try it.
            Internet.Ip($"route add 10.0.0.0/16 via {GatewayIPv4}");
            Internet.Ip($"-6 route add fc00::/112 via {GatewayIPv6}");
            Serve();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Null when such a world can be made here, else why not.</summary>
    public static string? Unavailable { get; } = NetworkNamespace.Unavailable ?? MissingTool();

    public static IPAddress GatewayIPv4 { get; } = IPAddress.Parse("11.0.0.1");

    public static IPAddress GatewayIPv6 { get; } = IPAddress.Parse("2a11::1");

    public static IPAddress WebIPv4 { get; } = IPAddress.Parse("11.0.0.2");

    public static IPAddress WebIPv6 { get; } = IPAddress.Parse("2a11::2");

    public static IPAddress NamesIPv4 { get; } = IPAddress.Parse("11.0.0.53");

    public static IPAddress NamesIPv6 { get; } = IPAddress.Parse("2a11::53");

    /// <summary>Addresses of the internet that the policy refuses.</summary>
    public static IPAddress DeniedIPv4 { get; } = IPAddress.Parse("11.0.0.66");

    /// <inheritdoc cref="DeniedIPv4"/>
    public static IPAddress DeniedIPv6 { get; } = IPAddress.Parse("2a11::66");

    /// <summary>What the exit is told: everything public but those addresses and one port.</summary>
    public static string Policy { get; } =
        $"reject {DeniedIPv4}/32:*\nreject [{DeniedIPv6}]/128:*\nreject *:{DeniedPort}\naccept *:*\n";

    public NetworkNamespace Gateway { get; }

    public NetworkNamespace Internet { get; }

    /// <summary>A namespace without any device but its loopback; names are asked of the internet's server.</summary>
    public NetworkNamespace AddApplication()
    {
        NetworkNamespace space = NetworkNamespace.Create("app");
        _applications.Add(space);
        string folder = Path.Combine("/etc/netns", space.Name);
        _folders.Add(folder);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "resolv.conf"), $"nameserver {NamesIPv4}\nnameserver {NamesIPv6}\noptions timeout:5\n");
        return space;
    }

    public void Dispose()
    {
        foreach (IDisposable server in _servers)
            server.Dispose();
        foreach (NetworkNamespace space in _applications)
            space.Dispose();
        Internet.Dispose();
        Gateway.Dispose();
        foreach (string folder in _folders)
            Directory.Delete(folder, recursive: true);
    }

    private static string? MissingTool() =>
        s_tools.FirstOrDefault(tool => !Tool.Exists(tool)) is { } missing ? $"`{missing}` is not installed" : null;

    private static void AddAddress(NetworkNamespace space, string device, IPAddress ipv4, IPAddress ipv6)
    {
        space.Ip($"addr add {ipv4}/24 dev {device}");
        space.Ip($"addr add {ipv6}/64 dev {device} nodad");
    }

    private void Serve()
    {
        foreach (IPAddress address in new[] { WebIPv4, WebIPv6, DeniedIPv4, DeniedIPv6 })
        {
            _servers.Add(new TunnelWeb(Internet, new IPEndPoint(address, WebPort)));
            _servers.Add(new TunnelWeb(Internet, new IPEndPoint(address, DeniedPort)));
        }

        _servers.Add(SpaceProcess.Start(
            Internet,
            "dnsmasq",
            [
                "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
                "--bind-interfaces", $"--listen-address={NamesIPv4},{NamesIPv6}", "--log-facility=-",
                $"--host-record=web.test,{WebIPv4},{WebIPv6}",
                .. Enumerable.Range(0, 24).Select(i => $"--txt-record=long.test,{i:00}{new string('x', 200)}"),
            ]));
    }
}
