using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.NetworkRequester.Protocol;
using FastExit.Topology;

namespace FastExit.Bench.Client;

/// <summary>
/// A Nym client for one service, anonymous: it proves itself with a sender tag only and is answered through reply SURBs alone
/// (network-requester.md §0.3, interface and protocol version 3). One thread owns all state and does the cryptography in batches;
/// connections talk to it through bounded queues. Loss is repaired by acks and retransmission, SURBs are kept topped up by what arrives.
/// </summary>
internal sealed partial class ClientEngine : IDeliveryTarget, IDisposable
{
    private const int AcknowledgementBytes = 21;
    private const int DeliveriesAtOnce = 64;
    private const int TickMilliseconds = 50;
    private readonly ClientSettings _settings;
    private readonly EntryGateway _gateway;
    private readonly ClientIdentity _identity;
    private readonly Recipient _service;
    private readonly EngineInbox _inbox = new();
    private readonly PendingFragments _pending = new();
    private readonly Queue<OutgoingFragment> _again = new();
    private readonly Queue<OutgoingFragment> _urgent = new();
    private readonly Queue<OutgoingFragment> _data = new();
    private readonly Dictionary<ulong, ProxyConnection> _connections = [];
    private readonly SurbLedger _ledger;
    private readonly Reassembler _reassembler;
    private readonly Thread _thread;
    private readonly byte[] _senderTag = new byte[EndToEndMessage.SenderTagBytes];
    private PacketFactory _factory;
    private PacketFactory? _nextFactory;
    private volatile bool _stop;
    private int _openConnections;
    private long _nextTick;

    /// <exception cref="ArgumentException">The topology lacks a layer, the client's gateway or the service's.</exception>
    public ClientEngine(NetworkTopology topology, EntryGateway gateway, in Recipient service, ClientSettings settings)
    {
        _settings = settings;
        _gateway = gateway;
        _service = service;
        _identity = ClientIdentity.Generate(gateway.Identity);
        _factory = new PacketFactory(topology, _identity, service, settings.MeanHopDelay);
        _ledger = new SurbLedger(settings.MaximumReplyKeys, settings.ReplyKeyAge);
        _reassembler = new Reassembler(settings.AssemblyBytes);
        MessageBudget = new SemaphoreSlim(settings.MaximumMessages);
        RandomNumberGenerator.Fill(_senderTag);
        _gateway.Attach(_identity.Address.Identity, this);
        _thread = new Thread(Run) { IsBackground = true, Name = "client" };
        _thread.Start();
    }

    public ClientCounters Counters { get; } = new();

    public Recipient Address => _identity.Address;

    internal SemaphoreSlim MessageBudget { get; }

