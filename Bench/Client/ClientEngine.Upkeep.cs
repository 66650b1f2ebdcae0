using FastExit.Crypto.EndToEnd;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.Bench.Client;

/// <content>Everything that happens because time passes: deadlines, keepalives, a service that went away.</content>
internal sealed partial class ClientEngine
{
    /// <summary>With fewer, a service of the reference's kind answers nothing before it got more (end-to-end.md §8.5).</summary>
    private const int SurbsToAnswer = 12;

    private long _lastReply;
    private long _probeSent;
    private bool _stalled;

    // A service that fills connections nobody reads, or that nobody wants any more, waits.
    bool IMixService.WantsSurbs => _connections.Count > 0 && !_stalled;

    void IMixService.Tick(long now)
    {
        _stalled = false;
        foreach (ProxyConnection connection in _connections.Values.ToArray())
            Check(connection, now);
        if (_stalled || _connections.Count == 0)
            _lastReply = now;
        if (_mix.InFlight > 0 && _mix.SentUnheard >= _settings.SilentPackets
            && now - _mix.LastHeard > (long)_settings.ServiceSilence.TotalMilliseconds)
            LoseService("timeout: the service acknowledges nothing any more"u8);
        else if (_probeSent != 0 && now - _probeSent > (long)_settings.ProbeWait.TotalMilliseconds)
            LoseService("timeout: the service does not answer any more"u8);
        else if (_probeSent == 0 && now - _lastReply > (long)_settings.ProbeAfter.TotalMilliseconds)
            Probe(now);
    }

    private void Check(ProxyConnection connection, long now)
    {
        if (connection.ReasonDeadline != 0 && now > connection.ReasonDeadline)
        {
            Remove(connection, ConnectOutcome.ClosedUnexplained);
            return;
        }

        if (connection.ConnectDeadline != 0 && now > connection.ConnectDeadline)
        {
            CloseLocal(connection, now);
            Remove(connection, ConnectOutcome.TimedOut);
            return;
        }

        if (now - connection.LastHeard > (long)_settings.IdleTimeout.TotalMilliseconds)
        {
            CloseLocal(connection, now);
            Remove(connection, ConnectOutcome.From("timeout: nothing was heard of this connection for too long"u8));
            return;
        }

        if (connection.Unread > _settings.UnreadBytes)
        {
            if (connection.StalledSince == 0)
                connection.StalledSince = now;
            _stalled = true;
            if (now - connection.StalledSince > (long)_settings.StalledReaderTimeout.TotalMilliseconds)
            {
                CloseLocal(connection, now);
                Remove(connection, ConnectOutcome.From("limit: the application does not read"u8));
            }
        }
        else
        {
            connection.StalledSince = 0;
        }

        if (!connection.Connected || now - connection.LastSent <= KeepaliveAfter(connection, now))
            return;
        if (connection.LocalClosed)
            RepeatClose(connection, now);
        else
            SendStream(connection, default, closed: false, isData: false, now);
    }

    // A service that was started anew, and got SURBs that were on their way, knows this client but none of its connections: it says so
    // of those that it hears of.
    private long KeepaliveAfter(ProxyConnection connection, long now)
    {
        TimeSpan unheard = _settings.KeepaliveUnheard;
        bool quiet = now - connection.LastHeard > (long)unheard.TotalMilliseconds;
        return (long)(quiet ? unheard : _settings.Keepalive).TotalMilliseconds;
    }

    /// <summary>
    /// A health request without SURBs: only a service that still holds ours can answer, so one that was started anew is found out.
    /// </summary>
    private void Probe(long now)
    {
        Span<byte> request = stackalloc byte[8];
        if (!RequestWriter.TryWriteControl(request, ControlKind.Health, out int bytes))
            return;
        Counters.Increment(ClientCounter.Probes);
        _probeSent = now;
        _mix.SendControl(new OutgoingMessage(null, isData: false), surbs: 0, request[..bytes], default, now);
    }

    /// <summary>Ends every connection and starts afresh under a new sender tag; the next request finds out whether the service is back.</summary>
    private void LoseService(ReadOnlySpan<byte> reason)
    {
        Counters.Increment(ClientCounter.ServiceLost);
        ConnectOutcome outcome = ConnectOutcome.From(reason);
        foreach (ProxyConnection connection in _connections.Values.ToArray())
            Remove(connection, outcome);
        _mix.Abandon();
        _probeSent = 0;
        _mix.ChangeTag();
    }
}
