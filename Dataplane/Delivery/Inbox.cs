using System.Buffers.Binary;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Memory;
using FastExit.NetworkRequester.Protocol;
using FastExit.Sphinx;

namespace FastExit.Delivery;

/// <summary>What became of a fragment, and so of its ack.</summary>
internal enum FragmentFate : byte
{
    /// <summary>Delivered, kept, or dropped for good: to be acknowledged.</summary>
    Taken,

    /// <summary>Not taken for want of room: the sender should hear no ack, so that it tries again.</summary>
    Refused,

    /// <summary>Another core decides, and acknowledges.</summary>
    Moved,
}

/// <summary>
/// From decrypted fragments to messages at the right core (architecture §4): fragments of longer messages meet at the core of their
/// set id, linked sets at core 0, whole messages at the core of their sender tag, or of their connection id when they have no tag.
/// Retransmitted fragments of what was delivered already are recognised and acknowledged again.
/// </summary>
internal sealed class Inbox
{
    private const int RecentCapacity = 1 << 18;
    private const int LinkCore = 0;
    private const int MaximumWaiting = 1024;

    private readonly CoreMemory _memory;
    private readonly CoreLinks _links;
    private readonly Clients _clients;
    private readonly ReplyStage _replies;
    private readonly IService _service;
    private readonly CoreCounters _counters;
    private readonly Reassembly _reassembly;
    private readonly LinkedSets _linked;
    private readonly RecentSets _recent;

    // Messages whose fragments were acknowledged and whose ring was full: nobody would send them again.
    private readonly (int Core, CoreParcel Parcel)[] _waiting = new (int, CoreParcel)[MaximumWaiting];
    private int _waitingCount;
    private SphinxStage? _stage;

    public Inbox(
        CoreMemory memory,
        CoreLinks links,
        Clients clients,
        ReplyStage replies,
        IService service,
        DeliverySettings settings,
        CoreCounters counters,
        int index = ServicePlan.NetworkRequester)
    {
        Service = index;
        _memory = memory;
        _links = links;
        _clients = clients;
        _replies = replies;
        _service = service;
        _counters = counters;
        _reassembly = new Reassembly(memory.Own, settings, counters);
        _linked = new LinkedSets(memory, settings, counters);
        _recent = new RecentSets(RecentCapacity, settings.SetAge);
        replies.UseSetIdsOf(links.Core, links.Cores, index);
    }

    /// <summary>The service's place in <see cref="ServiceKeys"/>.</summary>
    public int Service { get; }

    public int Sets => _reassembly.Count + _linked.Count;

    /// <summary>An ack came in: to the core that sent what it acknowledges.</summary>
    public void OnAck(ReadOnlySpan<byte> content)
    {
        if (!_replies.TryReadAck(content, out uint setId, out byte position))
            return;
        if (position == Outgoing.UnawaitedPosition)
        {
            _counters.Increment(Counter.Delivery_AcksUnawaited);
            return;
        }

        int home = SetHome.Of(setId, _links.Cores);
        if (home == _links.Core)
            _replies.OnAck(setId, position);
        else if (!_links.TrySend(home, new CoreParcel(ParcelKind.Acknowledgement, default, position, 0, setId, 0, 0, Service)))
            _counters.Increment(Counter.Delivery_RingFull);
    }

    /// <summary>For the acks of fragments that other cores hand over.</summary>
    public void Connect(SphinxStage stage) => _stage = stage;

    /// <summary>Takes the slot.</summary>
    public FragmentFate OnFragment(SlotHandle slot, int offset, int bytes, long now)
    {
        _counters.Increment(Counter.Delivery_Fragments);
        ReadOnlySpan<byte> fragment = _memory.Slot(slot).Slice(offset, bytes);
        if (CoverMarker.IsCover(fragment))
        {
            _counters.Increment(Counter.Delivery_Cover);
            _memory.Free(slot);
            return FragmentFate.Taken;
        }

        if (!FragmentHeader.TryRead(fragment, out FragmentHeader header))
        {
            _counters.Increment(Counter.Delivery_BadFragment);
            _memory.Free(slot);
            return FragmentFate.Taken;
        }

        if (header.Total == 1 && header.Link == SetLink.None)
        {
            int start = offset + header.HeaderBytes;
            return FateOf(Complete(
                new AssembledSet(slot, start, bytes - header.HeaderBytes, header.SetId, 0, 0), now));
        }

        int home = SetHome.Of(header.SetId, _links.Cores);
        if (home != _links.Core)
        {
            return Move(home, new CoreParcel(ParcelKind.Fragment, slot, offset, bytes, header.SetId, 0, 0, Service), keep: false)
                ? FragmentFate.Moved : FragmentFate.Refused;
        }

        return FateOf(AddFragment(header, slot, fragment, now));
    }

