using FastExit.Configuration;
using FastExit.Cores;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.NetworkRequester;

// Timers and ends.
internal sealed partial class NrShard
{
    private void OnTimer(int index)
    {
        ref Connection c = ref _connections[index];
        switch (c.State)
        {
            case ConnectionState.Early:
                _counters.Increment(Counter.NetworkRequester_EarlyDataExpired);

                // Most likely a connection of before a restart: its client would wait for ever.
                if (c.Key.Peer != ConnectionKey.Exposed)
                {
                    TellFailure(ref c, ConnectFailure.Unknown);
                    _tombstones.Add(c.Key, _now);
                }

                Close(index);
                break;
            case ConnectionState.Checking:
                _counters.Increment(Counter.NetworkRequester_ResolverFailed);
                Fail(index, ConnectFailure.Resolver);
                break;
            case ConnectionState.Connecting:
                OnRaceTimer(index);
                break;
            case ConnectionState.Open:
                OnOpenTimer(index);
                break;
            default:
                break;
        }
    }

    private void OnRaceTimer(int index)
    {
        ref Connection c = ref _connections[index];
        ref ConnectRace race = ref _races[c.Attempts];
        if (_now - c.Since >= _times.Connect)
        {
            race.Note(ConnectFailure.Timeout);
            FailRace(index);
        }
        else
        {
            StartAttempt(index);
        }
    }

    private void OnOpenTimer(int index)
    {
        ref Connection c = ref _connections[index];
        bool end = c.Has(ConnectionFlags.Broken);
        if (!c.Upstream.Closed && _now - c.LastHeard >= _times.Idle)
        {
            _counters.Increment(Counter.NetworkRequester_IdleTimeouts);
            end = true;
        }
        else if (c.GapSince != 0 && _now - c.GapSince >= _times.Gap)
        {
            _counters.Increment(Counter.NetworkRequester_GapTimeouts);
            end = true;
        }
        else if (c.HalfClosedSince != 0 && _now - c.HalfClosedSince >= _times.HalfClose)
        {
            end = true;
        }

        if (end)
        {
            Abort(index);
            return;
        }

        if (KeepsAlive(c) && _now - c.LastSent >= _times.Keepalive)
        {
            c.Set(ConnectionFlags.KeepaliveDue);
            Progress(index);
        }

        if (c.State == ConnectionState.Open)
            SetOpenTimer(index);
    }

    private static bool KeepsAlive(in Connection c) =>
        !c.MaybeMixFetch && !c.Has(ConnectionFlags.CloseSent | ConnectionFlags.KeepaliveDue);

    private void SetOpenTimer(int index)
    {
        ref Connection c = ref _connections[index];
        long deadline = c.Upstream.Closed ? long.MaxValue : c.LastHeard + _times.Idle;
        if (c.GapSince != 0)
            deadline = Math.Min(deadline, c.GapSince + _times.Gap);
        if (c.HalfClosedSince != 0)
            deadline = Math.Min(deadline, c.HalfClosedSince + _times.HalfClose);
        if (KeepsAlive(c))
            deadline = Math.Min(deadline, c.LastSent + _times.Keepalive);
        _timers.Set(index, deadline);
    }

    /// <summary>Ends an open connection at once: the one close is sent whether there is credit or not.</summary>
    private void Abort(int index)
    {
        ref Connection c = ref _connections[index];
        if (!c.Has(ConnectionFlags.CloseSent) && !TrySendEmpty(ref c, Handle(index), closed: true))
        {
            // No slot to say so: tried again soon.
            c.Set(ConnectionFlags.Broken);
            _timers.Set(index, _now + RetryMilliseconds);
            return;
        }

        Close(index);
    }

    /// <summary>Frees key, peer and data; socket and record follow when the kernel is done with them.</summary>
    private void Close(int index)
    {
        ref Connection c = ref _connections[index];
        if (c.State is ConnectionState.Closing or ConnectionState.Free)
            return;
        _timers.Clear(index);
        _map.Remove(c.Key);
        StopWaitingForCredit(ref c);
        if (c.State == ConnectionState.Early)
        {
            LeaveEarly(index);
        }
        else
        {
            if (c.State == ConnectionState.Open)
                _counters.Increment(Counter.NetworkRequester_Closed);
            EndHalfOpen(ref c);
            _tombstones.Add(c.Key, _now);
            _live--;
            _peers[c.Peer].Connections--;
            if (c.Peer != c.Key.Peer)
                _replies.Release(c.Peer);
        }

        if (c.Key.Peer != ConnectionKey.Exposed)
            _replies.Release(c.Key.Peer);
        c.State = ConnectionState.Closing;
        DropDownstream(ref c);
        if (c.Attempts >= 0)
            CancelAttempts(ref c);
        if (c.Has(ConnectionFlags.ReceiveInFlight | ConnectionFlags.SendInFlight | ConnectionFlags.ShutdownInFlight))
            _ring.PrepareCancelDescriptor(c.Socket, UserData(Kind.Unawaited, NoConnection));
        Finish(index);
    }

    private void Finish(int index)
    {
        ref Connection c = ref _connections[index];
        if (c.State != ConnectionState.Closing || c.InFlight > 0)
            return;
        DropUpstream(ref c, everything: true);
        ReturnRace(ref c);
        if (c.Socket >= 0)
            _ring.PrepareClose(c.Socket, UserData(Kind.Unawaited, NoConnection));
        _connections.Return(index);
    }

    // Nobody can be told: the way back is gone.
    private void EndPeer(int peer)
    {
        for (int i = 0; i < _connections.Created; i++)
        {
            ref Connection c = ref _connections[i];
            bool early = c.State == ConnectionState.Early && c.Key.Peer == peer;
            bool live = c.State is ConnectionState.Checking or ConnectionState.Connecting or ConnectionState.Open
                && (c.Peer == peer || c.Key.Peer == peer);
            if (early || live)
                Close(i);
        }
    }

    private void EndAll()
    {
        for (int i = 0; i < _connections.Created; i++)
        {
            switch (_connections[i].State)
            {
                case ConnectionState.Early:
                    Close(i);
                    break;
                case ConnectionState.Checking:
                case ConnectionState.Connecting:
                    Fail(i, ConnectFailure.Limit);
                    break;
                case ConnectionState.Open:
                    Abort(i);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>The settings' times in milliseconds.</summary>
    private sealed class Times(NetworkRequesterSettings settings)
    {
        // The gate gives up by itself at its limit; this is for one that does not answer.
        public readonly long Resolve = (long)settings.ResolveTimeout.TotalMilliseconds + 1000;
        public readonly long Connect = (long)settings.ConnectTimeout.TotalMilliseconds;
        public readonly long Stagger = (long)settings.ConnectStagger.TotalMilliseconds;
        public readonly long Keepalive = (long)settings.Keepalive.TotalMilliseconds;
        public readonly long Idle = (long)settings.IdleTimeout.TotalMilliseconds;
        public readonly long HalfClose = (long)settings.HalfCloseTimeout.TotalMilliseconds;
        public readonly long Gap = (long)settings.GapTimeout.TotalMilliseconds;
        public readonly long Early = (long)settings.EarlyAge.TotalMilliseconds;
    }
}
