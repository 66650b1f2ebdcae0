using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FastExit.Configuration;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using Microsoft.Win32.SafeHandles;

namespace FastExit.Sphinx;

/// <summary>
/// The file that a <see cref="ReplayFilter"/> lies in, so that its packets are refused after a restart too, however the process ended.
/// Layout, little endian: magic (8), version (4), buckets (4), SHA-256 of the Sphinx public key (32), SHA-256 of those 48 bytes (32),
/// zeros up to 4,096, then the buckets of 64 bytes. All blocks are allocated when the file is made, so a full disk is found then and not
/// in the middle of a packet. What the kernel had not written yet is lost with the host's power, and nothing else.
/// </summary>
internal static class ReplayFilterFile
{
    public const int HeaderBytes = 4096;

    /// <summary>Of layout and tags alike: 1 had every tag as sphinx.md §4.3 has it.</summary>
    public const uint Version = 2;
    private const int SignedBytes = 48;
    private const int ChunkBytes = 1 << 20;

    private static ReadOnlySpan<byte> Magic => "FXREPLAY"u8;

    public static long FileBytes(uint buckets) => HeaderBytes + ((long)buckets * ReplayFilter.BucketBytes);

    /// <summary>Maps the file if it is sound and of this key and size.</summary>
    /// <returns>Null and why not; the file is as it was.</returns>
    public static (PinnedRegion Region, long Packets)? TryOpen(
        string path, ReadOnlySpan<byte> publicKey, uint buckets, out string? problem)
    {
        try
        {
            var info = new FileInfo(path);
            problem = info.LinkTarget is not null ? "is a symbolic link"
                : (File.GetUnixFileMode(path) & ~DurableFile.PrivateFile) != 0 ? "is open to other users"
                : null;
            if (problem is not null)
                return null;
            using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            Span<byte> header = stackalloc byte[SignedBytes + SHA256.HashSizeInBytes];
            Span<byte> expected = stackalloc byte[SignedBytes + SHA256.HashSizeInBytes];
            WriteHeader(expected, publicKey, buckets);
            int read = RandomAccess.Read(file, header, 0);
            problem = read < header.Length ? "is too short"
                : !header[..8].SequenceEqual(Magic) ? "is no replay filter"
                : !SHA256.HashData(header[..SignedBytes]).AsSpan().SequenceEqual(header[SignedBytes..]) ? "has a damaged header"
                : !header[8..12].SequenceEqual(expected[8..12]) ? "is of another version"
                : !header[16..SignedBytes].SequenceEqual(expected[16..SignedBytes]) ? "belongs to another key"
                : !header[12..16].SequenceEqual(expected[12..16]) ? "was made for another mix_link.replay_filter_packets"
                : RandomAccess.GetLength(file) != FileBytes(buckets) ? "has the wrong length"
                : null;
            if (problem is not null)
                return null;
            long packets = Count(file, buckets);
            if (packets >= 0)
                return (PinnedRegion.MapFile(file, FileBytes(buckets)), packets);
            problem = "has damaged entries";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NativeException)
        {
            problem = $"cannot be read ({error.Message.ReplaceLineEndings(" ")})";
        }

        return null;
    }

    /// <summary>Makes and maps an empty file, in the place of whatever has its name.</summary>
    /// <exception cref="IOException">The disk is full, most likely.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory is not ours.</exception>
    /// <exception cref="NativeException">It cannot be mapped.</exception>
    public static PinnedRegion Create(string path, ReadOnlySpan<byte> publicKey, uint buckets)
    {
        string temporary = path + ".tmp";
        File.Delete(temporary);
        try
        {
            PinnedRegion region;
            using (var stream = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Share = FileShare.ReadWrite | FileShare.Delete,
                BufferSize = 0,
                PreallocationSize = FileBytes(buckets),
                UnixCreateMode = DurableFile.PrivateFile,
            }))
            {
                Span<byte> header = stackalloc byte[SignedBytes + SHA256.HashSizeInBytes];
                WriteHeader(header, publicKey, buckets);
                stream.SetLength(FileBytes(buckets));
                stream.Write(header);
                region = PinnedRegion.MapFile(stream.SafeFileHandle, FileBytes(buckets));
            }

            File.Move(temporary, path, overwrite: true);
            return region;
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static void WriteHeader(Span<byte> header, ReadOnlySpan<byte> publicKey, uint buckets)
    {
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], buckets);
        SHA256.HashData(publicKey, header[16..]);
        SHA256.HashData(header[..SignedBytes], header[SignedBytes..]);
    }

    /// <summary>Entries in use; -1: a bucket has a gap, which no filter leaves. By reading, so that the process does not grow by it.</summary>
    private static long Count(SafeFileHandle file, uint buckets)
    {
        byte[] chunk = GC.AllocateUninitializedArray<byte>(ChunkBytes);
        long used = 0;
        long end = FileBytes(buckets);
        for (long at = HeaderBytes; at < end;)
        {
            Span<byte> part = chunk.AsSpan(0, (int)Math.Min(ChunkBytes, end - at));
            for (int have = 0; have < part.Length;)
            {
                int read = RandomAccess.Read(file, part[have..], at + have);
                if (read == 0)
                    return -1;
                have += read;
            }

            at += part.Length;
            for (int bucket = 0; bucket < part.Length; bucket += ReplayFilter.BucketBytes)
            {
                ReadOnlySpan<uint> entries = MemoryMarshal.Cast<byte, uint>(part.Slice(bucket, ReplayFilter.BucketBytes));
                int filled = entries.IndexOf(0u);
                if (filled < 0)
                    filled = entries.Length;
                if (entries[filled..].ContainsAnyExcept(0u))
                    return -1;
                used += filled;
            }
        }

        return used;
    }
}
