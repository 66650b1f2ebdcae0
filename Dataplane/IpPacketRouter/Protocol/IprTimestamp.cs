using FastExit.Serialization;

namespace FastExit.IpPacketRouter.Protocol;

/// <summary>
/// The date-time of requests (ip-packet-router.md §1.2): year, day of year, hour, minute, second, nanosecond, offset of three parts.
/// Parts out of range do not decode. From version 8 on nobody looks at the value.
/// </summary>
public readonly record struct IprTimestamp(
    int Year, ushort DayOfYear, byte Hour, byte Minute, byte Second, uint Nanosecond,
    sbyte OffsetHours, sbyte OffsetMinutes, sbyte OffsetSeconds)
{
    /// <summary>Most bytes <see cref="TryWrite"/> needs for a year of up to four digits.</summary>
    public const int MaximumBytes = 17;

    private const int LargestYear = 9999, LargestOffsetHours = 25;

    public static IprTimestamp FromUtc(DateTime utc) => new(
        utc.Year, (ushort)utc.DayOfYear, (byte)utc.Hour, (byte)utc.Minute, (byte)utc.Second,
        (uint)(utc.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick), 0, 0, 0);

    /// <summary>The instant in UTC; false outside the years the framework knows (1 to 9999).</summary>
    public bool TryToUtc(out DateTime utc)
    {
        utc = default;
        if (Year is < 1 or > LargestYear)
            return false;
        long ticks = new DateTime(Year, 1, 1, 0, 0, 0, DateTimeKind.Utc).Ticks
            + ((DayOfYear - 1) * TimeSpan.TicksPerDay)
            + ((Hour - OffsetHours) * TimeSpan.TicksPerHour)
            + ((Minute - OffsetMinutes) * TimeSpan.TicksPerMinute)
            + ((Second - OffsetSeconds) * TimeSpan.TicksPerSecond)
            + (Nanosecond / TimeSpan.NanosecondsPerTick);
        if (ticks < DateTime.MinValue.Ticks || ticks > DateTime.MaxValue.Ticks)
            return false;
        utc = new DateTime(ticks, DateTimeKind.Utc);
        return true;
    }

    public static bool TryRead(ref BincodeReader reader, out IprTimestamp timestamp)
    {
        timestamp = default;
        if (!reader.TryReadInt32(out int year) || !reader.TryReadUInt16(out ushort day) || !reader.TryReadByte(out byte hour)
            || !reader.TryReadByte(out byte minute) || !reader.TryReadByte(out byte second)
            || !reader.TryReadUInt32(out uint nanosecond) || !reader.TryReadByte(out byte offsetHours)
            || !reader.TryReadByte(out byte offsetMinutes) || !reader.TryReadByte(out byte offsetSeconds))
            return false;
        timestamp = new IprTimestamp(
            year, day, hour, minute, second, nanosecond, (sbyte)offsetHours, (sbyte)offsetMinutes, (sbyte)offsetSeconds);
        return timestamp.IsInRange;
    }

    public bool TryWrite(ref BincodeWriter writer) =>
        writer.TryWriteInt32(Year) && writer.TryWriteVarint(DayOfYear) && writer.TryWriteByte(Hour)
        && writer.TryWriteByte(Minute) && writer.TryWriteByte(Second) && writer.TryWriteVarint(Nanosecond)
        && writer.TryWriteByte((byte)OffsetHours) && writer.TryWriteByte((byte)OffsetMinutes)
        && writer.TryWriteByte((byte)OffsetSeconds);

    private bool IsInRange =>
        Year is >= -LargestYear and <= LargestYear && DayOfYear >= 1 && DayOfYear <= (IsLeap ? 366 : 365)
        && Hour < 24 && Minute < 60 && Second < 60 && Nanosecond < 1_000_000_000
        && OffsetHours is >= -LargestOffsetHours and <= LargestOffsetHours
        && OffsetMinutes is > -60 and < 60 && OffsetSeconds is > -60 and < 60;

    private bool IsLeap => Year % 4 == 0 && (Year % 100 != 0 || Year % 400 == 0);
}
