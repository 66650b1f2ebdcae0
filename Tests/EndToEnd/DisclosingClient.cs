using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.NetworkRequester.Protocol;
using FastExit.Topology;

namespace FastExit.Tests.EndToEnd;

/// <summary>
/// A client that is not anonymous towards the service: plain messages without SURBs, its own address in every Connect
/// (network-requester.md §2.2), and answers in ordinary forward packets to that address. Loss is repaired by acks and retransmission.
/// </summary>
internal sealed class DisclosingClient : IDeliveryTarget, IDisposable
{
    private const int MaximumInFlight = 256;
    private static readonly int s_fragmentBytes = PacketSizes.FragmentBytes(PacketSize.Regular);
    private readonly EntryGateway _gateway;
    private readonly MessageForm _form;
    private readonly ClientIdentity _identity;
    private readonly PacketFactory _factory;
    private readonly EngineInbox _inbox = new();
    private readonly ConcurrentQueue<byte[]> _messages = new();
    private readonly ConcurrentDictionary<ulong, DisclosedConnection> _connections = new();
    private readonly PendingFragments _pending = new();
    private readonly Queue<OutgoingFragment> _again = new();
    private readonly Queue<OutgoingFragment> _fresh = new();
    private readonly Reassembler _reassembler = new(16 << 20);
    private readonly FragmentCipherBatch _cipher = new();
    private readonly Thread _thread;
    private volatile bool _stop;
    private int _answers;
    private int _undeciphered;
    private int _unexpected;

    public DisclosingClient(
        NetworkTopology topology, EntryGateway gateway, in Recipient service, MessageForm form, TimeSpan meanHopDelay)
    {
        _gateway = gateway;
        _form = form;
        _identity = ClientIdentity.Generate(gateway.Identity);
        _factory = new PacketFactory(topology, _identity, service, meanHopDelay);
        _gateway.Attach(_identity.Address.Identity, this);
        _thread = new Thread(Run) { IsBackground = true, Name = "disclosing client" };
        _thread.Start();
    }

    public Recipient Address => _identity.Address;

    /// <summary>Packets that were read as an answer or a part of one.</summary>
    public int Answers => Volatile.Read(ref _answers);

    /// <summary>Packets that are not for this client's encryption key.</summary>
    public int Undeciphered => Volatile.Read(ref _undeciphered);

    /// <summary>Messages of another kind or form than was asked for.</summary>
    public int Unexpected => Volatile.Read(ref _unexpected);

    public static byte[] Bytes(in Recipient recipient)
    {
        byte[] bytes = new byte[Recipient.Bytes];
        recipient.CopyTo(bytes);
        return bytes;
    }

    public bool Deliver(ReadOnlySpan<byte> payload) => _inbox.TryPut(payload);

