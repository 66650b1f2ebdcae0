using System.Diagnostics;
using FastExit.Bench.Lab;
using FastExit.IpPacketRouter.Packets;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Topology;

namespace FastExit.Tests.Bench;

/// <summary>
/// An IP packet router: it gives every tag one pair of addresses, answers echo requests, and sends UDP packets at a rate when told to. It
/// sends data once and control until it is acknowledged.
/// </summary>
internal sealed class FakeRouter : FakePeer
{
    private const int HeaderRoom = 64;
    private readonly Dictionary<string, Session> _sessions = [];
    private readonly object _lock = new();
    private readonly List<byte[]> _received = [];
    private readonly Queue<(long Due, string Tag, byte[] Answer)> _late = new();
    private uint _number = 0x1234;
    private volatile Action? _order;

    public FakeRouter(EntryGateway gateway, NetworkTopology topology, TimeSpan meanDelay)
        : base(gateway, topology, meanDelay) => Start();

    /// <summary>Others are not answered, as by a router of before them.</summary>
    public IReadOnlyList<byte> Versions { get; set; } = [8, 9, 10];

    public ushort Mtu { get; set; } = 1400;

    /// <summary>Connects are refused.</summary>
    public volatile bool Full;

    /// <summary>Neither pings nor data are answered.</summary>
    public volatile bool Mute;

    /// <summary>Every data message goes out twice with one sequence.</summary>
    public volatile bool Doubles;

    /// <summary>Answers to connects of the newest version wait for so long.</summary>
    public volatile int NewestConnectMilliseconds;

    /// <summary>Given to new sessions instead of an IPv6 address.</summary>
    public volatile bool WithoutIPv6;

    public volatile int Connects;
    public volatile int Pings;
    public volatile int Disconnects;
    public volatile int Bundles;
    public volatile int LargestBundle;
    public volatile int MessagesSent;

    /// <summary>The packets that came up, in order of arrival.</summary>
    public byte[][] Received
    {
        get
        {
            lock (_lock)
                return [.. _received];
        }
    }

    /// <summary>Every session is told that it ends, and forgotten.</summary>
    public void EndSessions() => Order(() =>
    {
        foreach ((string tag, Session session) in _sessions)
        {
            byte[] answer = new byte[64];
            IprResponseWriter.TryWriteUnrequestedDisconnect(answer, session.Next(), IprDisconnectReason.MixnetTimeout, default, out int bytes);
            Reply(tag, answer.AsSpan(0, bytes));
        }

        _sessions.Clear();
    });

    /// <summary>UDP packets to every session from now on.</summary>
    /// <param name="count">How many.</param>
    /// <param name="perSecond">How fast.</param>
    /// <param name="bytes">Size of each; one fills a message.</param>
    public void Stream(int count, int perSecond, int bytes) => Order(() =>
    {
        foreach (Session session in _sessions.Values)
            session.Begin(count, perSecond, bytes);
    });

    /// <summary>One message with these packets.</summary>
    public void Send(params byte[][] packets) => Order(() =>
    {
        foreach ((string tag, Session session) in _sessions)
            SendBundle(tag, session, packets);
    });

    protected override void Forget() => _sessions.Clear();

    protected override void Pump(long now)
    {
        Interlocked.Exchange(ref _order, null)?.Invoke();
        while (_late.TryPeek(out var late) && late.Due <= now)
            Reply(_late.Dequeue().Tag, late.Answer);
        foreach ((string tag, Session session) in _sessions)
        {
            while (session.TakeDue() is { } number)
                SendBundle(tag, session, [TestPackets.Udp(session.Pair.IPv4, number, session.Bytes)]);
        }
    }

