using System.Runtime.InteropServices;
using FastExit.Crypto;

namespace FastExit.Bench.Client;

/// <summary>
/// The maker's side of reply SURBs (end-to-end.md §4.3, §8.5): which key belongs to which digest, and an estimate of how many SURBs the
/// service still has. A service uses SURBs in the order they came, so everything made before the newest one that was used counts as spent;
/// lost replies therefore never let the estimate drift. Bounded: the oldest keys are forgotten.
/// </summary>
internal sealed class SurbLedger(int maximumKeys, TimeSpan age)
{
    private readonly Dictionary<UInt128, Entry> _keys = [];
    private readonly Queue<(UInt128 Digest, long Created)> _order = new();
    private readonly long _ageMilliseconds = (long)age.TotalMilliseconds;
    private long _made;
    private long _newestUsed;

    public int Keys => _keys.Count;

    /// <summary>SURBs at the service or on their way there.</summary>
    public int Available => (int)(_made - _newestUsed);

    /// <param name="digest">BLAKE3 of the reply key; its first half identifies it among at most 2^16.</param>
    /// <param name="replyKey">16 bytes.</param>
    /// <param name="now">Milliseconds.</param>
    public void Add(ReadOnlySpan<byte> digest, ReadOnlySpan<byte> replyKey, long now)
    {
        while (_order.TryPeek(out (UInt128 Digest, long Created) oldest)
            && (_keys.Count >= maximumKeys || now - oldest.Created > _ageMilliseconds))
            _keys.Remove(_order.Dequeue().Digest);
        UInt128 name = MemoryMarshal.Read<UInt128>(digest);
        _keys[name] = new Entry(MemoryMarshal.Read<Bytes16>(replyKey), ++_made);
        _order.Enqueue((name, now));
        TrimUsed();
    }

    /// <summary>Single use: the key is forgotten. False: no SURB of ours, or used before.</summary>
    public bool TryUse(ReadOnlySpan<byte> digest, out Bytes16 replyKey)
    {
        replyKey = default;
        if (!_keys.Remove(MemoryMarshal.Read<UInt128>(digest), out Entry entry))
            return false;
        replyKey = entry.Key;
        _newestUsed = Math.Max(_newestUsed, entry.Index);
        return true;
    }

    /// <summary>
    /// What the service has is lost, or made for keys that are on their way out: it counts no more, but may still be used.
    /// </summary>
    public void Forget() => _newestUsed = _made;

    // The order still names used keys; without this a long download would let it grow by one entry per reply.
    private void TrimUsed()
    {
        while (_order.TryPeek(out (UInt128 Digest, long Created) oldest) && !_keys.ContainsKey(oldest.Digest))
            _order.Dequeue();
        if (_order.Count > 2 * maximumKeys)
            _keys.Remove(_order.Dequeue().Digest);
    }

    private readonly record struct Entry(Bytes16 Key, long Index);
}
