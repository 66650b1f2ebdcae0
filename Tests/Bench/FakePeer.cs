using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.Topology;
using Xunit;

namespace FastExit.Tests.Bench;

/// <summary>
/// A service's end of the mixnet without sockets, with the whole cryptography of a real one; what it says is the subclass's. Its SURB use
/// follows end-to-end.md §8 with a reserve of two.
/// </summary>
internal abstract class FakePeer : IDeliveryTarget, IDisposable
{
    public const int SurbsPerRequest = 30;
    private const int Reserve = 2;
    private const int RequestAgainMilliseconds = 500;
    private const int RegularPacketBytes = 2413;
    private const int Lanes = 8;
    private const int Stride = 2432;
    private readonly EntryGateway _gateway;
    private readonly RouteSource _routes;
    private readonly TopologyNode _own;
    private readonly ClientIdentity _identity;
    private readonly EngineInbox _inbox = new();
    private readonly Reassembler _reassembler = new(16 << 20);
    private readonly FragmentCipherBatch _cipher = new();
    private readonly AckBatch _acks = new();
    private readonly ReplyPacketBatch _packets = new();
    private readonly Dictionary<string, Queue<byte[]>> _surbs = [];
    private readonly Dictionary<string, Queue<(ulong Key, byte[] Fragment)>> _waiting = [];
    private readonly Dictionary<ulong, (string Tag, byte[] Fragment, long Due)> _pending = [];
    private readonly HashSet<ulong> _once = [];
    private readonly byte[] _region = new byte[Lanes * Stride];
    private readonly Thread _thread;
    private volatile bool _stop;
    private long _requested;

    protected FakePeer(EntryGateway gateway, NetworkTopology topology, TimeSpan meanDelay)
    {
        _gateway = gateway;
        _routes = new RouteSource(topology, meanDelay);
        _identity = ClientIdentity.Generate(gateway.Identity);
        topology.TryGetGateway(gateway.Identity, out _own);
        gateway.Attach(_identity.Address.Identity, this);
        _thread = new Thread(Run) { IsBackground = true, Name = "fake service" };
    }

    public Recipient Address => _identity.Address;

    /// <summary>No SURBs are kept but those of a request: it must live from hand to mouth.</summary>
    public int MaximumSurbs { get; set; } = 512;

    public int SurbRequests { get; private set; }

    /// <summary>Of the newest SURBs.</summary>
    public KeyRotation SurbRotation { get; private set; }

    public int MaximumSurbsSeen { get; private set; }

    /// <summary>Every SURB and connection is lost, as when a process starts anew.</summary>
    public volatile bool ForgetRequested;

    public bool Deliver(ReadOnlySpan<byte> payload) => _inbox.TryPut(payload);

    public void Dispose()
    {
        _stop = true;
        _inbox.Wake();
        _thread.Join();
        _gateway.Detach(_identity.Address.Identity);
    }

    /// <summary>By the subclass, when it is ready.</summary>
    protected void Start() => _thread.Start();

    protected void Wake() => _inbox.Wake();

    /// <summary>The application bytes of a repliable message.</summary>
    protected abstract void Handle(string tag, ReadOnlySpan<byte> data);

    /// <summary>Every turn of the service's thread.</summary>
    protected abstract void Pump(long now);

    protected abstract void Forget();

    protected virtual void Acknowledged(string tag)
    {
    }

    private void Run()
    {
        var deliveries = new ArraySegment<byte>[8];
        while (!_stop)
        {
            long now = Environment.TickCount64;
            if (ForgetRequested)
            {
                ForgetRequested = false;
                _surbs.Clear();
                _waiting.Clear();
                _pending.Clear();
                Forget();
            }

            int taken = _inbox.TakeDeliveries(deliveries);
            for (int i = 0; i < taken; i++)
                Receive(deliveries[i], now);
            Pump(now);
            Retransmit(now);
            int sent = Flush(now);
            if (taken == 0 && sent == 0)
                _inbox.Wait(TimeSpan.FromMilliseconds(5));
        }
    }

    private void Receive(Span<byte> payload, long now)
    {
        if (payload.Length == AckContent.Bytes)
        {
            Assert.True(AckContent.TryRead(payload, _identity.AckKey, out uint setId, out byte position));
            if (_pending.Remove(((ulong)setId << 8) | position, out (string Tag, byte[] Fragment, long Due) done))
                Acknowledged(done.Tag);

            return;
        }

        FragmentLane[] lanes = [new FragmentLane { Offset = 0, Length = payload.Length, Key = 0 }];
        _cipher.DecryptForward(payload, lanes, _identity.EncryptionPrivate);
        if (!lanes[0].Valid || _reassembler.Add(payload[32..], now, out ReadOnlySpan<byte> padded) != FragmentOutcome.Complete
            || !MessagePadding.TryStrip(padded, out int bytes) || !EndToEndMessage.TryRead(padded[..bytes], out EndToEndMessage message))
            return;
        string tag = Convert.ToHexString(message.SenderTag);
        if (!_surbs.TryGetValue(tag, out Queue<byte[]>? surbs))
            _surbs.Add(tag, surbs = new Queue<byte[]>());
        for (int i = 0; i < message.Surbs.Count && surbs.Count < MaximumSurbs; i++)
            surbs.Enqueue(message.Surbs[i].Bytes.ToArray());
        if (message.Surbs.Count > 0)
        {
            _requested = 0;
            SurbRotation = message.Surbs.Rotation;
        }

        MaximumSurbsSeen = Math.Max(MaximumSurbsSeen, surbs.Count);
        if (message.Kind == MessageKind.RepliableData)
            Handle(tag, message.Data);
    }

