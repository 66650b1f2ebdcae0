namespace FastExit.Crypto.Lanes;

/// <summary>One lane's bytes inside a region that all lanes share.</summary>
/// <param name="Offset">First byte in the region.</param>
/// <param name="Length">Bytes; each lane may have its own length.</param>
public readonly record struct LaneRange(int Offset, int Length)
{
    internal void ThrowIfOutside(int regionBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Offset);
        ArgumentOutOfRangeException.ThrowIfNegative(Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Length, regionBytes - Offset);
    }
}

/// <summary>
/// A field of the same length in every lane of a table, such as the MAC key in each of several expanded secrets: lane i's
/// begins at byte i * <see cref="Stride"/>.
/// </summary>
public readonly ref struct LaneFields
{
    /// <summary>Fields of so many bytes, one every stride bytes, the first at bytes[0].</summary>
    public LaneFields(ReadOnlySpan<byte> bytes, int stride, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfNegative(stride);
        Bytes = bytes;
        Stride = stride;
        Length = length;
    }

    /// <summary>Fields without a gap between them.</summary>
    public LaneFields(ReadOnlySpan<byte> bytes, int length)
        : this(bytes, length, length)
    {
    }

    /// <summary>The first lane's field and what follows.</summary>
    public ReadOnlySpan<byte> Bytes { get; }

    /// <summary>Bytes from one lane's field to the next one's; 0 gives all lanes the same.</summary>
    public int Stride { get; }

    /// <summary>Bytes of a field.</summary>
    public int Length { get; }

    /// <summary>The field of a lane.</summary>
    public ReadOnlySpan<byte> this[int lane] => Bytes.Slice(lane * Stride, Length);

    internal void ThrowIfShort(int lanes)
    {
        if (lanes > 0)
            ArgumentOutOfRangeException.ThrowIfGreaterThan((long)(lanes - 1) * Stride + Length, Bytes.Length);
    }
}
