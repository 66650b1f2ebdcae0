namespace FastExit.NetworkRequester;

/// <summary>What a shard keeps of one client.</summary>
internal struct PeerState
{
    /// <summary>Connections whose answers go to it, early ones whose Sends carry its tag.</summary>
    public int Connections;
    public int EarlyConnections;

    /// <summary>First and last connection that waits for credit, as index + 1; 0: none.</summary>
    public int FirstWaiting;
    public int LastWaiting;
    public int Waiting;

    /// <summary>In the list of peers whose credit may have come back.</summary>
    public bool CreditNoted;
}

/// <summary>Peers by the reply path's index; grows when a peer connects for the first time.</summary>
internal sealed class PeerTable
{
    private PeerState[] _peers = [];

    public int Length => _peers.Length;

    public ref PeerState this[int peer] => ref _peers[peer];

    public void Reach(int peer)
    {
        if (peer >= _peers.Length)
            Array.Resize(ref _peers, Math.Max(peer + 1, Math.Max(64, _peers.Length * 2)));
    }
}
