using System.Net;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Native.Sockets;
using FastExit.Policy;
using FastExit.Topology;

namespace FastExit.MixLink;

// Noise as initiator, where connections come from, and next hops that are not in the topology (mix-link.md §2.3, §4).
internal sealed partial class MixEgress
{
    // More than the network has nodes; a flood of addresses gets no further.
    public const int GuestPeers = 1024;

    private readonly NoiseIdentity? _identity;
    private readonly EndpointAddress _source;
    private readonly int _listed;
    private readonly NodeAddress[] _guests = new NodeAddress[GuestPeers];
    private NetworkTopology? _topology;
    private int _nextGuest;
    private bool _sourceIsForeign;

    /// <summary>Which addresses packets may go to when the routing filter is off.</summary>
    public AddressGuard Guard { get; init; } = AddressGuard.Default;

    /// <summary>A place for a next hop that nobody listed; a guest without connection and packets gives way.</summary>
    private bool TryInvite(in NodeAddress address, out int index)
    {
        index = -1;
        if (_settings.RoutingFilter || address.Family == 0)
            return false;
        IPEndPoint endpoint = address.ToIPEndPoint();
        if (endpoint.Port == 0 || !Guard.IsAllowed(endpoint.Address))
            return false;
        for (int tries = 0; tries < GuestPeers; tries++)
        {
            int guest = _nextGuest;
            _nextGuest = (_nextGuest + 1) % GuestPeers;
            ref EgressPeer peer = ref _peers[_listed + guest];
            if (!peer.IsGuest || peer.State != EgressState.Idle || peer.QueuedPackets > 0)
                continue;
            _byAddress.Remove(_guests[guest]);
            _guests[guest] = address;
            index = _listed + guest;
            _byAddress[address] = index;
            peer.Address = EndpointAddress.From(endpoint);
            peer.Failures = 0;
            peer.RetryAt = 0;
            return true;
        }

        return false;
    }

    private void BindSource(SocketDescriptor socket, EndpointAddress peer)
    {
        if (!_settings.BindAnnounced || peer.Unmapped().IsIPv6 != _source.IsIPv6)
            return;
        // Behind NAT the announced address is not here: what others see as ours is up to that.
        if (_sourceIsForeign || socket.TryBindSource(_source) != 0)
        {
            _sourceIsForeign = true;
            _counters.Increment(Counter.MixLink_EgressBindFailures);
        }
    }

    private void ChooseLink(ref EgressPeer peer)
    {
        if (_identity is not null && _topology is not null && _topology.TryGetNoiseKey(peer.Address.ToIPEndPoint(), out _))
        {
            peer.Sender ??= new NoiseSender();
            return;
        }

        peer.Sender?.Dispose();
        peer.Sender = null;
    }

    private void BeginHandshake(int index, ref EgressPeer peer, long now)
    {
        peer.State = EgressState.Handshaking;
        int bytes = _topology!.TryGetNoiseKey(peer.Address.ToIPEndPoint(), out byte[] key) ? peer.Sender!.Start(_identity!, key) : 0;
        if (bytes == 0)
        {
            FailHandshake(index, ref peer, Counter.MixLink_EgressHandshakeFailures, now);
            return;
        }

        SendHandshake(index, ref peer, bytes);
        Watch(index, ref peer);
    }

    private void SendHandshake(int index, ref EgressPeer peer, int bytes)
    {
        peer.Sending = true;
        _ring.PrepareSend(
            peer.Direct, peer.Sender!.Region, 0, bytes, waitAll: true,
            CompletionKind.Pack(CompletionKind.EgressSend, peer.Generation, index));
    }

    private void OnHandshakeSent(int index, ref EgressPeer peer, int sent, long now)
    {
        if (sent <= 0)
        {
            FailHandshake(index, ref peer, Counter.MixLink_EgressHandshakeFailures, now);
            return;
        }

        if (!peer.IsEncrypted)
        {
            // The answer may be told of first.
            if (peer.Sender!.Awaited == 0)
                FinishHandshake(index, ref peer, now);
            return;
        }

        _counters.Increment(Counter.MixLink_EgressHandshakes);
        peer.State = EgressState.Connected;
        Watch(index, ref peer);
        BeginSend(index, ref peer, now);
    }

    private void OnHandshakeReceived(int index, ref EgressPeer peer, int received, ReadOnlySpan<byte> bytes, long now)
    {
        NoiseSender sender = peer.Sender!;
        if (received == -Errno.ENOBUFS)
            return;
        if (received <= 0 || peer.IsEncrypted || !sender.TryTake(bytes))
        {
            FailHandshake(index, ref peer, Counter.MixLink_EgressHandshakeFailures, now);
            return;
        }

        if (sender.Awaited > 0)
        {
            Watch(index, ref peer);
            return;
        }

        if (!peer.Sending)
            FinishHandshake(index, ref peer, now);
    }

    private void FinishHandshake(int index, ref EgressPeer peer, long now)
    {
        int last = peer.Sender!.Finish();
        if (last > 0)
            SendHandshake(index, ref peer, last);
        else
            FailHandshake(index, ref peer, Counter.MixLink_EgressHandshakeFailures, now);
    }

    private void TickHandshake(int index, ref EgressPeer peer, long now)
    {
        if (now - peer.ConnectedAt > (long)_settings.HandshakeTimeout.TotalMilliseconds)
            FailHandshake(index, ref peer, Counter.MixLink_EgressHandshakeTimeouts, now);
        else if (!peer.Receiving && peer.Sender!.Awaited > 0)
            Watch(index, ref peer);
    }

    private void FailHandshake(int index, ref EgressPeer peer, Counter reason, long now)
    {
        _counters.Increment(reason);
        BackOff(ref peer, now);
        BeginClose(index, ref peer);
    }
}