    /// <summary>Something another core handed over.</summary>
    public void OnParcel(in CoreParcel parcel, long now)
    {
        switch (parcel.Kind)
        {
            case ParcelKind.Fragment:
                OnMovedFragment(parcel, now);
                break;
            case ParcelKind.LinkedSet:
                Link(
                    new AssembledSet(
                        parcel.Slot, parcel.Offset, parcel.Bytes, parcel.SetId, parcel.PreviousSetId, parcel.NextSetId),
                    now);
                break;
            case ParcelKind.Message:
                Deliver(parcel.Slot, parcel.Offset, parcel.Bytes, parcel.SetId, now);
                break;
            case ParcelKind.Acknowledgement:
                _replies.OnAck(parcel.SetId, (byte)parcel.Offset);
                break;
        }
    }

    public void Tick(long now)
    {
        MoveWaiting();
        _reassembly.Tick(now);
        _linked.Tick(now);
    }

    private static FragmentFate FateOf(bool taken) => taken ? FragmentFate.Taken : FragmentFate.Refused;

    private void OnMovedFragment(in CoreParcel parcel, long now)
    {
        // The packet still lies in the other core's slot, its ack prefix in front of the fragment.
        ReadOnlySpan<byte> slot = _memory.Slot(parcel.Slot);
        ReadOnlySpan<byte> fragment = slot.Slice(parcel.Offset, parcel.Bytes);
        ReadOnlySpan<byte> prefix = slot.Slice(
            parcel.Offset - PacketSizes.FragmentOffsetInPlaintext, PacketSizes.AckPrefixBytes);
        bool haveAck = _stage!.TryCopyAck(
            prefix, _memory.Header(parcel.Slot).Rotation, out SlotHandle ack, out NodeAddress firstHop);
        bool taken = true;
        if (FragmentHeader.TryRead(fragment, out FragmentHeader header))
            taken = AddFragment(header, parcel.Slot, fragment, now);
        else
            _memory.Free(parcel.Slot);
        if (haveAck)
            _stage.EndAck(taken, ack, firstHop, now);
    }

    private bool AddFragment(in FragmentHeader header, SlotHandle slot, ReadOnlySpan<byte> fragment, long now)
    {
        _recent.Expire(now);
        if (_recent.Contains(RecentSets.KeyOf(header.SetId)))
        {
            _counters.Increment(Counter.Delivery_LateFragment);
            _memory.Free(slot);
            return true;
        }

        // What completes a set must be able to wait, since its other fragments do not come again.
        if (_waitingCount >= MaximumWaiting / 2)
        {
            _counters.Increment(Counter.Delivery_RingFull);
            _memory.Free(slot);
            return false;
        }

        FragmentVerdict verdict = _reassembly.Add(header, fragment, now, out AssembledSet set);
        _memory.Free(slot);
        switch (verdict)
        {
            case FragmentVerdict.Refused:
                return false;
            case FragmentVerdict.Completed:
                // A set of several fragments was checked here against repetition: the client's core need not look again.
                AssembledSet message = set with { SetId = set.IsLinked ? set.SetId : 0 };
                bool taken = set.IsLinked ? LinkOrMove(message, now) : Complete(message, now);
                if (taken)
                    _recent.TryAdd(RecentSets.KeyOf(set.SetId), now);
                return taken;
            default:
                return true;
        }
    }

    private bool LinkOrMove(in AssembledSet set, long now)
    {
        if (_links.Core == LinkCore)
        {
            Link(set, now);
            return true;
        }

        return Move(
            LinkCore,
            new CoreParcel(
                ParcelKind.LinkedSet, set.Slot, set.Offset, set.Bytes, set.SetId, set.PreviousSetId, set.NextSetId, Service),
            keep: true);
    }

    private void Link(in AssembledSet set, long now)
    {
        if (_linked.TryComplete(set, now, out AssembledSet message))
            Complete(message with { SetId = 0 }, now);
    }

