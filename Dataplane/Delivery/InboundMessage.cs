using FastExit.Memory;

namespace FastExit.Delivery;

/// <summary>One complete application message for a service; whoever is handed it owns <see cref="Slot"/> and frees it.</summary>
internal readonly record struct InboundMessage(SlotHandle Slot, int Offset, int Bytes, int Peer)
{
    /// <summary><see cref="Peer"/> of a message without sender tag.</summary>
    public const int NoPeer = -1;
}
