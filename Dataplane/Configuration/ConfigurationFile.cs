using System.Globalization;
using System.Net;
using System.Text;

namespace FastExit.Configuration;

/// <summary>
/// `config.toml` in the data directory: TOML tables named after the records of <see cref="ExitSettings"/>, keys after their properties.
/// Keys that are left out have their defaults; unknown ones are refused. Relative paths count from the data directory.
/// </summary>
internal static class ConfigurationFile
{
    public const string Name = "config.toml";

    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static string PathIn(string dataDirectory) => Path.Combine(dataDirectory, Name);

    /// <summary>Reads the file, lays <paramref name="overrides"/> (`section.key=value`, TOML values) over it and checks the whole.</summary>
    /// <exception cref="ConfigurationException">The first thing that is wrong, on one line.</exception>
    public static ExitSettings Load(string dataDirectory, IReadOnlyList<string> overrides)
    {
        var path = PathIn(dataDirectory);
        try
        {
            return Parse(dataDirectory, path, s_strictUtf8.GetString(File.ReadAllBytes(path)), overrides);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ConfigurationException($"{path}: no such file; run `fastexit init --data-dir {dataDirectory}`", error);
        }
        catch (DecoderFallbackException error)
        {
            throw new ConfigurationException($"{path}: not valid UTF-8 text; save the file as UTF-8", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{path}: cannot be read ({error.Message.ReplaceLineEndings(" ")}); make it readable for this user", error);
        }
    }

    public static ExitSettings Parse(string dataDirectory, string path, string text, IReadOnlyList<string> overrides)
    {
        if (text.StartsWith('\uFEFF'))
            text = text[1..];
        var values = new Dictionary<string, SettingDraft.Entry>(StringComparer.Ordinal);
        Take(TomlAssignments.Parse(text, line => string.Create(CultureInfo.InvariantCulture, $"{path}: line {line}")), values);
        foreach (var entry in overrides)
            Take(Override(entry), values);
        return new SettingDraft(Path.GetFullPath(dataDirectory), path, values).Build();
    }

    /// <summary>The whole file with a comment on every key.</summary>
    public static string Format(ExitSettings settings)
    {
        var text = new StringBuilder(
            "# FastExit. A key that is removed has its default.\n"
            + "# Times: \"1500ms\", \"300s\", \"5m\", \"6h\", \"7d\". Sizes: \"512B\", \"64KiB\", \"64MiB\", \"2GiB\".\n");
        var section = "";
        foreach (var setting in Setting.All)
        {
            if (setting.Section != section)
            {
                section = setting.Section;
                text.Append('\n');
                if (SettingNotes.ForSection(section) is { } about)
                    text.Append(CultureInfo.InvariantCulture, $"# {about}\n");
                text.Append(CultureInfo.InvariantCulture, $"[{section}]\n");
            }

            if (setting.Note is { } note)
                text.Append(CultureInfo.InvariantCulture, $"# {note}\n");
            text.Append(CultureInfo.InvariantCulture, $"{setting.Name} = {SettingValue.Format(setting, Written(setting, settings))}\n");
        }

        return text.ToString();
    }

    // What lies in the data directory moves with it.
    private static object? Written(Setting setting, ExitSettings settings)
    {
        var value = setting.Read(settings);
        if (!setting.IsPath || value is not string path)
            return value;
        var relative = Path.GetRelativePath(settings.DataDirectory, path);
        return Path.IsPathRooted(relative) || relative is "." or ".." || relative.StartsWith("../", StringComparison.Ordinal) ? path : relative;
    }

    /// <summary>The settings of a node at <paramref name="announced"/> with every other key at its default.</summary>
    public static ExitSettings Defaults(string dataDirectory, IPEndPoint announced) => new()
    {
        DataDirectory = Path.GetFullPath(dataDirectory),
        MixLink = new MixLinkSettings { Announced = announced },
        TopologyFile = Path.Combine(Path.GetFullPath(dataDirectory), "topology.json"),
    };

    private static List<TomlAssignment> Override(string entry)
    {
        var place = $"--set {TomlAssignments.Printable(entry)}";
        if (entry.AsSpan().ContainsAny('\n', '\r') || !entry.Contains('=', StringComparison.Ordinal))
            throw new ConfigurationException($"{place}: write section.key=value, for example --set 'dns.cache_entries=1000'");
        try
        {
            return TomlAssignments.Parse(entry, _ => place);
        }
        catch (ConfigurationException error)
        {
            throw new ConfigurationException($"{error.Message}; text needs its quotes, for example --set 'policy.file=\"/etc/policy.txt\"'", error);
        }
    }

    private static void Take(List<TomlAssignment> assignments, Dictionary<string, SettingDraft.Entry> values)
    {
        foreach (var (key, syntax, place) in assignments)
        {
            var setting = Setting.All.FirstOrDefault(known => known.Key == key)
                ?? throw new ConfigurationException($"{place}: {TomlAssignments.Printable(key)} is not a setting; {Nearest(key)}");
            if (!SettingValue.TryConvert(setting, syntax, out var value, out var problem))
                throw new ConfigurationException($"{place}: {key} {problem}");
            values[key] = new SettingDraft.Entry(value, place);
        }
    }

    private static string Nearest(string key)
    {
        var name = key[(key.LastIndexOf('.') + 1)..];
        var nearest = Setting.All.MinBy(setting => Math.Min(Distance(setting.Key, key), setting.Name == name ? 1 : int.MaxValue))!;
        return nearest.Name == name || Distance(nearest.Key, key) <= 5
            ? $"did you mean {nearest.Key}?"
            : "remove it, or see the list that `fastexit init` writes";
    }

    private static int Distance(string left, string right)
    {
        if (right.Length > 100)
            return int.MaxValue;
        var row = new int[right.Length + 1];
        for (var j = 0; j < row.Length; j++)
            row[j] = j;
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j < row.Length; j++)
            {
                var replaced = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
