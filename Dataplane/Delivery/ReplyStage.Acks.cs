using FastExit.Cores;
using FastExit.Crypto.EndToEnd;

namespace FastExit.Delivery;

// What happens to a fragment after it was sent: acknowledged, sent again, given up.
internal sealed partial class ReplyStage
{
    // The wait doubles this often, then stays.
    private const int WaitingQueues = 6;

    // One queue for each length of wait, so that who waits long holds nobody up.
    private readonly OutgoingQueue[] _waiting = new OutgoingQueue[WaitingQueues];

    /// <summary>
    /// Everything was sent and, if it was not acknowledged in time, sent again: what an exit that stops owes its clients. Clients that
    /// are gone acknowledge nothing and must not hold it up longer.
    /// </summary>
    public bool IsSettled => _ready.Count == 0 && _waiting[0].Count == 0;

    /// <summary>False (and counted) if no ack of this service.</summary>
    public bool TryReadAck(ReadOnlySpan<byte> content, out uint setId, out byte position)
    {
        if (AckContent.TryRead(content, _service.AckKey, out setId, out position))
            return true;
        _counters.Increment(Counter.Delivery_BadAck);
        return false;
    }

    /// <summary>A fragment that this core sent was acknowledged.</summary>
    public void OnAck(uint setId, byte position)
    {
        if (!_table.TryFind(setId, position, out int index))
        {
            _counters.Increment(Counter.Delivery_AcksUnknown);
            return;
        }

        _counters.Increment(Counter.Delivery_AcksReceived);
        ref Outgoing entry = ref _table[index];
        if (entry.Transmissions == 1 && entry.State == OutgoingState.Waiting)
            _timer.Measure(_now - entry.SentAt);
        else if (entry.State == OutgoingState.Waiting && _timer.IsSoonerThanAnyAnswer(_now - entry.SentAt))
            _timer.Measure(_now - entry.FirstSentAt);
        Finish(index, delivered: true);
    }

    /// <summary>Retransmissions, starving clients, clients that are gone.</summary>
    public void Tick()
    {
        foreach (ref OutgoingQueue queue in _waiting.AsSpan())
            Retransmit(ref queue);
        (int first, int end) = _clients.Peers.NextScan();
        for (int i = first; i < end; i++)
        {
            ref Peer peer = ref _clients.Peers[i];
            if (!peer.InUse)
                continue;
            if (peer.Parked.Count > 0 || peer.StarvedSince != 0)
                CheckStarving(i, ref peer);
            // Credit may have been refused for want of room that others have given back meanwhile.
            if (peer.CreditRefused && Room > 0 && (!peer.Anonymous || _clients.Available(ref peer) > 0))
                OfferCredit(i, ref peer);
            if (_clients.Age(i, _now))
                _clients.Close(i, Counter.Delivery_PeersExpired);
            else if (_clients.IsRefreshDue(ref peer, _now))
                RequestSurbs(i);
        }
    }

    private static int WaitingQueue(int transmissions) => Math.Min(transmissions, WaitingQueues) - 1;

    private void AwaitAck(int index)
    {
        ref Outgoing entry = ref _table[index];
        entry.Transmissions++;
        entry.SentAt = _now;
        if (entry.Transmissions == 1)
            entry.FirstSentAt = _now;
        entry.Deadline = _now + _timer.Timeout(entry.Transmissions);
        entry.State = OutgoingState.Waiting;
        _clients.Peers[entry.Peer].InFlight++;
        _table.Append(ref _waiting[WaitingQueue(entry.Transmissions)], index);
    }

    /// <summary>It left and stands in no queue any more.</summary>
    private void Forget(int index)
    {
        _table[index].State = OutgoingState.Free;
        Finish(index, delivered: true);
    }

    private void Retransmit(ref OutgoingQueue queue)
    {
        while (queue.Count > 0 && _table[queue.Head].Deadline <= _now)
        {
            int index = queue.Head;
            ref Outgoing entry = ref _table[index];
            if (entry.Transmissions > entry.Retransmissions)
            {
                _counters.Increment(Counter.Delivery_RetransmissionsGivenUp);
                Finish(index, delivered: false);
                continue;
            }

            ref Peer peer = ref _clients.Peers[entry.Peer];
            _table.Remove(ref queue, index);
            peer.InFlight--;
            bool mustWait = peer.Anonymous
                && (entry.IsSurbRequest ? peer.SurbCount - peer.Committed <= 0 : _clients.Available(ref peer) == 0);
            if (mustWait)
            {
                Park(entry.Peer, ref peer, index);
                continue;
            }

            _counters.Increment(Counter.Delivery_Retransmissions);
            MakeReady(ref peer, index);
        }
    }

    private void CheckStarving(int index, ref Peer peer)
    {
        Unpark(ref peer);
        RequestSurbs(index);
        long age = (long)_settings.ParkedAge.TotalMilliseconds;
        if (peer.StarvedSince == 0 || _now - Math.Max(peer.StarvedSince, peer.LastHeard) < age)
            return;
        while (peer.Parked.Count > 0)
        {
            _counters.Increment(Counter.Delivery_RepliesDroppedNoSurbs);
            Finish(peer.Parked.Head, delivered: false);
        }

        if (!peer.LossReported)
        {
            peer.LossReported = true;
            _owner!.OnPeerLost(index);
        }
    }

    private void Finish(int index, bool delivered)
    {
        ref Outgoing entry = ref _table[index];
        int peerIndex = entry.Peer;
        ref Peer peer = ref _clients.Peers[peerIndex];
        bool gaveUpSurb = false;
        switch (entry.State)
        {
            case OutgoingState.Ready:
                _table.Remove(ref _ready, index);
                peer.Committed--;
                gaveUpSurb = true;
                break;
            case OutgoingState.Parked:
                _table.Remove(ref peer.Parked, index);
                _parked--;
                break;
            case OutgoingState.Waiting:
                _table.Remove(ref _waiting[WaitingQueue(entry.Transmissions)], index);
                peer.InFlight--;
                break;
        }

        long connection = entry.Connection;
        if (entry.PooledAck != AckPool.None)
            _acks.Free(entry.PooledAck);
        _slots.Free(entry.Slot);
        _table.Close(index);
        if (gaveUpSurb)
            Unpark(ref peer);
        if (connection != 0)
            _owner!.OnAcknowledged(connection, delivered);
        OfferCredit(peerIndex, ref peer);
    }
}
