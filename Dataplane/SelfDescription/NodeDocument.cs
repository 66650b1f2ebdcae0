namespace FastExit.SelfDescription;

/// <summary>
/// One answer, made anew only when the object that <paramref name="state"/> gives is another one than before. Any thread may read it.
/// </summary>
internal sealed class NodeDocument(Func<object> state, Func<object, byte[]> write)
{
    private Made? _made;

    /// <summary>As JSON.</summary>
    public byte[] Read() => Current().Json;

    /// <summary>As YAML.</summary>
    public byte[] ReadYaml() => Current().Yaml.Value;

    private Made Current()
    {
        var now = state();
        if (Volatile.Read(ref _made) is { } made && ReferenceEquals(made.State, now))
            return made;
        made = new Made(now, write(now));
        Volatile.Write(ref _made, made);
        return made;
    }

    private sealed class Made(object state, byte[] json)
    {
        public object State => state;

        public byte[] Json => json;

        public Lazy<byte[]> Yaml { get; } = new(() => YamlText.From(json));
    }
}
