using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;

namespace FastExit.Bench;

/// <summary>Values on the command line, and lines for the person behind it.</summary>
internal static class CommandText
{
    public static void Log(string line) =>
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.Now:HH:mm:ss} {line}"));

    public static IPEndPoint? ParseEndPoint(ArgumentResult result)
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        if (IPEndPoint.TryParse(text, out IPEndPoint? address) && address.Port != 0)
            return address;
        result.AddError($"'{text}' is not address:port");
        return null;
    }

    /// <summary>The same where port 0 takes one that is free.</summary>
    public static IPEndPoint? ParseListener(ArgumentResult result)
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        if (IPEndPoint.TryParse(text, out IPEndPoint? address))
            return address;
        result.AddError($"'{text}' is not address:port");
        return null;
    }

    /// <summary>For an option that takes a whole number between two others; a validator would not be asked about words.</summary>
    public static Func<ArgumentResult, int> NumberBetween(int least, int most) => result =>
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most)
            return value;
        result.AddError($"{(result.Parent as OptionResult)?.Option.Name}: '{text}' is no whole number from {least} to {most}");
        return least;
    };

    public static TimeSpan ParseDuration(ArgumentResult result)
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        (string unit, double milliseconds)[] units = [("ms", 1), ("s", 1000), ("m", 60_000)];
        foreach ((string unit, double milliseconds) in units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal)
                && double.TryParse(text[..^unit.Length], NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                && value is >= 0 and <= 1e6)
                return TimeSpan.FromMilliseconds(value * milliseconds);
        }

        result.AddError($"'{text}' is no duration: 10ms, 1.5s, 2m");
        return default;
    }

    public static int[] ParseCores(ArgumentResult result)
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        string[] parts = text.Split(',', StringSplitOptions.RemoveEmptyEntries);
        int[] cores = [.. parts.Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int core) ? core : -1)];
        if (cores.Length > 0 && !cores.Contains(-1))
            return cores;
        result.AddError($"'{text}' is no list of cores: 0,1");
        return [];
    }
}
