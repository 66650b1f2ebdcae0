using System.Net;
using System.Net.Sockets;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;

namespace FastExit.Bench.Socks;

/// <summary>A SOCKS server with the client behind it, which comes in by its entry gateway's websocket.</summary>
internal sealed class SocksSession : IDisposable
{
    private readonly ClientNetwork _network;
    private readonly SocksServer _server;

    private SocksSession(ClientNetwork network, ClientEngine engine, SocksServer server)
    {
        _network = network;
        Engine = engine;
        _server = server;
        network.Follow(engine.UseTopology);
    }

    public ClientEngine Engine { get; }

    public IPEndPoint Address => _server.Address;

    /// <exception cref="LabException">There is no such network or service, the gateway does not want us, or nothing is free.</exception>
    public static SocksSession Start(ClientTarget target, TimeSpan meanHopDelay, SocksSettings settings)
    {
        string address = target.Provider ?? target.Lab!.Exit().NetworkRequester;
        if (!Recipient.TryParse(address, out Recipient service))
            throw new LabException($"'{address}' is not the address of a service: expected identity.encryption@gateway");
        ClientNetwork network = ClientNetwork.Open(target.Resolve());
        ClientEngine? engine = null;
        try
        {
            engine = new ClientEngine(network.Topology, network.Gateway, service, new ClientSettings { MeanHopDelay = meanHopDelay });
            network.RequireReady();
            return new SocksSession(network, engine, new SocksServer(engine, settings, CommandText.Log));
        }
        catch (Exception e)
        {
            engine?.Dispose();
            network.Dispose();
            switch (e)
            {
                case ArgumentException:
                    throw new LabException(e.Message);
                case SocketException:
                    throw new LabException($"cannot listen on {settings.Listen}: {e.Message}");
                default:
                    throw;
            }
        }
    }

    public void Dispose()
    {
        _server.Dispose();
        Engine.Dispose();
        _network.Dispose();
    }
}
