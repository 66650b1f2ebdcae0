using System.Net;
using System.Net.Sockets;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Topology;

namespace FastExit.Bench.Tun;

/// <summary>A tunnel's device, client and entry gateway, all in this process.</summary>
internal sealed class TunSession : IDisposable
{
    private static readonly TimeSpan s_lookPatience = TimeSpan.FromSeconds(2);
    private static readonly IPNetwork[] s_everything = [new(IPAddress.Any, 0), new(IPAddress.IPv6Any, 0)];
    private readonly TunnelOptions _options;
    private readonly TunnelDevice _device;
    private readonly EntryGateway _gateway;
    private readonly TopologyFollower _follower;
    private readonly Action<string> _log;
    private readonly bool _elsewhere;

    private TunSession(TunnelOptions options, NetworkNamespace? space, Action<string> log)
    {
        _options = options;
        _log = log;
        _elsewhere = space is not null;
        var directory = new LabDirectory(options.Lab);
        Recipient router = Router(directory, options.Provider);
        var counters = new ClientCounters();
        _device = TunnelDevice.Open(options.Name, space, counters);
        try
        {
            DateTime written = File.GetLastWriteTimeUtc(directory.TopologyFile);
            NetworkTopology topology = directory.Topology();
            RequireRunning(directory, topology);
            _gateway = directory.OpenEntry(topology);
            try
            {
                Engine = new TunnelEngine(topology, _gateway, router, options.Settings, _device, counters) { Told = log };
                _follower = new TopologyFollower(directory, _gateway, Engine.UseTopology, written);
            }
            catch
            {
                _gateway.Dispose();
                throw;
            }
        }
        catch
        {
            _device.Dispose();
            throw;
        }
    }

    public TunnelEngine Engine { get; }

    public string DeviceName => _device.Name;

    /// <exception cref="LabException">The folder holds no running lab, the exit routes no packets, or the device cannot be made.</exception>
    public static TunSession Start(TunnelOptions options, Action<string> log)
    {
        try
        {
            using NetworkNamespace? space = options switch
            {
                { Namespace: { } name } => NetworkNamespace.OpenNamed(name),
                { NamespacePath: { } path } => NetworkNamespace.Open(path),
                _ => null,
            };
            return new TunSession(options, space, log);
        }
        catch (Exception e) when (e is TopologyException or ArgumentException or NativeException)
        {
            throw new LabException(e.Message);
        }
    }

    /// <summary>Sets the device up as the tunnel comes up, and says what happens, until the tunnel has ended.</summary>
    /// <returns>Null: ended in order; else why it never was up.</returns>
    /// <exception cref="LabException">The device cannot be set up.</exception>
    public async Task<string?> RunAsync()
    {
        bool reading = false;
        await foreach (TunnelState state in Engine.Changes.ReadAllAsync().ConfigureAwait(false))
        {
            switch (state.Phase)
            {
                case TunnelPhase.Up:
                    Configure(state);
                    if (!reading)
                        _device.StartReading(Engine.Send);
                    reading = true;
                    break;
                case TunnelPhase.Failed:
                    return state.Reason;
                case TunnelPhase.Closed when state.Reason.Length == 0:
                    _log("disconnected");
                    break;
                case TunnelPhase.Closing:
                    break;
                default:
                    _log($"{Word(state.Phase)}: {state.Reason}");
                    break;
            }
        }

        return null;
    }

    public void Dispose()
    {
        _follower.Dispose();
        Engine.Dispose();
        _device.Dispose();
        _gateway.Dispose();
    }

    private static Recipient Router(LabDirectory directory, string? provider)
    {
        string? address = provider ?? directory.Exit().IpPacketRouter;
        if (address is null)
        {
            throw new LabException(
                $"the exit of {directory.Path} routes no IP packets: start the lab with `fastexit-bench lab --ipr --dir {directory.Path}`");
        }

        if (!Recipient.TryParse(address, out Recipient router))
            throw new LabException($"'{address}' is not the address of a service: expected identity.encryption@gateway");
        return router;
    }

    // The folder outlives the lab; without this a lab that is not running would only show as an exit that does not answer.
    private static void RequireRunning(LabDirectory directory, NetworkTopology topology)
    {
        IPEndPoint first = topology.Layer(1) is [var mix, ..] ? mix.MixAddress : throw new LabException($"{directory.TopologyFile} has no mix");
        using var socket = new Socket(first.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (socket.ConnectAsync(first).Wait(s_lookPatience))
                return;
        }
        catch (AggregateException e) when (e.InnerException is SocketException)
        {
            // Said below.
        }

        throw new LabException($"nobody listens on {first}: start `fastexit-bench lab --ipr --dir {directory.Path}` first");
    }

    private static string Word(TunnelPhase phase) => phase switch
    {
        TunnelPhase.Connecting => "connecting",
        TunnelPhase.Reconnecting => "connecting anew",
        _ => "disconnected",
    };

    private void Configure(TunnelState state)
    {
        try
        {
            if (_elsewhere)
                _device.SetLoopbackUp();
            foreach (string failure in _device.Configure(state, _elsewhere ? [.. s_everything, .. _options.Routes] : _options.Routes))
                _log(failure);
        }
        catch (NativeException e)
        {
            throw new LabException(e.Message);
        }

        if (!state.HasIPv4)
            _log("the exit gives no IPv4 address: only IPv6 goes through this tunnel");
        if (!state.HasIPv6)
            _log("the exit gives no IPv6 address: only IPv4 goes through this tunnel");
        _log($"{DeviceName} is up: {state.PairText}, MTU {state.Mtu}, version {state.Version}"
            + (state.Reason.Length > 0 ? $"; {state.Reason}" : ""));
    }
}
