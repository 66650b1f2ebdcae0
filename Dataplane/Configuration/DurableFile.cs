using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace FastExit.Configuration;

/// <summary>
/// Files that are either wholly there or not at all, also after a crash: temporary file beside the target, fsync, rename(2),
/// fsync of the directory. A failure removes the temporary file and leaves an older target untouched.
/// </summary>
internal static partial class DurableFile
{
    public const UnixFileMode PrivateFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    public const UnixFileMode PublicFile = PrivateFile | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private const int OpenReadOnlyDirectory = 0x10000 | 0x80000; // O_DIRECTORY | O_CLOEXEC, the same on x86-64 and …
    private const int OpenReadOnlyDirectoryArm = 0x4000 | 0x80000; // … on Arm

    /// <exception cref="IOException">Nothing was changed.</exception>
    /// <exception cref="UnauthorizedAccessException">Nothing was changed.</exception>
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        var target = Path.GetFullPath(path);
        var directory = Path.GetDirectoryName(target) ?? throw new IOException($"{path} is a directory");
        var temporary = $"{target}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6))}.tmp";
        try
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Share = FileShare.None,
                BufferSize = 0, // no copy of key material in a managed buffer
                UnixCreateMode = mode,
            };
            using (var stream = new FileStream(temporary, options))
            {
                File.SetUnixFileMode(stream.SafeFileHandle, mode); // whatever the umask took away
                stream.Write(content);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            TryDelete(temporary);
            throw;
        }

        SynchronizeDirectory(directory);
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one worth reporting.
        }
    }

    /// <summary>Makes renames and new names in a directory last; best effort.</summary>
    public static void SynchronizeDirectory(string directory)
    {
        var flags = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm
            ? OpenReadOnlyDirectoryArm
            : OpenReadOnlyDirectory;
        var descriptor = Open(directory, flags);
        if (descriptor < 0)
            return; // unreadable directory: the rename is done, only its durability is left to the kernel

        _ = Fsync(descriptor); // EINVAL on file systems without directory fsync
        _ = Close(descriptor);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