    /// <summary>Asks the service for a connection to <paramref name="hostPort"/>; the answer is <see cref="ProxyConnection.Opened"/>.</summary>
    public ProxyConnection Open(string hostPort)
    {
        ulong id = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8));
        var connection = new ProxyConnection(this, id, hostPort, _settings);
        if (_stop || Interlocked.Increment(ref _openConnections) > _settings.MaximumConnections)
        {
            Interlocked.Decrement(ref _openConnections);
            connection.Fail(ConnectOutcome.From("limit: this client has too many connections"u8));
            return connection;
        }

        Post(new EngineCommand(EngineCommandKind.Open, connection, default));
        return connection;
    }

    /// <summary>
    /// From now on packets and SURBs are made for these nodes' keys. After a change of rotation the service gets SURBs of the new one at
    /// once; answers by older ones are still read (end-to-end.md §8.6).
    /// </summary>
    /// <exception cref="ArgumentException">The topology lacks a layer, the client's gateway or the service's.</exception>
    public void UseTopology(NetworkTopology topology)
    {
        Volatile.Write(ref _nextFactory, new PacketFactory(topology, _identity, _service, _settings.MeanHopDelay));
        _inbox.Wake();
    }

    public void Deliver(ReadOnlySpan<byte> payload)
    {
        if (!_inbox.TryPut(payload))
            Counters.Increment(ClientCounter.Overflowed);
    }

    public void Dispose()
    {
        _stop = true;
        _inbox.Wake();
        if (_thread.IsAlive)
            _thread.Join();
        _gateway.Detach(_identity.Address.Identity);
    }

    internal void Post(EngineCommand command) => _inbox.Put(command);

    private void Run()
    {
        while (!_stop)
        {
            long now = Environment.TickCount64;
            TakeTopology();
            bool worked = TakeCommands(now) | TakeDeliveries(now);
            if (now >= _nextTick)
            {
                _nextTick = now + TickMilliseconds;
                Tick(now);
            }

            TakeOverdue(now);
            SupplySurbs(now);
            worked |= SendBatch(now);
            if (!worked)
                _inbox.Wait(TimeSpan.FromMilliseconds(_pending.NextDue(now, TickMilliseconds)));
        }

        foreach (ProxyConnection connection in _connections.Values.ToArray())
            Remove(connection, new ConnectOutcome(false, ConnectFailure.Limit, "the client is stopping"));
    }

    private void TakeTopology()
    {
        if (Volatile.Read(ref _nextFactory) is null || Interlocked.Exchange(ref _nextFactory, null) is not { } factory)
            return;
        if (factory.Rotation != _factory.Rotation)
            _ledger.Forget();
        _factory = factory;
    }

    private bool TakeCommands(long now)
    {
        bool any = false;
        while (_inbox.TryTakeCommand(out EngineCommand command))
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
        int surbs = _ledger.Available < SurbsToAnswer ? _settings.FirstSurbs : SurbsBeside(bytes);
        Enqueue(_urgent, new OutgoingMessage(connection, isData: false), surbs, request.AsSpan(0, bytes), default, now);
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
        Enqueue(_data, message, surbs: 0, header[..headerBytes], payload, now);
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

    /// <summary>Cuts one message (repliable, this client's tag) into fragments and queues them.</summary>
    private void Enqueue(
        Queue<OutgoingFragment> queue,
        OutgoingMessage message,
        int surbs,
        ReadOnlySpan<byte> head,
        ReadOnlySpan<byte> body,
        long now)
    {
        int prefix = MessageWriter.RepliableHeaderBytes + (surbs * PacketFactory.SurbBytes);
        byte[] front = ArrayPool<byte>.Shared.Rent(prefix + head.Length);
        int at = head.IsEmpty
            ? MessageWriter.WriteAdditionalSurbsHeader(front, _senderTag, surbs, RouteSource.Hops, _factory.Rotation)
            : MessageWriter.WriteRepliableHeader(front, _senderTag, surbs, surbs == 0 ? 0 : RouteSource.Hops, _factory.Rotation);
        _factory.WriteSurbs(front.AsSpan(at), surbs, _ledger, now);
        Counters.Add(ClientCounter.SurbsMade, surbs);
        head.CopyTo(front.AsSpan(prefix));
        ReadOnlySpan<byte> whole = front.AsSpan(0, prefix + head.Length);

        int fragmentBytes = PacketSizes.FragmentBytes(PacketSize.Regular);
        FragmentPlan plan = FragmentPlan.For(whole.Length + body.Length, fragmentBytes);
        Span<uint> setIds = stackalloc uint[plan.Sets];
        SetId.Fill(setIds);
        message.FragmentsLeft = plan.Packets;
        for (int i = 0; i < plan.Packets; i++)
        {
            byte[] fragment = new byte[fragmentBytes];
            plan.WriteFragment(whole, body, i, setIds, fragment);
            FragmentPlace place = plan.Place(i);
            queue.Enqueue(new OutgoingFragment(message, setIds[place.Set], place.Position, fragment));
        }

        ArrayPool<byte>.Shared.Return(front);
    }

    /// <summary>Builds and sends up to eight packets: what is overdue, then control and SURBs, then data as far as the window goes.</summary>
    private bool SendBatch(long now)
    {
        var batch = new OutgoingFragment[PacketFactory.Lanes];
        int count = 0;
        while (count < batch.Length && _again.TryDequeue(out OutgoingFragment? fragment))
        {
            if (fragment.Pending)
                batch[count++] = fragment;
        }

        int repeated = count;
        while (count < batch.Length && _urgent.TryDequeue(out OutgoingFragment? fragment))
            Take(fragment, batch, ref count);
        while (count < batch.Length && _pending.Count + count - repeated < _settings.MaximumInFlightPackets
            && _data.TryDequeue(out OutgoingFragment? fragment))
            Take(fragment, batch, ref count);
        Counters.Set(ClientCounter.PacketsInFlight, _pending.Count);
        Counters.Set(ClientCounter.MessagesWaiting, _data.Count);
        if (count == 0)
            return false;

        Span<TimeSpan> expected = stackalloc TimeSpan[PacketFactory.Lanes];
        if (_pending.Count == 0)
            Heard(now);
        _sentUnheard += count;
        _factory.Send(batch.AsSpan(0, count), expected, _gateway.Send);
        for (int i = 0; i < count; i++)
            _pending.Sent(batch[i], now, Wait(expected[i], batch[i].Sendings));
        Counters.Add(ClientCounter.PacketsSent, count);
        Counters.Add(ClientCounter.Retransmissions, repeated);
        return true;
    }

    private static void Take(OutgoingFragment fragment, OutgoingFragment[] batch, ref int count)
    {
        if (fragment.Message.Cancelled)
            Settle(fragment);
        else
            batch[count++] = fragment;
    }

    // 1.5 × expected + 1.5 s; a packet that keeps failing waits longer, so that an outage is not answered with a flood.
    private long Wait(TimeSpan expected, int sendings)
    {
        double wait = (1.5 * expected.TotalMilliseconds) + _settings.AckWait.TotalMilliseconds;
        return (long)(sendings < 8 ? wait : Math.Min(wait * (sendings - 6), 10_000));
    }

    private static void Settle(OutgoingFragment fragment)
    {
        OutgoingMessage message = fragment.Message;
        if (--message.FragmentsLeft == 0)
            message.Connection?.Settled(message);
    }
}
