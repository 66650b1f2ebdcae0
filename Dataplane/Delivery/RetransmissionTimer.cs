using FastExit.Configuration;

namespace FastExit.Delivery;

/// <summary>
/// How long to wait for an ack: end-to-end.md §6.4's 1.5 × expected + 1.5 s as the floor, and above it the round trips that acks of
/// first transmissions show (RFC 6298's smoothing), so that a loaded network is not loaded more by copies. Doubles with each
/// retransmission.
/// </summary>
internal sealed class RetransmissionTimer
{
    private const double MaximumMilliseconds = 30_000;
    private readonly double _floor;
    private double _smoothed;
    private double _variation;
    private bool _measured;

    public RetransmissionTimer(DeliverySettings settings)
    {
        // Three mix hops out and three for the ack.
        double expected = 6 * settings.MeanHopDelay.TotalMilliseconds;
        _floor = (1.5 * expected) + settings.AckWait.TotalMilliseconds;
    }

    public void Measure(long roundTripMilliseconds)
    {
        if (!_measured)
        {
            _measured = true;
            _smoothed = roundTripMilliseconds;
            _variation = roundTripMilliseconds / 2.0;
            return;
        }

        _variation += (Math.Abs(_smoothed - roundTripMilliseconds) - _variation) / 4;
        _smoothed += (roundTripMilliseconds - _smoothed) / 8;
    }

    /// <summary>
    /// An ack that comes so soon after a copy was sent belongs to an earlier transmission. Without this a network slower than the
    /// floor would never be measured, since every fragment would have been copied before its ack came.
    /// </summary>
    public bool IsSoonerThanAnyAnswer(long milliseconds) =>
        milliseconds < (_measured ? _smoothed / 2 : _floor / 4);

    /// <summary>Milliseconds for the given transmission (1 is the first).</summary>
    public long Timeout(int transmission)
    {
        double wait = Math.Max(_floor, _smoothed + (4 * _variation));
        wait *= Math.Pow(2, Math.Min(transmission - 1, 5));
        return (long)Math.Min(wait, MaximumMilliseconds);
    }
}
