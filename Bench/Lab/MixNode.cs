using System.Diagnostics;
using System.Net;
using FastExit.Crypto.Sphinx;

namespace FastExit.Bench.Lab;

/// <summary>
/// A mix: peels one layer, holds the packet for as long as its Sphinx header says (at most 10 s, mix-link.md §3.6), if its settings say
/// so, and sends it on. It is the last hop of nothing.
/// </summary>
internal sealed class MixNode(string name, NodeKeys keys, IPEndPoint address, LabNodeSettings settings)
    : LabNode(name, keys, address, settings)
{
    private const int MaximumHeld = 65536;
    private const ulong MaximumDelayNanoseconds = 10_000_000_000;
    private readonly PriorityQueue<(MixPacket Packet, IPEndPoint Next), long> _held = new();

    protected override bool Forward(ReadOnlySpan<byte> region, in SphinxLane lane, MixPacket packet)
    {
        if (!TryNextHop(lane.NextHop.AsReadOnlySpan(), out IPEndPoint next) || _held.Count >= MaximumHeld)
        {
            Reject();
            return false;
        }

        region.Slice(lane.Offset, lane.Length).CopyTo(packet.Span);
        ulong delay = Settings.Holds ? Math.Min(lane.DelayNanoseconds, MaximumDelayNanoseconds) : 0;
        long due = Stopwatch.GetTimestamp() + (long)(delay * (Stopwatch.Frequency / 1e9));
        _held.Enqueue((packet, next), due);
        return true;
    }

    protected override void Final(ReadOnlySpan<byte> region, in SphinxLane lane, MixPacket packet) => Reject();

    protected override TimeSpan SendDue(long now)
    {
        while (_held.TryPeek(out (MixPacket Packet, IPEndPoint Next) held, out long due))
        {
            if (due > now)
                return TimeSpan.FromMilliseconds(Math.Ceiling((due - now) * 1000.0 / Stopwatch.Frequency));
            _held.Dequeue();
            Egress.Send(held.Next, held.Packet);
        }

        return base.SendDue(now);
    }
}
