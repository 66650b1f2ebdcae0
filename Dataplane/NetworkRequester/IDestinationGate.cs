using FastExit.Native.Sockets;

namespace FastExit.NetworkRequester;

/// <summary>Why a destination may not, or can not, be connected to.</summary>
internal enum GateOutcome : byte
{
    Allowed,
    DeniedByPolicy,
    DeniedByGuard,
    NameNotFound,
    ResolverFailed,
    Malformed,
}

/// <summary>
/// The control plane's verdict on a `host:port`: resolved once, checked against guard and policy, at most
/// <see cref="MaximumAddresses"/> addresses in the order to try them. Blittable: travels through a ring.
/// </summary>
internal struct GateVerdict
{
    public const int MaximumAddresses = 8;

    public long Connection;
    public GateOutcome Outcome;
    public byte Addresses;
    public AddressList List;

    [System.Runtime.CompilerServices.InlineArray(MaximumAddresses)]
    public struct AddressList
    {
        private EndpointAddress _first;
    }
}

/// <summary>The shard's side of the control plane: ask here, hear later through <c>OnVerdict</c> on the core's thread.</summary>
internal interface IDestinationGate
{
    /// <summary>False: the queue is full. <paramref name="hostPort"/> is copied (at most 300 bytes).</summary>
    bool TryAsk(long connection, ReadOnlySpan<byte> hostPort);
}
