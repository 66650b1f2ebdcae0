using System.Numerics;
using System.Security.Cryptography;

namespace FastExit.NetworkRequester;

/// <summary>
/// Who a connection belongs to: the sender tag's peer, or <see cref="Exposed"/> for clients that gave a return address, whose Sends
/// carry nothing but the id; and the 64-bit id the client chose.
/// </summary>
internal readonly record struct ConnectionKey(int Peer, ulong Id)
{
    public const int Exposed = Delivery.InboundMessage.NoPeer;
}

/// <summary>
/// <see cref="ConnectionKey"/> to index: open addressing with linear probing over arrays that are allocated once, at most half full,
/// no tombstones (removal shifts the followers back). Ids are the clients' choice, so the hash is keyed.
/// </summary>
internal sealed class ConnectionMap
{
    private readonly Entry[] _entries;
    private readonly int _mask;
    private readonly int _limit;
    private readonly ulong _hashKey;
    private readonly ulong _hashFactor;

    public ConnectionMap(int limit)
    {
        _limit = limit;
        _entries = new Entry[(int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, limit * 2))];
        _mask = _entries.Length - 1;
        Span<byte> random = stackalloc byte[16];
        RandomNumberGenerator.Fill(random);
        _hashKey = BitConverter.ToUInt64(random);
        _hashFactor = BitConverter.ToUInt64(random[8..]) | 1;
    }

    public int Count { get; private set; }

    public bool TryGet(ConnectionKey key, out int value)
    {
        for (int at = Home(key); _entries[at].Value != 0; at = (at + 1) & _mask)
        {
            if (_entries[at].Id == key.Id && _entries[at].Peer == key.Peer)
            {
                value = _entries[at].Value - 1;
                return true;
            }
        }

        value = -1;
        return false;
    }

    /// <summary>False: full. The key must not be there.</summary>
    public bool TryAdd(ConnectionKey key, int value)
    {
        if (Count == _limit)
            return false;
        int at = Home(key);
        while (_entries[at].Value != 0)
            at = (at + 1) & _mask;
        _entries[at] = new Entry { Id = key.Id, Peer = key.Peer, Value = value + 1 };
        Count++;
        return true;
    }

    public bool Remove(ConnectionKey key)
    {
        int at = Home(key);
        while (_entries[at].Id != key.Id || _entries[at].Peer != key.Peer || _entries[at].Value == 0)
        {
            if (_entries[at].Value == 0)
                return false;
            at = (at + 1) & _mask;
        }

        int hole = at;
        for (int next = (hole + 1) & _mask; _entries[next].Value != 0; next = (next + 1) & _mask)
        {
            int home = Home(new ConnectionKey(_entries[next].Peer, _entries[next].Id));

            // Moves back only where that does not put it before its home.
            if (((next - home) & _mask) >= ((next - hole) & _mask))
            {
                _entries[hole] = _entries[next];
                hole = next;
            }
        }

        _entries[hole] = default;
        Count--;
        return true;
    }

    private int Home(ConnectionKey key)
    {
        ulong mixed = (key.Id ^ _hashKey) + ((ulong)(uint)key.Peer * 0x9E37_79B9_7F4A_7C15);
        ulong high = Math.BigMul(mixed, _hashFactor, out ulong low);
        mixed = (high ^ low) * 0xD6E8_FEB8_6659_FD93;
        return (int)(mixed >> 32) & _mask;
    }

    private struct Entry
    {
        public ulong Id;
        public int Peer;

        /// <summary>Value + 1; 0 is empty.</summary>
        public int Value;
    }
}

/// <summary>
/// Keys of connections that ended: what still arrives for them is dropped instead of kept as early data, and a Connect that the
/// mixnet delivers twice does not open a second socket. All live equally long, so the oldest is always the next to go.
/// </summary>
internal sealed class Tombstones
{
    private readonly ConnectionMap _map;
    private readonly ConnectionKey[] _keys;
    private readonly long[] _expiries;
    private readonly long _age;
    private int _first;

    public Tombstones(int limit, TimeSpan age)
    {
        _map = new ConnectionMap(limit);
        _keys = new ConnectionKey[limit];
        _expiries = new long[limit];
        _age = (long)age.TotalMilliseconds;
    }

    public int Count { get; private set; }

    public bool Contains(ConnectionKey key) => _map.TryGet(key, out _);

    public void Add(ConnectionKey key, long nowMilliseconds)
    {
        if (_keys.Length == 0 || _map.TryGet(key, out _))
            return;
        if (Count == _keys.Length)
            RemoveOldest();
        int at = (int)(((uint)_first + (uint)Count) % (uint)_keys.Length);
        _keys[at] = key;
        _expiries[at] = nowMilliseconds + _age;
        Count++;
        _map.TryAdd(key, at);
    }

    public void Expire(long nowMilliseconds)
    {
        while (Count > 0 && _expiries[_first] <= nowMilliseconds)
            RemoveOldest();
    }

    private void RemoveOldest()
    {
        _map.Remove(_keys[_first]);
        _first = _first + 1 == _keys.Length ? 0 : _first + 1;
        Count--;
    }
}
