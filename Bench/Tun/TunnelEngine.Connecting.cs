using System.Globalization;
using FastExit.Bench.Client;
using FastExit.IpPacketRouter.Protocol;

namespace FastExit.Bench.Tun;

/// <content>Connecting, in one version after the other; keeping watch; connecting anew; disconnecting.</content>
internal sealed partial class TunnelEngine
{
    private const int SurbsToDisconnect = 5;

    /// <summary>Exits keep ten to ask for more with.</summary>
    private const int SurbsInDoubt = 14;
    private const int LongestReconnectWait = 10;
    private const int MostPatience = 3;
    private readonly List<Attempt> _round = [];
    private readonly List<VersionAttempt> _versions = [];
    private byte _preferred;
    private int _patience;
    private long _deadline;
    private long _nextRound;
    private int _failedRounds;
    private long _lastReply;
    private long _firstUnanswered;
    private ulong _pingId;
    private long _pingSent;
    private int _pingsMissed;
    private ulong _disconnectId;

    void IMixService.Tick(long now)
    {
        switch (_state.Phase)
        {
            case TunnelPhase.Connecting or TunnelPhase.Reconnecting when _round.Count > 0 && now >= _deadline:
                TryNextVersion(now);
                break;
            case TunnelPhase.Reconnecting when _round.Count == 0 && now >= _nextRound:
                BeginRound(now);
                break;
            case TunnelPhase.Up:
                Watch(now);
                break;
            case TunnelPhase.Closing when now >= _deadline:
                Change(_state with { Phase = TunnelPhase.Closed, Reason = "the exit did not answer the disconnect" });
                break;
            default:
                break;
        }
    }

    private void BeginRound(long now)
    {
        EndAttempts();
        _round.Clear();
        _versions.Clear();

        // The version that was answered comes first, then the others.
        _versions.AddRange(_settings.Versions.OrderByDescending(attempt => attempt.Version == _preferred));
        TryNextVersion(now);
    }

    private void TryNextVersion(long now)
    {
        EndAttempts();
        if (_round.Count == _versions.Count)
        {
            EndRound("the exit does not answer", now);
            return;
        }

        VersionAttempt next = _versions[_round.Count];
        var attempt = new Attempt(RandomId(), next.Version, RandomId());
        _round.Add(attempt);
        _deadline = now + ((long)next.Wait.TotalMilliseconds << _patience);
        TunnelPhase phase = _state.Mtu == 0 ? TunnelPhase.Connecting : TunnelPhase.Reconnecting;
        Change(_state with { Phase = phase, Version = next.Version, Reason = Name(next.Version) });
        Span<byte> request = stackalloc byte[ControlBytes];
        IprRequestWriter.TryWriteConnect(
            request, attempt.Envelope, attempt.RequestId, (ulong)_settings.ExitBufferTimeout.TotalMilliseconds,
            IprTimestamp.FromUtc(DateTime.UtcNow), out int bytes);
        _mix.SendControl(new OutgoingMessage(attempt, isData: false), _settings.FirstSurbs, request[..bytes], default, now);
    }

    private void EndRound(string reason, long now)
    {
        EndAttempts();
        _round.Clear();
        if (_state.Mtu == 0)
        {
            Change(_state with { Phase = TunnelPhase.Failed, Reason = reason });
            return;
        }

        int wait = Math.Min(1 << Math.Min(_failedRounds++, 4), LongestReconnectWait);
        _nextRound = now + (wait * (long)_settings.ReconnectWait.TotalMilliseconds);
        Change(_state with { Phase = TunnelPhase.Reconnecting, Reason = reason });
    }

    private void EndAttempts()
    {
        foreach (Attempt attempt in _round)
            attempt.Abandoned = true;
    }

    /// <summary>An answer counts when it is to an attempt of this round as new as the one that is in force: the exit has that one's stream.</summary>
    private void ReceiveConnect(in IprResponse response, long now)
    {
        ulong id = response.RequestId;
        int index = _round.FindIndex(attempt => attempt.RequestId == id);
        if (index < 0 || _round[index].Answered)
            return;
        Attempt attempt = _round[index];
        attempt.Answered = true;
        if (!response.Succeeded)
        {
            if (_state.Phase is TunnelPhase.Connecting or TunnelPhase.Reconnecting)
                EndRound(Refusal(response), now);
            return;
        }

        if (_state.Phase is not (TunnelPhase.Connecting or TunnelPhase.Reconnecting or TunnelPhase.Up))
            return;
        if (attempt.Version > _round[^1].Version)
        {
            // It was merely slow, and the exit takes the later request in place of this one: asked once more, it comes back to it.
            _preferred = attempt.Version;
            _patience = Math.Min(_patience + 1, MostPatience);
            BeginRound(now);
            return;
        }

        if (_round.FindLastIndex(other => other.Accepted) > index)
            return;
        attempt.Accepted = true;
        EndAttempts();
        Accept(attempt, response, now);
    }

