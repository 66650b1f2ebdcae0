using FastExit.Bench.Lab;
using FastExit.Native.Netlink;

namespace FastExit.Bench.Tunnel;

/// <summary>
/// Three namespaces apart from the host's own network: a gateway, an internet under public addresses at the end of its only wire, and an
/// application without a device, until a client puts its own there.
/// </summary>
internal sealed class TunnelNetwork : IAsyncDisposable
{
    public const string ServerAddress = "11.0.0.2";
    private const string GatewayAddress = "11.0.0.1";

    private readonly string _ip;
    private readonly List<string> _made = [];
    private NetworkNamespace? _gateway;
    private NetworkNamespace? _internet;
    private NetworkNamespace? _application;

    private TunnelNetwork(string ip) => _ip = ip;

    public static string GatewayName { get; } = Name("gw");

    public static string InternetName { get; } = Name("net");

    public static string ApplicationName { get; } = Name("app");

    public NetworkNamespace Gateway => _gateway!;

    public NetworkNamespace Internet => _internet!;

    public NetworkNamespace Application => _application!;

    /// <param name="ip">The program `ip`.</param>
    /// <exception cref="LabException">It refused; nothing is left behind.</exception>
    public static async Task<TunnelNetwork> CreateAsync(string ip)
    {
        var network = new TunnelNetwork(ip);
        try
        {
            await network.SetUpAsync().ConfigureAwait(false);
            return network;
        }
        catch
        {
            await network.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>After all programs inside have ended: a namespace lives on with its last process.</summary>
    public async ValueTask DisposeAsync()
    {
        _gateway?.Dispose();
        _internet?.Dispose();
        _application?.Dispose();
        foreach (string name in _made)
        {
            // Ctrl-C at the terminal reaches `ip` as well.
            for (int attempt = 0; attempt < 3 && File.Exists($"/run/netns/{name}"); attempt++)
            {
                try
                {
                    await IpAsync("netns", "del", name).ConfigureAwait(false);
                }
                catch (LabException e) when (attempt == 2)
                {
                    CommandText.Log(e.Message);
                }
                catch (LabException)
                {
                    // Once more.
                }
            }
        }
    }

    private static string Name(string purpose) => $"fxb{Environment.ProcessId}{purpose}";

    private async Task SetUpAsync()
    {
        _gateway = await AddAsync(GatewayName).ConfigureAwait(false);
        _internet = await AddAsync(InternetName).ConfigureAwait(false);
        _application = await AddAsync(ApplicationName).ConfigureAwait(false);
        await IpAsync("-n", GatewayName, "link", "add", "name", "up0", "type", "veth", "peer", "name", "wan", "netns", InternetName)
            .ConfigureAwait(false);
        await PlugAsync(GatewayName, "up0", GatewayAddress).ConfigureAwait(false);
        await PlugAsync(InternetName, "wan", ServerAddress).ConfigureAwait(false);
        await IpAsync("-n", GatewayName, "route", "add", "default", "via", ServerAddress).ConfigureAwait(false);
    }

    private async Task<NetworkNamespace> AddAsync(string name)
    {
        _made.Add(name);
        await IpAsync("netns", "add", name).ConfigureAwait(false);
        await IpAsync("-n", name, "link", "set", "dev", "lo", "up").ConfigureAwait(false);
        return NetworkNamespace.OpenNamed(name);
    }

    private async Task PlugAsync(string space, string device, string address)
    {
        await IpAsync("-n", space, "addr", "add", address + "/24", "dev", device).ConfigureAwait(false);
        await IpAsync("-n", space, "link", "set", "dev", device, "up").ConfigureAwait(false);
    }

    private Task<string> IpAsync(params string[] arguments) => ChildProcess.RunAsync(_ip, arguments);
}
