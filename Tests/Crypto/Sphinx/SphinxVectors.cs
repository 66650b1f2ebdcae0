using System.Text.Json;

namespace FastExit.Tests.Crypto.Sphinx;

/// <summary>The known answers of Vectors/sphinx.json (its README entry explains the fields).</summary>
internal static class SphinxVectors
{
    public static JsonElement Root { get; } =
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Vectors", "sphinx.json"))).RootElement;

    public static List<JsonElement> Entries(string section)
    {
        JsonElement element = Root;
        foreach (string name in section.Split('.'))
            element = element.GetProperty(name);
        return [.. element.EnumerateArray()];
    }

    public static byte[] Hex(this JsonElement element, string property) =>
        Convert.FromHexString(element.GetProperty(property).GetString()!);

    public static int Int(this JsonElement element, string property) => element.GetProperty(property).GetInt32();

    public static string Text(this JsonElement element, string property) => element.GetProperty(property).GetString()!;

    public static List<JsonElement> List(this JsonElement element, string property) =>
        [.. element.GetProperty(property).EnumerateArray()];

    public static byte[] Joined(this List<JsonElement> elements, string property) =>
        [.. elements.SelectMany(e => e.Hex(property))];
}
