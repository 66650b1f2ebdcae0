using System.Buffers;

namespace FastExit.Bench.Client;

/// <summary>
/// What the gateway has for a client's thread, and what wakes that thread. Bounded by number: what does not fit is lost as on the
/// network.
/// </summary>
internal sealed class EngineInbox
{
    private const int MaximumDeliveries = 16384;
    private readonly object _lock = new();
    private bool _filled;
    private readonly Queue<ArraySegment<byte>> _deliveries = new();

    /// <summary>False: full.</summary>
    public bool TryPut(ReadOnlySpan<byte> delivery)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(delivery.Length);
        delivery.CopyTo(buffer);
        lock (_lock)
        {
            if (_deliveries.Count < MaximumDeliveries)
            {
                _deliveries.Enqueue(new ArraySegment<byte>(buffer, 0, delivery.Length));
                Fill();
                return true;
            }
        }

        ArrayPool<byte>.Shared.Return(buffer);
        return false;
    }

    public int TakeDeliveries(Span<ArraySegment<byte>> deliveries)
    {
        lock (_lock)
        {
            int taken = 0;
            while (taken < deliveries.Length && _deliveries.TryDequeue(out ArraySegment<byte> delivery))
                deliveries[taken++] = delivery;
            return taken;
        }
    }

    /// <summary>Until something was put in, or <see cref="Wake"/> was called, since the last wait.</summary>
    public void Wait(TimeSpan atMost)
    {
        lock (_lock)
        {
            if (!_filled && atMost > TimeSpan.Zero)
                Monitor.Wait(_lock, atMost);
            _filled = false;
        }
    }

    public void Wake()
    {
        lock (_lock)
            Fill();
    }

    private void Fill()
    {
        _filled = true;
        Monitor.Pulse(_lock);
    }
}
