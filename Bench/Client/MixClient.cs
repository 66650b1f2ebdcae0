using System.Buffers;
using System.Security.Cryptography;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.Topology;

namespace FastExit.Bench.Client;

/// <summary>
/// A Nym client for one service, anonymous: it proves itself with a sender tag only and is answered through reply SURBs alone
/// (end-to-end.md). One thread owns all state and does the cryptography in batches; what the messages say is the business of
/// <see cref="IMixService"/>. Loss is repaired by acks and retransmission, SURBs are kept topped up by what arrives.
/// </summary>
internal sealed partial class MixClient : IDeliveryTarget, IDisposable
{
    private const int TickMilliseconds = 50;
    private readonly MixSettings _settings;
    private readonly IClientGateway _gateway;
    private readonly ClientIdentity _identity;
    private readonly Recipient _service;
    private readonly IMixService _owner;
    private readonly EngineInbox _inbox = new();
    private readonly PendingFragments _pending = new();
    private readonly Queue<OutgoingFragment> _again = new();
    private readonly Queue<OutgoingFragment> _urgent = new();
    private readonly Queue<OutgoingFragment> _data = new();
    private readonly SurbLedger _ledger;
    private readonly Reassembler _reassembler;
    private readonly Thread _thread;
    private readonly byte[] _senderTag = new byte[EndToEndMessage.SenderTagBytes];
    private PacketFactory _factory;
    private PacketFactory? _nextFactory;
    private volatile bool _stop;
    private long _nextTick;

    /// <summary><see cref="Start"/> sets it going.</summary>
    /// <exception cref="ArgumentException">The topology lacks a layer, the client's gateway or the service's.</exception>
    public MixClient(
        NetworkTopology topology, IClientGateway gateway, in Recipient service, MixSettings settings, IMixService owner,
        ClientCounters? counters = null)
    {
        Counters = counters ?? new ClientCounters();
        _settings = settings;
        _gateway = gateway;
        _service = service;
        _owner = owner;
        _identity = ClientIdentity.Generate(gateway.Identity);
        _factory = new PacketFactory(topology, _identity, service, settings.MeanHopDelay);
        _ledger = new SurbLedger(settings.MaximumReplyKeys, settings.ReplyKeyAge);
        _reassembler = new Reassembler(settings.AssemblyBytes);
        RandomNumberGenerator.Fill(_senderTag);
        _thread = new Thread(Run) { IsBackground = true, Name = "client" };
    }

    public ClientCounters Counters { get; }

    public Recipient Address => _identity.Address;

    public bool Stopping => _stop;

    /// <summary>Of the client's thread: SURBs that the service has or that are on their way to it.</summary>
    public int SurbsAvailable => _ledger.Available;

    /// <summary>Of the client's thread: data packets that were not sent yet.</summary>
    public int DataWaiting => _data.Count;

    /// <summary>Of the client's thread: sent packets that are not acknowledged.</summary>
    public int InFlight => _pending.Count;

    /// <summary>Of the client's thread: when an ack or a reply came last, or nothing was there to be answered.</summary>
    public long LastHeard { get; private set; }

    /// <summary>Of the client's thread: packets sent since then.</summary>
    public int SentUnheard { get; private set; }

    public void Start()
    {
        _gateway.Attach(_identity, this);
        _thread.Start();
    }

    /// <summary>
    /// From now on packets and SURBs are made for these nodes' keys. After a change of rotation the service gets SURBs of the new one at
    /// once; answers by older ones are still read (end-to-end.md §8.6).
    /// </summary>
    /// <exception cref="ArgumentException">The topology lacks a layer, the client's gateway or the service's.</exception>
    public void UseTopology(NetworkTopology topology)
    {
        Volatile.Write(ref _nextFactory, new PacketFactory(topology, _identity, _service, _settings.MeanHopDelay));
        Wake();
    }

    /// <summary>There is a command to take; from any thread.</summary>
    public void Wake() => _inbox.Wake();

    public bool Deliver(ReadOnlySpan<byte> payload)
    {
        if (_inbox.TryPut(payload))
            return true;
        Counters.Increment(ClientCounter.Overflowed);
        return false;
    }

    public void Dispose()
    {
        _stop = true;
        Wake();
        if (_thread.IsAlive)
            _thread.Join();
        _gateway.Detach(_identity);
    }

    /// <summary>Queues one message of this client's tag; control goes out before data.</summary>
    /// <param name="message">What it is for.</param>
    /// <param name="surbs">How many fresh SURBs it carries.</param>
    /// <param name="head">First part of the application's bytes; empty: a message of SURBs alone.</param>
    /// <param name="body">The rest.</param>
    /// <param name="now">Milliseconds.</param>
    public void SendControl(OutgoingMessage message, int surbs, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, long now) =>
        Enqueue(_urgent, message, surbs, head, body, now);

    /// <inheritdoc cref="SendControl"/>
    public void SendData(OutgoingMessage message, int surbs, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, long now) =>
        Enqueue(_data, message, surbs, head, body, now);

    /// <summary>How many SURBs fit beside a request without costing another packet.</summary>
    public static int SurbsBeside(int requestBytes)
    {
        int room = PacketSizes.FragmentBytes(PacketSize.Regular) - FragmentHeader.UnlinkedBytes - 1
            - MessageWriter.RepliableHeaderBytes - requestBytes;
        return Math.Max(0, room / PacketFactory.SurbBytes);
    }

    /// <summary>Drops all that is queued or in flight and counts the service's SURBs as lost; the tag stays.</summary>
    public void Abandon()
    {
        foreach (OutgoingFragment fragment in _pending.Clear())
            Settle(fragment);
        _again.Clear();
        foreach (Queue<OutgoingFragment> queue in new[] { _urgent, _data })
        {
            while (queue.TryDequeue(out OutgoingFragment? fragment))
                Settle(fragment);
        }

        _reassembler.Clear();
        _ledger.Forget();
    }

    /// <summary>From the next message on the service sees somebody else.</summary>
    public void ChangeTag() => RandomNumberGenerator.Fill(_senderTag);

    private void Run()
    {
        while (!_stop)
        {
            long now = Environment.TickCount64;
            TakeTopology();
            bool worked = _owner.TakeCommands(now) | TakeDeliveries(now);
            if (now >= _nextTick)
            {
                _nextTick = now + TickMilliseconds;
                _owner.Tick(now);
            }

            TakeOverdue(now);
            SupplySurbs(now);
            worked |= SendBatch(now);
            if (!worked)
                _inbox.Wait(TimeSpan.FromMilliseconds(_pending.NextDue(now, TickMilliseconds)));
        }

        _owner.Stopped();
    }

    private void TakeTopology()
    {
        if (Volatile.Read(ref _nextFactory) is null || Interlocked.Exchange(ref _nextFactory, null) is not { } factory)
            return;
        if (factory.Rotation != _factory.Rotation)
            _ledger.Forget();
        _factory = factory;
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

    private void TakeOverdue(long now)
    {
        while (_pending.TryTakeDue(now, out OutgoingFragment fragment))
        {
            OutgoingMessage message = fragment.Message;
            bool givenUp = fragment.Sendings > (message.MaximumRetransmissions ?? _settings.MaximumRetransmissions ?? int.MaxValue);
            if (!givenUp && !message.Cancelled)
            {
                _again.Enqueue(fragment);
                continue;
            }

            _pending.Remove(fragment);
            Settle(fragment);
            if (!givenUp)
                continue;
            Counters.Increment(ClientCounter.GivenUp);
            message.Owner?.GivenUp();
        }
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
        SentUnheard += count;
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
            message.Owner?.Settled(message);
    }
}
