using FastExit.Cores;
using FastExit.Delivery;
using FastExit.IpPacketRouter.Protocol;

namespace FastExit.IpPacketRouter;

// What clients ask: ipr.md §1 and §3, with the bad input of §8.
internal sealed partial class IprShard
{
    private const int MaximumBundleMilliseconds = 1000;

    // The longest answer is Health, with a kilobyte of texts.
    private const int ControlBytes = 1200;

    // One answer per client without session and kind of question.
    private const long UnknownTagMilliseconds = 10_000;
    private const long VersionMismatchMilliseconds = 10_000;
    private const long UnconnectedMilliseconds = 1000;

    private enum Limited : byte
    {
        UnknownTag,
        Version,
        Unconnected,
    }

    private void Handle(in InboundMessage message)
    {
        _counters.Increment(Counter.IpPacketRouter_Requests);
        Span<byte> bytes = _memory.Slot(message.Slot).Slice(message.Offset, message.Bytes);
        IprReadStatus status = IprRequest.TryRead(bytes, out IprRequest request);
        if (status == IprReadStatus.LegacyVersion)
        {
            // They name their sender in the request and mostly carry no tag.
            CountLegacy(bytes);
            return;
        }

        if (message.Peer == InboundMessage.NoPeer)
        {
            _counters.Increment(Counter.IpPacketRouter_NoReturnPath);
            return;
        }

        bool known = _sessions.TryFindPeer(message.Peer, out int index);
        if (known)
            _sessions[index].LastHeard = _now;
        switch (status)
        {
            case IprReadStatus.Ok when request.Kind == IprRequestKind.Data:
                if (known)
                    Forward(index, message.Slot, message.Offset, bytes, request);
                else
                    RefuseUnknown(message.Peer, request);
                break;
            case IprReadStatus.Ok:
                Control(message.Peer, known ? index : SessionTable.None, request);
                break;
            case IprReadStatus.UnknownVersion:
                _counters.Increment(Counter.IpPacketRouter_UnknownVersion);
                if (request.Version > IprVersion.Newest)
                    RefuseVersion(message.Peer, known ? index : SessionTable.None, request);
                break;
            default:
                _counters.Increment(status switch
                {
                    IprReadStatus.NotIpr => Counter.IpPacketRouter_NotIpr,
                    IprReadStatus.StreamOpen => Counter.IpPacketRouter_StreamOpens,
                    IprReadStatus.BadFrame => Counter.IpPacketRouter_BadFrame,
                    IprReadStatus.WrongTransport => Counter.IpPacketRouter_WrongTransport,
                    _ => Counter.IpPacketRouter_BadRequest,
                });
                break;
        }
    }

    private void CountLegacy(ReadOnlySpan<byte> message)
    {
        Counter counter = Counter.IpPacketRouter_UnknownVersion;
        if (_limits.LegacyDiagnostics)
        {
            counter = LegacyIprRequest.TryRead(message, out LegacyIprRequest request) != IprReadStatus.Ok
                ? Counter.IpPacketRouter_LegacyMalformed
                : request.Kind switch
                {
                    LegacyIprRequestKind.StaticConnect or LegacyIprRequestKind.DynamicConnect => Counter.IpPacketRouter_LegacyConnects,
                    LegacyIprRequestKind.Data => Counter.IpPacketRouter_LegacyData,
                    _ => Counter.IpPacketRouter_LegacyOther,
                };
        }

        _counters.Increment(counter);
    }

    private void Control(int peer, int index, in IprRequest request)
    {
        // Who asks after the session wants it, even with nothing to send.
        if (index != SessionTable.None && request.Kind is IprRequestKind.Ping or IprRequestKind.Health)
            Confirm(ref _sessions[index]);
        switch (request.Kind)
        {
            case IprRequestKind.Connect:
                Connect(peer, index, request);
                break;
            case IprRequestKind.Disconnect:
                Disconnect(peer, index, request);
                break;
            case IprRequestKind.Ping:
                _counters.Increment(Counter.IpPacketRouter_Pings);
                if (MayAnswer(peer, index))
                    Answer(peer, index, request);
                break;
            case IprRequestKind.Health:
                _counters.Increment(Counter.IpPacketRouter_HealthRequests);
                if (MayAnswer(peer, index))
                    Answer(peer, index, request);
                break;
        }
    }

    private void Connect(int peer, int index, in IprRequest request)
    {
        _counters.Increment(Counter.IpPacketRouter_Connects);
        _counters.Increment(request.Envelope.Version switch
        {
            IprVersion.Raw => Counter.IpPacketRouter_ConnectsVersion8,
            IprVersion.Stream => Counter.IpPacketRouter_ConnectsVersion9,
            _ => Counter.IpPacketRouter_ConnectsVersion10,
        });
        Establish(peer, index, request);
    }

