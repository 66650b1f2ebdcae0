using System.Net;
using FastExit.Bench.Lab;

namespace FastExit.Bench.Client;

/// <summary>A client's gateway as the client sees it: in the same process, or at the other end of a websocket.</summary>
internal interface IClientGateway
{
    /// <summary>ed25519 public key, part of its clients' addresses.</summary>
    ReadOnlySpan<byte> Identity { get; }

    /// <summary>From now on what the mixnet has for this client goes to <paramref name="target"/>, on a thread of the gateway's.</summary>
    void Attach(ClientIdentity client, IDeliveryTarget target);

    void Detach(ClientIdentity client);

    /// <summary>Takes a finished packet; never waits, loses what is too much.</summary>
    void Send(IPEndPoint firstHop, MixPacket packet);
}
