using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace FastExit.Delivery;

/// <summary>
/// What was completed lately, so that a retransmitted packet whose ack was lost is not delivered twice (end-to-end.md §3.5). Bounded
/// in number and age: the oldest go first.
/// <para>
/// A set of several fragments is known by its id. A fragment that is a whole message is known by its id and its first bytes, which a
/// retransmission repeats: ids are 31 random bits of all senders together, and a coincidence would cost an honest message.
/// </para>
/// </summary>
internal sealed class RecentSets
{
    private const int SampleBytes = 128;

    private readonly ulong[] _table;
    private readonly ulong[] _order;
    private readonly long[] _times;
    private readonly uint _mask;
    private readonly ulong _seed = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;
    private readonly long _ageMilliseconds;
    private int _head;
    private int _count;

    public RecentSets(int capacity, TimeSpan age)
    {
        capacity = (int)BitOperations.RoundUpToPowerOf2((uint)capacity);
        _order = new ulong[capacity];
        _times = new long[capacity];
        _table = new ulong[capacity * 2];
        _mask = (uint)_table.Length - 1;
        _ageMilliseconds = (long)age.TotalMilliseconds;
    }

    public int Count => _count;

    /// <summary>Key of a set of several fragments.</summary>
    public static ulong KeyOf(uint setId) => setId;

    /// <summary>Key of a fragment that is a whole message, <paramref name="message"/> being what follows its header.</summary>
    public ulong KeyOf(uint setId, ReadOnlySpan<byte> message)
    {
        ReadOnlySpan<byte> sample = message[..Math.Min(message.Length, SampleBytes)];
        ulong hash = _seed + (uint)sample.Length;
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(sample))
            hash = Fold(hash ^ word);
        foreach (byte rest in sample[(sample.Length & ~7)..])
            hash = Fold(hash ^ rest);
        return ((hash | 1) << 32) | setId;
    }

    public bool Contains(ulong key) => _table[Find(key)] == key;

    /// <summary>False: it was there already.</summary>
    public bool TryAdd(ulong key, long now)
    {
        Expire(now);
        uint place = Find(key);
        if (_table[place] == key)
            return false;
        if (_count == _order.Length)
        {
            RemoveOldest();
            place = Find(key);
        }

        _table[place] = key;
        int tail = (_head + _count) & (_order.Length - 1);
        _order[tail] = key;
        _times[tail] = now;
        _count++;
        return true;
    }

    public void Expire(long now)
    {
        while (_count > 0 && now - _times[_head] > _ageMilliseconds)
            RemoveOldest();
    }

    private void RemoveOldest()
    {
        uint hole = Find(_order[_head]);
        _head = (_head + 1) & (_order.Length - 1);
        _count--;
        // Linear probing without tombstones: entries behind the hole move up when their home allows it.
        uint next = hole;
        while (true)
        {
            next = (next + 1) & _mask;
            ulong entry = _table[next];
            if (entry == 0)
                break;
            if (((next - Home(entry)) & _mask) >= ((next - hole) & _mask))
            {
                _table[hole] = entry;
                hole = next;
            }
        }

        _table[hole] = 0;
    }

    private uint Find(ulong key)
    {
        uint place = Home(key);
        while (_table[place] != 0 && _table[place] != key)
            place = (place + 1) & _mask;
        return place;
    }

    // Set ids are the senders' choice: the seed keeps them from choosing collisions.
    private uint Home(ulong key) => (uint)Fold(key ^ _seed) & _mask;

    private static ulong Fold(ulong value)
    {
        ulong high = Math.BigMul(value, 0x9E37_79B9_7F4A_7C15ul, out ulong low);
        return high ^ low;
    }
}
