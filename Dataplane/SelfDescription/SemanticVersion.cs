using System.Globalization;

namespace FastExit.SelfDescription;

/// <summary>A version by Semantic Versioning 2.0.0: `major.minor.patch`, then `-pre.release` and `+build`. Ordered by its §11; build parts do not count.</summary>
internal readonly record struct SemanticVersion(uint Major, uint Minor, uint Patch, string PreRelease) : IComparable<SemanticVersion>
{
    private const int LongestText = 128;

    public static bool TryParse(string? text, out SemanticVersion version)
    {
        version = default;
        if (text is null or { Length: 0 or > LongestText })
            return false;
        var plus = text.IndexOf('+', StringComparison.Ordinal);
        if (plus >= 0 && !AreIdentifiers(text[(plus + 1)..], numbersPlain: false))
            return false;
        var rest = plus < 0 ? text : text[..plus];
        var dash = rest.IndexOf('-', StringComparison.Ordinal);
        var preRelease = dash < 0 ? "" : rest[(dash + 1)..];
        if (dash >= 0 && !AreIdentifiers(preRelease, numbersPlain: true))
            return false;
        var numbers = (dash < 0 ? rest : rest[..dash]).Split('.');
        if (numbers.Length != 3 || !TryNumber(numbers[0], out var major) || !TryNumber(numbers[1], out var minor) || !TryNumber(numbers[2], out var patch))
            return false;
        version = new SemanticVersion(major, minor, patch, preRelease);
        return true;
    }

    public int CompareTo(SemanticVersion other)
    {
        var order = (Major, Minor, Patch).CompareTo((other.Major, other.Minor, other.Patch));
        if (order != 0)
            return order;
        // A release stands above its own pre-releases.
        if (PreRelease.Length == 0 || other.PreRelease.Length == 0)
            return other.PreRelease.Length.CompareTo(PreRelease.Length);
        var left = PreRelease.Split('.');
        var right = other.PreRelease.Split('.');
        for (var i = 0; i < Math.Min(left.Length, right.Length); i++)
        {
            order = Compare(left[i], right[i]);
            if (order != 0)
                return order;
        }

        return left.Length.CompareTo(right.Length);
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}.{Patch}{(PreRelease.Length == 0 ? "" : "-")}{PreRelease}");

    public static bool operator <(SemanticVersion left, SemanticVersion right) => left.CompareTo(right) < 0;

    public static bool operator >(SemanticVersion left, SemanticVersion right) => left.CompareTo(right) > 0;

    public static bool operator <=(SemanticVersion left, SemanticVersion right) => left.CompareTo(right) <= 0;

    public static bool operator >=(SemanticVersion left, SemanticVersion right) => left.CompareTo(right) >= 0;

    private static int Compare(string left, string right)
    {
        var leftIsNumber = left.All(char.IsAsciiDigit);
        var rightIsNumber = right.All(char.IsAsciiDigit);
        if (leftIsNumber != rightIsNumber)
            return leftIsNumber ? -1 : 1;
        // Without leading zeros the longer number is the greater.
        return leftIsNumber && left.Length != right.Length ? left.Length.CompareTo(right.Length) : string.CompareOrdinal(left, right);
    }

    private static bool AreIdentifiers(string text, bool numbersPlain) => text.Split('.').All(part =>
        part.Length > 0 && part.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')
        && !(numbersPlain && part.Length > 1 && part[0] == '0' && part.All(char.IsAsciiDigit)));

    private static bool TryNumber(string text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && (text.Length == 1 || text[0] != '0');
}
