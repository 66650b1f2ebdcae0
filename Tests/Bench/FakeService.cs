using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.Crypto.EndToEnd;
using FastExit.NetworkRequester.Protocol;
using FastExit.Topology;
using Xunit;

namespace FastExit.Tests.Bench;

/// <summary>
/// A network requester without sockets, with the whole cryptography of a real one: the destination's name tells what it does.
/// <c>echo:1</c> sends back; <c>bytes-N:1</c> sends N bytes of <see cref="LabWeb.Fill"/> and closes; <c>sink:1</c> answers the SHA-256 of
/// what it got until the close; <c>silent:1</c> never answers; <c>fail-WORD:1</c> refuses with that reason; <c>closed:1</c> refuses without.
/// Its replies are retransmitted and its SURB use follows end-to-end.md §8 with a reserve of two.
/// </summary>
internal sealed class FakeService : IDeliveryTarget, IDisposable
{
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
    private readonly Dictionary<ulong, Stream> _streams = [];
    private readonly Dictionary<ulong, List<(ulong Sequence, byte[] Payload, bool Closed)>> _early = [];
    private readonly byte[] _region = new byte[Lanes * Stride];
    private readonly Thread _thread;
    private volatile bool _stop;
    private long _requested;

    public FakeService(EntryGateway gateway, NetworkTopology topology, TimeSpan meanDelay)
    {
        _gateway = gateway;
        _routes = new RouteSource(topology, meanDelay);
        _identity = ClientIdentity.Generate(gateway.Identity);
        topology.TryGetGateway(gateway.Identity, out _own);
        gateway.Attach(_identity.Address.Identity, this);
        _thread = new Thread(Run) { IsBackground = true, Name = "fake service" };
        _thread.Start();
    }

    public Recipient Address => _identity.Address;

    /// <summary>Every reply message goes out twice, under different set ids.</summary>
    public volatile bool Doubles;

    /// <summary>No SURBs are kept but those of a request: it must live from hand to mouth.</summary>
    public int MaximumSurbs { get; set; } = 512;

    public int SurbRequests { get; private set; }

    /// <summary>Of the newest SURBs.</summary>
    public KeyRotation SurbRotation { get; private set; }

    public int MaximumSurbsSeen { get; private set; }

    public int DuplicateSends { get; private set; }

    /// <summary>Messages further ahead than any peer may send.</summary>
    public int Overflows { get; private set; }

    /// <summary>Every SURB and connection is lost, as when a process starts anew.</summary>
    public volatile bool ForgetRequested;

    public void Deliver(ReadOnlySpan<byte> payload) => _inbox.TryPut(payload);

    public void Dispose()
    {
        _stop = true;
        _inbox.Wake();
        _thread.Join();
        _gateway.Detach(_identity.Address.Identity);
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
                _streams.Clear();
            }

