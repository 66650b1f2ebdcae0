using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.NetworkRequester.Protocol;
using FastExit.Topology;

namespace FastExit.Bench.Client;

internal enum EngineCommandKind : byte
{
    Open,
    Data,
    Complete,
    Close,
}

internal readonly record struct EngineCommand(EngineCommandKind Kind, ProxyConnection Connection, ArraySegment<byte> Payload);

/// <summary>
/// Connections through a network requester (network-requester.md §0.3, interface and protocol version 3) over a <see cref="MixClient"/>,
/// whose thread owns all state; connections talk to it through queues that their windows bound.
/// </summary>
internal sealed partial class ClientEngine : IMixService, IDisposable
{
    private readonly ClientSettings _settings;
    private readonly MixClient _mix;
    private readonly ConcurrentQueue<EngineCommand> _commands = new();
    private readonly Dictionary<ulong, ProxyConnection> _connections = [];
    private int _openConnections;

    /// <exception cref="ArgumentException">The topology lacks a layer, the client's gateway or the service's.</exception>
    public ClientEngine(NetworkTopology topology, IClientGateway gateway, in Recipient service, ClientSettings settings)
    {
        _settings = settings;
        MessageBudget = new SemaphoreSlim(settings.MaximumMessages);
        _mix = new MixClient(topology, gateway, service, settings, this);
        _mix.Start();
    }

    public ClientCounters Counters => _mix.Counters;

    public Recipient Address => _mix.Address;

    internal SemaphoreSlim MessageBudget { get; }

    /// <summary>Asks the service for a connection to <paramref name="hostPort"/>; the answer is <see cref="ProxyConnection.Opened"/>.</summary>
    public ProxyConnection Open(string hostPort)
    {
        ulong id = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8));
        var connection = new ProxyConnection(this, id, hostPort, _settings);
        if (_mix.Stopping || Interlocked.Increment(ref _openConnections) > _settings.MaximumConnections)
        {
            Interlocked.Decrement(ref _openConnections);
            connection.Fail(ConnectOutcome.From("limit: this client has too many connections"u8));
            return connection;
        }

        Post(new EngineCommand(EngineCommandKind.Open, connection, default));
        return connection;
    }

    /// <inheritdoc cref="MixClient.UseTopology"/>
    public void UseTopology(NetworkTopology topology) => _mix.UseTopology(topology);

    public void Dispose() => _mix.Dispose();

    internal void Post(EngineCommand command)
    {
        _commands.Enqueue(command);
        _mix.Wake();
    }

    bool IMixService.TakeCommands(long now)
    {
        bool any = false;
        while (_commands.TryDequeue(out EngineCommand command))
        {
            any = true;
            ProxyConnection connection = command.Connection;
            switch (command.Kind)
            {
                case EngineCommandKind.Open:
                    Connect(connection, now);
                    break;
                case EngineCommandKind.Data when connection.Failed || connection.LocalClosed || !_connections.ContainsKey(connection.Id):
                    connection.ReturnCredit();
                    break;
                case EngineCommandKind.Data:
                    SendStream(connection, command.Payload, closed: false, isData: true, now);
                    break;
                case EngineCommandKind.Complete:
                    CloseLocal(connection, now);
                    RemoveIfDone(connection);
                    break;
                default:
                    CloseLocal(connection, now);
                    Remove(connection, new ConnectOutcome(false, ConnectFailure.Unknown, "closed here"));
                    break;
            }
        }

        return any;
    }

    private void Connect(ProxyConnection connection, long now)
    {
        _connections.Add(connection.Id, connection);
        Counters.Set(ClientCounter.Connections, _connections.Count);
        connection.ConnectDeadline = now + (long)_settings.ConnectTimeout.TotalMilliseconds;
        connection.LastHeard = connection.LastSent = now;
        byte[] request = new byte[512];
        if (!RequestWriter.TryWriteConnect(
            request, MessageForm.Version3, connection.Id, Encoding.UTF8.GetBytes(connection.HostPort), default, out int bytes))
        {
            Remove(connection, ConnectOutcome.From("malformed: the address is too long"u8));
            return;
        }

        // Behind a request that the service can answer with what it holds, only as many SURBs as fit beside it for nothing.
        int surbs = _mix.SurbsAvailable < SurbsToAnswer ? _settings.FirstSurbs : MixClient.SurbsBeside(bytes);
        _mix.SendControl(new OutgoingMessage(connection, isData: false), surbs, request.AsSpan(0, bytes), default, now);
    }

    private void SendStream(ProxyConnection connection, ArraySegment<byte> payload, bool closed, bool isData, long now) =>
        SendStream(connection, connection.NextSequence++, payload, closed, isData, now);

    // Nothing may follow the close, but it may come again: who knows the connection ignores it, who does not says so.
    private void RepeatClose(ProxyConnection connection, long now) =>
        SendStream(connection, connection.NextSequence - 1, default, closed: true, isData: false, now);

    private void SendStream(
        ProxyConnection connection, ulong sequence, ArraySegment<byte> payload, bool closed, bool isData, long now)
    {
        Span<byte> header = stackalloc byte[32];
        RequestWriter.TryWriteSendHeader(
            header, MessageForm.Version3, connection.Id, sequence, closed, out int headerBytes);
        connection.LastSent = now;
        Counters.Add(ClientCounter.BytesUp, payload.Count);

        // A closing message must arrive even when its connection is no longer ours to keep.
        var message = new OutgoingMessage(closed ? null : connection, isData);
        if (!closed)
            connection.Track(message);
        _mix.SendData(message, surbs: 0, header[..headerBytes], payload, now);
    }

    private void CloseLocal(ProxyConnection connection, long now)
    {
        if (connection.LocalClosed || connection.Failed || !_connections.ContainsKey(connection.Id))
            return;
        SendStream(connection, default, closed: true, isData: false, now);
        connection.LocalClosed = true;
    }

    private void RemoveIfDone(ProxyConnection connection)
    {
        if (connection.LocalClosed && connection.RemoteClosed)
            Remove(connection, ConnectOutcome.Success);
    }

    private void Remove(ProxyConnection connection, ConnectOutcome outcome)
    {
        if (_connections.Remove(connection.Id))
        {
            Interlocked.Decrement(ref _openConnections);
            Counters.Set(ClientCounter.Connections, _connections.Count);
        }

        connection.End(outcome);
    }

    void IMixService.Stopped()
    {
        foreach (ProxyConnection connection in _connections.Values.ToArray())
            Remove(connection, new ConnectOutcome(false, ConnectFailure.Limit, "the client is stopping"));
    }

    internal void GiveUp(ProxyConnection connection) =>
        Remove(connection, ConnectOutcome.From("timeout: a packet was sent too often without an ack"u8));
}
