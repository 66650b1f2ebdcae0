using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.Bench.Client;

/// <content>Everything that happens because time passes: retransmission, SURB supply, deadlines, a service that went away.</content>
internal sealed partial class ClientEngine
{
    /// <summary>24 SURBs fill seven packets to 98 %.</summary>
    private const int SurbsInOneMessage = 24;

    /// <summary>With fewer, a service of the reference's kind answers nothing before it got more (end-to-end.md §8.5).</summary>
    private const int SurbsToAnswer = 12;

    private const int PeriodMilliseconds = 250;
    private long _lastHeard;
    private int _sentUnheard;
    private long _lastReply;
    private long _probeSent;
    private long _periodStart;
    private int _repliesThisPeriod;
    private int _repliesLastPeriod;
    private bool _stalled;

    /// <summary>A sign of life, or nothing that could be answered.</summary>
    private void Heard(long now)
    {
        _lastHeard = now;
        _sentUnheard = 0;
    }

    private static int SurbsBeside(int requestBytes)
    {
        int room = PacketSizes.FragmentBytes(PacketSize.Regular) - FragmentHeader.UnlinkedBytes - 1
            - MessageWriter.RepliableHeaderBytes - requestBytes;
        return Math.Max(0, room / PacketFactory.SurbBytes);
    }

    private void TakeOverdue(long now)
    {
        while (_pending.TryTakeDue(now, out OutgoingFragment fragment))
        {
            ProxyConnection? connection = fragment.Message.Connection;
            bool givenUp = fragment.Sendings > (_settings.MaximumRetransmissions ?? int.MaxValue);
            if (!givenUp && !fragment.Message.Cancelled)
            {
                _again.Enqueue(fragment);
                continue;
            }

            _pending.Remove(fragment);
            Settle(fragment);
            if (!givenUp)
                continue;
            Counters.Increment(ClientCounter.GivenUp);
            if (connection is not null)
                Remove(connection, ConnectOutcome.From("timeout: a packet was sent too often without an ack"u8));
        }
    }

    /// <summary>Keeps SURBs at the service: a few while it is quiet, as many as two periods of replies use up when it is not.</summary>
    private void SupplySurbs(long now)
    {
        if (now - _periodStart >= PeriodMilliseconds)
        {
            _periodStart = now;
            _repliesLastPeriod = _repliesThisPeriod;
            _repliesThisPeriod = 0;
        }

        Counters.Set(ClientCounter.SurbsAvailable, _ledger.Available);
        if (_connections.Count == 0 || _stalled || _urgent.Count > 0)
            return;
        int recent = _repliesLastPeriod + _repliesThisPeriod;
        int target = Math.Clamp(_settings.RestingSurbs + (3 * recent), _settings.RestingSurbs, _settings.MaximumSurbs);
        if (target - _ledger.Available >= SurbsInOneMessage)
            SendSurbs(SurbsInOneMessage, now);
    }

    private void SendSurbs(int count, long now) =>
        Enqueue(_urgent, new OutgoingMessage(null, isData: false), count, default, default, now);

    private void AnswerSurbRequest(in EndToEndMessage request, long now)
    {
        Counters.Increment(ClientCounter.SurbRequests);
        if (!Recipient.TryRead(request.RecipientBytes, out Recipient sender) || sender != _service)
        {
            Counters.Increment(ClientCounter.Malformed);
            return;
        }

        // A service that fills connections nobody reads, or that nobody wants any more, waits.
        if (_stalled || _connections.Count == 0)
            return;
        int wanted = (int)Math.Min(request.Amount, MaximumSurbsOnRequest);
        for (; wanted > 0; wanted -= SurbsInOneMessage)
            SendSurbs(Math.Min(wanted, SurbsInOneMessage), now);
    }

    private void Tick(long now)
    {
        _stalled = false;
        foreach (ProxyConnection connection in _connections.Values.ToArray())
            Check(connection, now);
        if (_stalled || _connections.Count == 0)
            _lastReply = now;
        if (_pending.Count > 0 && _sentUnheard >= _settings.SilentPackets
            && now - _lastHeard > (long)_settings.ServiceSilence.TotalMilliseconds)
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
        Enqueue(_urgent, new OutgoingMessage(null, isData: false), surbs: 0, request[..bytes], default, now);
    }

    /// <summary>Ends every connection and starts afresh under a new sender tag; the next request finds out whether the service is back.</summary>
    private void LoseService(ReadOnlySpan<byte> reason)
    {
        Counters.Increment(ClientCounter.ServiceLost);
        ConnectOutcome outcome = ConnectOutcome.From(reason);
        foreach (ProxyConnection connection in _connections.Values.ToArray())
            Remove(connection, outcome);
        foreach (OutgoingFragment fragment in _pending.Clear())
            Settle(fragment);
        _again.Clear();
        foreach (Queue<OutgoingFragment> queue in new[] { _urgent, _data })
        {
            while (queue.TryDequeue(out OutgoingFragment? fragment))
                Settle(fragment);
        }

        _reassembler.Clear();
        _ledger.Forget();
        _probeSent = 0;
        RandomNumberGenerator.Fill(_senderTag);
    }
}
