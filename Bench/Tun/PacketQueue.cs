using System.Buffers;

namespace FastExit.Bench.Tun;

/// <summary>Packets on their way from the device to the tunnel, bounded in bytes; what does not fit is refused. For any thread.</summary>
internal sealed class PacketQueue(int maximumBytes)
{
    private readonly object _lock = new();
    private readonly Queue<ArraySegment<byte>> _packets = new();
    private int _bytes;

    /// <summary>False: full.</summary>
    /// <param name="packet">Copied.</param>
    /// <param name="wasEmpty">The taker may be asleep.</param>
    public bool TryPut(ReadOnlySpan<byte> packet, out bool wasEmpty)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(packet.Length);
        packet.CopyTo(buffer);
        lock (_lock)
        {
            wasEmpty = _packets.Count == 0;
            if (_bytes + packet.Length <= maximumBytes)
            {
                _packets.Enqueue(new ArraySegment<byte>(buffer, 0, packet.Length));
                _bytes += packet.Length;
                return true;
            }
        }

        ArrayPool<byte>.Shared.Return(buffer);
        return false;
    }

    /// <summary>The oldest packet; give its array back to the shared pool.</summary>
    public bool TryTake(out ArraySegment<byte> packet)
    {
        lock (_lock)
        {
            if (!_packets.TryDequeue(out packet))
                return false;
            _bytes -= packet.Count;
            return true;
        }
    }
}
