using System.Buffers;
using System.Threading.Channels;

namespace FastExit.Bench.Lab.Entry;

/// <summary>
/// What the mixnet has for one registered client: queued while it is connected, kept while it is away, bounded both ways and together with
/// all others' in bytes.
/// </summary>
internal sealed class ClientMailbox(EntrySettings settings, EntryCounters counters, MailboxRoom room) : IDeliveryTarget
{
    private readonly Channel<ArraySegment<byte>> _queue = Channel.CreateBounded<ArraySegment<byte>>(
        new BoundedChannelOptions(settings.QueuedPushes) { FullMode = BoundedChannelFullMode.Wait });

    public bool Online { get; set; }

    public int Count => _queue.Reader.Count;

    public bool Deliver(ReadOnlySpan<byte> payload)
    {
        if ((!Online && Count >= settings.StoredPushes) || !room.TryTake(payload.Length))
        {
            counters.Add(EntryCounter.NotKept);
            return false;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(payload.Length);
        payload.CopyTo(buffer);
        var push = new ArraySegment<byte>(buffer, 0, payload.Length);
        if (_queue.Writer.TryWrite(push))
            return true;
        Done(push);
        counters.Add(EntryCounter.NotKept);
        return false;
    }

    public ValueTask<bool> WaitAsync(CancellationToken stop) => _queue.Reader.WaitToReadAsync(stop);

    /// <summary>What is taken is to be given back by <see cref="Done"/>.</summary>
    public bool TryTake(out ArraySegment<byte> push) => _queue.Reader.TryRead(out push);

    public void Done(ArraySegment<byte> push)
    {
        room.Return(push.Count);
        ArrayPool<byte>.Shared.Return(push.Array!);
    }

    public void Clear()
    {
        while (TryTake(out ArraySegment<byte> push))
            Done(push);
    }
}

/// <summary>Bytes that all mailboxes of a gateway share.</summary>
internal sealed class MailboxRoom(long bytes)
{
    private long _left = bytes;

    public bool TryTake(int bytes)
    {
        if (Interlocked.Add(ref _left, -bytes) >= 0)
            return true;
        Return(bytes);
        return false;
    }

    public void Return(int bytes) => Interlocked.Add(ref _left, bytes);
}