            int taken = _inbox.TakeDeliveries(deliveries);
            for (int i = 0; i < taken; i++)
                Receive(deliveries[i], now);
            foreach (Stream stream in _streams.Values)
                Pump(stream);
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
            {
                foreach (Stream stream in _streams.Values)
                {
                    if (stream.Tag == done.Tag)
                        stream.InFlight--;
                }
            }

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
        if (message.Kind == MessageKind.RepliableData && Request.TryRead(message.Data, out Request request) == RequestStatus.Ok)
            Handle(tag, request);
    }

    private void Handle(string tag, in Request request)
    {
        byte[] buffer = new byte[256];
        int bytes;
        switch (request.Kind)
        {
            case RequestKind.Control:
                ResponseWriter.TryWriteControl(buffer, request.Control, default, out bytes);
                Reply(tag, buffer.AsSpan(0, bytes));
                break;
            case RequestKind.Connect:
                string host = Encoding.ASCII.GetString(request.Address).Split(':')[0];
                if (_streams.ContainsKey(request.ConnectionId) || host == "silent")
                    return;
                if (host == "closed" || host.StartsWith("fail-", StringComparison.Ordinal))
                {
                    ResponseWriter.TryWriteNetworkData(buffer, MessageForm.Version3, request.ConnectionId, 0, true, default, out bytes);
                    Reply(tag, buffer.AsSpan(0, bytes));
                    if (host == "closed")
                        return;
                    ReadOnlySpan<byte> text = ConnectFailureText.For(Enum.Parse<ConnectFailure>(host[5..], ignoreCase: true));
                    ResponseWriter.TryWriteConnectionError(buffer, MessageForm.Version3, request.ConnectionId, text, out bytes);
                    Reply(tag, buffer.AsSpan(0, bytes));
                    return;
                }

                var stream = new Stream(tag, request.ConnectionId, host);
                if (host.StartsWith("bytes-", StringComparison.Ordinal))
                    stream.ToSend = long.Parse(host[6..], CultureInfo.InvariantCulture);
                _streams.Add(request.ConnectionId, stream);
                Send(stream, default, closed: false);
                foreach ((ulong sequence, byte[] payload, bool closed) in _early.Remove(request.ConnectionId, out List<(ulong Sequence, byte[] Payload, bool Closed)>? early) ? early : [])
                    Take(stream, sequence, payload, closed);
                break;
            case RequestKind.Send when _streams.TryGetValue(request.ConnectionId, out Stream? known):
                Take(known, request.Sequence, request.Payload.ToArray(), request.Closed);
                break;
            case RequestKind.Send:
                if (!_early.TryGetValue(request.ConnectionId, out List<(ulong Sequence, byte[] Payload, bool Closed)>? store))
                    _early.Add(request.ConnectionId, store = []);
                if (store.Count < 32)
                    store.Add((request.Sequence, request.Payload.ToArray(), request.Closed));
                break;
            default:
                break;
        }
    }

    private void Take(Stream stream, ulong sequence, byte[] payload, bool closed)
    {
        OrderedWrite write = stream.Ordered.Write(sequence, payload, closed);
        Overflows += write == OrderedWrite.Overflow ? 1 : 0;
        DuplicateSends += write == OrderedWrite.Duplicate ? 1 : 0;
        while (stream.Ordered.TryRead(out ArraySegment<byte> data))
            Take(stream, data);
    }

    private void Take(Stream stream, ReadOnlySpan<byte> data)
    {
        stream.Hash.AppendData(data);
        if (stream.Host == "echo" && !data.IsEmpty)
            Send(stream, data, closed: false);
        if (!stream.Ordered.Finished || stream.Host.StartsWith("bytes-", StringComparison.Ordinal))
            return;
        Send(stream, stream.Host == "sink" ? stream.Hash.GetHashAndReset() : default, closed: true);
    }

    // A window of 128 packets in flight, like a service that reads from its destination only while it may send.
    private void Pump(Stream stream)
    {
        byte[] chunk = new byte[1580];
        while (stream.Sent < stream.ToSend && stream.InFlight < 128 && Waiting(stream.Tag).Count < 32)
        {
            int bytes = (int)Math.Min(chunk.Length, stream.ToSend - stream.Sent);
            LabWeb.Fill(chunk.AsSpan(0, bytes), stream.Sent);
            stream.Sent += bytes;
            Send(stream, chunk.AsSpan(0, bytes), closed: stream.Sent == stream.ToSend);
        }
    }

    private void Send(Stream stream, ReadOnlySpan<byte> data, bool closed)
    {
        byte[] message = new byte[64 + data.Length];
        Assert.True(ResponseWriter.TryWriteNetworkData(
            message, MessageForm.Version3, stream.Id, stream.Next++, closed, data, out int bytes));
        stream.InFlight++;
        Reply(stream.Tag, message.AsSpan(0, bytes));
        if (Doubles)
            Reply(stream.Tag, message.AsSpan(0, bytes));
    }

    private void Reply(string tag, ReadOnlySpan<byte> data)
    {
        byte[] message = new byte[MessageWriter.ReplyHeaderBytes + data.Length];
        MessageWriter.WriteReplyHeader(message);
        data.CopyTo(message.AsSpan(MessageWriter.ReplyHeaderBytes));
        Queue(tag, message);
    }

    private void Queue(string tag, byte[] message)
    {
        FragmentPlan plan = FragmentPlan.For(message.Length, 1611);
        uint[] ids = new uint[plan.Sets];
        SetId.Fill(ids);
        for (int i = 0; i < plan.Packets; i++)
        {
            byte[] fragment = new byte[1611];
            plan.WriteFragment(message, i, ids, fragment);
            Waiting(tag).Enqueue((((ulong)ids[0] << 8) | plan.Place(i).Position, fragment));
        }
    }

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
            Queue<byte[]> surbs = _surbs[tag];
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
        MessageWriter.WriteSurbRequest(request, Address, 30);
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
            _pending[batch[lane].Key] = (batch[lane].Tag, batch[lane].Fragment, now + 1700);
            _gateway.Send(
                _packets.FirstHop(lane).ToIPEndPoint(),
                MixPacket.Copy(_region.AsSpan(lane * Stride, RegularPacketBytes), PacketSize.Regular, KeyRotation.Odd));
        }

        batch.Clear();
    }

    private sealed class Stream(string tag, ulong id, string host)
    {
        public string Tag => tag;

        public ulong Id => id;

        public string Host => host;

        public OrderedBuffer Ordered { get; } = new(16 << 20, OrderedBuffer.SendWindow);

        public IncrementalHash Hash { get; } = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public ulong Next { get; set; }

        public long ToSend { get; set; }

        public long Sent { get; set; }

        public int InFlight { get; set; }
    }
}
