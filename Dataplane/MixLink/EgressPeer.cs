using System.Runtime.CompilerServices;
using FastExit.Crypto.Noise;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;

namespace FastExit.MixLink;

internal enum EgressState : byte
{
    Idle,
    Connecting,

    /// <summary>Connected; the Noise handshake is under way.</summary>
    Handshaking,
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

    // A record's header and tag go with them.
    private const int BatchParts = BatchPackets + 2;

    public EndpointAddress Address;
    public EgressState State;
    public bool Sending;
    public bool Receiving;

    /// <summary>What the peer was asked to prove in the handshake; null: the link is plain.</summary>
    public NoiseSender? Sender;

    /// <summary>Not a node of the topology: its place is for whoever comes next.</summary>
    public bool IsGuest;

    /// <summary>Not in the topology any more: its place is free once nothing is under way.</summary>
    public bool HasLeft;

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

    public readonly bool IsEncrypted => Sender is { IsReady: true };

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
        GatherList list = Gather ??= new GatherList(BatchParts);
        list.Clear();
        bool encrypts = IsEncrypted;
        int bytes = 0;
        if (encrypts)
            Sender!.BeginRecord(list);
        while (!Head.IsNone && InFlight < BatchPackets)
        {
            ref SlotHeader header = ref slots.Header(Head);
            bytes += header.ContentBytes;
            if (encrypts && bytes > NoiseRecord.MaximumDataBytes)
                break;
            list.TryAdd(slots.Region, slots.OffsetOf(Head) + header.ContentOffset, header.ContentBytes);
            if (encrypts)
                Sender!.Encrypt(slots.Slot(Head).Slice(header.ContentOffset, header.ContentBytes));
            Batch[InFlight++] = TakeHead(slots);
        }

        if (encrypts)
            Sender!.EndRecord(list);
    }

    /// <summary>What was under way goes back to the front, so the order of a peer's packets is kept; readable again for the next link's keys.</summary>
    public void ReturnBatch(SlotPool slots)
    {
        if (InFlight > 0 && IsEncrypted)
        {
            Sender!.BeginRecovery();
            for (int i = 0; i < InFlight; i++)
            {
                ref SlotHeader header = ref slots.Header(Batch[i]);
                Sender.Recover(slots.Slot(Batch[i]).Slice(header.ContentOffset, header.ContentBytes));
            }
        }

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