    /// <summary>Takes the slot of a whole padded message to the core where its client lives.</summary>
    private bool Complete(in AssembledSet message, long now)
    {
        ReadOnlySpan<byte> padded = _memory.Slot(message.Slot).Slice(message.Offset, message.Bytes);
        if (!MessagePadding.TryStrip(padded, out int bytes) || bytes == 0)
        {
            _counters.Increment(Counter.Delivery_BadPadding);
            _memory.Free(message.Slot);
            return true;
        }

        int home = Home(padded[..bytes]);
        if (home == _links.Core)
        {
            Deliver(message.Slot, message.Offset, bytes, message.SetId, now);
            return true;
        }

        // A set id means that this is one fragment, which its sender repeats when it hears no ack.
        return Move(
            home, new CoreParcel(ParcelKind.Message, message.Slot, message.Offset, bytes, message.SetId, 0, 0, Service),
            keep: message.SetId == 0);
    }

    /// <summary>Takes the parcel's slot.</summary>
    private bool Move(int core, in CoreParcel parcel, bool keep)
    {
        if (_links.TrySend(core, parcel))
        {
            _counters.Increment(Counter.Delivery_MovedToOtherCore);
            return true;
        }

        if (keep && _waitingCount < MaximumWaiting)
        {
            _counters.Increment(Counter.Delivery_WaitedForRing);
            _waiting[_waitingCount++] = (core, parcel);
            return true;
        }

        _counters.Increment(Counter.Delivery_RingFull);
        _memory.Free(parcel.Slot);
        return false;
    }

    private void MoveWaiting()
    {
        int left = 0;
        for (int i = 0; i < _waitingCount; i++)
        {
            if (_links.TrySend(_waiting[i].Core, _waiting[i].Parcel))
                _counters.Increment(Counter.Delivery_MovedToOtherCore);
            else
                _waiting[left++] = _waiting[i];
        }

        _waitingCount = left;
    }

    private int Home(ReadOnlySpan<byte> message)
    {
        if (_links.Cores == 1)
            return 0;
        ulong key;
        if (message[0] == 1 && message.Length >= 1 + EndToEndMessage.SenderTagBytes)
            key = BinaryPrimitives.ReadUInt64LittleEndian(message[1..]);
        else if (Service == ServicePlan.NetworkRequester
            && Request.TryRead(message[1..], out Request request) == RequestStatus.Ok)
            key = request.ConnectionId;
        else
            return _links.Core;
        return (int)((SetHome.Scatter((uint)key) ^ SetHome.Scatter((uint)(key >> 32))) % (uint)_links.Cores);
    }

    private void Deliver(SlotHandle slot, int offset, int bytes, uint setId, long now)
    {
        ReadOnlySpan<byte> whole = _memory.Slot(slot).Slice(offset, bytes);
        if (setId != 0 && !_recent.TryAdd(_recent.KeyOf(setId, whole), now))
        {
            _counters.Increment(Counter.Delivery_LateFragment);
            _memory.Free(slot);
            return;
        }

        if (!EndToEndMessage.TryRead(whole, out EndToEndMessage message))
        {
            _counters.Increment(Counter.Delivery_BadMessage);
            _memory.Free(slot);
            return;
        }

        _counters.Increment(Counter.Delivery_Messages);
        int peer = InboundMessage.NoPeer;
        switch (message.Kind)
        {
            case MessageKind.Plain:
                break;
            case MessageKind.RepliableData or MessageKind.AdditionalSurbs or MessageKind.Heartbeat:
                // Data may overtake the message whose SURBs it counts on: the mixnet keeps no order.
                bool known = _clients.TryTouch(
                    PeerTag.Read(message.SenderTag),
                    mayOpen: message.Kind == MessageKind.RepliableData || message.Surbs.Count > 0, now, out peer);
                if (!known)
                {
                    _memory.Free(slot);
                    return;
                }

                if (message.Surbs.Count > 0)
                {
                    _clients.AddSurbs(peer, message.Surbs, message.Kind == MessageKind.AdditionalSurbs, now);
                    _replies.OnSurbs(peer);
                }

                break;
            default:
                _counters.Increment(Counter.Delivery_UnexpectedMessage);
                _memory.Free(slot);
                return;
        }

        if (message.Data.IsEmpty)
        {
            _memory.Free(slot);
            return;
        }

        int dataOffset = offset + bytes - message.Data.Length;
        _service.OnMessage(new InboundMessage(slot, dataOffset, message.Data.Length, peer), now);
    }
}
