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
    private static readonly TimeSpan s_topologyRefresh = TimeSpan.FromSeconds(2);
    private readonly LabDirectory _directory;
    private readonly EntryGateway _gateway;
    private readonly SocksServer _server;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _following;

    private SocksSession(LabDirectory directory, EntryGateway gateway, ClientEngine engine, SocksServer server, DateTime topology)
    {
        _directory = directory;
        _gateway = gateway;
        Engine = engine;
        _server = server;
        _following = FollowTopologyAsync(topology);
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
        _stop.Cancel();
        _following.GetAwaiter().GetResult();
        _stop.Dispose();
        _server.Dispose();
        Engine.Dispose();
        _gateway.Dispose();
    }

    /// <summary>Reads the topology again when its file was written anew; one that cannot be used changes nothing.</summary>
    private async Task FollowTopologyAsync(DateTime known)
    {
        using var timer = new PeriodicTimer(s_topologyRefresh);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                DateTime written = File.GetLastWriteTimeUtc(_directory.TopologyFile);
                if (written == known)
                    continue;
                known = written;
                Follow();
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private void Follow()
    {
        try
        {
            NetworkTopology topology = _directory.Topology();
            Engine.UseTopology(topology);
            _gateway.Settings = _gateway.Settings with { Known = LabDirectory.Known(topology) };
        }
        catch (Exception e) when (e is TopologyException or ArgumentException)
        {
            CommandText.Log($"the topology is not read again: {e.Message}");
        }
    }
}
