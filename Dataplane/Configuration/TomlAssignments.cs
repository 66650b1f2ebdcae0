using Tomlyn.Parsing;
using Tomlyn.Syntax;

namespace FastExit.Configuration;

/// <summary>One `section.key = value` with the place it stands at.</summary>
internal readonly record struct TomlAssignment(string Key, ValueSyntax Value, string Place);

/// <summary>A TOML document as a flat list of assignments; tables, dotted keys and inline tables all come out the same.</summary>
internal static class TomlAssignments
{
    // Deeper nesting has no meaning here, and the parser recurses over it.
    private const int MaximumNesting = 16;
    private const int MaximumCharacters = 1 << 20;

    /// <exception cref="ConfigurationException">Not TOML, or a key stands twice.</exception>
    public static List<TomlAssignment> Parse(string text, Func<int, string> place)
    {
        if (text.Length > MaximumCharacters)
            throw new ConfigurationException($"{place(1)}: more than {MaximumCharacters} characters; is it the right file?");
        RefuseNesting(text, place);
        var document = Syntax(text, place);
        foreach (var diagnostic in document.Diagnostics)
        {
            if (diagnostic.Kind == DiagnosticMessageKind.Error)
                throw new ConfigurationException($"{place(diagnostic.Span.Start.Line + 1)}: not valid TOML: {Printable(diagnostic.Message.TrimEnd('.'))}; {Mend(diagnostic.Message)}");
        }

        var assignments = new List<TomlAssignment>();
        foreach (var pair in document.KeyValues)
            Flatten("", pair, place, assignments);
        foreach (var table in document.Tables)
        {
            var section = table.Name is null ? "" : Name(table.Name);
            if (table is TableArraySyntax)
                throw new ConfigurationException($"{place(table.Span.Start.Line + 1)}: [[{Printable(section)}]] is a list of tables; write [{Printable(section)}]");
            foreach (var pair in table.Items)
                Flatten(section + ".", pair, place, assignments);
        }

        var keys = new HashSet<string>(StringComparer.Ordinal);
        foreach (var assignment in assignments)
        {
            if (!keys.Add(assignment.Key))
                throw new ConfigurationException($"{assignment.Place}: {Printable(assignment.Key)} stands twice; remove one of the two");
        }

        return assignments;
    }

    /// <summary>Text from a file, safe to show on one line of a terminal.</summary>
    public static string Printable(string text)
    {
        const int MaximumShown = 80;
        var shown = text.Length > MaximumShown ? string.Concat(text.AsSpan(0, MaximumShown), "…") : text;
        return string.Create(shown.Length, shown, static (target, source) =>
        {
            for (var i = 0; i < source.Length; i++)
                target[i] = char.IsControl(source[i]) || char.IsSurrogate(source[i]) ? '?' : source[i];
        });
    }

    // The parser says what it met; most of the time the cause is one of these.
    private static string Mend(string message)
    {
        bool Says(string words) => message.Contains(words, StringComparison.OrdinalIgnoreCase);
        if (Says("already defined") || Says("duplicate") || Says("redefine"))
            return "remove one of the two";
        if (Says("bracket") || Says("`]`") || Says("array") || Says("`}`") || Says("table"))
            return "close every bracket: [section], or cores = [0, 1]";
        if (Says("string") || Says("quote") || Says("escape"))
            return "text begins and ends with a double quote on one line, such as announced = \"192.0.2.1:1789\"";
        return "write one key = value a line, text in double quotes, such as announced = \"192.0.2.1:1789\"";
    }

    // Half of a surrogate pair makes the parser throw instead of saying so; it does not tell the line.
    private static DocumentSyntax Syntax(string text, Func<int, string> place)
    {
        try
        {
            return SyntaxParser.Parse(text, null, validate: true);
        }
        catch (ArgumentOutOfRangeException error)
        {
            throw new ConfigurationException($"{place(1)}: not valid TOML: somewhere a character is half of a surrogate pair", error);
        }
    }

    private static void Flatten(string prefix, KeyValueSyntax pair, Func<int, string> place, List<TomlAssignment> assignments)
    {
        if (pair.Key is null || pair.Value is null)
            throw new ConfigurationException($"{place(pair.Span.Start.Line + 1)}: not valid TOML: a key or its value is missing; write key = value, or remove the line");
        var key = prefix + Name(pair.Key);
        if (pair.Value is not InlineTableSyntax table)
        {
            assignments.Add(new TomlAssignment(key, pair.Value, place(pair.Span.Start.Line + 1)));
            return;
        }

        foreach (var item in table.Items)
        {
            if (item.KeyValue is not null)
                Flatten(key + ".", item.KeyValue, place, assignments);
        }
    }

    private static string Name(KeySyntax key)
    {
        var name = Part(key.Key);
        foreach (var dotted in key.DotKeys)
            name = $"{name}.{Part(dotted.Key)}";
        return name;
    }

    private static string Part(BareKeyOrStringValueSyntax? part) => part switch
    {
        BareKeySyntax bare => bare.Key?.Text ?? "",
        StringValueSyntax text => text.Value ?? "",
        _ => "",
    };

    private static void RefuseNesting(string text, Func<int, string> place)
    {
        var depth = 0;
        var line = 1;
        foreach (var character in text)
        {
            depth += character switch
            {
                '[' or '{' => 1,
                ']' or '}' => -1,
                _ => 0,
            };
            if (character == '\n')
            {
                line++;
            }

            if (depth > MaximumNesting)
                throw new ConfigurationException($"{place(line)}: brackets are nested more than {MaximumNesting} deep; no setting needs that, so close or remove them");
        }
    }
}
