using System.Numerics;
using System.Security.Cryptography;

namespace FastExit.IpPacketRouter;

/// <summary>
/// "At most once per interval and key" in fixed memory: a direct-mapped table of keys and times. Two keys that fall on one place push
/// each other out, so a key may rarely pass too early, never be refused by another's doing; a secret decides who meets whom.
/// </summary>
internal sealed class RecentKeys
{
    private readonly Entry[] _entries;
    private readonly int _shift;
    private readonly ulong _secret = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;

    /// <param name="entries">A power of two.</param>
    public RecentKeys(int entries)
    {
        _entries = new Entry[entries];
        _shift = 64 - BitOperations.Log2((uint)entries);
    }

    /// <summary>True, and the interval begins, unless the key passed less than an interval ago.</summary>
    public bool TryPass(ulong key, long intervalMilliseconds, long nowMilliseconds)
    {
        ref Entry entry = ref _entries[(int)(((key ^ _secret) * 0x9E3779B97F4A7C15) >> _shift)];
        if (entry.Used && entry.Key == key && nowMilliseconds - entry.At < intervalMilliseconds)
            return false;
        entry = new Entry { Used = true, Key = key, At = nowMilliseconds };
        return true;
    }

    private struct Entry
    {
        public bool Used;
        public ulong Key;
        public long At;
    }
}
