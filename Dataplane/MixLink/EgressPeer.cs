using System.Runtime.CompilerServices;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;

namespace FastExit.MixLink;

internal enum EgressState : byte
{
    Idle,
    Connecting,
    Connected,
    Closing,
    Closed,
}

/// <summary>
/// One next hop of a <see cref="MixEgress"/>: its connection, the FIFO of framed packets threaded through their slots, and the packets
/// of the send that is under way.
/// </summary>
internal struct EgressPeer
{
    /// <summary>Packets of one vectored send.</summary>
    public const int BatchPackets = 32;

    public EndpointAddress Address;
    public EgressState State;
    public bool Sending;
    public bool Receiving;

    /// <summary>Got packets since the last flush.</summary>
    public bool Touched;
    public int Direct;
    public uint Generation;
    public int Failures;
    public long RetryAt;
    public long ConnectedAt;
    public long LastUsed;

    /// <summary>When the send under way last made progress.</summary>
    public long SendStarted;
    public SlotHandle Head;
    public SlotHandle Tail;
    public int QueuedPackets;
    public int InFlight;
    public SlotBatch Batch;
    public GatherList? Gather;

    public void Append(SlotPool slots, SlotHandle slot)
    {
        slots.Header(slot).Next = default;
        if (Head.IsNone)
            Head = slot;
        else
            slots.Header(Tail).Next = slot;
        Tail = slot;
        QueuedPackets++;
    }

    public SlotHandle TakeHead(SlotPool slots)
    {
        SlotHandle slot = Head;
        Head = slots.Header(slot).Next;
        if (Head.IsNone)
            Tail = default;
        QueuedPackets--;
        return slot;
    }

    /// <summary>Fills the gather list from the queue.</summary>
    public void TakeBatch(SlotPool slots)
    {
        GatherList list = Gather!;
        list.Clear();
        while (!Head.IsNone && InFlight < BatchPackets)
        {
            ref SlotHeader header = ref slots.Header(Head);
            if (!list.TryAdd(slots.Region, slots.OffsetOf(Head) + header.ContentOffset, header.ContentBytes))
                return;
            Batch[InFlight++] = TakeHead(slots);
        }
    }

    /// <summary>What was under way goes back to the front, so the order of a peer's packets is kept.</summary>
    public void ReturnBatch(SlotPool slots)
    {
        while (InFlight > 0)
        {
            SlotHandle slot = Batch[--InFlight];
            slots.Header(slot).Next = Head;
            if (Head.IsNone)
                Tail = slot;
            Head = slot;
            QueuedPackets++;
        }
    }

    [InlineArray(BatchPackets)]
    public struct SlotBatch
    {
        private SlotHandle _first;
    }
}
