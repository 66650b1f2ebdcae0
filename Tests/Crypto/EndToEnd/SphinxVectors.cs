using System.Text.Json;

namespace FastExit.Tests.Crypto.EndToEnd;

/// <summary>The known answers in Vectors/sphinx.json.</summary>
internal static class SphinxVectors
{
    private static readonly JsonElement Root = Load();

    public static JsonElement.ArrayEnumerator Surbs => Root.GetProperty("surbs").EnumerateArray();

    public static JsonElement.ArrayEnumerator BadSurbs => Root.GetProperty("bad_surbs").EnumerateArray();

    public static JsonElement.ArrayEnumerator Primitive(string name) =>
        Root.GetProperty("primitives").GetProperty(name).EnumerateArray();

    public static byte[] Hex(this JsonElement element, string name) =>
        Convert.FromHexString(element.GetProperty(name).GetString()!);

    private static JsonElement Load()
    {
        string path = Path.Combine(AppContext.BaseDirectory, "Vectors", "sphinx.json");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }
}
