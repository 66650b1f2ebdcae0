using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;

namespace FastExit.Delivery;

/// <summary>
/// The clients of one core with their SURBs, and how many of those to ask for (end-to-end.md §8). The reference keeps ten SURBs back
/// and asks for ten more when fewer than ten are left, which starves a download; here only <see cref="DeliverySettings.SurbReserve"/>
/// are kept back (for asking), and the amount asked for follows what the client used in the last two seconds.
/// </summary>
internal sealed class Clients : IDisposable
{
    private const long DemandWindowMilliseconds = 1000;
    private const int SmallestRequest = 10;

    // At the limit a client that said nothing for this long, and for whom nothing is under way, gives way to a newcomer.
    private const long EvictionSilenceMilliseconds = 30_000;

    private readonly DeliverySettings _settings;
    private readonly CoreCounters _counters;
    private readonly long _surbAge;
    private readonly long _peerAge;
    private readonly long _requestAgain;

    public Clients(DeliverySettings settings, bool hugePages, CoreCounters counters)
    {
        _settings = settings;
        _counters = counters;
        Peers = new PeerTable(settings.MaximumPeers);
        Surbs = new SurbStore(settings, hugePages);
        _surbAge = (long)settings.SurbAge.TotalMilliseconds;
        _peerAge = (long)settings.PeerAge.TotalMilliseconds;
        _requestAgain = (long)settings.SurbRequestAgain.TotalMilliseconds;
    }

    public PeerTable Peers { get; }

    public SurbStore Surbs { get; }

    /// <summary>The client with that tag; a new one is only opened when it brings SURBs or data, else it is not worth a place.</summary>
    public bool TryTouch(PeerTag tag, bool mayOpen, long now, out int peer)
    {
        if (!Peers.TryFind(tag, out peer))
        {
            if (!mayOpen)
            {
                _counters.Increment(Counter.Delivery_NoReturnPath);
                return false;
            }

            MakeRoom(now);
            if (!Peers.TryOpen(tag, now, out peer))
            {
                _counters.Increment(Counter.Delivery_PeersRefusedLimit);
                return false;
            }

            _counters.Increment(Counter.Delivery_PeersOpened);
        }

        Peers[peer].LastHeard = now;
        return true;
    }

    /// <summary>The peer of a return address whose gateway stands at <paramref name="gateway"/> in the route book.</summary>
    public bool TryTouch(in Recipient recipient, int gateway, long now, out int peer)
    {
        if (!Peers.TryFind(recipient, out peer))
        {
            MakeRoom(now);
            if (!Peers.TryOpen(recipient, now, out peer))
            {
                _counters.Increment(Counter.Delivery_PeersRefusedLimit);
                return false;
            }

            _counters.Increment(Counter.Delivery_PeersOpened);
        }

        Peers[peer].Gateway = gateway;
        Peers[peer].LastHeard = now;
        return true;
    }

    public void AddSurbs(int index, SurbBlock block, bool requested, long now)
    {
        ref Peer peer = ref Peers[index];
        if (requested)
            peer.Requested = Math.Max(0, peer.Requested - block.Count);
        bool evicted = false;
        for (int i = 0; i < block.Count; i++)
        {
            bool added = peer.Surbs.Count < _settings.MaximumSurbsPerPeer
                && Surbs.TryAdd(ref peer.Surbs, block[i].Bytes, block.Rotation, now);
            if (!added && !evicted && peer.Surbs.Count < _settings.MaximumSurbsPerPeer
                && Peers.TryFindStale(now, EvictionSilenceMilliseconds, out int stale) && stale != index)
            {
                // The store is full: a silent client's SURBs give way, once a message.
                evicted = true;
                Close(stale, Counter.Delivery_PeersEvicted);
                added = Surbs.TryAdd(ref peer.Surbs, block[i].Bytes, block.Rotation, now);
            }

            if (added)
                _counters.Increment(Counter.Delivery_SurbsReceived);
            else
                _counters.Increment(Counter.Delivery_SurbsDropped);
        }
    }

    /// <summary>SURBs that data may use now.</summary>
    public int Available(ref readonly Peer peer) =>
        Math.Max(0, peer.Surbs.Count - _settings.SurbReserve - peer.Committed);

    public void CountUse(ref Peer peer, long now)
    {
        RollWindow(ref peer, now);
        peer.UsedNow++;
        _counters.Increment(Counter.Delivery_SurbsUsed);
    }

    /// <summary>
    /// How many SURBs to ask the client for; 0: none now. The asking itself takes one: beyond the reserve, or of the reserve when
    /// nothing else was asked for, so that a lost request can be repeated.
    /// </summary>
    public int AmountToRequest(ref Peer peer, long now)
    {
        RollWindow(ref peer, now);
        if (peer.Requested > 0 && now - peer.RequestedAt > _requestAgain)
            peer.Requested = 0;
        int free = peer.Surbs.Count - peer.Committed;
        if (free <= (peer.Requested == 0 ? 0 : _settings.SurbReserve))
            return 0;
        int wanted = peer.StarvedSince != 0
            ? _settings.SurbMaximum
            : Math.Min(_settings.SurbMaximum, _settings.SurbMinimum + peer.UsedNow + peer.UsedBefore);
        wanted += peer.Parked.Count;
        int missing = Math.Min(wanted, _settings.SurbMaximum + peer.Parked.Count) - peer.Surbs.Count - peer.Requested;
        // Under demand few large requests: each costs a SURB.
        int enough = Math.Clamp(wanted / 4, SmallestRequest, _settings.SurbRequestMaximum);
        bool worthIt = missing >= enough || peer.Surbs.Count + peer.Requested < _settings.SurbMinimum;
        if (missing <= 0 || !worthIt)
            return 0;
        return Math.Min(_settings.SurbRequestMaximum, Math.Max(missing, SmallestRequest));
    }

    /// <summary>Frees SURBs that are too old. True: the client itself is too old and held by nobody; the caller closes it.</summary>
    public bool Age(int index, long now)
    {
        ref Peer peer = ref Peers[index];
        int expired = Surbs.Expire(ref peer.Surbs, now - _surbAge);
        _counters.Add(Counter.Delivery_SurbsExpired, expired);
        return peer.IsUnused && now - peer.LastHeard > _peerAge;
    }

    public void Close(int index, Counter reason)
    {
        Surbs.Clear(ref Peers[index].Surbs);
        Peers.Close(index);
        _counters.Increment(reason);
    }

    public void Dispose() => Surbs.Dispose();

    private void MakeRoom(long now)
    {
        if (Peers.IsFull && Peers.TryFindStale(now, EvictionSilenceMilliseconds, out int stale))
            Close(stale, Counter.Delivery_PeersEvicted);
    }

    private static void RollWindow(ref Peer peer, long now)
    {
        long passed = now - peer.WindowStarted;
        if (passed < DemandWindowMilliseconds)
            return;
        peer.UsedBefore = passed < 2 * DemandWindowMilliseconds ? peer.UsedNow : 0;
        peer.UsedNow = 0;
        peer.WindowStarted = now;
    }
}
