using System.Globalization;

namespace FastExit.Configuration;

/// <summary>A number of bytes as text: a whole number and one unit, `512B`, `64KiB`, `64MiB`, `2GiB`; at most <see cref="Maximum"/>.</summary>
public static class SizeText
{
    public const long Maximum = 1L << 50;

    public static bool TryParse(ReadOnlySpan<char> text, out long bytes)
    {
        bytes = 0;
        var digits = text.IndexOfAnyExceptInRange('0', '9');
        if (digits is <= 0 or > 16)
            return false;
        var shift = text[digits..] switch
        {
            "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => -1,
        };
        if (shift < 0)
            return false;
        var number = long.Parse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture);
        if (number > Maximum >> shift)
            return false;
        bytes = number << shift;
        return true;
    }

    /// <summary>The shortest exact form.</summary>
    public static string Format(long bytes)
    {
        var (value, unit) = bytes switch
        {
            0 => (0, "B"),
            _ when bytes % (1 << 30) == 0 => (bytes >> 30, "GiB"),
            _ when bytes % (1 << 20) == 0 => (bytes >> 20, "MiB"),
            _ when bytes % (1 << 10) == 0 => (bytes >> 10, "KiB"),
            _ => (bytes, "B"),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
    }
}
