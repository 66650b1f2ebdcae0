namespace FastExit.Bench.Client;

internal enum OrderedWrite : byte
{
    Stored,

    /// <summary>Seen before, or behind the closing message.</summary>
    Duplicate,

    /// <summary>More than the window ahead, or more bytes than may wait: the connection cannot be completed.</summary>
    Overflow,
}

/// <summary>
/// Puts one direction's messages into order by sequence number (network-requester.md §3); what waits for a gap to close is bounded in
/// messages and bytes. Hands out buffers in order; the closing flag is reported with the message that carries it.
/// </summary>
/// <param name="maximumWaitingBytes">Bytes behind a gap.</param>
/// <param name="window">How far ahead of the gap a message may be: nobody may send further than 1,000, but services do.</param>
internal sealed class OrderedBuffer(long maximumWaitingBytes, int window)
{
    /// <summary>What every peer accepts, and so what nobody may exceed.</summary>
    public const int SendWindow = 1000;

    private readonly Dictionary<ulong, ArraySegment<byte>> _waiting = [];
    private ulong _closing = ulong.MaxValue;

    /// <summary>The next sequence number to hand out.</summary>
    public ulong Next { get; private set; }

    public long WaitingBytes { get; private set; }

    /// <summary>The closing message and everything before it was handed out.</summary>
    public bool Finished { get; private set; }

    public OrderedWrite Write(ulong sequence, ArraySegment<byte> payload, bool closed)
    {
        if (Finished || sequence < Next || sequence > _closing || _waiting.ContainsKey(sequence))
            return OrderedWrite.Duplicate;
        if (sequence - Next > (ulong)window)
            return OrderedWrite.Overflow;
        if (sequence != Next && WaitingBytes + payload.Count > maximumWaitingBytes)
            return OrderedWrite.Overflow;
        if (closed)
            _closing = sequence;
        _waiting.Add(sequence, payload);
        WaitingBytes += payload.Count;
        return OrderedWrite.Stored;
    }

    /// <summary>False while the next message is missing, and after the closing one.</summary>
    public bool TryRead(out ArraySegment<byte> payload)
    {
        if (!_waiting.Remove(Next, out payload))
            return false;
        WaitingBytes -= payload.Count;
        if (Next == _closing)
        {
            Finished = true;
            _waiting.Clear();
            WaitingBytes = 0;
        }

        Next++;
        return true;
    }
}
