using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.NetworkRequester;

// What clients ask: network-requester.md §1 to §2, with the bad input of §9.
internal sealed partial class NrShard
{
    /// <returns>Whether the slot was taken over.</returns>
    private bool Handle(in InboundMessage message)
    {
        _counters.Increment(Counter.NetworkRequester_Requests);
        RequestStatus status = Request.TryRead(_memory.Slot(message.Slot).Slice(message.Offset, message.Bytes), out Request request);
        if (status != RequestStatus.Ok)
        {
            _counters.Increment(Counter.NetworkRequester_BadRequest);
            if (message.Peer != InboundMessage.NoPeer)
            {
                if (request.Kind == RequestKind.Query)
                    _ = _replies.Send(message.Peer, ServiceAnswers.QueryError, NoConnection);
                else if (status == RequestStatus.BadControlTag)
                    _ = _replies.Send(message.Peer, ServiceAnswers.ControlError, NoConnection);
            }

            return false;
        }

        switch (request.Kind)
        {
            case RequestKind.Connect:
                OnConnectRequest(request, message.Peer);
                return false;
            case RequestKind.Send:
                return OnSendRequest(request, message);
            case RequestKind.Query:
                _counters.Increment(Counter.NetworkRequester_Queries);
                Answer(message.Peer, _answers.Current.For(request.Query));
                return false;
            default:
                _counters.Increment(Counter.NetworkRequester_ControlRequests);
                Answer(message.Peer, ServiceAnswers.For(request.Control));
                return false;
        }
    }

    // Only by SURB: these requests carry no return address.
    private void Answer(int peer, ReadOnlySpan<byte> answer)
    {
        if (peer == InboundMessage.NoPeer)
            _counters.Increment(Counter.NetworkRequester_NoReturnPath);
        else
            _ = _replies.Send(peer, answer, NoConnection);
    }

    private void OnConnectRequest(in Request request, int tagPeer)
    {
        _counters.Increment(Counter.NetworkRequester_Connects);
        var key = new ConnectionKey(tagPeer, request.ConnectionId);
        bool known = _map.TryGet(key, out int index);
        if ((known && _connections[index].State != ConnectionState.Early) || _tombstones.Contains(key))
        {
            _counters.Increment(Counter.NetworkRequester_DuplicateConnects);
            return;
        }

        if (!TryReplyPeer(request, tagPeer, out int peer))
            return;
        ConnectionFlags exposed = _replies.IsAnonymous(peer) ? ConnectionFlags.None : ConnectionFlags.Exposed;
        if (!known && !TryCreate(key, out index))
        {
            var refused = new Connection { Key = key, Form = request.Form, Flags = exposed, Peer = peer };
            _counters.Increment(Counter.NetworkRequester_LimitRefused);
            TellFailure(ref refused, ConnectFailure.Limit);
            _tombstones.Add(key, _now);
            return;
        }

        ref Connection c = ref _connections[index];
        if (c.State == ConnectionState.Early)
            LeaveEarly(index);
        c.State = ConnectionState.Checking;
        c.Form = request.Form;
        c.Set(exposed | ConnectionFlags.HalfOpen);
        c.Peer = peer;
        c.SendBytes = 0;
        c.Since = _now;
        _peers.Reach(peer);
        if (peer != key.Peer)
            _replies.Retain(peer);
        _live++;
        _halfOpen++;
        int sharing = ++_peers[peer].Connections;

        if (_draining || _live > _maximumConnections || _halfOpen > _settings.MaximumHalfOpen
            || sharing > _settings.MaximumConnectionsPerClient || c.Has(ConnectionFlags.EarlyOverflow)
            || !_connects.TryTake(_settings.ConnectsPerSecond, _settings.ConnectsPerSecond, _now))
        {
            _counters.Increment(Counter.NetworkRequester_LimitRefused);
            Fail(index, ConnectFailure.Limit);
        }
        else if (!DestinationText.TryRead(request.Address, out _, out _))
        {
            _counters.Increment(Counter.NetworkRequester_MalformedAddress);
            Fail(index, ConnectFailure.Malformed);
        }
        else if (!_gate.TryAsk(Handle(index), request.Address))
        {
            _counters.Increment(Counter.NetworkRequester_ResolveQueueFull);
            Fail(index, ConnectFailure.Limit);
        }
        else
        {
            _timers.Set(index, _now + _times.Resolve);
        }
    }

