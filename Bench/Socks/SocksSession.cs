using System.Net;
using System.Net.Sockets;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.Topology;

namespace FastExit.Bench.Socks;

/// <summary>A SOCKS server with the client and the entry gateway behind it, all in this process.</summary>
internal sealed class SocksSession : IDisposable
{
    private readonly EntryGateway _gateway;
    private readonly SocksServer _server;

    private SocksSession(EntryGateway gateway, ClientEngine engine, SocksServer server)
    {
        _gateway = gateway;
        Engine = engine;
        _server = server;
    }

    public ClientEngine Engine { get; }

    public IPEndPoint Address => _server.Address;

    /// <param name="provider">The service's address; null: the one of the lab's exit.</param>
    /// <exception cref="LabException">The folder holds no lab, the address is wrong, or nothing is free.</exception>
    public static SocksSession Start(LabDirectory directory, string? provider, TimeSpan meanHopDelay, SocksSettings settings)
    {
        string address = provider ?? directory.Exit().NetworkRequester;
        if (!Recipient.TryParse(address, out Recipient service))
            throw new LabException($"'{address}' is not the address of a service: expected identity.encryption@gateway");
        try
        {
            NetworkTopology topology = directory.Topology();
            EntryGateway gateway = directory.OpenEntry(topology);
            try
            {
                var engine = new ClientEngine(topology, gateway, service, new ClientSettings { MeanHopDelay = meanHopDelay });
                try
                {
                    return new SocksSession(gateway, engine, new SocksServer(engine, settings, CommandText.Log));
                }
                catch
                {
                    engine.Dispose();
                    throw;
                }
            }
            catch
            {
                gateway.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is TopologyException or ArgumentException)
        {
            throw new LabException(e.Message);
        }
        catch (SocketException e)
        {
            throw new LabException($"cannot listen on {settings.Listen}: {e.Message}");
        }
    }

    public void Dispose()
    {
        _server.Dispose();
        Engine.Dispose();
        _gateway.Dispose();
    }
}
