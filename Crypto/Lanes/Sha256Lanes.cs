using System.Runtime.CompilerServices;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

/// <summary>SHA-256 of several messages side by side.</summary>
/// <remarks>
/// <para>References: FIPS 180-4, as <see cref="Sha256"/>.</para>
/// <para>Parameters: any number of lanes, taken in groups of 16 (AVX-512: 16 at once, or 8 in half the time; AVX2: 8);
/// messages of any lengths, a group takes as long as its longest.</para>
/// <para>Constant time: as <see cref="Sha256"/>; time depends on lengths and their mix.</para>
/// </remarks>
public static class Sha256Lanes
{
    /// <summary>Lanes that are computed at once at most.</summary>
    public const int MaximumLanes = LaneFeed.MaximumLanes;

    /// <summary>digests = one digest of 32 bytes for each message, in their order. They must not overlap the region.</summary>
    public static void Hash(ReadOnlySpan<byte> region, ReadOnlySpan<LaneRange> messages, Span<byte> digests) =>
        Hash(CpuLevels.Current, region, messages, digests);

    [SkipLocalsInit]
    internal static unsafe void Hash(
        CpuLevel level, ReadOnlySpan<byte> region, ReadOnlySpan<LaneRange> messages, Span<byte> digests)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(messages.Length, digests.Length / Sha256.HashBytes);
        byte* memory = stackalloc byte[Sha256Wide.MemoryBytes];
        fixed (byte* bytes = region)
        {
            byte** pointers = stackalloc byte*[MaximumLanes];
            int* lengths = stackalloc int[MaximumLanes];
            while (!messages.IsEmpty)
            {
                int lanes = Math.Min(messages.Length, MaximumLanes);
                if (Sha256Wide.Pays(level, lanes))
                {
                    Sha256Wide wide = new(level, lanes, memory);
                    Place(bytes, region.Length, messages[..lanes], pointers, lengths);
                    wide.ActivateAll();
                    wide.Absorb(pointers, lengths, 0, Sha256Initial.Rows, wide.State);
                    wide.StoreDigests(wide.State, digests, Sha256.HashBytes, Sha256.HashBytes);
                }
                else
                {
                    for (int lane = 0; lane < lanes; lane++)
                    {
                        LaneRange m = messages[lane];
                        Sha256.Hash(level, region.Slice(m.Offset, m.Length), digests[(lane * Sha256.HashBytes)..]);
                    }
                }

                messages = messages[lanes..];
                digests = digests[(lanes * Sha256.HashBytes)..];
            }
        }
    }

    internal static unsafe void Place(
        byte* region, int regionBytes, ReadOnlySpan<LaneRange> ranges, byte** pointers, int* lengths)
    {
        for (int lane = 0; lane < ranges.Length; lane++)
        {
            ranges[lane].ThrowIfOutside(regionBytes);
            pointers[lane] = region + ranges[lane].Offset;
            lengths[lane] = ranges[lane].Length;
        }
    }
}
