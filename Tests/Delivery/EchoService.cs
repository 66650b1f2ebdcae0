using FastExit.Delivery;
using FastExit.Memory;
using Xunit;

namespace FastExit.Tests.Delivery;

/// <summary>
/// Sends every message of a tag back, cut to what one packet holds. A message that begins with <see cref="Once"/> is sent back once and for
/// all; others under a connection number that counts up from 1, with two retransmissions.
/// </summary>
internal sealed class EchoService(CoreMemory memory, IReplyPath replies) : IService
{
    public const byte Once = 200;

    public List<byte[]> Messages { get; } = [];

    public List<(long Connection, bool Delivered)> Acknowledged { get; } = [];

    public void OnMessage(in InboundMessage message, long nowMilliseconds)
    {
        byte[] data = memory.Slot(message.Slot).Slice(message.Offset, message.Bytes).ToArray();
        memory.Free(message.Slot);
        Messages.Add(data);
        Assert.True(memory.Own.TryRent(SlotClass.Regular, out SlotHandle slot));
        int bytes = Math.Min(data.Length, ReplyLayout.MaximumInPlaceBytes);
        data.AsSpan(0, bytes).CopyTo(memory.Slot(slot)[ReplyLayout.MessageOffset..]);
        bool once = data[0] == Once;
        replies.SendInPlace(
            message.Peer, slot, ReplyLayout.MessageOffset, bytes, once ? 0 : Messages.Count, once ? 0 : 2);
    }

    public void OnAcknowledged(long connection, bool delivered) => Acknowledged.Add((connection, delivered));

    public void OnCredit(int peer)
    {
    }

    public void OnPeerLost(int peer)
    {
    }
}
