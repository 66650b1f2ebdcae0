using System.Collections.Concurrent;
using System.Net;
using System.Runtime.InteropServices;
using FastExit.Bench.Client;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Sphinx;

namespace FastExit.Bench.Lab;

/// <summary>Where an attached client takes what its gateway delivers: 21 bytes of an ack, or a message's fragment with its key block.</summary>
internal interface IDeliveryTarget
{
    /// <summary>Called on the gateway's thread; the bytes are valid during the call. False: there is no room, it is lost.</summary>
    bool Deliver(ReadOnlySpan<byte> payload);
}

/// <summary>
/// A gateway's mixnet side: the last Sphinx hop of what is meant for them (it strips and releases the embedded ack,
/// end-to-end.md §5.4) and the way into the mixnet for what they send. It forwards nothing for others.
/// </summary>
internal sealed class EntryGateway(string name, NodeKeys keys, IPEndPoint address, LabNodeSettings settings)
    : LabNode(name, keys, address, settings), IClientGateway
{
    private const int NodeAddressBytes = 19;
    private readonly ConcurrentDictionary<UInt128, IDeliveryTarget> _clients = new();
    private readonly byte[] _identity = keys.Identity;

    public ReadOnlySpan<byte> Identity => _identity;

    public void Attach(ReadOnlySpan<byte> clientIdentity, IDeliveryTarget client) =>
        _clients[MemoryMarshal.Read<UInt128>(clientIdentity)] = client;

    public void Detach(ReadOnlySpan<byte> clientIdentity) =>
        _clients.TryRemove(MemoryMarshal.Read<UInt128>(clientIdentity), out _);

    void IClientGateway.Attach(ClientIdentity client, IDeliveryTarget target) => Attach(client.Address.Identity, target);

    void IClientGateway.Detach(ClientIdentity client) => Detach(client.Address.Identity);

    /// <summary>A finished packet of an attached client.</summary>
    public void Send(IPEndPoint firstHop, MixPacket packet) => Egress.Send(firstHop, packet);

    protected override bool Forward(ReadOnlySpan<byte> region, in SphinxLane lane, MixPacket packet)
    {
        Reject();
        return false;
    }

    protected override void Final(ReadOnlySpan<byte> region, in SphinxLane lane, MixPacket packet)
    {
        ReadOnlySpan<byte> plaintext = region.Slice(lane.PlaintextOffset, lane.PlaintextBytes);
        if (!_clients.TryGetValue(MemoryMarshal.Read<UInt128>(lane.Destination.AsReadOnlySpan()), out IDeliveryTarget? client))
        {
            Reject();
            return;
        }

        if (packet.Size == PacketSize.Acknowledgement)
        {
            client.Deliver(plaintext);
            return;
        }

        if (plaintext.Length < PacketSizes.AckPrefixBytes || !TryNextHop(plaintext[..NodeAddressBytes], out IPEndPoint firstHop))
        {
            Reject();
            return;
        }

        // Only what arrived is acknowledged.
        if (!client.Deliver(plaintext[PacketSizes.AckPrefixBytes..]))
            return;
        ReadOnlySpan<byte> ack = plaintext[NodeAddressBytes..PacketSizes.AckPrefixBytes];
        Egress.Send(firstHop, MixPacket.Copy(ack, PacketSize.Acknowledgement, packet.Rotation));
    }
}
