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
    private readonly TopologyFollower _follower;

    private SocksSession(LabDirectory directory, EntryGateway gateway, ClientEngine engine, SocksServer server, DateTime topology)
    {
        _gateway = gateway;
        Engine = engine;
        _server = server;
        _follower = new TopologyFollower(directory, gateway, engine.UseTopology, topology);
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
            DateTime written = File.GetLastWriteTimeUtc(directory.TopologyFile);
            NetworkTopology topology = directory.Topology();
            EntryGateway gateway = directory.OpenEntry(topology);
            try
            {
                var engine = new ClientEngine(topology, gateway, service, new ClientSettings { MeanHopDelay = meanHopDelay });
                try
                {
                    return new SocksSession(directory, gateway, engine, new SocksServer(engine, settings, CommandText.Log), written);
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
        _follower.Dispose();
        _server.Dispose();
        Engine.Dispose();
        _gateway.Dispose();
    }
}
