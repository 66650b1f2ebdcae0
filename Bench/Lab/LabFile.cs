using System.Text.Json;
using System.Text.Json.Serialization;

namespace FastExit.Bench.Lab;

/// <summary>An entry gateway as clients find it: identity in base58, websocket as a URL.</summary>
internal sealed record LabEntry(
    [property: JsonPropertyName("identity")] string Identity,
    [property: JsonPropertyName("websocket")] string Websocket);

/// <summary>
/// <c>lab.json</c> in a lab's folder: all that a client in another process needs, written when everything runs. A part that this lab does
/// not have is null.
/// </summary>
internal sealed record LabFile(
    [property: JsonPropertyName("directory")] string? Directory,
    [property: JsonPropertyName("directory_tls")] string? DirectoryTls,
    [property: JsonPropertyName("entry")] LabEntry? Entry,
    [property: JsonPropertyName("network_requester")] string? NetworkRequester,
    [property: JsonPropertyName("ip_packet_router")] string? IpPacketRouter,
    [property: JsonPropertyName("web")] string? Web)
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    public void Write(string path)
    {
        string temporary = path + ".new";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(this, s_indented));
        File.Move(temporary, path, overwrite: true);
    }

    /// <exception cref="LabException">There is none, or it is none.</exception>
    public static LabFile Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<LabFile>(File.ReadAllBytes(path)) ?? throw new LabException($"{path} is empty");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new LabException($"{e.Message} Start `fastexit-bench lab --dir {Path.GetDirectoryName(path)}` first");
        }
    }
}
