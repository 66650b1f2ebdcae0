using System.Buffers;

namespace FastExit.Bench.Client;

internal enum EngineCommandKind : byte
{
    Open,
    Data,
    Complete,
    Close,
}

internal readonly record struct EngineCommand(EngineCommandKind Kind, ProxyConnection Connection, ArraySegment<byte> Payload);

/// <summary>
/// What other threads have for the engine's thread. Deliveries are bounded by number: what does not fit is lost as on the network.
/// Commands are bounded by the connections and their windows.
/// </summary>
internal sealed class EngineInbox
{
    private const int MaximumDeliveries = 16384;
    private readonly object _lock = new();
    private bool _filled;
    private readonly Queue<ArraySegment<byte>> _deliveries = new();
    private readonly Queue<EngineCommand> _commands = new();

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

    public void Put(EngineCommand command)
    {
        lock (_lock)
        {
            _commands.Enqueue(command);
            Fill();
        }
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

    public bool TryTakeCommand(out EngineCommand command)
    {
        lock (_lock)
            return _commands.TryDequeue(out command);
    }

    /// <summary>Until something was put in since the last wait.</summary>
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
