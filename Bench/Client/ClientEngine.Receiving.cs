using System.Buffers;
using FastExit.Crypto;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.Bench.Client;

/// <content>From a delivered payload to the bytes of a connection (end-to-end.md §7).</content>
internal sealed partial class ClientEngine
{
    private const int MaximumSurbsOnRequest = 200;

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
        Settle(fragment);
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
        _probeSent = 0;
        _lastReply = now;
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
            case MessageKind.ReplyData when Response.TryRead(message.Data, out Response response) == ResponseStatus.Ok:
                ReceiveResponse(response, now);
                break;
            default:
                Counters.Increment(ClientCounter.Malformed);
                break;
        }
    }

    private void ReceiveResponse(in Response response, long now)
    {
        if (response.Kind is not (ResponseKind.NetworkData or ResponseKind.ConnectionError)
            || !_connections.TryGetValue(response.ConnectionId, out ProxyConnection? connection))
            return;
        connection.LastHeard = now;
        if (response.Kind == ResponseKind.ConnectionError)
        {
            Remove(connection, ConnectOutcome.From(response.Text));
            return;
        }

        if (!connection.Connected)
        {
            if (response.Closed && response.Sequence == 0 && response.Payload.IsEmpty)
            {
                connection.ReasonDeadline = now + (long)_settings.ReasonWait.TotalMilliseconds;
                return;
            }

            connection.SetConnected();
        }

        if (connection.RemoteClosed)
            return;
        Counters.Add(ClientCounter.BytesDown, response.Payload.Length);
        if (connection.Ordered.Write(response.Sequence, response.Payload.ToArray(), response.Closed) == OrderedWrite.Overflow)
        {
            CloseLocal(connection, now);
            Remove(connection, ConnectOutcome.From("limit: the service is too far ahead of a lost message"u8));
            return;
        }

        while (connection.Ordered.TryRead(out ArraySegment<byte> bytes))
            connection.Push(bytes);
        if (connection.Ordered.Finished)
        {
            connection.SetRemoteClosed();
            RemoveIfDone(connection);
        }
    }
}
