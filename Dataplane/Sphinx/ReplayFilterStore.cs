using System.Globalization;
using System.Security.Cryptography;
using FastExit.Configuration;
using FastExit.Native.Sockets;

namespace FastExit.Sphinx;

/// <summary>
/// Finds each Sphinx key's replay filter: in `replay` of the data directory (0700), one file (0600) named by the key's fingerprint; in
/// memory where that is not wanted, or not possible, which is said. A file that cannot be used is replaced by an empty one, and said too.
/// </summary>
internal sealed class ReplayFilterStore(string dataDirectory, MixLinkSettings settings, Action<string> log)
{
    public const string DirectoryName = "replay";
    private const string Extension = ".filter";

    private readonly string _directory = Path.Combine(dataDirectory, DirectoryName);

    /// <summary>Where that key's filter lies; null: in memory.</summary>
    public string? PathOf(ReadOnlySpan<byte> publicKey) => !settings.ReplayFilterPersistent ? null
        : Path.Combine(_directory, Convert.ToHexStringLower(SHA256.HashData(publicKey).AsSpan(0, 8)) + Extension);

    public ReplayFilter Open(ReadOnlySpan<byte> publicKey)
    {
        if (PathOf(publicKey) is not { } path)
            return new ReplayFilter(settings.ReplayFilterPackets);
        uint buckets = ReplayFilter.BucketsFor(settings.ReplayFilterPackets);
        try
        {
            Directory.CreateDirectory(_directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            if (Path.Exists(path))
            {
                if (ReplayFilterFile.TryOpen(path, publicKey, buckets, out string? problem) is var (region, packets))
                {
                    log(string.Create(CultureInfo.InvariantCulture, $"{path}: replay filter with {packets} packets of before"));
                    return new ReplayFilter(settings.ReplayFilterPackets, region, path);
                }

                log($"WARNING: {path} {problem}: it is discarded, and packets of before this start would be taken once more");
            }

            return new ReplayFilter(settings.ReplayFilterPackets, ReplayFilterFile.Create(path, publicKey, buckets), path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NativeException)
        {
            log($"WARNING: {path}: cannot be written ({error.Message.ReplaceLineEndings(" ")}); the replay filter is kept in memory and forgets when the process ends");
            return new ReplayFilter(settings.ReplayFilterPackets);
        }
    }

    /// <summary>Removes the files of keys that are no more.</summary>
    public void RemoveOthers(IEnumerable<string?> kept)
    {
        if (!Directory.Exists(_directory))
            return;
        foreach (string path in Directory.EnumerateFiles(_directory, "*" + Extension + "*").Except(kept.OfType<string>()).ToArray())
            Remove(path);
    }

    internal static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It is of no use any more, and the next start tries again.
        }
    }
}
