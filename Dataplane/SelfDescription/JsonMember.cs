using System.Text.Json;
using FastExit.Crypto.Primitives;
using SimpleBase;

namespace FastExit.SelfDescription;

/// <summary>Members of a JSON object that must be there and of one type; anything else is a <see cref="FormatException"/> that names the member.</summary>
internal static class JsonMember
{
    private const int LongestKeyText = 44;

    public static JsonElement Object(JsonElement from, string name) =>
        OptionalObject(from, name) ?? throw new FormatException($"{name} is missing");

    /// <summary>Null where it is absent or null.</summary>
    public static JsonElement? OptionalObject(JsonElement from, string name)
    {
        if (Find(from, name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Object ? value : throw new FormatException($"{name} is no object");
    }

    public static string Text(JsonElement from, string name) => OptionalText(from, name) ?? throw new FormatException($"{name} is missing");

    public static string? OptionalText(JsonElement from, string name)
    {
        if (Find(from, name) is not { } value)
            return null;
        return Text(value) ?? throw new FormatException($"{name} is no text");
    }

    public static IEnumerable<string> Texts(JsonElement from, string name)
    {
        if (Find(from, name) is not { ValueKind: JsonValueKind.Array } list)
            throw new FormatException($"{name} is no list");
        return list.EnumerateArray().Select(entry => Text(entry) ?? throw new FormatException($"{name} has an entry that is no text"));
    }

    public static bool Flag(JsonElement from, string name) => Find(from, name) switch
    {
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => throw new FormatException($"{name} is neither true nor false"),
    };

    /// <summary>A whole number from 0 to <paramref name="maximum"/>.</summary>
    public static uint Number(JsonElement from, string name, uint maximum) =>
        OptionalNumber(from, name, maximum) ?? throw new FormatException($"{name} is missing");

    public static uint? OptionalNumber(JsonElement from, string name, uint maximum)
    {
        if (Find(from, name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetUInt32(out var number) && number <= maximum
            ? number
            : throw new FormatException($"{name} is no whole number from 0 to {maximum}");
    }

    /// <summary>32 bytes in base58.</summary>
    public static byte[] Key(JsonElement from, string name)
    {
        var text = Text(from, name);
        return TryBase58(text, X25519.KeyBytes, out var key) ? key : throw new FormatException($"{name} is no key of 32 bytes in base58");
    }

    public static bool TryBase58(string text, int bytes, out byte[] decoded)
    {
        decoded = [];
        // Decoding takes time that grows with the square of the length.
        if (text.Length == 0 || text.Length > (bytes * LongestKeyText / X25519.KeyBytes) + 1 || !text.All(c => char.IsAsciiLetterOrDigit(c) && c is not ('0' or 'O' or 'I' or 'l')))
            return false;
        decoded = Base58.Bitcoin.Decode(text);
        return decoded.Length == bytes;
    }

    // Half a surrogate pair has no text.
    private static string? Text(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static JsonElement? Find(JsonElement from, string name)
    {
        if (from.ValueKind != JsonValueKind.Object)
            throw new FormatException($"there is no object that could have {name}");
        return from.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }
}