    // An explicit address wins over the tag.
    private bool TryReplyPeer(in Request request, int tagPeer, out int peer)
    {
        peer = tagPeer;
        if (!request.ReturnAddress.IsEmpty)
        {
            if (Recipient.TryRead(request.ReturnAddress, out Recipient recipient))
            {
                if (_replies.TryPeerFor(recipient, out int exposed))
                {
                    peer = exposed;
                    return true;
                }
            }
            else
            {
                _counters.Increment(Counter.NetworkRequester_BadRequest);
                return tagPeer != InboundMessage.NoPeer;
            }
        }

        if (tagPeer != InboundMessage.NoPeer)
            return true;
        _counters.Increment(Counter.NetworkRequester_NoReturnPath);
        return false;
    }

    private bool OnSendRequest(in Request request, in InboundMessage message)
    {
        var key = new ConnectionKey(message.Peer, request.ConnectionId);
        if (!_map.TryGet(key, out int index) && !TryCreateEarly(key, request.Form, out index))
            return false;

        ref Connection c = ref _connections[index];
        int bytes = request.Payload.Length;
        if (c.State == ConnectionState.Early && !TryKeepEarly(index, bytes, message.Slot))
            return false;
        OrderedStatus status = c.Upstream.Write(
            _nodes,
            request.Sequence,
            message.Slot,
            message.Offset + message.Bytes - bytes,
            bytes,
            request.Closed,
            c.State == ConnectionState.Early ? int.MaxValue : HeldBytesLimit(message.Slot),
            out bool slotTaken);
        if (slotTaken && c.State == ConnectionState.Early)
            _earlySlots.Hold(index, message.Slot.Class);
        switch (status)
        {
            case OrderedStatus.Stored:
            case OrderedStatus.Advanced:
                OnAccepted(index, status, empty: bytes == 0 && !request.Closed);
                break;
            case OrderedStatus.Duplicate:
            case OrderedStatus.Old:
                _counters.Increment(Counter.NetworkRequester_SendsDuplicate);
                break;
            case OrderedStatus.BeyondWindow:
                _counters.Increment(Counter.NetworkRequester_SendsBeyondWindow);
                Overrun(index);
                break;
            case OrderedStatus.Overflow:
                _counters.Increment(Counter.NetworkRequester_ReorderOverflow);
                Overrun(index);
                break;
            default:
                break;
        }

        return slotTaken;
    }

    /// <summary>
    /// What one connection may hold for a destination that does not take it. When slots run short, whoever holds more than a little
    /// and sends on is closed: the slots are everybody's.
    /// </summary>
    private int HeldBytesLimit(SlotHandle slot)
    {
        SlotPool slots = _memory.Own;
        bool isShort = slots.Available(slot.Class) < slots.Total(slot.Class) / 4;
        return isShort ? Math.Min(_settings.ReorderBytesPerConnection, HeldBytesWhenShort) : _settings.ReorderBytesPerConnection;
    }

    private void OnAccepted(int index, OrderedStatus status, bool empty)
    {
        ref Connection c = ref _connections[index];
        if (empty)
            c.Set(ConnectionFlags.SentEmpty);
        if (status == OrderedStatus.Advanced)
            c.LastHeard = _now;
        if (c.Upstream.Closed && !c.Has(ConnectionFlags.ClientClosed))
        {
            c.Set(ConnectionFlags.ClientClosed);
            DropUpstream(ref c, everything: false);
            if (c.State == ConnectionState.Open)
                OnClientClosed(index);
        }

        if (c.Upstream.Waiting == 0)
        {
            c.GapSince = 0;
        }
        else if (c.GapSince == 0 || status == OrderedStatus.Advanced)
        {
            c.GapSince = _now;
            if (c.State == ConnectionState.Open)
                _timers.SetEarlier(index, _now + _times.Gap);
        }

        Progress(index);
    }