    /// <summary>Asks for a connection.</summary>
    /// <param name="hostPort">Destination.</param>
    /// <param name="returnAddress">96 bytes; null: this client's own address.</param>
    public DisclosedConnection Open(string hostPort, byte[]? returnAddress = null)
    {
        var connection = new DisclosedConnection(
            BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)), PostSend);
        _connections[connection.Id] = connection;
        byte[] request = new byte[512];
        if (!RequestWriter.TryWriteConnect(
            request, _form, connection.Id, Encoding.ASCII.GetBytes(hostPort), returnAddress ?? Bytes(Address), out int bytes))
            throw new ArgumentException("does not fit a request", nameof(hostPort));
        Post(request.AsSpan(0, bytes));
        return connection;
    }

    public void Dispose()
    {
        _stop = true;
        _inbox.Wake();
        _thread.Join();
        _gateway.Detach(_identity.Address.Identity);
    }

    private void PostSend(ulong id, ulong sequence, byte[] payload, bool closed)
    {
        byte[] request = new byte[payload.Length + 64];
        if (!RequestWriter.TryWriteSend(request, _form, id, sequence, closed, payload, out int bytes))
            throw new ArgumentException("does not fit a request", nameof(payload));
        Post(request.AsSpan(0, bytes));
    }

    private void Post(ReadOnlySpan<byte> request)
    {
        byte[] message = new byte[MessageWriter.PlainHeaderBytes + request.Length];
        int at = MessageWriter.WritePlainHeader(message);
        request.CopyTo(message.AsSpan(at));
        _messages.Enqueue(message);
        _inbox.Wake();
    }

    private void Run()
    {
        var deliveries = new ArraySegment<byte>[64];
        while (!_stop)
        {
            long now = Environment.TickCount64;
            int taken = _inbox.TakeDeliveries(deliveries);
            for (int i = 0; i < taken; i++)
                Receive(deliveries[i], now);
            while (_messages.TryDequeue(out byte[]? message))
                Cut(message);
            while (_pending.TryTakeDue(now, out OutgoingFragment due))
                _again.Enqueue(due);
            if (!SendBatch(now) && taken == 0)
                _inbox.Wait(TimeSpan.FromMilliseconds(_pending.NextDue(now, 50)));
        }
    }

    private void Receive(Span<byte> payload, long now)
    {
        if (payload.Length == AckContent.Bytes)
        {
            if (AckContent.TryRead(payload, _identity.AckKey, out uint setId, out byte position))
                _pending.TryAcknowledge(setId, position, out _);
            return;
        }

        FragmentLane[] lanes = [new FragmentLane { Offset = 0, Length = payload.Length, Key = 0 }];
        _cipher.DecryptForward(payload, lanes, _identity.EncryptionPrivate);
        Span<byte> fragment = payload[PacketSizes.KeyBlockBytes..];
        if (!lanes[0].Valid || !FragmentHeader.TryRead(fragment, out _))
        {
            Interlocked.Increment(ref _undeciphered);
            return;
        }

        Interlocked.Increment(ref _answers);
        FragmentOutcome outcome = _reassembler.Add(fragment, now, out ReadOnlySpan<byte> padded);
        if (outcome is FragmentOutcome.Waiting or FragmentOutcome.Late)
            return;
        if (outcome == FragmentOutcome.Complete
            && MessagePadding.TryStrip(padded, out int bytes)
            && EndToEndMessage.TryRead(padded[..bytes], out EndToEndMessage message)
            && message.Kind == MessageKind.Plain
            && Response.TryRead(message.Data, out Response response) == ResponseStatus.Ok
            && response.Form == _form
            && _connections.TryGetValue(response.ConnectionId, out DisclosedConnection? connection))
            connection.Take(response);
        else
            Interlocked.Increment(ref _unexpected);
    }

    private void Cut(byte[] message)
    {
        FragmentPlan plan = FragmentPlan.For(message.Length, s_fragmentBytes);
        uint[] ids = new uint[plan.Sets];
        SetId.Fill(ids);
        for (int i = 0; i < plan.Packets; i++)
        {
            byte[] fragment = new byte[s_fragmentBytes];
            plan.WriteFragment(message, i, ids, fragment);
            FragmentPlace place = plan.Place(i);
            _fresh.Enqueue(new OutgoingFragment(new OutgoingMessage(null, isData: false), ids[place.Set], place.Position, fragment));
        }
    }

    private bool SendBatch(long now)
    {
        var batch = new OutgoingFragment[PacketFactory.Lanes];
        int count = 0;
        while (count < batch.Length && _again.TryDequeue(out OutgoingFragment? fragment))
        {
            if (fragment.Pending)
                batch[count++] = fragment;
        }

        while (count < batch.Length && _pending.Count + count < MaximumInFlight && _fresh.TryDequeue(out OutgoingFragment? fragment))
            batch[count++] = fragment;
        if (count == 0)
            return false;
        Span<TimeSpan> expected = stackalloc TimeSpan[PacketFactory.Lanes];
        _factory.Send(batch.AsSpan(0, count), expected, _gateway.Send);
        for (int i = 0; i < count; i++)
            _pending.Sent(batch[i], now, 1500 + (long)(1.5 * expected[i].TotalMilliseconds));
        return true;
    }
}

/// <summary>One connection of a <see cref="DisclosingClient"/>; one thread sends.</summary>
internal sealed class DisclosedConnection(ulong id, Action<ulong, ulong, byte[], bool> send)
{
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<byte[]> _received = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly OrderedBuffer _ordered = new(16 << 20, OrderedBuffer.SendWindow);
    private readonly List<byte> _bytes = [];
    private ulong _sequence;

    public ulong Id => id;

    /// <summary>The first answer that is no end.</summary>
    public Task Connected => _connected.Task;

    /// <summary>Everything the destination sent, after its end.</summary>
    public Task<byte[]> Received => _received.Task;

    /// <summary>Faults with the service's text; a close may come before it.</summary>
    public Task Refused => _refused.Task;

    public void Send(byte[] payload, bool closed = false) => send(id, _sequence++, payload, closed);

    /// <summary>On the client's thread.</summary>
    public void Take(in Response response)
    {
        if (response.Kind == ResponseKind.ConnectionError)
        {
            _refused.TrySetException(new IOException(Encoding.UTF8.GetString(response.Text)));
            return;
        }

        _ordered.Write(response.Sequence, response.Payload.ToArray(), response.Closed);
        while (_ordered.TryRead(out ArraySegment<byte> bytes))
            _bytes.AddRange(bytes);
        if (!response.Closed)
            _connected.TrySetResult();
        if (_ordered.Finished)
            _received.TrySetResult(_bytes.ToArray());
    }
}
