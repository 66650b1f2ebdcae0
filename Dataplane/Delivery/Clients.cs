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

    // Clients that are answered by explicit addresses are few.
    private const int TablePlaces = 128;

    // At the limit a client that said nothing for this long, and for whom nothing is under way, gives way to a newcomer.
    private const long EvictionSilenceMilliseconds = 30_000;

    // A client that has not heard of the new keys yet is asked for SURBs of them now and then.
    private const long RefreshAgainMilliseconds = 60_000;

    private readonly DeliverySettings _settings;
    private readonly CoreCounters _counters;
    private readonly long _surbAge;
    private readonly long _peerAge;
    private readonly long _requestAgain;
    private readonly long _staleAge;
    private uint _rotationId;
    private KeyRotation _rotation;
    private int _turn;
    private long _turnedAt;

    public Clients(DeliverySettings settings, bool hugePages, CoreCounters counters)
    {
        _settings = settings;
        _counters = counters;
        Peers = new PeerTable(settings.MaximumPeers);
        Surbs = new SurbStore(settings, hugePages);
        _surbAge = (long)settings.SurbAge.TotalMilliseconds;
        _peerAge = (long)settings.PeerAge.TotalMilliseconds;
        _requestAgain = (long)settings.SurbRequestAgain.TotalMilliseconds;
        _staleAge = (long)settings.StaleSurbAge.TotalMilliseconds;
    }

    public PeerTable Peers { get; }

    public SurbStore Surbs { get; }

    public RecipientTables Tables { get; } = new(TablePlaces);

    /// <summary>
    /// The rotation of this node's Sphinx key. When it changes, SURBs of the one before are stale (end-to-end.md §8.6): used last,
    /// replaced by request, and dropped after <see cref="DeliverySettings.StaleSurbAge"/>.
    /// </summary>
    public void UseRotation(uint id, long now)
    {
        if (id == _rotationId)
            return;
        if (_rotationId != 0)
        {
            _turn++;
            _turnedAt = now;
        }

        _rotationId = id;
        _rotation = KeyRotation.FromId(id);
    }

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

    /// <summary>The peer of a return address whose gateway is known.</summary>
    public bool TryTouch(in Recipient recipient, long now, out int peer)
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

        Peers[peer].LastHeard = now;
        return true;
    }

    public void AddSurbs(int index, SurbBlock block, bool requested, long now)
    {
        ref Peer peer = ref Peers[index];
        if (requested)
            peer.Requested = Math.Max(0, peer.Requested - block.Count);
        TellStale(ref peer);

        // Later than that, only a client that knows newer keys than this node names another rotation.
        bool isStale = SurbStore.IsOutdated(block.Rotation, _rotation) && _turn > 0 && now - _turnedAt < _staleAge;
        ref SurbQueue queue = ref peer.Surbs;
        if (isStale)
            queue = ref peer.StaleSurbs;
        bool evicted = false;
        for (int i = 0; i < block.Count; i++)
        {
            bool added = peer.SurbCount < _settings.MaximumSurbsPerPeer
                && Surbs.TryAdd(ref queue, block[i].Bytes, block.Rotation, now);
            if (!added && !evicted && peer.SurbCount < _settings.MaximumSurbsPerPeer
                && Peers.TryFindStale(now, EvictionSilenceMilliseconds, out int stale) && stale != index)
            {
                // The store is full: a silent client's SURBs give way, once a message.
                evicted = true;
                Close(stale, Counter.Delivery_PeersEvicted);
                added = Surbs.TryAdd(ref queue, block[i].Bytes, block.Rotation, now);
            }

            if (added)
                _counters.Increment(Counter.Delivery_SurbsReceived);
            else
                _counters.Increment(Counter.Delivery_SurbsDropped);
        }

        ReplaceStale(ref peer);
    }

    /// <summary>The next SURB to use, stale ones last; the caller frees it.</summary>
    public int TakeSurb(ref Peer peer) =>
        peer.Surbs.Count > 0 ? Surbs.Take(ref peer.Surbs) : Surbs.Take(ref peer.StaleSurbs);

    /// <summary>The client is in use, holds stale SURBs, and was not asked for others since they became so, or long ago.</summary>
    public bool IsRefreshDue(ref readonly Peer peer, long now) =>
        peer.StaleSurbs.Count > 0 && !peer.IsUnused
        && (peer.RequestedAt < _turnedAt || now - peer.RequestedAt >= RefreshAgainMilliseconds);

    /// <summary>SURBs that data may use now.</summary>
    public int Available(ref readonly Peer peer) =>
        Math.Max(0, peer.SurbCount - _settings.SurbReserve - peer.Committed);

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
        int free = peer.SurbCount - peer.Committed;
        if (free <= (peer.Requested == 0 ? 0 : _settings.SurbReserve))
            return 0;
        int wanted = peer.StarvedSince != 0
            ? _settings.SurbMaximum
            : Math.Min(_settings.SurbMaximum, _settings.SurbMinimum + peer.UsedNow + peer.UsedBefore);
        int have = peer.SurbCount;
        if (IsRefreshDue(ref peer, now))
        {
            have = peer.Surbs.Count;
            wanted = Math.Max(wanted, peer.StaleSurbs.Count);
        }

        wanted += peer.Parked.Count;
        int missing = Math.Min(wanted, _settings.SurbMaximum + peer.Parked.Count) - have - peer.Requested;
        // Under demand few large requests: each costs a SURB.
        int enough = Math.Clamp(wanted / 4, SmallestRequest, _settings.SurbRequestMaximum);
        bool worthIt = missing >= enough || have + peer.Requested < _settings.SurbMinimum;
        if (missing <= 0 || !worthIt)
            return 0;
        return Math.Min(_settings.SurbRequestMaximum, Math.Max(missing, SmallestRequest));
    }

    /// <summary>Frees SURBs that are too old. True: the client itself is too old and held by nobody; the caller closes it.</summary>
    public bool Age(int index, long now)
    {
        ref Peer peer = ref Peers[index];
        TellStale(ref peer);
        int expired = Surbs.Expire(ref peer.Surbs, now - _surbAge);
        expired += now - _turnedAt < _staleAge
            ? Surbs.Expire(ref peer.StaleSurbs, now - _surbAge)
            : Surbs.Clear(ref peer.StaleSurbs);
        _counters.Add(Counter.Delivery_SurbsExpired, expired);
        return peer.IsUnused && now - peer.LastHeard > _peerAge;
    }

    public void Close(int index, Counter reason)
    {
        Surbs.Clear(ref Peers[index].Surbs);
        Surbs.Clear(ref Peers[index].StaleSurbs);
        Tables.Free(ref Peers[index]);
        Peers.Close(index);
        _counters.Increment(reason);
    }

    public void Dispose()
    {
        Surbs.Dispose();
        Tables.Dispose();
    }

    /// <summary>Once for every client after a change of rotation: what was stale then is of no use now.</summary>
    private void TellStale(ref Peer peer)
    {
        if (peer.Turn == _turn)
            return;
        peer.Turn = _turn;
        peer.Requested = 0;
        _counters.Add(Counter.Delivery_SurbsExpired, Surbs.Clear(ref peer.StaleSurbs));
        Surbs.MoveOutdated(ref peer.Surbs, ref peer.StaleSurbs, _rotation);
    }

    /// <summary>Each current SURB beyond the minimum makes a stale one superfluous; what is about to be used stays.</summary>
    private void ReplaceStale(ref Peer peer)
    {
        int superfluous = Math.Min(peer.Surbs.Count - _settings.SurbMinimum, Available(ref peer) - _settings.SurbMinimum);
        for (; superfluous > 0 && peer.StaleSurbs.Count > 0; superfluous--)
        {
            Surbs.Free(Surbs.Take(ref peer.StaleSurbs));
            _counters.Increment(Counter.Delivery_SurbsExpired);
        }
    }

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
