using FastExit.NetworkRequester.Protocol;

namespace FastExit.Bench.Client;

/// <content>From an answer of the service to the bytes of a connection.</content>
internal sealed partial class ClientEngine
{
    void IMixService.HeardReply(long now)
    {
        _probeSent = 0;
        _lastReply = now;
    }

    bool IMixService.Receive(ReadOnlySpan<byte> data, long now)
    {
        if (Response.TryRead(data, out Response response) != ResponseStatus.Ok)
            return false;
        ReceiveResponse(response, now);
        return true;
    }

    void IMixService.DeliveriesTaken()
    {
        // Every message was handed on as it came.
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
