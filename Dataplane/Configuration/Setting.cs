using System.Collections.Immutable;
using System.Net;
using System.Reflection;
using System.Text;

namespace FastExit.Configuration;

/// <summary>How a setting is written in the file.</summary>
internal enum SettingKind
{
    Whole,
    Size,
    Duration,
    Switch,
    Text,
    Address,
    AddressList,
    WholeList,
    TextList,
    Url,
}

/// <summary>
/// One key of `config.toml`: <see cref="Section"/> and <see cref="Name"/> are the snake_case names of the property and of the settings
/// record that has it. <see cref="Minimum"/> and <see cref="Maximum"/> bound numbers, bytes, milliseconds, or a list's entries.
/// </summary>
internal sealed class Setting
{
    private static readonly Lazy<ImmutableArray<Setting>> s_all = new(Discover);

    private Setting(PropertyInfo? room, PropertyInfo property, string section, string name)
    {
        Room = room;
        Property = property;
        Section = section;
        Name = name;
        var note = SettingNotes.For($"{section}.{name}");
        Note = note?.Text;
        Minimum = note?.Minimum ?? 0;
        Maximum = note?.Maximum ?? long.MaxValue;
        Kind = KindOf(property);
        if (property.PropertyType == typeof(int))
            Maximum = Math.Min(Maximum, int.MaxValue);
    }

    /// <summary>Every key, in the order of the file.</summary>
    public static ImmutableArray<Setting> All => s_all.Value;

    public string Section { get; }

    public string Name { get; }

    public string Key => $"{Section}.{Name}";

    public SettingKind Kind { get; }

    /// <summary>What `fastexit init` writes above the key.</summary>
    public string? Note { get; }

    public long Minimum { get; }

    public long Maximum { get; }

    public bool IsRequired => Key == SettingNotes.Announced;

    /// <summary>Text, address or URL that may be "": none.</summary>
    public bool IsOptional => Key is not (SettingNotes.Announced or SettingNotes.TopologyFile)
        && Kind is SettingKind.Text or SettingKind.Address or SettingKind.Url;

    public bool IsPath => Key is SettingNotes.TopologyFile or SettingNotes.PolicyFile or SettingNotes.MetricsTokenFile;

    /// <summary>The property of <see cref="ExitSettings"/> that holds the record; null for its own properties.</summary>
    public PropertyInfo? Room { get; }

    public PropertyInfo Property { get; }

    public object? Read(ExitSettings settings) => Property.GetValue(Room is null ? settings : Room.GetValue(settings));

    public static string SnakeCase(string name)
    {
        var text = new StringBuilder(name.Length + 8);
        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsUpper(name[i]) && i > 0)
                text.Append('_');
            text.Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    private static ImmutableArray<Setting> Discover()
    {
        var settings = ImmutableArray.CreateBuilder<Setting>();
        foreach (var room in typeof(ExitSettings).GetProperties())
        {
            if (!room.PropertyType.Name.EndsWith("Settings", StringComparison.Ordinal))
                continue;
            foreach (var property in room.PropertyType.GetProperties())
                settings.Add(new Setting(room, property, SnakeCase(room.Name), SnakeCase(property.Name)));
        }

        settings.Add(new Setting(null, typeof(ExitSettings).GetProperty(nameof(ExitSettings.TopologyFile))!, "topology", "file"));
        return settings.ToImmutable();
    }

    private static SettingKind KindOf(PropertyInfo property)
    {
        var type = property.PropertyType;
        if (type == typeof(int) || type == typeof(long))
            return property.Name.Contains("Bytes", StringComparison.Ordinal) ? SettingKind.Size : SettingKind.Whole;
        if (type == typeof(TimeSpan))
            return SettingKind.Duration;
        if (type == typeof(bool))
            return SettingKind.Switch;
        if (type == typeof(string))
            return SettingKind.Text;
        if (type == typeof(Uri))
            return SettingKind.Url;
        if (type == typeof(IPEndPoint))
            return SettingKind.Address;
        if (type == typeof(IReadOnlyList<IPEndPoint>))
            return SettingKind.AddressList;
        if (type == typeof(IReadOnlyList<int>))
            return SettingKind.WholeList;
        if (type == typeof(IReadOnlyList<string>))
            return SettingKind.TextList;
        throw new InvalidOperationException($"{property.DeclaringType?.Name}.{property.Name}: no TOML form for {type.Name}");
    }
}
