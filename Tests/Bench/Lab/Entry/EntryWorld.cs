using System.Net;
using FastExit.Bench.Lab;
using FastExit.Bench.Lab.Entry;
using FastExit.Crypto.EndToEnd;
using FastExit.Topology;

namespace FastExit.Tests.Bench.Lab.Entry;

/// <summary>An entry gateway with its websocket, and a next hop that notes what arrives; real sockets on loopback.</summary>
internal sealed class EntryWorld : IAsyncDisposable
{
    private readonly FramedListener _mix;
    private readonly List<(byte[] Bytes, PacketSize Size, KeyRotation Rotation)> _arrived = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("fastexit-entry-").FullName;
    private EntryGateway _gateway = null!;

    private EntryWorld()
    {
        _mix = new FramedListener(new IPEndPoint(IPAddress.Loopback, 0), packet =>
        {
            lock (_arrived)
                _arrived.Add((packet.Span.ToArray(), packet.Size, packet.Rotation));
            packet.Return();
        });
        _mix.Start();
    }

    public NodeKeys Keys { get; } = NodeKeys.Generate();

    public IPEndPoint NextHop => _mix.Address;

    public EntryListener Listener { get; private set; } = null!;

    public EntryGateway Gateway => _gateway;

    public string ClientsFile => Path.Combine(_folder, "clients");

    public static async Task<EntryWorld> StartAsync(EntrySettings? settings = null, TimeProvider? clock = null)
    {
        var world = new EntryWorld();
        await world.OpenAsync(settings ?? new EntrySettings(), clock);
        return world;
    }

    /// <summary>Ends the gateway and starts another with the same keys and the same file.</summary>
    public async Task RestartAsync(EntrySettings? settings = null, IPEndPoint? address = null, bool forget = false)
    {
        await CloseAsync();
        if (forget)
            File.Delete(ClientsFile);
        await OpenAsync(settings ?? new EntrySettings(), null, address);
    }

    public ClientDriver Client() => new(new Uri($"ws://{Listener.Address}/"), Keys.Identity);

    /// <summary>A client that is registered and on the connection of its registration.</summary>
    public async Task<ClientDriver> RegisteredAsync(int protocol = 6)
    {
        ClientDriver client = Client();
        await client.ConnectAsync();
        if ((string)(await client.RegisterAsync(protocol))!["type"]! != "register")
            throw new InvalidOperationException("not registered");
        return client;
    }

    public async Task<(byte[] Bytes, PacketSize Size, KeyRotation Rotation)[]> ArrivedAsync(int count)
    {
        for (int i = 0; i < 500; i++)
        {
            lock (_arrived)
            {
                if (_arrived.Count >= count)
                    return [.. _arrived];
            }

            await Task.Delay(10);
        }

        throw new TimeoutException("the packets did not arrive");
    }

    /// <summary>A mix packet of kind 1 or 2 for the next hop, the Sphinx packet being of any bytes.</summary>
    public byte[] MixPacket(byte kind, byte[] sphinx, byte rotation = 1)
    {
        byte[] port = [(byte)(NextHop.Port >> 8), (byte)NextHop.Port];
        byte[] hop = [4, .. port, .. NextHop.Address.GetAddressBytes()];
        return kind == 1 ? [0, .. hop, .. sphinx] : [0, rotation, .. hop, .. sphinx];
    }

    /// <summary>As the mixnet would deliver it; false: neither queued nor kept.</summary>
    public bool Deliver(byte[] identity, byte[] payload) => Listener.Clients.Find(identity)!.Mailbox.Deliver(payload);

    public async Task UntilAwayAsync(byte[] identity)
    {
        for (int i = 0; i < 500 && Listener.Clients.Find(identity)!.Session is not null; i++)
            await Task.Delay(10);
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _mix.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task OpenAsync(EntrySettings settings, TimeProvider? clock, IPEndPoint? address = null)
    {
        var nodes = new LabNodeSettings { Known = new HashSet<IPEndPoint> { NextHop } };
        _gateway = new EntryGateway("entry", Keys, new IPEndPoint(IPAddress.Loopback, 0), nodes);
        _gateway.Start();
        Listener = await EntryListener.StartAsync(
            _gateway, Keys, address ?? new IPEndPoint(IPAddress.Loopback, 0), ClientsFile, settings, clock);
    }

    private async Task CloseAsync()
    {
        await Listener.DisposeAsync();
        _gateway.Dispose();
    }
}