    private void Establish(int peer, int index, in IprRequest request)
    {
        if (index == SessionTable.None)
        {
            if (!TryOpen(peer, request, out index))
                return;
        }
        else
        {
            ref IprSession known = ref _sessions[index];
            bool again = known.ConnectRequestId == request.RequestId && known.Version == request.Version
                && known.StreamId == request.StreamId;
            _counters.Increment(again ? Counter.IpPacketRouter_ConnectRetransmissions : Counter.IpPacketRouter_Reconnects);
            if (!again)
                Adopt(index, request);
        }

        // The answer to a connect is the first message of its stream, also when it is given again.
        ref readonly IprSession session = ref _sessions[index];
        var pair = new AddressPair(
            (uint)_network.IPv4Of(session.Number).Bits, _network.IPv6Of(session.Number).Bits);
        Span<byte> answer = stackalloc byte[ControlBytes];
        IprResponseWriter.TryWriteConnectSuccess(
            answer, new IprEnvelope(session.Version, session.StreamId, 0), request.RequestId, pair, (ushort)_limits.Mtu, out int bytes);
        Send(peer, answer[..bytes]);
    }

    private bool TryOpen(int peer, in IprRequest request, out int index)
    {
        index = SessionTable.None;

        // Without a SURB there is nobody to tell the address to; they may be on their way.
        if (_replies.Credit(peer) <= 0)
        {
            _counters.Increment(Counter.IpPacketRouter_ConnectsWithoutSurbs);
            _heldConnects.Add(peer, request, _now);
            return false;
        }

        if (_draining || _sessions.IsFull)
        {
            _counters.Increment(Counter.IpPacketRouter_ConnectsRefusedLimit);
            RefuseConnect(peer, request, IprConnectFailure.Other, "no room for another session"u8);
            return false;
        }

        if (!_newSessions.TryTake(_limits.NewSessionsPerSecond, _limits.NewSessionsBurst, _now))
        {
            _counters.Increment(Counter.IpPacketRouter_ConnectsRefusedRate);
            RefuseConnect(peer, request, IprConnectFailure.Other, "too many new sessions, try again"u8);
            return false;
        }

        if (!_addresses.TryTake(_now, out int number))
        {
            _counters.Increment(Counter.IpPacketRouter_ConnectsRefusedNoAddress);
            RefuseConnect(peer, request, IprConnectFailure.NoAvailableIp, []);
            return false;
        }

        index = _sessions.Open(peer, number);
        _replies.Retain(peer);
        _halfOpenSessions++;
        ref IprSession session = ref _sessions[index];
        session.Connected = _now;
        session.LastHeard = _now;
        session.Errors = TokenBucket.Full(IcmpErrorsBurst, _now);
        session.Spoofed = TokenBucket.Full(_limits.MaximumSpoofedPackets, _now);
        session.Packets = TokenBucket.Full(Math.Max(1, _limits.PacketsPerSecond), _now);
        Adopt(index, request);
        return true;
    }

    /// <summary>The connect says how the client is spoken to from now on; its addresses stay.</summary>
    private void Adopt(int index, in IprRequest request)
    {
        ref IprSession session = ref _sessions[index];
        if (session.HasStream != request.HasStream && !session.Queue.IsEmpty)
        {
            // Built for another header length.
            _queuedBytes -= session.Queue.Bytes;
            _counters.Add(Counter.IpPacketRouter_BundlesDroppedReconnect, session.Queue.Clear(_memory));
            _timers.Clear(index);
        }

        session.Version = request.Version;
        session.HasStream = request.HasStream;
        session.StreamId = request.StreamId;
        session.NextSequence = 1;
        session.ConnectRequestId = request.RequestId;
        session.BundleMilliseconds = request.BufferTimeoutMilliseconds is { } wish
            ? (int)Math.Min(wish, MaximumBundleMilliseconds)
            : _bundleMilliseconds;
    }

    private void RefuseConnect(int peer, in IprRequest request, IprConnectFailure reason, ReadOnlySpan<byte> text)
    {
        Span<byte> answer = stackalloc byte[ControlBytes];
        IprResponseWriter.TryWriteConnectFailure(
            answer, request.Envelope with { Sequence = 0 }, request.RequestId, reason, text, out int bytes);
        Send(peer, answer[..bytes]);
    }

    private void Disconnect(int peer, int index, in IprRequest request)
    {
        if (!MayAnswer(peer, index))
            return;
        Answer(peer, index, request);
        if (index == SessionTable.None)
        {
            _counters.Increment(Counter.IpPacketRouter_DisconnectsUnknown);
            return;
        }

        _counters.Increment(Counter.IpPacketRouter_Disconnects);
        Close(index);
    }

