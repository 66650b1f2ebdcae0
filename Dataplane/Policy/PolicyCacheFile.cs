using System.Text;

namespace FastExit.Policy;

/// <summary>
/// The last good fetched policy on disk: three comment lines (format, address, entity tag), then the body as fetched, so
/// the file is itself a readable policy. Written whole to a neighbour and renamed: a reader sees the old or the new one.
/// </summary>
internal sealed class PolicyCacheFile(string path)
{
    private const string Format = "# fastexit fetched policy 1";
    private const string UrlPrefix = "# url: ";
    private const string TagPrefix = "# etag: ";

    // The head adds to a body that may itself be as large as a policy may be.
    private const int MaximumHeadBytes = 16 * 1024;

    public void Write(Uri url, string? entityTag, string body)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            var directory = Path.GetDirectoryName(Path.GetFullPath(path));
            if (directory is not null) Directory.CreateDirectory(directory);
            using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                file.Write(Encoding.UTF8.GetBytes(Text(url, entityTag, body)));
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    public static string Text(Uri url, string? entityTag, string body) =>
        $"{Format}\n{UrlPrefix}{url.AbsoluteUri}\n{TagPrefix}{entityTag}\n{body}";

    /// <summary>
    /// False when there is no copy of that address. Throws <see cref="PolicyFormatException"/> or an I/O exception when
    /// there is one that cannot be used.
    /// </summary>
    public bool TryRead(Uri url, out ExitPolicy? policy, out string? entityTag)
    {
        policy = null;
        entityTag = null;
        if (!File.Exists(path)) return false;
        if (new FileInfo(path).Length > ExitPolicy.MaximumBytes + MaximumHeadBytes)
            throw new PolicyFormatException(path, 0, "the cached policy is too large", "delete the file; it is fetched anew");

        return TryParse(File.ReadAllText(path, Encoding.UTF8), path, url, out policy, out entityTag);
    }

    /// <summary>False when the text is the copy of another address.</summary>
    /// <exception cref="PolicyFormatException">Not a cached policy, or one that no server may send.</exception>
    public static bool TryParse(string text, string source, Uri url, out ExitPolicy? policy, out string? entityTag)
    {
        policy = null;
        entityTag = null;
        var lines = text.Split('\n', 4);
        if (lines.Length < 4 || lines[0] != Format || !lines[1].StartsWith(UrlPrefix, StringComparison.Ordinal)
            || !lines[2].StartsWith(TagPrefix, StringComparison.Ordinal))
        {
            throw new PolicyFormatException(source, 1, "this is not a cached policy", "delete the file; it is fetched anew");
        }

        if (lines[1][UrlPrefix.Length..] != url.AbsoluteUri) return false;
        policy = FetchedPolicy.ParseSound(lines[3], source);
        entityTag = lines[2][TagPrefix.Length..] is { Length: > 0 } tag ? tag : null;
        return true;
    }
}
