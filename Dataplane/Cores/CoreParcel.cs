using FastExit.Memory;

namespace FastExit.Cores;

internal enum ParcelKind : byte
{
    /// <summary>A decrypted fragment of a set that another core puts together.</summary>
    Fragment,

    /// <summary>A complete message without padding, for the core its client lives on.</summary>
    Message,

    /// <summary>A complete set that is linked to others.</summary>
    LinkedSet,

    /// <summary>No slot: fragment <see cref="CoreParcel.Offset"/> of <see cref="CoreParcel.SetId"/>, which that core sent, was acknowledged.</summary>
    Acknowledgement,

    /// <summary>An IP packet for the shard of the IP Packet Router whose client has its destination address.</summary>
    IpPacket,
}

/// <summary>
/// What one core hands to the same service (by its place in <see cref="Sphinx.ServiceKeys"/>) on another: a slot lent until it comes back, and
/// where in it the content lies.
/// </summary>
internal readonly record struct CoreParcel(
    ParcelKind Kind,
    SlotHandle Slot,
    int Offset,
    int Bytes,
    uint SetId,
    uint PreviousSetId,
    uint NextSetId,
    int Service);

/// <summary>Rings from one core to each other, and who must be woken at the end of this loop.</summary>
internal sealed class CoreLinks
{
    private readonly SpscRing<CoreParcel>?[] _outgoing;
    private readonly bool[] _wake;

    public CoreLinks(int core, SpscRing<CoreParcel>?[] outgoing)
    {
        Core = core;
        _outgoing = outgoing;
        _wake = new bool[outgoing.Length];
    }

    public int Core { get; }

    public int Cores => _outgoing.Length;

    /// <summary>False: the ring is full; the caller keeps the slot.</summary>
    public bool TrySend(int target, in CoreParcel parcel)
    {
        if (!_outgoing[target]!.TryPush(parcel))
            return false;
        _wake[target] = true;
        return true;
    }

    /// <summary>True once after something was sent to that core.</summary>
    public bool TakeWake(int target)
    {
        bool wake = _wake[target];
        _wake[target] = false;
        return wake;
    }
}
