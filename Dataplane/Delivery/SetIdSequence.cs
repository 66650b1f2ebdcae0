using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;

namespace FastExit.Delivery;

/// <summary>
/// Ids for the sets that one core sends for one service: each at home on this core (<see cref="SetHome"/>), none twice within 2^30 of
/// them, and without a visible order.
/// <para>
/// A client remembers the ids of what it has received, for as long as it lives, and takes a message with one of these ids for a late
/// duplicate, after its ack has left (end-to-end.md §3.5). Of n random ids about n² / 2^32 would be lost that way: one in each four
/// downloads of 100 MB. A plain counter would tell each client how much the others receive.
/// </para>
/// <para>
/// So the ids are a counter behind a keyed permutation of 31 bits: a Feistel network over 32 bits, walked until the result is a legal
/// id. Its key is the process's; the homes keep the cores apart, the counter's start keeps the services apart.
/// </para>
/// </summary>
internal sealed class SetIdSequence
{
    private const int Rounds = 6;
    private const int ServiceShift = 30;
    private static readonly ulong[] s_keys = NewKeys();

    private readonly int _core;
    private readonly int _cores;
    private uint _counter;

    /// <param name="core">Where the acks are awaited.</param>
    /// <param name="cores">Of the exit.</param>
    /// <param name="service">0 or 1.</param>
    public SetIdSequence(int core, int cores, int service)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)service, 1u);
        _core = core;
        _cores = cores;
        _counter = (uint)service << ServiceShift;
    }

    /// <summary>1 to 2^31 - 1.</summary>
    public uint Next()
    {
        uint setId;
        do
        {
            setId = Permute(_counter);
            _counter = (_counter + 1) & SetId.Maximum;
        }
        while (setId == 0 || SetHome.Of(setId, _cores) != _core);
        return setId;
    }

    /// <summary>A permutation of 0 to 2^31 - 1.</summary>
    internal static uint Permute(uint value)
    {
        do
        {
            uint left = value >> 16, right = value & 0xFFFF;
            foreach (ulong key in s_keys)
                (left, right) = (right, left ^ Mix(right, key));
            value = (left << 16) | right;
        }
        while (value > SetId.Maximum);
        return value;
    }

    private static uint Mix(uint half, ulong key)
    {
        ulong product = (half ^ key) * 0x9E37_79B9_7F4A_7C15ul;
        product = (product ^ (product >> 32)) * (key | 1);
        return (uint)(product >> 48);
    }

    private static ulong[] NewKeys()
    {
        var keys = new ulong[Rounds];
        RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(keys.AsSpan()));
        return keys;
    }
}