    // The stream can not be completed any more: data was refused that the client will not send again.
    private void Overrun(int index)
    {
        switch (_connections[index].State)
        {
            case ConnectionState.Early:
                OverflowEarly(index);
                break;
            case ConnectionState.Open:
                Abort(index);
                break;
            case ConnectionState.Checking:
            case ConnectionState.Connecting:
                Fail(index, ConnectFailure.Limit);
                break;
            default:
                break;
        }
    }

    private bool TryCreateEarly(ConnectionKey key, MessageForm form, out int index)
    {
        index = -1;
        if (_tombstones.Contains(key))
        {
            _counters.Increment(Counter.NetworkRequester_SendsUnknownConnection);
            return false;
        }

        if (key.Peer != ConnectionKey.Exposed)
        {
            // A tagged Send never reaches an exposed connection, however well its id is guessed.
            if (_map.TryGet(new ConnectionKey(ConnectionKey.Exposed, key.Id), out _))
            {
                _counters.Increment(Counter.NetworkRequester_SendsForeignPeer);
                return false;
            }

            _peers.Reach(key.Peer);
            if (_peers[key.Peer].EarlyConnections >= _settings.MaximumConnectionsPerClient)
            {
                _counters.Increment(Counter.NetworkRequester_EarlyDataDropped);
                return false;
            }
        }

        if (_draining || _early >= _settings.MaximumEarlyConnections || !TryCreate(key, out index))
        {
            _counters.Increment(Counter.NetworkRequester_EarlyDataDropped);
            return false;
        }

        _early++;
        if (key.Peer != ConnectionKey.Exposed)
            _peers[key.Peer].EarlyConnections++;
        ref Connection c = ref _connections[index];
        c.State = ConnectionState.Early;
        c.Form = form;
        c.Peer = key.Peer;
        c.Since = _now;
        _timers.Set(index, _now + _times.Early);
        return true;
    }

    private bool TryKeepEarly(int index, int bytes, SlotHandle slot)
    {
        ref Connection c = ref _connections[index];
        if (c.Has(ConnectionFlags.EarlyOverflow) || c.Upstream.Count >= _settings.EarlyMessagesPerConnection
            || bytes > _settings.EarlyBytesPerConnection - c.SendBytes)
        {
            _counters.Increment(Counter.NetworkRequester_EarlyDataDropped);
            OverflowEarly(index);
            return false;
        }

        while (bytes > 0 && _earlySlots.Victim(slot.Class) is int oldest and not IndexLists.None)
        {
            _counters.Increment(Counter.NetworkRequester_EarlyDataEvicted);
            OverflowEarly(oldest);
            if (oldest == index)
                return false;
        }

        // Until there is a socket this field is free: the early payload so far.
        c.SendBytes += bytes;
        _counters.Increment(Counter.NetworkRequester_EarlyDataStored);
        return true;
    }

    private void OverflowEarly(int index)
    {
        ref Connection c = ref _connections[index];
        c.Set(ConnectionFlags.EarlyOverflow);
        DropUpstream(ref c, everything: true);
        _earlySlots.Leave(index);
    }

    private void LeaveEarly(int index)
    {
        ref Connection c = ref _connections[index];
        for (int node = c.Upstream.FirstHeld; node != NodePool.None; node = _nodes[node].Next)
        {
            if (!_nodes[node].Slot.IsNone)
                _earlySlots.Release(_nodes[node].Slot.Class);
        }

        _earlySlots.Leave(index);
        _early--;
        if (c.Key.Peer != ConnectionKey.Exposed)
            _peers[c.Key.Peer].EarlyConnections--;
    }

    private bool TryCreate(ConnectionKey key, out int index)
    {
        index = -1;
        if (_map.Count >= _settings.MaximumConnections + _settings.MaximumEarlyConnections || !_connections.TryRent(out index))
            return false;
        _timers.Grow(_connections.Created);
        ref Connection c = ref _connections[index];
        c.Key = key;
        _map.TryAdd(key, index);
        if (key.Peer != ConnectionKey.Exposed)
            _replies.Retain(key.Peer);
        return true;
    }
}
