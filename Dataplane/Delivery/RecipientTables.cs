using FastExit.Crypto.Lanes;

namespace FastExit.Delivery;

/// <summary>
/// Fixed-base tables of the encryption keys of return addresses that get many packets: what every packet agrees on a key with. One core's
/// and one service's own: made in idle time, one at a time, as many as there are places, and given back with the peer. A peer without one
/// gets the same packets by the ladder.
/// </summary>
internal sealed class RecipientTables : IDisposable
{
    /// <summary>Packets after which a peer's key is worth a table: making one takes about as long as it saves on so many more.</summary>
    public const int PacketsBefore = 64;

    private readonly X25519Table[] _tables;
    private readonly int[] _free;
    private readonly int[] _wanted;
    private int _freeCount;
    private int _wantedCount;

    /// <param name="places">Tables at most, <see cref="X25519Table.TableBytes"/> each.</param>
    public RecipientTables(int places)
    {
        _tables = [.. Enumerable.Range(0, places).Select(_ => X25519Table.CreateEmpty())];
        _free = [.. Enumerable.Range(0, places)];
        _wanted = new int[places];
        _freeCount = places;
    }

    /// <summary>Peers wait for <see cref="MakeOne"/>.</summary>
    public bool IsWanted => _wantedCount > 0;

    /// <summary>Tables that peers have.</summary>
    public int Count => _tables.Length - _freeCount;

    /// <summary>The table of a return address to which a packet is about to go, or null as long as it has none.</summary>
    public X25519Table? ForPacket(int index, ref Peer peer)
    {
        if (peer.Table == PeerTableState.Made)
            return _tables[peer.TablePlace];
        if (peer.Table == PeerTableState.None && ++peer.Packets >= PacketsBefore)
        {
            // Without a place for it, it comes back after as many packets again.
            peer.Packets = 0;
            if (_wantedCount < _freeCount)
            {
                _wanted[_wantedCount++] = index;
                peer.Table = PeerTableState.Wanted;
            }
        }

        return null;
    }

    /// <summary>Makes the table of one peer that waits, if it is still there; a key that can have none keeps to the ladder.</summary>
    public void MakeOne(PeerTable peers)
    {
        if (_wantedCount == 0)
            return;
        ref Peer peer = ref peers[_wanted[--_wantedCount]];
        if (peer.Table != PeerTableState.Wanted)
            return;
        int place = _free[_freeCount - 1];
        peer.Table = _tables[place].TryMake(peer.Recipient.EncryptionKey) ? PeerTableState.Made : PeerTableState.Impossible;
        if (peer.Table != PeerTableState.Made)
            return;
        _freeCount--;
        peer.TablePlace = place;
    }

    /// <summary>The peer closes.</summary>
    public void Free(ref Peer peer)
    {
        if (peer.Table == PeerTableState.Made)
            _free[_freeCount++] = peer.TablePlace;
        peer.Table = PeerTableState.None;
    }

    public void Dispose()
    {
        foreach (X25519Table table in _tables)
            table.Dispose();
    }
}

/// <summary>What has become of the table of a return address' encryption key.</summary>
internal enum PeerTableState : byte
{
    None,
    Wanted,
    Made,
    Impossible,
}
