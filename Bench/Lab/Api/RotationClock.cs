namespace FastExit.Bench.Lab.Api;

/// <summary>
/// Epochs and key rotations of a lab (mix-link.md §5.1): rotation = epoch / validity, from epoch 0 on. It starts at the first epoch of a
/// given rotation.
/// </summary>
internal sealed class RotationClock
{
    /// <summary>Epochs before the end of a rotation at which nodes announce their next keys, and one more.</summary>
    private const uint Announcing = 2;

    private readonly TimeProvider _time;
    private readonly DateTimeOffset _start;
    private readonly uint _first;
    private readonly bool _turns;

    /// <param name="rotation">The rotation to begin with.</param>
    /// <param name="epoch">Length of an epoch; null: one hour, and the rotation never ends.</param>
    /// <param name="validity">Epochs of a rotation.</param>
    public RotationClock(uint rotation, TimeSpan? epoch, uint validity, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(validity, 3u);
        _time = time;
        _start = time.GetUtcNow();
        _turns = epoch is not null;
        EpochLength = epoch ?? TimeSpan.FromHours(1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(EpochLength, TimeSpan.Zero, nameof(epoch));
        Validity = validity;
        _first = rotation * validity;
    }

    public TimeSpan EpochLength { get; }

    public uint Validity { get; }

    public uint Epoch
    {
        get
        {
            long passed = (_time.GetUtcNow() - _start).Ticks / EpochLength.Ticks;
            return _first + (uint)(_turns ? passed : Math.Min(passed, Validity - Announcing - 1));
        }
    }

    public uint Rotation => RotationOf(Epoch);

    public uint RotationOf(uint epoch) => epoch / Validity;

    public DateTimeOffset StartOf(uint epoch) => _start + (EpochLength * (epoch - _first));
}
