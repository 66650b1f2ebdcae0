using FastExit.Cores;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;

namespace FastExit.NetworkRequester;

// Client to destination: from the slots the messages came in to the socket, one send in flight.
internal sealed partial class NrShard
{
    private const int MaximumSendBytes = 256 << 10;

    private void PumpUpstream(int index)
    {
        ref Connection c = ref _connections[index];
        if (c.State != ConnectionState.Open || c.Has(ConnectionFlags.SendInFlight | ConnectionFlags.ShutdownInFlight))
            return;
        if (c.Has(ConnectionFlags.WriteFailed))
        {
            DropReady(ref c);
            return;
        }

        int first = c.Upstream.FirstReady(_nodes);
        if (first == NodePool.None)
        {
            if (c.Upstream.Closed && !c.Has(ConnectionFlags.WriteDone))
                ShutDown(index);
            return;
        }

        c.Set(ConnectionFlags.SendInFlight);
        c.InFlight++;
        ulong userData = UserData(Kind.Send, Handle(index));
        if (c.Upstream.NextReady(_nodes, first) == NodePool.None)
        {
            SlotHandle slot = _nodes[first].Slot;
            c.SendBytes = _nodes[first].Bytes;
            _ring.PrepareSend(
                c.Socket, _memory.RegionOf(slot), _memory.OffsetOf(slot) + _nodes[first].Offset, c.SendBytes, waitAll: true, userData);
            return;
        }

        GatherList list = _gathers.Get();
        c.Gather = list;
        for (int node = first; node != NodePool.None && list.Bytes < MaximumSendBytes; node = c.Upstream.NextReady(_nodes, node))
        {
            SlotHandle slot = _nodes[node].Slot;
            if (!list.TryAdd(_memory.RegionOf(slot), _memory.OffsetOf(slot) + _nodes[node].Offset, _nodes[node].Bytes))
                break;
        }

        c.SendBytes = (int)list.Bytes;
        _ring.PrepareSendVectored(c.Socket, list, waitAll: true, userData);
    }

    private void OnSent(int index, int result)
    {
        ref Connection c = ref _connections[index];
        c.Clear(ConnectionFlags.SendInFlight);
        c.SendBytes = 0;
        if (c.Gather is { } list)
        {
            _gathers.Return(list);
            c.Gather = null;
        }

        if (result > 0)
        {
            _counters.Add(Counter.NetworkRequester_BytesToDestinations, result);
            ConsumeUpstream(ref c, result);
        }
        else if (c.State == ConnectionState.Open && result is not (-Errno.EAGAIN or -Errno.EINTR))
        {
            // What the destination said before it went can still be read; its end is found by the receive.
            FailUpstream(index);
        }

        Progress(index);
    }

    private void ConsumeUpstream(ref Connection c, int bytes)
    {
        while (bytes > 0)
        {
            int first = c.Upstream.FirstReady(_nodes);
            int part = _nodes[first].Bytes;
            if (part > bytes)
            {
                c.Upstream.Consume(_nodes, bytes);
                return;
            }

            bytes -= part;
            SlotHandle slot = _nodes[first].Slot;
            c.Upstream.RemoveFirst(_nodes);
            _memory.Free(slot);
        }
    }

    private void ShutDown(int index)
    {
        ref Connection c = ref _connections[index];
        c.Set(ConnectionFlags.WriteDone);

        // The socket is about to be closed as a whole.
        if (c.Has(ConnectionFlags.CloseSent))
            return;
        c.Set(ConnectionFlags.ShutdownInFlight);
        c.InFlight++;
        _ring.PrepareShutdown(c.Socket, write: true, read: false, UserData(Kind.Shutdown, Handle(index)));
    }

    private void FailUpstream(int index)
    {
        ref Connection c = ref _connections[index];
        c.Set(ConnectionFlags.WriteDone | ConnectionFlags.WriteFailed);
        NoteHalfClosed(index);
        if (!c.Has(ConnectionFlags.SendInFlight))
            DropReady(ref c);
    }

    // Messages behind a gap stay for the order's sake; they are dropped when it is their turn.
    private void DropReady(ref Connection c)
    {
        while (c.Upstream.FirstReady(_nodes) is int node && node != NodePool.None)
        {
            SlotHandle slot = _nodes[node].Slot;
            c.Upstream.RemoveFirst(_nodes);
            _memory.Free(slot);
        }
    }

    private void DropUpstream(ref Connection c, bool everything)
    {
        while (c.Upstream.TryDiscard(_nodes, everything, out SlotHandle slot))
        {
            if (slot.IsNone)
                continue;
            if (c.State == ConnectionState.Early)
                _earlySlots.Release(slot.Class);
            _memory.Free(slot);
        }
    }

    // The other direction lives on, except for a page that may have forgotten the connection with its close.
    private void OnClientClosed(int index)
    {
        ref Connection c = ref _connections[index];
        NoteHalfClosed(index);
        if (!c.MaybeMixFetch)
            return;
        c.Set(ConnectionFlags.ReceiveDone);
        c.Clear(ConnectionFlags.HoldsLast);
        DropDownstream(ref c);
    }

    private void NoteHalfClosed(int index)
    {
        ref Connection c = ref _connections[index];
        if (c.HalfClosedSince != 0)
            return;
        c.HalfClosedSince = Math.Max(1, _now);
        _timers.SetEarlier(index, _now + _times.HalfClose);
    }
}
