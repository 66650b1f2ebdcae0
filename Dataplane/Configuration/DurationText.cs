using System.Globalization;

namespace FastExit.Configuration;

/// <summary>A time span as text: a whole number and one unit, `1500ms`, `300s`, `5m`, `6h`, `7d`; at most <see cref="Maximum"/>.</summary>
public static class DurationText
{
    public static TimeSpan Maximum { get; } = TimeSpan.FromDays(36_500);

    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan duration)
    {
        duration = default;
        var digits = text.IndexOfAnyExceptInRange('0', '9');
        if (digits is <= 0 or > 15)
            return false;
        long milliseconds = text[digits..] switch
        {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => 0,
        };
        if (milliseconds == 0)
            return false;
        // 15 digits times a day in milliseconds goes beyond 64 bits.
        var value = (Int128)long.Parse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture) * milliseconds;
        if (value > (long)Maximum.TotalMilliseconds)
            return false;
        duration = TimeSpan.FromMilliseconds((long)value);
        return true;
    }

    /// <summary>The shortest exact form from milliseconds up; finer parts are cut off.</summary>
    public static string Format(TimeSpan duration)
    {
        var milliseconds = (long)duration.TotalMilliseconds;
        var (value, unit) = milliseconds switch
        {
            _ when milliseconds % 1_000 != 0 => (milliseconds, "ms"),
            _ when milliseconds % 60_000 != 0 => (milliseconds / 1_000, "s"),
            _ when milliseconds % 3_600_000 != 0 => (milliseconds / 60_000, "m"),
            _ when milliseconds == 0 => (0, "s"),
            _ => (milliseconds / 3_600_000, "h"),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
    }
}
