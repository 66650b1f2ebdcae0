using FastExit.Crypto.EndToEnd;
using FastExit.Memory;

namespace FastExit.Delivery;

/// <summary>
/// A shard's way back to its clients; every member is called on the shard's own core thread and allocates nothing.
/// A <c>peer</c> is a client as this core knows it: a sender tag with its SURBs, or an explicit return address.
/// </summary>
internal interface IReplyPath
{
    /// <summary>As often as the setting `delivery.maximum_retransmissions` says.</summary>
    const int RetransmissionsOfSetting = -1;

    /// <summary>Packets of all peers that are ready but not built yet: a shard that shares fairly feeds only a few ahead.</summary>
    int Backlog { get; }

    /// <summary>A return address becomes a peer. False: limit reached or its gateway is not in the topology.</summary>
    bool TryPeerFor(in Recipient recipient, out int peer);

    /// <summary>True for a sender tag (answers by SURB), false for an explicit return address.</summary>
    bool IsAnonymous(int peer);

    /// <summary>Differs between clients that get the same index one after the other.</summary>
    long IdentityOf(int peer) => peer;

    /// <summary>Keeps the peer alive while a connection refers to it; balanced by <see cref="Release"/>.</summary>
    void Retain(int peer);

    void Release(int peer);

    /// <summary>Packets that can leave for this peer now: SURBs beyond the reserve and what is parked; a window for return addresses. Never negative.</summary>
    int Credit(int peer);

    /// <summary>
    /// Sends one message that fits one packet and lies where it stays: <paramref name="messageBytes"/> (1..<see cref="ReplyLayout.MaximumInPlaceBytes"/>)
    /// bytes at <paramref name="messageOffset"/> of a Regular slot, at or behind <see cref="ReplyLayout.MessageOffset"/> and at most 8 bytes behind it.
    /// Takes the slot. Parked (bounded) when there is no SURB. <paramref name="connection"/> comes back in <see cref="IReplyPathOwner.OnAcknowledged"/>.
    /// Without ack it is sent again <paramref name="retransmissions"/> times; with 0 nothing is kept once it left, and it counts as delivered.
    /// </summary>
    void SendInPlace(
        int peer, SlotHandle slot, int messageOffset, int messageBytes, long connection,
        int retransmissions = RetransmissionsOfSetting);

    /// <summary>Copies and splits a message of 1 byte to 64 KiB (control plane answers, errors). Returns the number of packets taken on, 0 if dropped: all or nothing.</summary>
    int Send(int peer, ReadOnlySpan<byte> message, long connection);
}

/// <summary>What a shard hears from its <see cref="IReplyPath"/>, on its own core thread.</summary>
internal interface IReplyPathOwner
{
    /// <summary>One packet sent for <paramref name="connection"/> was acknowledged, or finally given up (<paramref name="delivered"/> false).</summary>
    void OnAcknowledged(long connection, bool delivered);

    /// <summary>The peer may have credit again (SURBs arrived).</summary>
    void OnCredit(int peer);

    /// <summary>The peer is gone for good (no SURBs for too long, expired): its connections must be closed; the index may be reused after <see cref="IReplyPath.Release"/> calls balance.</summary>
    void OnPeerLost(int peer);
}

/// <summary>
/// Where things lie in a Regular slot of 2,560 bytes so that a reply is built around its data (end-to-end.md §0, sphinx.md §2):
/// slot header 64 | headroom 8 (frame header ends at 72) | Sphinx header 348 | 16 zeros | ack prefix 405 | digest 32 | fragment header 7 |
/// type bytes 2 | message.
/// </summary>
internal static class ReplyLayout
{
    public const int SlotHeaderBytes = 64;
    public const int PacketOffset = 72;
    public const int FragmentOffset = PacketOffset + 348 + 16 + 405 + 32;
    public const int MessageOffset = FragmentOffset + 7 + 2;

    /// <summary>Application bytes of a one-packet reply (end-to-end.md §3.1).</summary>
    public const int MaximumInPlaceBytes = 1601;
}