    private void Accept(Attempt attempt, in IprResponse response, long now)
    {
        if (_state.Mtu != 0)
            Counters.Increment(ClientCounter.Reconnects);
        _streamId = attempt.StreamId;
        _sequence = 0;
        _received = default;
        _failedRounds = 0;
        _preferred = attempt.Version;
        if (_round.Count == 1)
            _patience = 0;
        _lastReply = now;
        _firstUnanswered = 0;
        _pingSent = 0;
        _pingsMissed = 0;
        int carried = response.Mtu ?? _settings.UnreportedMtu;
        int mtu = _settings.Mtu is { } wish ? Math.Min(wish, response.Mtu ?? wish) : Math.Min(carried, _settings.MaximumMtu);
        bool same = _state.Mtu == 0 || _state.Pair == response.Pair;
        Change(new TunnelState(
            TunnelPhase.Up, attempt.Version, response.Pair, mtu, same ? "" : "other addresses: what was open is lost"));
    }

    private void Watch(long now)
    {
        if (_firstUnanswered != 0 && now - _firstUnanswered > (long)_settings.OneWayLimit.TotalMilliseconds
            && _lastUplink - _firstUnanswered > (long)_settings.OneWayLimit.TotalMilliseconds / 2)
        {
            Reconnect("packets go up and none come down", now);
            return;
        }

        if (_pingSent == 0)
        {
            bool inDoubt = _firstUnanswered != 0
                && now - Math.Max(_firstUnanswered, _lastReply) > (long)_settings.AnswerWait.TotalMilliseconds;
            if (inDoubt || now - _lastReply > (long)_settings.PingAfter.TotalMilliseconds)
                Ping(inDoubt, now);
            return;
        }

        if (now - _pingSent <= (long)_settings.PongWait.TotalMilliseconds)
            return;
        if (++_pingsMissed >= _settings.MissedPongs)
            Reconnect("the exit does not answer pings", now);
        else
            Ping(inDoubt: true, now);
    }

    // An exit that has forgotten everything needs SURBs to say so.
    private void Ping(bool inDoubt, long now)
    {
        _pingId = RandomId();
        _pingSent = now;
        Counters.Increment(ClientCounter.Probes);
        SendControl(IprRequestKind.Ping, _pingId, inDoubt ? SurbsInDoubt : 1, now);
    }

    private void Reconnect(string reason, long now)
    {
        Counters.Increment(ClientCounter.ServiceLost);
        Change(_state with { Phase = TunnelPhase.Reconnecting, Reason = reason });
        DropUplink();
        _mix.Abandon();
        BeginRound(now);
    }

    private void BeginClose(long now)
    {
        if (_state.Phase is TunnelPhase.Closing or TunnelPhase.Closed or TunnelPhase.Failed)
            return;
        bool up = _state.Phase == TunnelPhase.Up;
        EndAttempts();
        DropUplink();
        if (!up)
        {
            Change(_state with { Phase = TunnelPhase.Closed, Reason = "" });
            return;
        }

        _disconnectId = RandomId();
        _deadline = now + (long)_settings.DisconnectWait.TotalMilliseconds;
        SendControl(IprRequestKind.Disconnect, _disconnectId, SurbsToDisconnect, now);
        Change(_state with { Phase = TunnelPhase.Closing, Reason = "" });
    }

    private void SendControl(IprRequestKind kind, ulong id, int surbs, long now)
    {
        Span<byte> request = stackalloc byte[ControlBytes];
        IprRequestWriter.TryWriteControl(
            request, NextEnvelope(), kind, id, IprTimestamp.FromUtc(DateTime.UtcNow), out int bytes);
        _mix.SendControl(new OutgoingMessage(null, isData: false), surbs, request[..bytes], default, now);
    }

    private static string Name(byte version) => string.Create(CultureInfo.InvariantCulture, $"version {version}");

    private static string Refusal(in IprResponse response) => response.ConnectFailure switch
    {
        IprConnectFailure.NoAvailableIp => "the exit has no address left: try again later, or another exit",
        IprConnectFailure.AlreadyConnected => "the exit says that this tunnel is connected already",
        _ => $"the exit refuses: {TerminalText.From(response.Text)}",
    };

    /// <summary>One request to connect.</summary>
    private sealed class Attempt(ulong requestId, byte version, ulong streamId) : IMessageOwner
    {
        public ulong RequestId => requestId;

        public byte Version => version;

        public ulong StreamId => streamId;

        public IprEnvelope Envelope => new(version, IprVersion.UsesStream(version) ? streamId : 0, 0);

        public bool Answered { get; set; }

        public bool Accepted { get; set; }

        /// <summary>Its time is over, so it is not sent again; an answer still counts.</summary>
        public bool Abandoned { get; set; }

        public void Settled(OutgoingMessage message)
        {
            // The answer tells.
        }

        public void GivenUp()
        {
            // The deadline tells.
        }
    }
}
