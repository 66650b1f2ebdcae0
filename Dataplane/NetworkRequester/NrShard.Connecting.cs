using FastExit.Cores;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.Native.Sockets;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.NetworkRequester;

// From the gate's verdict to an open connection or a failure that the client is told (network-requester.md §4.3, §4.10).
internal sealed partial class NrShard
{
    private void Judge(int index, in GateVerdict verdict)
    {
        GateOutcome outcome = verdict.Outcome == GateOutcome.Allowed && verdict.Addresses == 0
            ? GateOutcome.NameNotFound
            : verdict.Outcome;
        switch (outcome)
        {
            case GateOutcome.Allowed:
                BeginRace(index, verdict);
                break;
            case GateOutcome.DeniedByPolicy:
                _counters.Increment(Counter.NetworkRequester_DeniedByPolicy);
                Fail(index, ConnectFailure.Denied);
                break;
            case GateOutcome.DeniedByGuard:
                _counters.Increment(Counter.NetworkRequester_DeniedByGuard);
                Fail(index, ConnectFailure.Denied);
                break;
            case GateOutcome.NameNotFound:
                _counters.Increment(Counter.NetworkRequester_NameNotFound);
                Fail(index, ConnectFailure.NotFound);
                break;
            case GateOutcome.Malformed:
                _counters.Increment(Counter.NetworkRequester_MalformedAddress);
                Fail(index, ConnectFailure.Malformed);
                break;
            default:
                _counters.Increment(Counter.NetworkRequester_ResolverFailed);
                Fail(index, ConnectFailure.Resolver);
                break;
        }
    }

    private void BeginRace(int index, in GateVerdict verdict)
    {
        if (!_races.TryRent(out int race))
        {
            _counters.Increment(Counter.NetworkRequester_LimitRefused);
            Fail(index, ConnectFailure.Limit);
            return;
        }

        _races[race].Addresses = verdict.List;
        _races[race].Count = Math.Min((int)verdict.Addresses, GateVerdict.MaximumAddresses);
        ref Connection c = ref _connections[index];
        c.Attempts = race;
        c.State = ConnectionState.Connecting;
        c.Since = _now;
        StartAttempt(index);
    }

    // Starts the next address that a socket can be made for; the race is lost when none is left and none is running.
    private void StartAttempt(int index)
    {
        ref Connection c = ref _connections[index];
        ref ConnectRace race = ref _races[c.Attempts];
        while (race.Next < race.Count)
        {
            int attempt = race.Next++;
            int error = TryPrepareSocket(race.Addresses[attempt].IsIPv6, out int direct);
            if (error != 0)
            {
                if (error is Errno.EMFILE or Errno.ENFILE)
                    _counters.Increment(Counter.NetworkRequester_DescriptorsExhausted);
                race.Note(FailureOf(error));
                continue;
            }

            race.Sockets[attempt] = direct;
            race.InFlight |= 1 << attempt;
            race.NextStart = _now + _times.Stagger;
            c.InFlight++;
            _ring.PrepareConnect(direct, race.Addresses[attempt], UserData(Kind.Connect, Handle(index), attempt));
            break;
        }

        if (race.InFlight == 0)
        {
            FailRace(index);
            return;
        }

        long deadline = c.Since + _times.Connect;
        _timers.Set(index, race.Next < race.Count ? Math.Min(deadline, race.NextStart) : deadline);
    }

    private int TryPrepareSocket(bool ipv6, out int direct)
    {
        direct = _ring.OpenTcp(ipv6);
        return direct < 0 ? -direct : 0;
    }

    private void OnConnected(int index, int attempt, int result)
    {
        ref Connection c = ref _connections[index];
        ref ConnectRace race = ref _races[c.Attempts];
        race.InFlight &= ~(1 << attempt);
        int direct = race.Sockets[attempt];
        if (c.State != ConnectionState.Connecting)
        {
            // A loser of the race, or its connection is gone.
            _ring.PrepareClose(direct, UserData(Kind.Unawaited, NoConnection));
        }
        else if (result == 0)
        {
            c.Socket = direct;
            CancelAttempts(ref c);
            Establish(index);
        }
        else
        {
            _ring.PrepareClose(direct, UserData(Kind.Unawaited, NoConnection));
            race.Note(FailureOf(-result));
            StartAttempt(index);
        }

        ReturnRace(ref c);
    }

