using FastExit.Cores;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.NetworkRequester;

// Destination to client: received where it stays, sent as credit allows.
internal sealed partial class NrShard
{
    private const int InitialReceivePackets = 4;
    private const int MaximumReceivePackets = 16;

    // Packets one connection sends before the next of its peer has its turn.
    private const int CreditQuantum = 4;

    /// <summary>Whatever can be done for an open connection now, in both directions.</summary>
    private void Progress(int index)
    {
        ref Connection c = ref _connections[index];
        if (c.State != ConnectionState.Open)
            return;
        if (c.Has(ConnectionFlags.Broken))
        {
            Abort(index);
            return;
        }

        Flush(index, served: false);
        PumpUpstream(index);
        PrepareReceive(index);
        if (c.Has(ConnectionFlags.CloseSent) && c.Has(ConnectionFlags.WriteDone))
            Close(index);
    }

    private void OnReceived(int index, in Completion completion)
    {
        ref Connection c = ref _connections[index];
        c.Clear(ConnectionFlags.ReceiveInFlight | ConnectionFlags.HoldsLast);
        if (completion.HasBuffer)
        {
            TakeReceived(ref c, completion.BufferId, Math.Max(0, completion.Result));
            _buffersMissing = !_buffers.Refill();
        }

        if (c.State != ConnectionState.Open)
            return;
        int result = completion.Result;
        if (result > 0)
        {
            bool filled = result >= c.ReceiveAsked;
            c.ReceivePackets = filled
                ? Math.Min(MaximumReceivePackets, c.ReceivePackets * 2)
                : Math.Max(2, (result / ReceiveBuffers.DataBytes) + 1);

            // Everything there was has been read and there is still something to read: most likely the end of the stream.
            // The next receive completes at once, so the last packet can wait for it and carry the close.
            if (!filled && completion.SocketNonEmpty)
                c.Set(ConnectionFlags.HoldsLast);
        }
        else if (result == 0)
        {
            EndDownstream(index);
        }
        else if (result is -Errno.ENOBUFS or -Errno.EAGAIN or -Errno.EINTR or -Errno.ECANCELED)
        {
            if (result == -Errno.ENOBUFS)
                _counters.Increment(Counter.NetworkRequester_ReceiveBuffersExhausted);
            RetryLater(index);
        }
        else
        {
            // Reset: neither direction lives on.
            EndDownstream(index);
            FailUpstream(index);
        }

        Progress(index);
    }

    private void TakeReceived(ref Connection c, ushort firstBuffer, int bytes)
    {
        int id = firstBuffer;
        do
        {
            SlotHandle slot = _buffers.Take(id++);
            int part = Math.Min(bytes, ReceiveBuffers.DataBytes);
            bytes -= part;
            if (part > 0 && c.State == ConnectionState.Open && !c.Has(ConnectionFlags.ReceiveDone))
            {
                _counters.Add(Counter.NetworkRequester_BytesFromDestinations, part);

                // Not idle: what is read is bounded by what the client acknowledges, so a client that is gone still ends it.
                c.LastHeard = _now;
                if (c.Downstream.TryAdd(_nodes, slot, part))
                    continue;
                c.Set(ConnectionFlags.Broken);
            }

            _memory.Free(slot);
        }
        while (bytes > 0);
    }

    /// <summary>
    /// Prepares the next receive, unless something speaks against it: then what it waits for brings it back here.
    /// </summary>
    private void PrepareReceive(int index)
    {
        ref Connection c = ref _connections[index];
        if (c.State != ConnectionState.Open || c.Has(ConnectionFlags.ReceiveInFlight | ConnectionFlags.ReceiveDone
            | ConnectionFlags.CloseSent | ConnectionFlags.WaitsForBuffers))
        {
            return;
        }

        int waiting = c.Downstream.Count;
        if (waiting > (c.Has(ConnectionFlags.HoldsLast) ? 1 : 0))
            return;
        int room = _windowPackets - c.Window.Span - waiting;
        int credit = _replies.Credit(c.Peer) - waiting;
        if (room <= 0 || credit <= 0)
        {
            if (c.Has(ConnectionFlags.HoldsLast))
            {
                c.Clear(ConnectionFlags.HoldsLast);
                Flush(index, served: false);
            }

            if (room <= 0)
                c.Set(ConnectionFlags.WaitsForWindow);
            else
                WaitForCredit(index);
            return;
        }

        int packets = Math.Min(c.ReceivePackets, Math.Min(room, credit));

        // One byte short of whole buffers: the kernel would append a second helping to a bundle that it filled.
        c.ReceiveAsked = packets == 1 ? ReceiveBuffers.DataBytes : (packets * ReceiveBuffers.DataBytes) - 1;
        c.Set(ConnectionFlags.ReceiveInFlight);
        c.InFlight++;
        _ring.PrepareReceive(
            c.Socket, ReceiveBuffers.Group, c.ReceiveAsked, bundle: packets > 1, UserData(Kind.Receive, Handle(index)));
    }

    private void RetryLater(int index)
    {
        ref Connection c = ref _connections[index];
        if (c.Has(ConnectionFlags.WaitsForBuffers))
            return;
        c.Set(ConnectionFlags.WaitsForBuffers);
        _starved.Enqueue(Handle(index));
    }

    /// <summary>Sends what is due and has credit: the sign that the connection stands, data, the close, a keepalive.</summary>
    /// <param name="index">The connection.</param>
    /// <param name="served">It is this connection's turn among those of its peer that wait for credit.</param>
    private void Flush(int index, bool served)
    {
        ref Connection c = ref _connections[index];
        int left = served ? CreditQuantum : int.MaxValue;
        while (HasDue(c))
        {
            if (left-- == 0 || (!served && _peers[c.Peer].Waiting > 0) || _replies.Credit(c.Peer) <= 0)
            {
                WaitForCredit(index);
                return;
            }

            if (!SendDue(index))
            {
                RetryLater(index);
                return;
            }
        }
    }

