using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using FastExit.Configuration;

namespace FastExit.Identity;

/// <summary>
/// One secret in a file of mode 0600: a line `Checksum: ` with the first 8 bytes of SHA-256(tag || raw key) in hex, then the raw key as PEM
/// (RFC 7468; text before the block is allowed by §2, so other tools read the key). The checksum finds damage before a
/// wrong key is used.
/// </summary>
internal static class KeyFile
{
    private const UnixFileMode OthersMode =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private const int ChecksumBytes = 8;
    private const int MaximumFileBytes = 1_024;

    /// <exception cref="KeyFileException">The file could not be written; an older one is untouched.</exception>
    public static void Write(string path, string tag, ReadOnlySpan<byte> key)
    {
        using var file = new SecretBytes(MaximumFileBytes);
        var length = Format(tag, key, file.Span);
        try
        {
            DurableFile.Write(path, file.Span[..length], DurableFile.PrivateFile);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new KeyFileException($"{path}: cannot be written ({OneLine(error)}); check the directory's rights and free space", error);
        }
    }

    /// <exception cref="KeyFileException">Missing, open to others, or damaged.</exception>
    public static SecretBytes Read(string path, string tag, int keyBytes)
    {
        using var file = new SecretBytes(MaximumFileBytes + 1);
        int length;
        try
        {
            using var handle = File.OpenHandle(path);
            var mode = File.GetUnixFileMode(handle);
            if ((mode & OthersMode) != 0)
                throw new KeyFileException($"{path}: others may use this private key (mode {Octal(mode)}); run: chmod 600 '{path}'");
            length = ReadAll(handle, file.Span);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new KeyFileException($"{path}: no such file; restore it from a backup, or run `fastexit init` for a new node", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new KeyFileException($"{path}: cannot be read ({OneLine(error)}); run as the user that owns it", error);
        }

        var key = new SecretBytes(keyBytes);
        if (TryParse(file.Span[..length], tag, key.Span))
            return key;
        key.Dispose();
        throw new KeyFileException($"{path}: damaged, not a {tag} with a right checksum; restore it from a backup");
    }

    /// <exception cref="KeyFileException">Missing, or open to others.</exception>
    public static void CheckDirectory(string path)
    {
        if (File.Exists(path))
            throw new KeyFileException($"{path}: is a file, and must be the directory of the keys; move it away, then run `fastexit init`, or restore the keys from a backup");
        if (!Directory.Exists(path))
            throw new KeyFileException($"{path}: no such directory; run `fastexit init`, or restore the keys from a backup");
        var mode = File.GetUnixFileMode(path);
        if ((mode & OthersMode) != 0)
            throw new KeyFileException($"{path}: others may enter the directory of private keys (mode {Octal(mode)}); run: chmod 700 '{path}'");
    }

    public static bool TryParse(ReadOnlySpan<byte> file, string tag, Span<byte> key)
    {
        if (file.Length > MaximumFileBytes)
            return false;
        // One form only: what would be written for the key that is found must be what is there.
        Span<byte> begin = stackalloc byte[128];
        begin = begin[..Encoding.ASCII.GetBytes($"-----BEGIN {tag}-----\n", begin)];
        var start = file.IndexOf(begin);
        if (start < 0)
            return false;
        var body = file[(start + begin.Length)..];
        var end = body.IndexOf((byte)'\n');
        if (end < 0 || Base64.GetMaxDecodedFromUtf8Length(end) > key.Length + 2)
            return false;

        using var decoded = new SecretBytes(key.Length + 3);
        if (Base64.DecodeFromUtf8(body[..end], decoded.Span, out _, out var written) != System.Buffers.OperationStatus.Done
            || written != key.Length)
            return false;
        using var expected = new SecretBytes(MaximumFileBytes);
        var length = Format(tag, decoded.Span[..written], expected.Span);
        if (!CryptographicOperations.FixedTimeEquals(file, expected.Span[..length]))
            return false;
        decoded.Span[..written].CopyTo(key);
        return true;
    }

    public static int Format(string tag, ReadOnlySpan<byte> key, Span<byte> file)
    {
        using var hashed = new SecretBytes(tag.Length + key.Length);
        Encoding.ASCII.GetBytes(tag, hashed.Span);
        key.CopyTo(hashed.Span[tag.Length..]);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(hashed.Span, digest);

        var length = Encoding.ASCII.GetBytes($"Checksum: {Convert.ToHexStringLower(digest[..ChecksumBytes])}\n-----BEGIN {tag}-----\n", file);
        Base64.EncodeToUtf8(key, file[length..], out _, out var encoded);
        length += encoded;
        return length + Encoding.ASCII.GetBytes($"\n-----END {tag}-----\n", file[length..]);
    }

    private static int ReadAll(Microsoft.Win32.SafeHandles.SafeFileHandle handle, Span<byte> buffer)
    {
        var length = 0;
        while (length < buffer.Length)
        {
            var read = RandomAccess.Read(handle, buffer[length..], length);
            if (read == 0)
                break;
            length += read;
        }

        return length;
    }

    private static string Octal(UnixFileMode mode) => Convert.ToString((int)mode, 8).PadLeft(4, '0');

    private static string OneLine(Exception error) => error.Message.ReplaceLineEndings(" ").TrimEnd('.');
}
