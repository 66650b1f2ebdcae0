using System.Numerics;
using System.Runtime.InteropServices;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

// Message schedules of blocks that are the same for all lanes: 64 words, round constants added.
internal static unsafe class Sha256Schedule
{
    public const int Words = 64;

    // Of the padding behind so many whole blocks of message, 1 up to this.
    private const int PaddingBlocks = 16;

    private static readonly uint[] Paddings = MakePaddings();

    /// <summary>schedule = its first 16 words expanded, constants added.</summary>
    public static void Complete(Span<uint> schedule)
    {
        for (int t = 16; t < Words; t++)
        {
            uint w15 = schedule[t - 15], w2 = schedule[t - 2];
            uint s0 = BitOperations.RotateRight(w15, 7) ^ BitOperations.RotateRight(w15, 18) ^ w15 >> 3;
            uint s1 = BitOperations.RotateRight(w2, 17) ^ BitOperations.RotateRight(w2, 19) ^ w2 >> 10;
            schedule[t] = schedule[t - 16] + s0 + schedule[t - 7] + s1;
        }

        for (int t = 0; t < Words; t++)
            schedule[t] += Sha256.RoundConstants[t];
    }

    /// <summary>The block of nothing but padding behind a message of so many bytes; false if it is not kept.</summary>
    public static bool TryPadding(ulong messageBytes, out uint* schedule)
    {
        (ulong blocks, ulong rest) = Math.DivRem(messageBytes, Sha256.BlockBytes);
        bool kept = rest == 0 && blocks is >= 1 and <= PaddingBlocks;
        schedule = kept
            ? (uint*)Marshal.UnsafeAddrOfPinnedArrayElement(Paddings, ((int)blocks - 1) * Words)
            : null;
        return kept;
    }

    private static uint[] MakePaddings()
    {
        uint[] schedules = GC.AllocateArray<uint>(PaddingBlocks * Words, pinned: true);
        for (int blocks = 1; blocks <= PaddingBlocks; blocks++)
        {
            Span<uint> schedule = schedules.AsSpan((blocks - 1) * Words, Words);
            schedule[0] = 0x80000000;
            schedule[15] = (uint)(8 * Sha256.BlockBytes * blocks);
            Complete(schedule);
        }

        return schedules;
    }
}