    private static bool HasDue(in Connection c)
    {
        if (c.State != ConnectionState.Open || c.Has(ConnectionFlags.CloseSent))
            return false;
        if (!c.Has(ConnectionFlags.ConnectedSent) || c.Has(ConnectionFlags.ReceiveDone | ConnectionFlags.KeepaliveDue))
            return true;
        return c.Downstream.Count > (c.Has(ConnectionFlags.HoldsLast) ? 1 : 0);
    }

    /// <returns>False: no slot for an empty message.</returns>
    private bool SendDue(int index)
    {
        ref Connection c = ref _connections[index];
        long handle = Handle(index);
        bool ends = c.Has(ConnectionFlags.ReceiveDone);

        // The first message says that the connection stands. Where the end is already known, nothing stands any more.
        if (!c.Has(ConnectionFlags.ConnectedSent) && !(ends && c.Downstream.Count == 0))
        {
            if (!TrySendEmpty(ref c, handle, closed: false))
                return false;
            c.Set(ConnectionFlags.ConnectedSent);
            return true;
        }

        if (c.Downstream.Count > (c.Has(ConnectionFlags.HoldsLast) ? 1 : 0))
        {
            c.Downstream.TryTake(_nodes, out SlotHandle slot, out int bytes);
            bool closed = ends && c.Downstream.Count == 0;
            int header = MessageSizes.NetworkDataHeaderBytes(c.Form);
            int offset = ReceiveBuffers.DataOffset - header;
            ResponseWriter.TryWriteNetworkDataHeader(
                _memory.Slot(slot)[offset..], c.Form, c.Key.Id, c.Window.Next, closed, out _);
            _replies.SendInPlace(c.Peer, slot, offset, header + bytes, Count(ref c, handle, closed));
            return true;
        }

        return TrySendEmpty(ref c, handle, closed: ends);
    }

    private bool TrySendEmpty(ref Connection c, long handle, bool closed)
    {
        if (!_memory.Own.TryRent(SlotClass.Regular, out SlotHandle slot))
        {
            _counters.Increment(Counter.Delivery_RepliesDroppedNoSlot);
            return false;
        }

        ResponseWriter.TryWriteNetworkDataHeader(
            _memory.Slot(slot)[ReplyLayout.MessageOffset..], c.Form, c.Key.Id, c.Window.Next, closed, out int bytes);
        _replies.SendInPlace(c.Peer, slot, ReplyLayout.MessageOffset, bytes, Count(ref c, handle, closed));
        return true;
    }

    /// <summary>What the acknowledgement of this message will name: the connection, and above its handle the sequence number's low bits.</summary>
    private long Count(ref Connection c, long handle, bool closed)
    {
        long place = (long)(c.Window.Send() & ((1ul << SendWindow.SequenceBits) - 1));
        c.LastSent = _now;
        c.Clear(ConnectionFlags.KeepaliveDue);
        if (closed)
            c.Set(ConnectionFlags.CloseSent);
        return handle | (place << AttemptShift);
    }

    private void EndDownstream(int index)
    {
        ref Connection c = ref _connections[index];
        c.Set(ConnectionFlags.ReceiveDone);
        c.Clear(ConnectionFlags.HoldsLast);
        NoteHalfClosed(index);
    }

    private void DropDownstream(ref Connection c)
    {
        while (c.Downstream.TryTake(_nodes, out SlotHandle slot, out _))
            _memory.Free(slot);
    }

    private void WaitForCredit(int index)
    {
        ref Connection c = ref _connections[index];
        if (c.Has(ConnectionFlags.WaitsForCredit))
            return;
        c.Set(ConnectionFlags.WaitsForCredit);
        ref PeerState peer = ref _peers[c.Peer];
        c.NextWaiting = -1;
        c.PreviousWaiting = peer.LastWaiting - 1;
        if (peer.LastWaiting == 0)
            peer.FirstWaiting = index + 1;
        else
            _connections[peer.LastWaiting - 1].NextWaiting = index;
        peer.LastWaiting = index + 1;
        peer.Waiting++;
        if (_waitingForCredit++ == 0)
            _nextCreditPoll = _now + CreditPollMilliseconds;
        if (_replies.Credit(c.Peer) > 0)
            NoteCredit(c.Peer);
    }

    private void StopWaitingForCredit(ref Connection c)
    {
        if (!c.Has(ConnectionFlags.WaitsForCredit))
            return;
        c.Clear(ConnectionFlags.WaitsForCredit);
        ref PeerState peer = ref _peers[c.Peer];
        if (c.PreviousWaiting < 0)
            peer.FirstWaiting = c.NextWaiting + 1;
        else
            _connections[c.PreviousWaiting].NextWaiting = c.NextWaiting;
        if (c.NextWaiting < 0)
            peer.LastWaiting = c.PreviousWaiting + 1;
        else
            _connections[c.NextWaiting].PreviousWaiting = c.PreviousWaiting;
        peer.Waiting--;
        _waitingForCredit--;
    }

    // Round robin over the peer's connections, a few packets each.
    private void ServeCredit(int peer)
    {
        int turns = (_peers[peer].Waiting * 2) + MaximumReceivePackets;
        while (turns-- > 0 && _peers[peer].FirstWaiting != 0 && _replies.Credit(peer) > 0)
        {
            int index = _peers[peer].FirstWaiting - 1;
            ref Connection c = ref _connections[index];
            StopWaitingForCredit(ref c);
            Flush(index, served: true);
            if (!c.Has(ConnectionFlags.WaitsForCredit))
                Progress(index);
        }
    }
}
