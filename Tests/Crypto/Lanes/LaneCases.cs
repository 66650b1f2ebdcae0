using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using Xunit;

namespace FastExit.Tests.Crypto.Lanes;

/// <summary>Levels that this machine can run, and random batches for the differential tests.</summary>
internal static class LaneCases
{
    /// <summary>Messages that a differential test compares at each level.</summary>
    public const int Messages = 100_000;

    private static readonly int[] Edges =
    [
        0, 1, 15, 16, 17, 31, 32, 33, 55, 56, 57, 63, 64, 65, 95, 96, 111, 112, 119, 120, 127, 128, 129, 183, 184, 191, 192,
        193, 255, 256, 257,
    ];

    public static TheoryData<CpuLevel> Levels => [.. Enum.GetValues<CpuLevel>().Where(level => level <= CpuLevels.Highest)];

    /// <summary>
    /// Batches of 1 to lanes + 3 messages until there have been so many: equal lengths, edges of lengths, or any up to
    /// longest. Messages lie where they like in the region and may overlap.
    /// </summary>
    public static void ForEachBatch(
        int seed, int lanes, int messages, int longest, Action<Random, byte[], LaneRange[]> check)
    {
        Random random = new(seed);
        byte[] region = new byte[2 * longest + 64];
        for (int done = 0; done < messages;)
        {
            random.NextBytes(region);
            LaneRange[] ranges = new LaneRange[1 + random.Next(lanes + 3)];
            int kind = random.Next(3), equal = Length(random, random.Next(2), longest);
            for (int i = 0; i < ranges.Length; i++)
            {
                int length = kind == 2 ? equal : Length(random, kind, longest);
                ranges[i] = new(random.Next(region.Length - length + 1), length);
            }

            check(random, region, ranges);
            done += ranges.Length;
        }
    }

    /// <summary>The same ranges one behind the other with gaps of up to 3 bytes, and a region that holds them.</summary>
    public static (byte[] Region, LaneRange[] Ranges) Apart(Random random, LaneRange[] ranges)
    {
        LaneRange[] apart = new LaneRange[ranges.Length];
        int offset = random.Next(4);
        for (int i = 0; i < ranges.Length; i++)
        {
            apart[i] = new(offset, ranges[i].Length);
            offset += ranges[i].Length + random.Next(4);
        }

        byte[] region = new byte[offset];
        random.NextBytes(region);
        return (region, apart);
    }

    public static byte[] Bytes(Random random, int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    private static int Length(Random random, int kind, int longest) =>
        Math.Min(longest, kind == 0 ? Edges[random.Next(Edges.Length)] : random.Next(longest + 1));
}
