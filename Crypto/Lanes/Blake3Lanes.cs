using System.Runtime.CompilerServices;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

/// <summary>BLAKE3 in hash mode of several short messages side by side.</summary>
/// <remarks>
/// <para>References: as <see cref="Blake3"/>.</para>
/// <para>Parameters: any number of lanes, taken in groups of 16 (AVX-512: 16 at once, or 8 in half the time; AVX2: 8). Wide
/// are messages of at most one chunk, 1024 bytes; a longer one is hashed by itself. Digests 32 bytes.</para>
/// <para>Constant time: as <see cref="Blake3"/>; time depends on lengths and their mix.</para>
/// </remarks>
public static unsafe class Blake3Lanes
{
    /// <summary>Lanes that are computed at once at most.</summary>
    public const int MaximumLanes = Blake3Wide.MaximumLanes;

    /// <summary>digests = one digest of 32 bytes for each message, in their order. They must not overlap the region.</summary>
    public static void Hash(ReadOnlySpan<byte> region, ReadOnlySpan<LaneRange> messages, Span<byte> digests) =>
        Hash(CpuLevels.Current, region, messages, digests);

    [SkipLocalsInit]
    internal static void Hash(
        CpuLevel level, ReadOnlySpan<byte> region, ReadOnlySpan<LaneRange> messages, Span<byte> digests)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(messages.Length, digests.Length / Blake3.HashBytes);
        byte* memory = stackalloc byte[Blake3Wide.MemoryBytes];
        fixed (byte* bytes = region)
        {
            for (int first = 0; first < messages.Length; first += MaximumLanes)
            {
                ReadOnlySpan<LaneRange> group =
                    messages.Slice(first, Math.Min(MaximumLanes, messages.Length - first));
                Span<byte> output = digests[(first * Blake3.HashBytes)..];
                foreach (ref readonly LaneRange lane in group)
                    lane.ThrowIfOutside(region.Length);
                bool wide = Pays(level, group.Length);
                if (wide)
                    HashChunks(new Blake3Wide(level, group.Length, memory), bytes, group, output);
                for (int lane = 0; lane < group.Length; lane++)
                {
                    LaneRange m = group[lane];
                    if (!wide || m.Length > Blake3.ChunkBytes)
                        Blake3.Hash(region.Slice(m.Offset, m.Length), output[(lane * Blake3.HashBytes)..]);
                }
            }
        }
    }

    /// <summary>Whether so many lanes are faster by a wide kernel than one after the other.</summary>
    internal static bool Pays(CpuLevel level, int lanes) => level != CpuLevel.Portable && lanes > 1;

    [SkipLocalsInit]
    private static void HashChunks(Blake3Wide wide, byte* region, ReadOnlySpan<LaneRange> messages, Span<byte> digests)
    {
        Unsafe.SkipInit(out LaneFeed feed);
        feed.Reset(messages.Length, Blake3.BlockBytes, wide.Blocks);
        for (int lane = 0; lane < messages.Length; lane++)
        {
            // First and last block are runs of their own, because their flags differ.
            int length = messages[lane].Length;
            if (length > Blake3.ChunkBytes)
                continue;
            byte* message = region + messages[lane].Offset;
            int before = Math.Max(0, length - 1) / Blake3.BlockBytes, done = before * Blake3.BlockBytes;
            feed.Append(lane, message, Math.Min(before, 1));
            feed.Append(lane, message + Blake3.BlockBytes, Math.Max(before - 1, 0));
            feed.Append(lane, wide.SetBlock(lane, new(message + done, length - done)), 1);
        }

        wide.SetState(Blake3.InitialValue);
        uint* lengths = wide.Parameters, flags = lengths + Blake3Wide.RowWords, active = flags + Blake3Wide.RowWords;
        while (feed.TryNext(out int blocks))
        {
            for (int lane = 0; lane < MaximumLanes; lane++)
            {
                active[lane] = (uint)feed.Active[lane];
                if (active[lane] == 0)
                    continue;
                bool last = feed.RunsAfter(lane) == 0;
                int length = messages[lane].Length;
                lengths[lane] = last
                    ? (uint)(length - Math.Max(0, length - 1) / Blake3.BlockBytes * Blake3.BlockBytes)
                    : Blake3.BlockBytes;
                flags[lane] = (feed.Run(lane) == 0 ? Blake3.ChunkStart : 0) | (last ? Blake3.ChunkEnd | Blake3.Root : 0);
            }

            for (; blocks > 0; blocks--)
            {
                wide.Load(feed.Pointers);
                wide.Compress();
                feed.Step();
            }
        }

        wide.StoreDigests(digests, Blake3.HashBytes, Blake3.HashBytes);
    }
}
