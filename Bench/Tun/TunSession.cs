using System.Net;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;

namespace FastExit.Bench.Tun;

/// <summary>A tunnel's device, and the client behind it, which comes in by its entry gateway's websocket.</summary>
internal sealed class TunSession : IDisposable
{
    private static readonly IPNetwork[] s_everything = [new(IPAddress.Any, 0), new(IPAddress.IPv6Any, 0)];
    private readonly TunnelOptions _options;
    private readonly TunnelDevice _device;
    private readonly ClientNetwork _network;
    private readonly Action<string> _log;
    private readonly bool _elsewhere;

    private TunSession(TunnelOptions options, NetworkNamespace? space, Action<string> log)
    {
        _options = options;
        _log = log;
        _elsewhere = space is not null;
        Recipient router = Router(options.Target);
        var counters = new ClientCounters();
        _device = TunnelDevice.Open(options.Name, space, counters);
        try
        {
            _network = ClientNetwork.Open(options.Target.Resolve());
            try
            {
                Engine = new TunnelEngine(_network.Topology, _network.Gateway, router, options.Settings, _device, counters) { Told = log };
                _network.RequireReady();
                _network.Follow(Engine.UseTopology);
            }
            catch
            {
                Engine?.Dispose();
                _network.Dispose();
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
        catch (Exception e) when (e is ArgumentException or NativeException)
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
        Engine.Dispose();
        _device.Dispose();
        _network.Dispose();
    }

    private static Recipient Router(ClientTarget target)
    {
        string? address = target.Provider ?? target.Lab!.Exit().IpPacketRouter;
        if (address is null)
        {
            throw new LabException(
                $"the exit of {target.Name} routes no IP packets: start the lab with `fastexit-bench lab --ipr --dir {target.Name}`");
        }

        if (!Recipient.TryParse(address, out Recipient router))
            throw new LabException($"'{address}' is not the address of a service: expected identity.encryption@gateway");
        return router;
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