    protected override void Handle(string tag, ReadOnlySpan<byte> data)
    {
        if (IprRequest.TryRead(data, out IprRequest request) != IprReadStatus.Ok || !Versions.Contains(request.Version))
            return;
        byte[] answer = new byte[128];
        int bytes = 0;
        bool known = _sessions.TryGetValue(tag, out Session? session);
        switch (request.Kind)
        {
            case IprRequestKind.Connect when Full:
                IprResponseWriter.TryWriteConnectFailure(
                    answer, request.Envelope, request.RequestId, IprConnectFailure.NoAvailableIp, default, out bytes);
                break;
            case IprRequestKind.Connect:
                Connects++;
                uint number = known ? 0 : _number++;
                AddressPair pair = known
                    ? session!.Pair
                    : new AddressPair(0x0a000000 | number, WithoutIPv6 ? 0 : ((UInt128)0xfc00 << 112) | number);
                _sessions[tag] = session = new Session(pair, request.Envelope);
                IprResponseWriter.TryWriteConnectSuccess(
                    answer, request.Envelope with { Sequence = 0 }, request.RequestId, pair, Mtu, out bytes);
                if (NewestConnectMilliseconds > 0 && request.Version == IprVersion.Newest)
                {
                    _late.Enqueue((Environment.TickCount64 + NewestConnectMilliseconds, tag, answer[..bytes]));
                    bytes = 0;
                }

                break;
            case IprRequestKind.Ping:
                Pings++;
                if (!Mute)
                    IprResponseWriter.TryWritePong(answer, request.Envelope with { Sequence = 0 }, request.RequestId, out bytes);
                break;
            case IprRequestKind.Disconnect:
                Disconnects++;
                _sessions.Remove(tag);
                IprResponseWriter.TryWriteDisconnectSuccess(answer, request.Envelope, request.RequestId, out bytes);
                break;
            case IprRequestKind.Data when known:
                Take(tag, session!, data, request);
                break;
            case IprRequestKind.Data when !Mute:
                IprResponseWriter.TryWriteUnrequestedDisconnect(
                    answer, request.Envelope with { Sequence = 0 }, IprDisconnectReason.Other, "not connected"u8, out bytes);
                break;
            default:
                break;
        }

        if (bytes > 0)
            Reply(tag, answer.AsSpan(0, bytes));
    }

    private void Take(string tag, Session session, ReadOnlySpan<byte> message, in IprRequest request)
    {
        Bundles++;
        LargestBundle = Math.Max(LargestBundle, request.BundleBytes);
        var bundle = new BundleReader(message, request.BundleOffset, request.BundleBytes);
        while (bundle.TryNext(out int offset, out int bytes))
        {
            byte[] packet = message.Slice(offset, bytes).ToArray();
            lock (_lock)
                _received.Add((byte[])packet.Clone());
            if (!Mute && IpPacket.TryRead(packet, out IpPacket ip) == IpReadStatus.Ok && EchoReply.TryAnswer(packet, ip))
                SendBundle(tag, session, [packet]);
        }
    }

    private void SendBundle(string tag, Session session, byte[][] packets)
    {
        byte[] message = new byte[HeaderRoom + 4096];
        var bundle = new BundleWriter(message.AsSpan(HeaderRoom), BundleLimits.Reply(session.Envelope.Version));
        foreach (byte[] packet in packets)
            bundle.TryAdd(packet);
        int start = IprResponseWriter.WriteDataHeaderBefore(message, HeaderRoom, bundle.Written, session.Next());
        for (int i = 0; i < (Doubles ? 2 : 1); i++)
            Reply(tag, message.AsSpan(start, HeaderRoom + bundle.Written - start), repeated: false);
        MessagesSent++;
    }

    private void Order(Action action)
    {
        while (Interlocked.CompareExchange(ref _order, action, null) is not null)
            Thread.Sleep(1);
        Wake();
    }

    private sealed class Session(AddressPair pair, IprEnvelope envelope)
    {
        private uint _sequence;
        private long _started;
        private int _count;
        private int _perSecond;
        private int _sent;

        public AddressPair Pair => pair;

        public IprEnvelope Envelope => envelope;

        public int Bytes { get; private set; }

        public IprEnvelope Next() => envelope with { Sequence = _sequence = StreamFrame.NextSequence(_sequence) };

        public void Begin(int count, int perSecond, int bytes)
        {
            (_count, _perSecond, Bytes, _sent) = (count, perSecond, bytes, 0);
            _started = Stopwatch.GetTimestamp();
        }

        public int? TakeDue() =>
            _sent < _count && Stopwatch.GetElapsedTime(_started).TotalSeconds * _perSecond >= _sent ? _sent++ : null;
    }
}