    /// <summary>
    /// Answers in the framing of the question. In the session's own stream the session's version and sequence hold, because clients check
    /// the one and put in order by the other; elsewhere the question's version, as sequence 0.
    /// </summary>
    private void Answer(int peer, int index, in IprRequest request)
    {
        bool inStream = index != SessionTable.None && IsOfSession(_sessions[index], request);
        IprEnvelope envelope = inStream ? EnvelopeOf(_sessions[index]) : request.Envelope with { Sequence = 0 };
        Span<byte> answer = stackalloc byte[ControlBytes];
        int bytes = 0;
        switch (request.Kind)
        {
            case IprRequestKind.Disconnect when index == SessionTable.None:
                IprResponseWriter.TryWriteDisconnectFailure(
                    answer, envelope, request.RequestId, IprDisconnectFailure.NotConnected, [], out bytes);
                break;
            case IprRequestKind.Disconnect:
                IprResponseWriter.TryWriteDisconnectSuccess(answer, envelope, request.RequestId, out bytes);
                break;
            case IprRequestKind.Ping:
                IprResponseWriter.TryWritePong(answer, envelope, request.RequestId, out bytes);
                break;
            case IprRequestKind.Health:
                bool? routable = _device.IsUp ? _health.Routable : false;
                IprResponseWriter.TryWriteHealth(answer, envelope, request.RequestId, _health.Texts, routable, out bytes);
                break;
        }

        if (inStream)
            SendInSession(ref _sessions[index], answer[..bytes]);
        else
            Send(peer, answer[..bytes]);
    }

    private static bool IsOfSession(in IprSession session, in IprRequest request) =>
        session.HasStream && request.HasStream && session.StreamId == request.StreamId;

    /// <summary>Data of a client that has no session: it may be told, so that it connects again at once.</summary>
    private void RefuseUnknown(int peer, in IprRequest request)
    {
        _counters.Increment(Counter.IpPacketRouter_DataWithoutSession);
        if (!TryPass(peer, Limited.UnknownTag, UnknownTagMilliseconds) || _replies.Credit(peer) <= 0)
            return;
        Span<byte> answer = stackalloc byte[ControlBytes];
        IprResponseWriter.TryWriteUnrequestedDisconnect(
            answer, request.Envelope with { Sequence = 0 }, IprDisconnectReason.Other, "not connected"u8, out int bytes);
        Send(peer, answer[..bytes]);
    }

    /// <summary>The newest version that is spoken in that framing says which one was not understood.</summary>
    private void RefuseVersion(int peer, int index, in IprRequest request)
    {
        if (!TryPass(peer, Limited.Version, VersionMismatchMilliseconds) || _replies.Credit(peer) <= 0)
            return;
        bool inStream = index != SessionTable.None && IsOfSession(_sessions[index], request);
        IprEnvelope envelope = inStream ? EnvelopeOf(_sessions[index])
            : request.HasStream ? new IprEnvelope(IprVersion.Newest, request.StreamId, 0)
            : IprEnvelope.Raw;
        Span<byte> answer = stackalloc byte[ControlBytes];
        IprResponseWriter.TryWriteVersionMismatch(
            answer, envelope, 0, request.Version, IprVersion.Newest, IprInfoLevel.Error, out int bytes);
        if (inStream)
            SendInSession(ref _sessions[index], answer[..bytes]);
        else
            Send(peer, answer[..bytes]);
    }

    /// <summary>Sessions pay with their own SURBs; who has none is answered once a second.</summary>
    private bool MayAnswer(int peer, int index) =>
        index != SessionTable.None
        || (TryPass(peer, Limited.Unconnected, UnconnectedMilliseconds) && _replies.Credit(peer) > 0);

    private bool TryPass(int peer, Limited kind, long intervalMilliseconds)
    {
        if (_answered.TryPass(((ulong)_replies.IdentityOf(peer) << 8) | (byte)kind, intervalMilliseconds, _now))
            return true;
        _counters.Increment(Counter.IpPacketRouter_AnswersWithheld);
        return false;
    }

    private static IprEnvelope EnvelopeOf(in IprSession session) =>
        new(session.Version, session.StreamId, session.NextSequence);

    /// <summary>A control answer written with <see cref="EnvelopeOf"/>: only what is sent uses up a sequence number.</summary>
    private void SendInSession(ref IprSession session, ReadOnlySpan<byte> answer)
    {
        if (Send(session.Peer, answer))
            session.NextSequence = StreamFrame.NextSequence(session.NextSequence);
    }

    private bool Send(int peer, ReadOnlySpan<byte> answer)
    {
        if (_replies.Send(peer, answer, connection: 0) > 0)
            return true;
        _counters.Increment(Counter.IpPacketRouter_AnswersDropped);
        return false;
    }
}
