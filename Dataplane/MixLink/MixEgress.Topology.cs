using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Native.Sockets;
using FastExit.Topology;

namespace FastExit.MixLink;

// The known next hops change while packets are under way.
internal sealed partial class MixEgress
{
    /// <summary>Of next hops, those that left included.</summary>
    public int Places => _peers.Length;

    /// <summary>
    /// Nodes that stay keep their connections and queues; those that left are closed and their packets dropped; new ones take the places
    /// of those that left before. A place keeps its index as long as something is under way there. Allocates.
    /// </summary>
    public void Use(NetworkTopology topology, long now)
    {
        _topology = topology;
        var known = topology.Nodes.Select(n => NodeAddress.From(n.MixAddress)).ToHashSet();
        foreach ((NodeAddress address, int index) in _byAddress.Where(e => !_peers[e.Value].IsGuest && !known.Contains(e.Key)).ToArray())
        {
            _byAddress.Remove(address);
            Leave(index);
        }

        int free = 0;
        foreach (NodeAddress address in known)
        {
            if (_byAddress.TryGetValue(address, out int present))
            {
                _peers[present].IsGuest = false;
                continue;
            }

            while (free < _peers.Length && !(_peers[free].HasLeft && _peers[free].State == EgressState.Idle))
                free++;
            if (free == _peers.Length)
            {
                Array.Resize(ref _peers, Math.Max(16, _peers.Length * 2));
                foreach (ref EgressPeer place in _peers.AsSpan(free))
                    place.HasLeft = true;
            }

            // The generation goes on, so that late completions of the former peer are told apart.
            ref EgressPeer peer = ref _peers[free];
            peer = new EgressPeer
            {
                Address = EndpointAddress.From(address.ToIPEndPoint()),
                Generation = peer.Generation + 1,
                Gather = peer.Gather,
                Sender = peer.Sender,
                RetryAt = now,
            };
            _byAddress.Add(address, free++);
        }
    }

    private void Leave(int index)
    {
        ref EgressPeer peer = ref _peers[index];
        peer.HasLeft = true;
        peer.Touched = false;
        DropQueue(ref peer);
        // One that is connecting is closed when it has connected, or failed to.
        if (peer.State is EgressState.Handshaking or EgressState.Connected)
            BeginClose(index, ref peer);
    }

    private void DropQueue(ref EgressPeer peer)
    {
        while (!peer.Head.IsNone)
        {
            _counters.Increment(Counter.MixLink_EgressPeerLeft);
            _slots.Free(peer.TakeHead(_slots));
            _queued--;
        }
    }
}
