using System.Net;
using System.Net.Sockets;
using FastExit.Tests.Native;
using Tmds.Linux;
using Xunit;

namespace FastExit.Tests.EndToEnd.Tunnel;

/// <summary><c>fastexit-bench tun</c> as a process of the gateway's namespace, its device in an application's.</summary>
internal sealed class TunnelClient : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly SpaceProcess _process;

    private TunnelClient(NetworkNamespace space, SpaceProcess process)
    {
        Space = space;
        _process = process;
    }

    /// <summary>Where its applications are.</summary>
    public NetworkNamespace Space { get; }

    public IPAddress IPv4 => Pair.Single(address => address.AddressFamily == AddressFamily.InterNetwork);

    public IPAddress IPv6 => Pair.Single(address => address.AddressFamily == AddressFamily.InterNetworkV6);

    public string Text => _process.Text;

    /// <summary>What it has said so far; <see cref="LineAsync"/> looks after that.</summary>
    public int LineCount => _process.Lines.Length;

    /// <summary>The tunnel's addresses as it said last.</summary>
    private IPAddress[] Pair
    {
        get
        {
            string line = _process.Lines.Last(IsUp);
            int start = line.IndexOf(" is up: ", StringComparison.Ordinal) + " is up: ".Length;
            return [.. line[start..line.IndexOf(", MTU", StringComparison.Ordinal)].Split(' ')
                .Select(word => IPAddress.TryParse(word, out IPAddress? address) ? address : null).OfType<IPAddress>()];
        }
    }

    public static async Task<TunnelClient> StartAsync(TunnelLab lab, NetworkNamespace space, int? version = null)
    {
        SpaceProcess process = Run(lab, space, version);
        try
        {
            await process.LineAsync(" is up: ", s_patience);
            return new TunnelClient(space, process);
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    /// <summary>The process, whether or not it comes up.</summary>
    public static SpaceProcess Run(TunnelLab lab, NetworkNamespace space, int? version = null)
    {
        List<string> arguments = ["tun", "--lab", lab.Folder, "--netns", space.Name, "--delay", TunnelLab.HopDelay];
        if (version is { } only)
            arguments.AddRange(["--version", $"{only}"]);
        return SpaceProcess.Start(lab.World.Gateway, Path.Combine(AppContext.BaseDirectory, "fastexit-bench"), arguments);
    }

    public Task<string> LineAsync(string words, TimeSpan patience, int skip) => _process.LineAsync(words, patience, skip);

    /// <summary>Waits until the tunnel is up again, after the first <paramref name="skip"/> lines.</summary>
    public Task<string> UpAgainAsync(TimeSpan patience, int skip) => LineAsync(" is up: ", patience, skip);

    /// <summary>SIGTERM: it tells the exit, and ends with 0.</summary>
    public async Task StopAsync()
    {
        _process.Signal(LibC.SIGTERM);
        Assert.Equal(0, await _process.EndAsync(TimeSpan.FromSeconds(20)));
    }

    public void Dispose() => _process.Dispose();

    private static bool IsUp(string line) => line.Contains(" is up: ", StringComparison.Ordinal);
}