    private void CancelAttempts(ref Connection c)
    {
        ref ConnectRace race = ref _races[c.Attempts];
        for (int attempt = 0; attempt < race.Next; attempt++)
        {
            if ((race.InFlight & (1 << attempt)) != 0)
                _ring.PrepareCancelDescriptor(race.Sockets[attempt], UserData(Kind.Unawaited, NoConnection));
        }
    }

    private void ReturnRace(ref Connection c)
    {
        if (c.Attempts < 0 || c.State == ConnectionState.Connecting || _races[c.Attempts].InFlight != 0)
            return;
        _races.Return(c.Attempts);
        c.Attempts = -1;
    }

    private void FailRace(int index)
    {
        ConnectFailure failure = _races[_connections[index].Attempts].Failure;
        if (failure == ConnectFailure.Unknown)
            failure = ConnectFailure.Timeout;
        _counters.Increment(failure switch
        {
            ConnectFailure.Refused => Counter.NetworkRequester_ConnectRefused,
            ConnectFailure.Timeout => Counter.NetworkRequester_ConnectTimeouts,
            ConnectFailure.Limit => Counter.NetworkRequester_LimitRefused,
            _ => Counter.NetworkRequester_ConnectUnreachable,
        });
        Fail(index, failure);
    }

    private void Establish(int index)
    {
        _counters.Increment(Counter.NetworkRequester_Established);
        ref Connection c = ref _connections[index];
        EndHalfOpen(ref c);
        c.State = ConnectionState.Open;
        c.Since = _now;
        c.LastHeard = _now;
        c.LastSent = _now;
        c.SendBytes = 0;
        c.ReceivePackets = InitialReceivePackets;
        if (c.GapSince != 0)
            c.GapSince = _now;
        if (c.Has(ConnectionFlags.ClientClosed))
            OnClientClosed(index);
        Progress(index);
        if (c.State == ConnectionState.Open)
            SetOpenTimer(index);
    }

    private void EndHalfOpen(ref Connection c)
    {
        if (!c.Has(ConnectionFlags.HalfOpen))
            return;
        c.Clear(ConnectionFlags.HalfOpen);
        _halfOpen--;
    }

    // Before the relay: tells the client in the way it can bear, and ends.
    private void Fail(int index, ConnectFailure failure)
    {
        TellFailure(ref _connections[index], failure);
        Close(index);
    }

    private void TellFailure(ref Connection c, ConnectFailure failure)
    {
        if (!c.MaybeMixFetch)
        {
            TrySendEmpty(ref c, NoConnection, closed: true);
            SendError(ref c, failure);
            return;
        }

        // mix-fetch 1.4.4 ends its whole program after an error, whatever was refused and whenever: seen with the published package.
        TrySendEmpty(ref c, NoConnection, closed: true);
    }

    private void SendError(ref Connection c, ConnectFailure failure)
    {
        if (!_memory.Own.TryRent(SlotClass.Regular, out SlotHandle slot))
        {
            _counters.Increment(Counter.Delivery_RepliesDroppedNoSlot);
            return;
        }

        ResponseWriter.TryWriteConnectionError(
            _memory.Slot(slot)[ReplyLayout.MessageOffset..], c.Form, c.Key.Id, ConnectFailureText.For(failure), out int bytes);
        _replies.SendInPlace(c.Peer, slot, ReplyLayout.MessageOffset, bytes, NoConnection);
    }

    private static ConnectFailure FailureOf(int errno) => errno switch
    {
        Errno.ECONNREFUSED or Errno.ECONNRESET => ConnectFailure.Refused,
        Errno.ETIMEDOUT => ConnectFailure.Timeout,
        Errno.ENETUNREACH => ConnectFailure.NetworkUnreachable,
        Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM or Errno.ENOBUFS or Errno.EADDRNOTAVAIL or Errno.EAGAIN => ConnectFailure.Limit,
        _ => ConnectFailure.Unreachable,
    };
}
