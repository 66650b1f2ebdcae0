using System.Runtime.CompilerServices;

namespace FastExit.NetworkRequester;

/// <summary>
/// Sequence numbers of one connection towards its client, from the oldest that is not acknowledged to the next to be sent. The client
/// keeps at most 1,000 messages beyond the first that is missing (network-requester.md §3), so it is this span that must be bounded, not
/// the number of messages under way: after one loss they differ.
/// </summary>
internal struct SendWindow
{
    /// <summary>The client's limit.</summary>
    public const int MaximumSpan = 1000;

    /// <summary>Low bits of a sequence number that name it inside the window.</summary>
    public const int SequenceBits = 10;
    private const int Places = 1 << SequenceBits;

    private ulong _oldest;
    private Bits _acknowledged;

    public ulong Next { get; private set; }

    public readonly int Span => (int)(Next - _oldest);

    /// <summary>Takes the next sequence number.</summary>
    public ulong Send() => Next++;

    /// <param name="place">Low <see cref="SequenceBits"/> bits of the sequence number.</param>
    public void Acknowledge(int place)
    {
        ulong ahead = ((ulong)place - _oldest) & (Places - 1);
        if (ahead >= (ulong)Span)
            return;
        _acknowledged[place >> 6] |= 1ul << (place & 63);
        while (_oldest < Next)
        {
            int first = (int)(_oldest & (Places - 1));
            ulong bit = 1ul << (first & 63);
            if ((_acknowledged[first >> 6] & bit) == 0)
                return;
            _acknowledged[first >> 6] &= ~bit;
            _oldest++;
        }
    }

    [InlineArray(Places / 64)]
    private struct Bits
    {
        private ulong _first;
    }
}