    /// <param name="tag">To whom.</param>
    /// <param name="data">The application's bytes.</param>
    /// <param name="repeated">It is sent again when no ack comes.</param>
    protected void Reply(string tag, ReadOnlySpan<byte> data, bool repeated = true)
    {
        byte[] message = new byte[MessageWriter.ReplyHeaderBytes + data.Length];
        MessageWriter.WriteReplyHeader(message);
        data.CopyTo(message.AsSpan(MessageWriter.ReplyHeaderBytes));
        Queue(tag, message, repeated);
    }

    private void Queue(string tag, byte[] message, bool repeated)
    {
        FragmentPlan plan = FragmentPlan.For(message.Length, 1611);
        uint[] ids = new uint[plan.Sets];
        SetId.Fill(ids);
        for (int i = 0; i < plan.Packets; i++)
        {
            byte[] fragment = new byte[1611];
            plan.WriteFragment(message, i, ids, fragment);
            ulong key = ((ulong)ids[0] << 8) | plan.Place(i).Position;
            Waiting(tag).Enqueue((key, fragment));
            if (!repeated)
                _once.Add(key);
        }
    }

    protected int QueuedFor(string tag) => Waiting(tag).Count;

    private Queue<(ulong Key, byte[] Fragment)> Waiting(string tag)
    {
        if (!_waiting.TryGetValue(tag, out Queue<(ulong Key, byte[] Fragment)>? queue))
            _waiting.Add(tag, queue = new Queue<(ulong Key, byte[] Fragment)>());
        return queue;
    }

    private void Retransmit(long now)
    {
        foreach ((ulong key, (string Tag, byte[] Fragment, long Due) late) in _pending.Where(pair => pair.Value.Due <= now).Take(64).ToArray())
        {
            _pending[key] = late with { Due = long.MaxValue };
            Waiting(late.Tag).Enqueue((key, late.Fragment));
        }
    }

    private int Flush(long now)
    {
        int sent = 0;
        var batch = new List<(string Tag, ulong Key, byte[] Fragment, byte[] Surb)>();
        foreach ((string tag, Queue<(ulong Key, byte[] Fragment)> waiting) in _waiting)
        {
            if (!_surbs.TryGetValue(tag, out Queue<byte[]>? surbs))
                continue;
            for (int i = 0; i < 32 && waiting.Count > 0; i++)
            {
                if (surbs.Count < 12 && surbs.Count > 0 && now - _requested > RequestAgainMilliseconds)
                    batch.Add(SurbRequest(tag, surbs.Dequeue(), now));
                if (batch.Count == Lanes)
                    Transmit(batch, now);
                if (surbs.Count <= Reserve)
                    break;
                (ulong key, byte[] fragment) = waiting.Dequeue();
                batch.Add((tag, key, fragment, surbs.Dequeue()));
                sent++;
                if (batch.Count == Lanes)
                    Transmit(batch, now);
            }
        }

        Transmit(batch, now);
        return sent;
    }

    private (string Tag, ulong Key, byte[] Fragment, byte[] Surb) SurbRequest(string tag, byte[] surb, long now)
    {
        _requested = now;
        SurbRequests++;
        byte[] request = new byte[EndToEndMessage.SurbRequestBytes];
        MessageWriter.WriteSurbRequest(request, Address, SurbsPerRequest);
        byte[] fragment = new byte[1611];
        uint[] ids = [SetId.Next()];
        FragmentPlan.For(request.Length, 1611).WriteFragment(request, 0, ids, fragment);
        return (tag, ((ulong)ids[0] << 8) | 1, fragment, surb);
    }

    private void Transmit(List<(string Tag, ulong Key, byte[] Fragment, byte[] Surb)> batch, long now)
    {
        if (batch.Count == 0)
            return;
        _acks.Clear();
        foreach ((_, ulong key, _, _) in batch)
            _acks.Add(_routes.Draw(_own, _identity.Address.Identity), _identity.AckKey, (uint)(key >> 8), (byte)key);
        _acks.Build();
        _packets.Clear();
        for (int lane = 0; lane < batch.Count; lane++)
        {
            batch[lane].Fragment.CopyTo(_region.AsSpan((lane * Stride) + PacketLayout.FragmentOffset));
            _packets.Add(lane * Stride, PacketSize.Regular, batch[lane].Surb, _acks.Prefix(lane));
        }

        _packets.Build(_region);
        for (int lane = 0; lane < batch.Count; lane++)
        {
            if (!_once.Remove(batch[lane].Key))
                _pending[batch[lane].Key] = (batch[lane].Tag, batch[lane].Fragment, now + 1700);
            _gateway.Send(
                _packets.FirstHop(lane).ToIPEndPoint(),
                MixPacket.Copy(_region.AsSpan(lane * Stride, RegularPacketBytes), PacketSize.Regular, KeyRotation.Odd));
        }

        batch.Clear();
    }
}
