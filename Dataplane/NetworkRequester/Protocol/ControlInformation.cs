using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace FastExit.NetworkRequester.Protocol;

/// <summary>
/// JSON of the BinaryInfo answer (network-requester.md §1.3): <c>binary_name</c> and <c>build_information</c> with ten strings, all of
/// which a reader of the reference insists on. Control plane: allocates.
/// </summary>
public sealed record BinaryInformation
{
    /// <summary>The name under which clients know this service.</summary>
    public const string ServiceName = "nym-network-requester";

    public string BinaryName { get; init; } = ServiceName;
    public string BuildBinaryName { get; init; } = string.Empty;
    public string BuildTimestamp { get; init; } = string.Empty;
    public string BuildVersion { get; init; } = string.Empty;
    public string CommitSha { get; init; } = string.Empty;
    public string CommitTimestamp { get; init; } = string.Empty;
    public string CommitBranch { get; init; } = string.Empty;

    /// <summary>`rustc_version` on the wire: here the runtime.</summary>
    public string CompilerVersion { get; init; } = string.Empty;

    /// <summary>`rustc_channel` on the wire.</summary>
    public string CompilerChannel { get; init; } = string.Empty;

    /// <summary>`cargo_profile` on the wire: debug or release.</summary>
    public string BuildProfile { get; init; } = string.Empty;

    /// <summary>`cargo_triple` on the wire: the platform.</summary>
    public string Platform { get; init; } = string.Empty;

    /// <summary>What the assembly says of itself. The build is deterministic, so it carries no time stamp.</summary>
    public static BinaryInformation Of(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        string version = assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
        int plus = version.IndexOf('+', StringComparison.Ordinal);
        return new BinaryInformation
        {
            BuildBinaryName = assembly.GetName().Name ?? "unknown",
            BuildTimestamp = "unknown",
            BuildVersion = plus < 0 ? version : version[..plus],
            CommitSha = plus < 0 ? "unknown" : version[(plus + 1)..],
            CommitTimestamp = "unknown",
            CommitBranch = "unknown",
            CompilerVersion = RuntimeInformation.FrameworkDescription,
            CompilerChannel = "stable",
            BuildProfile = assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()?.Configuration is "Debug" ? "debug" : "release",
            Platform = RuntimeInformation.RuntimeIdentifier,
        };
    }

    public byte[] ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("binary_name", BinaryName);
            json.WriteStartObject("build_information");
            json.WriteString("binary_name", BuildBinaryName);
            json.WriteString("build_timestamp", BuildTimestamp);
            json.WriteString("build_version", BuildVersion);
            json.WriteString("commit_sha", CommitSha);
            json.WriteString("commit_timestamp", CommitTimestamp);
            json.WriteString("commit_branch", CommitBranch);
            json.WriteString("rustc_version", CompilerVersion);
            json.WriteString("rustc_channel", CompilerChannel);
            json.WriteString("cargo_profile", BuildProfile);
            json.WriteString("cargo_triple", Platform);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    public static bool TryParse(ReadOnlySpan<byte> json, out BinaryInformation information)
    {
        information = new BinaryInformation();
        if (!JsonObject.TryParse(json, out JsonElement root) || !JsonObject.TryText(root, "binary_name", out string name)
            || !root.TryGetProperty("build_information", out JsonElement build) || build.ValueKind != JsonValueKind.Object
            || !JsonObject.TryText(build, "binary_name", out string buildName)
            || !JsonObject.TryText(build, "build_timestamp", out string timestamp)
            || !JsonObject.TryText(build, "build_version", out string version)
            || !JsonObject.TryText(build, "commit_sha", out string sha)
            || !JsonObject.TryText(build, "commit_timestamp", out string commitTimestamp)
            || !JsonObject.TryText(build, "commit_branch", out string branch)
            || !JsonObject.TryText(build, "rustc_version", out string compiler)
            || !JsonObject.TryText(build, "rustc_channel", out string channel)
            || !JsonObject.TryText(build, "cargo_profile", out string profile)
            || !JsonObject.TryText(build, "cargo_triple", out string triple))
        {
            return false;
        }

        information = new BinaryInformation
        {
            BinaryName = name,
            BuildBinaryName = buildName,
            BuildTimestamp = timestamp,
            BuildVersion = version,
            CommitSha = sha,
            CommitTimestamp = commitTimestamp,
            CommitBranch = branch,
            CompilerVersion = compiler,
            CompilerChannel = channel,
            BuildProfile = profile,
            Platform = triple,
        };
        return true;
    }
}

/// <summary>
/// JSON of the SupportedRequestVersions answer: two strings that hold JSON themselves, <c>{"type":"Versioned","version":3}</c> or
/// <c>{"type":"Legacy"}</c>. A version is null for Legacy.
/// </summary>
public readonly record struct SupportedVersions(int? Interface, int? Provider)
{
    /// <summary>What this exit speaks, constant.</summary>
    public static ReadOnlySpan<byte> OwnJson =>
        """{"interface_version":"{\"type\":\"Versioned\",\"version\":3}","provider_version":"{\"type\":\"Versioned\",\"version\":3}"}"""u8;

    public static bool TryParse(ReadOnlySpan<byte> json, out SupportedVersions versions)
    {
        versions = default;
        if (!JsonObject.TryParse(json, out JsonElement root)
            || !JsonObject.TryText(root, "interface_version", out string interfaceText)
            || !JsonObject.TryText(root, "provider_version", out string providerText)
            || !TryParseVersion(interfaceText, out int? interfaceVersion)
            || !TryParseVersion(providerText, out int? providerVersion))
        {
            return false;
        }

        versions = new SupportedVersions(interfaceVersion, providerVersion);
        return true;
    }

    private static bool TryParseVersion(string json, out int? version)
    {
        version = null;
        if (!JsonObject.TryParse(System.Text.Encoding.UTF8.GetBytes(json), out JsonElement root)
            || !JsonObject.TryText(root, "type", out string type))
        {
            return false;
        }

        if (type == "Legacy")
            return true;
        if (type != "Versioned" || !root.TryGetProperty("version", out JsonElement number)
            || number.ValueKind != JsonValueKind.Number || !number.TryGetByte(out byte value))
        {
            return false;
        }

        version = value;
        return true;
    }
}

internal static class JsonObject
{
    public static bool TryParse(ReadOnlySpan<byte> json, out JsonElement root)
    {
        root = default;
        try
        {
            var reader = new Utf8JsonReader(json);
            root = JsonElement.ParseValue(ref reader);
            return root.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    public static bool TryText(JsonElement parent, string name, out string text)
    {
        text = string.Empty;
        if (!parent.TryGetProperty(name, out JsonElement element) || element.ValueKind != JsonValueKind.String)
            return false;
        try
        {
            text = element.GetString() ?? string.Empty;
        }
        catch (InvalidOperationException)
        {
            // Escapes that make no UTF-16 text.
            return false;
        }

        return true;
    }
}
