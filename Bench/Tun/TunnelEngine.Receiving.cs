using FastExit.Bench.Client;
using FastExit.IpPacketRouter.Packets;
using FastExit.IpPacketRouter.Protocol;

namespace FastExit.Bench.Tun;

/// <content>From an answer of the exit to packets of the device.</content>
internal sealed partial class TunnelEngine
{
    private const int TellMilliseconds = 1000;
    private readonly byte[] _packet = new byte[ushort.MaxValue];
    private SequenceWindow _received;
    private long _told;

    /// <summary>What the exit says of itself or of a refused destination, for a person; on the client's thread.</summary>
    public Action<string>? Told { get; set; }

    void IMixService.HeardReply(long now)
    {
        _lastReply = now;
        _pingSent = 0;
        _pingsMissed = 0;
    }

    bool IMixService.Receive(ReadOnlySpan<byte> data, long now)
    {
        IprReadStatus status = IprResponse.TryRead(data, out IprResponse response);
        if (status == IprReadStatus.StreamOpen)
            return true;
        if (status != IprReadStatus.Ok)
            return false;
        switch (response.Kind)
        {
            case IprResponseKind.Data:
                ReceiveData(data, response);
                break;
            case IprResponseKind.Connect:
                ReceiveConnect(response, now);
                break;
            case IprResponseKind.Disconnect when response.RequestId == _disconnectId && _state.Phase == TunnelPhase.Closing:
                Change(_state with { Phase = TunnelPhase.Closed, Reason = "" });
                break;
            case IprResponseKind.UnrequestedDisconnect when _state.Phase == TunnelPhase.Up && Concerns(response):
                Reconnect($"the exit ended the tunnel: {Ending(response)}", now);
                break;
            case IprResponseKind.Info:
                // Refused packets are answered packets: the way is open.
                _firstUnanswered = 0;
                Tell(response, now);
                break;
            default:
                break;
        }

        return true;
    }

    void IMixService.DeliveriesTaken() => _sink.Flush();

    // A stranger decides how many there are.
    private void Tell(in IprResponse response, long now)
    {
        if (now - _told < TellMilliseconds)
            return;
        _told = now;
        Told?.Invoke(Information(response));
    }

    // A stream's end may arrive after the next stream was opened.
    private bool Concerns(in IprResponse response) =>
        !response.HasStream || !IprVersion.UsesStream(_state.Version) || response.Envelope.StreamId == _streamId;

    private void ReceiveData(ReadOnlySpan<byte> message, in IprResponse response)
    {
        TunnelState state = _state;
        if (state.Phase is not (TunnelPhase.Up or TunnelPhase.Closing))
            return;
        if (response.HasStream && response.Envelope.StreamId == _streamId && !_received.TryAccept(response.Envelope.Sequence))
        {
            Counters.Increment(ClientCounter.Duplicates);
            return;
        }

        _firstUnanswered = 0;
        var bundle = new BundleReader(message, response.BundleOffset, response.BundleBytes);
        while (bundle.TryNext(out int offset, out int bytes))
        {
            Span<byte> packet = _packet.AsSpan(0, bytes);
            message.Slice(offset, bytes).CopyTo(packet);
            if (IpPacket.TryRead(packet, out IpPacket ip) != IpReadStatus.Ok || !state.Pair.Contains(ip.Destination))
            {
                Counters.Increment(ClientCounter.IpPacketsRefused);
                continue;
            }

            packet = packet[..ip.Bytes];
            MssClamp.Apply(packet, ip, state.Mtu);
            Counters.Increment(ClientCounter.IpPacketsDown);
            Counters.Add(ClientCounter.BytesDown, packet.Length);
            _sink.Write(packet);
        }

        if (bundle.Truncated)
            Counters.Increment(ClientCounter.Malformed);
    }

    private static string Ending(in IprResponse response) => response.DisconnectReason switch
    {
        IprDisconnectReason.MixnetTimeout => "it heard nothing for too long",
        IprDisconnectReason.TunTimeout => "nothing came for it for too long",
        _ => TerminalText.From(response.Text),
    };

    private static string Information(in IprResponse response) => response.InfoKind switch
    {
        IprInfoKind.PolicyRefused => $"the exit's policy refuses {TerminalText.From(response.Text)}",
        IprInfoKind.VersionMismatch =>
            $"the exit speaks version {response.MismatchedResponseVersion}, not {response.MismatchedRequestVersion}",
        _ => $"the exit says: {TerminalText.From(response.Text)}",
    };
}
