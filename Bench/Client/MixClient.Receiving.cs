using System.Buffers;
using FastExit.Crypto;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Client;

/// <content>From a delivered payload to a message of the service (end-to-end.md §7), and the SURBs that keep such messages coming.</content>
internal sealed partial class MixClient
{
    private const int AcknowledgementBytes = 21;
    private const int DeliveriesAtOnce = 64;
    private const int MaximumSurbsOnRequest = 200;

    /// <summary>24 SURBs fill seven packets to 98 %.</summary>
    private const int SurbsInOneMessage = 24;

    private const int PeriodMilliseconds = 250;
    private long _periodStart;
    private int _repliesThisPeriod;
    private int _repliesLastPeriod;
    private double _roundTrip;

    /// <summary>A sign of life, or nothing that could be answered.</summary>
    private void Heard(long now)
    {
        LastHeard = now;
        SentUnheard = 0;
    }

    private bool TakeDeliveries(long now)
    {
        Span<ArraySegment<byte>> deliveries = new ArraySegment<byte>[DeliveriesAtOnce];
        int taken = _inbox.TakeDeliveries(deliveries);
        foreach (ArraySegment<byte> delivery in deliveries[..taken])
        {
            if (delivery.Count == AcknowledgementBytes)
                Acknowledge(delivery, now);
            else
                ReceiveReply(delivery, now);
            ArrayPool<byte>.Shared.Return(delivery.Array!);
        }

        if (taken > 0)
            _owner.DeliveriesTaken();
        return taken > 0;
    }

    private void Acknowledge(ReadOnlySpan<byte> content, long now)
    {
        if (!AckContent.TryRead(content, _identity.AckKey, out uint setId, out byte position))
        {
            Counters.Increment(ClientCounter.Malformed);
            return;
        }

        if (!_pending.TryAcknowledge(setId, position, out OutgoingFragment fragment))
        {
            Counters.Increment(ClientCounter.AcksUnknown);
            return;
        }

        Heard(now);
        Counters.Increment(ClientCounter.AcksReceived);
        if (fragment.Sendings == 1)
            Measure(now - fragment.FirstSent);
        Settle(fragment);
    }

    private void Measure(long milliseconds)
    {
        _roundTrip = _roundTrip == 0 ? milliseconds : (0.9 * _roundTrip) + (0.1 * milliseconds);
        Counters.Set(ClientCounter.RoundTrip, (long)_roundTrip);
    }

    private void ReceiveReply(Span<byte> payload, long now)
    {
        if (payload.Length <= PacketSizes.KeyBlockBytes + FragmentHeader.LinkedBytes)
        {
            Counters.Increment(ClientCounter.Malformed);
            return;
        }

        // Nobody knows this client's address, so whatever is no reply is a stray or a second copy.
        if (!_ledger.TryUse(payload[..PacketSizes.KeyBlockBytes], out Bytes16 key))
        {
            Counters.Increment(ClientCounter.RepliesUnknown);
            return;
        }

        Heard(now);
        _owner.HeardReply(now);
        _repliesThisPeriod++;
        Counters.Increment(ClientCounter.RepliesReceived);
        Span<byte> fragment = payload[PacketSizes.KeyBlockBytes..];
        AesCtr.TransformZeroIv(key.AsReadOnlySpan(), fragment);
        if (CoverMarker.IsCover(fragment))
            return;
        switch (_reassembler.Add(fragment, now, out ReadOnlySpan<byte> padded))
        {
            case FragmentOutcome.Complete when MessagePadding.TryStrip(padded, out int bytes)
                && EndToEndMessage.TryRead(padded[..bytes], out EndToEndMessage message):
                ReceiveMessage(message, now);
                break;
            case FragmentOutcome.Waiting:
                break;
            case FragmentOutcome.Late:
                Counters.Increment(ClientCounter.LateFragments);
                break;
            default:
                Counters.Increment(ClientCounter.Malformed);
                break;
        }
    }

    private void ReceiveMessage(in EndToEndMessage message, long now)
    {
        switch (message.Kind)
        {
            case MessageKind.SurbRequest:
                AnswerSurbRequest(message, now);
                break;
            case MessageKind.ReplyData when _owner.Receive(message.Data, now):
                break;
            default:
                Counters.Increment(ClientCounter.Malformed);
                break;
        }
    }

    private void AnswerSurbRequest(in EndToEndMessage request, long now)
    {
        Counters.Increment(ClientCounter.SurbRequests);
        if (!Recipient.TryRead(request.RecipientBytes, out Recipient sender) || sender != _service)
        {
            Counters.Increment(ClientCounter.Malformed);
            return;
        }

        if (!_owner.WantsSurbs)
            return;
        int wanted = (int)Math.Min(request.Amount, MaximumSurbsOnRequest);
        for (; wanted > 0; wanted -= SurbsInOneMessage)
            SendSurbs(Math.Min(wanted, SurbsInOneMessage), now);
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
        if (_urgent.Count > 0 || !_owner.WantsSurbs)
            return;
        int recent = _repliesLastPeriod + _repliesThisPeriod;
        int target = Math.Clamp(_settings.RestingSurbs + (3 * recent), _settings.RestingSurbs, _settings.MaximumSurbs);
        if (target - _ledger.Available >= SurbsInOneMessage)
            SendSurbs(SurbsInOneMessage, now);
    }

    private void SendSurbs(int count, long now) =>
        SendControl(new OutgoingMessage(null, isData: false), count, default, default, now);
}
