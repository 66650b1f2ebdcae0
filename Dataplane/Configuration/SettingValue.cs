using System.Globalization;
using System.Net;
using System.Text;
using Tomlyn.Syntax;

namespace FastExit.Configuration;

/// <summary>Turns TOML values into the .NET values of settings and back; errors say what is expected.</summary>
internal static class SettingValue
{
    /// <summary>False with <paramref name="problem"/>: what is wrong and what to write instead.</summary>
    public static bool TryConvert(Setting setting, ValueSyntax syntax, out object? value, out string problem)
    {
        value = null;
        problem = "";
        switch (setting.Kind)
        {
            case SettingKind.Switch when syntax is BooleanValueSyntax flag:
                value = flag.Value;
                return true;
            case SettingKind.Whole when syntax is IntegerValueSyntax number:
                return TryNumber(setting, number.Value, "", out value, out problem);
            case SettingKind.Size when syntax is IntegerValueSyntax number:
                return TryNumber(setting, number.Value, "B", out value, out problem);
            case SettingKind.Size when syntax is StringValueSyntax text && SizeText.TryParse(text.Value, out var bytes):
                return TryNumber(setting, bytes, "B", out value, out problem);
            case SettingKind.Duration when syntax is StringValueSyntax text && DurationText.TryParse(text.Value, out var duration):
                value = duration;
                return InRange(setting, (long)duration.TotalMilliseconds, number => DurationText.Format(TimeSpan.FromMilliseconds(number)), out problem);
            case SettingKind.Text or SettingKind.Address or SettingKind.Url when syntax is StringValueSyntax { Value: "" }:
                problem = "must not be empty";
                return setting.IsOptional;
            case SettingKind.Text when syntax is StringValueSyntax { Value: { } text } && !text.Any(char.IsControl):
                value = text;
                return true;
            case SettingKind.Address when syntax is StringValueSyntax text && EndpointText.TryParse(text.Value, out var endpoint):
                value = endpoint;
                return true;
            case SettingKind.Url when syntax is StringValueSyntax text && TryUrl(text.Value, out var url):
                value = url;
                return true;
            case SettingKind.AddressList when TryList(syntax, Endpoint, out List<IPEndPoint> list):
                value = list;
                return InRange(setting, list.Count, Entries, out problem);
            case SettingKind.WholeList when TryList(syntax, Whole, out List<int> list):
                value = list;
                return InRange(setting, list.Count, Entries, out problem);
            case SettingKind.TextList when TryList(syntax, Text, out List<string> list):
                value = list;
                return InRange(setting, list.Count, Entries, out problem);
            default:
                problem = $"must be {Expected(setting.Kind)}";
                return false;
        }
    }

    /// <summary>The value as it stands in the file.</summary>
    public static string Format(Setting setting, object? value) => value switch
    {
        null => "\"\"",
        bool flag => flag ? "true" : "false",
        TimeSpan duration => Quote(DurationText.Format(duration)),
        int or long when setting.Kind == SettingKind.Size => Quote(SizeText.Format(Convert.ToInt64(value, CultureInfo.InvariantCulture))),
        int or long => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        IReadOnlyList<int> list => $"[{string.Join(", ", list)}]",
        IReadOnlyList<IPEndPoint> list => $"[{string.Join(", ", list.Select(entry => Quote(entry.ToString())))}]",
        IReadOnlyList<string> list => $"[{string.Join(", ", list.Select(Quote))}]",
        _ => Quote(value.ToString()!),
    };

    private static bool TryNumber(Setting setting, long number, string unit, out object? value, out string problem)
    {
        value = setting.Property.PropertyType == typeof(int) ? (object)(int)Math.Clamp(number, int.MinValue, int.MaxValue) : number;
        return InRange(setting, number, bound => unit.Length == 0 ? bound.ToString(CultureInfo.InvariantCulture) : SizeText.Format(bound), out problem);
    }

    private static bool InRange(Setting setting, long number, Func<long, string> format, out string problem)
    {
        var inside = number >= setting.Minimum && number <= setting.Maximum;
        problem = inside ? "" : $"must be {format(setting.Minimum)} to {format(setting.Maximum)}";
        return inside;
    }

    private static string Entries(long count) => string.Create(CultureInfo.InvariantCulture, $"{count} entries");

    private static bool TryList<T>(ValueSyntax syntax, Func<ValueSyntax, (bool Ok, T Value)> convert, out List<T> list)
    {
        list = [];
        if (syntax is not ArraySyntax array)
            return false;
        foreach (var item in array.Items)
        {
            if (item.Value is null || convert(item.Value) is not (true, var value))
                return false;
            list.Add(value);
        }

        return true;
    }

    private static (bool, IPEndPoint) Endpoint(ValueSyntax syntax) =>
        syntax is StringValueSyntax text && EndpointText.TryParse(text.Value, out var endpoint) ? (true, endpoint) : (false, null!);

    private static (bool, int) Whole(ValueSyntax syntax) =>
        syntax is IntegerValueSyntax { Value: >= 0 and <= int.MaxValue } number ? (true, (int)number.Value) : (false, 0);

    private static (bool, string) Text(ValueSyntax syntax) =>
        syntax is StringValueSyntax { Value: { Length: > 0 } text } ? (true, text) : (false, "");

    private static bool TryUrl(string? text, out Uri? url) =>
        Uri.TryCreate(text, UriKind.Absolute, out url) && url.Scheme is "http" or "https" && url!.Host.Length > 0;

    private static string Expected(SettingKind kind) => kind switch
    {
        SettingKind.Whole => "a whole number, such as 100",
        SettingKind.Size => "a size, such as \"64MiB\" (B, KiB, MiB, GiB)",
        SettingKind.Duration => "a time, such as \"300s\" (ms, s, m, h, d)",
        SettingKind.Switch => "true or false",
        SettingKind.Text => "text in quotes",
        SettingKind.Address => "\"IP:PORT\", such as \"192.0.2.1:1789\" or \"[2001:db8::1]:1789\"",
        SettingKind.AddressList => "a list of \"IP:PORT\", such as [\"192.0.2.1:1789\", \"[::]:1789\"]",
        SettingKind.WholeList => "a list of whole numbers, such as [0, 1]",
        SettingKind.TextList => "a list of texts, such as [\"127.0.0.1/32\"]",
        SettingKind.Url => "an absolute http or https address in quotes",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private static string Quote(string text)
    {
        var quoted = new StringBuilder("\"", text.Length + 2);
        foreach (var character in text)
        {
            if (character is '"' or '\\')
                quoted.Append('\\').Append(character);
            else if (char.IsControl(character))
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:X4}");
            else
                quoted.Append(character);
        }

        return quoted.Append('"').ToString();
    }
}
