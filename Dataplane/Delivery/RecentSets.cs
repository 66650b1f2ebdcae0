using System.Numerics;

namespace FastExit.Delivery;

/// <summary>
/// Ids of fragment sets that were completed lately, so that a retransmitted packet whose ack was lost is not delivered twice
/// (end-to-end.md §3.5). Bounded in number and age: the oldest go first.
/// </summary>
internal sealed class RecentSets
{
    private readonly uint[] _table;
    private readonly uint[] _order;
    private readonly long[] _times;
    private readonly uint _mask;
    private readonly uint _seed;
    private readonly long _ageMilliseconds;
    private int _head;
    private int _count;

    public RecentSets(int capacity, TimeSpan age)
    {
        capacity = (int)BitOperations.RoundUpToPowerOf2((uint)capacity);
        _order = new uint[capacity];
        _times = new long[capacity];
        _table = new uint[capacity * 2];
        _mask = (uint)_table.Length - 1;
        _seed = (uint)System.Security.Cryptography.RandomNumberGenerator.GetInt32(int.MaxValue) | 1;
        _ageMilliseconds = (long)age.TotalMilliseconds;
    }

    public int Count => _count;

    public bool Contains(uint setId) => _table[Find(setId)] == setId;

    /// <summary>False: it was there already.</summary>
    public bool TryAdd(uint setId, long now)
    {
        Expire(now);
        uint place = Find(setId);
        if (_table[place] == setId)
            return false;
        if (_count == _order.Length)
        {
            RemoveOldest();
            place = Find(setId);
        }

        _table[place] = setId;
        int tail = (_head + _count) & (_order.Length - 1);
        _order[tail] = setId;
        _times[tail] = now;
        _count++;
        return true;
    }

    private void Expire(long now)
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
            uint entry = _table[next];
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

    private uint Find(uint setId)
    {
        uint place = Home(setId);
        while (_table[place] != 0 && _table[place] != setId)
            place = (place + 1) & _mask;
        return place;
    }

    // Set ids are the sender's choice: the seed keeps it from choosing collisions.
    private uint Home(uint setId)
    {
        uint hash = (setId ^ _seed) * 0x9E37_79B1u;
        return (hash ^ (hash >> 15)) & _mask;
    }
}
