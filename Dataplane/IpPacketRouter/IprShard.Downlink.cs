using System.Buffers.Binary;
using System.Diagnostics;
using FastExit.Cores;
using FastExit.Delivery;
using FastExit.IpPacketRouter.Packets;
using FastExit.IpPacketRouter.Protocol;
using FastExit.Memory;
using FastExit.Native.Tun;
using FastExit.Policy;

namespace FastExit.IpPacketRouter;

// Host to client: written where it is sent from, bundled, sent in turns as credit allows (ipr.md §2.2, §5.3).
internal sealed partial class IprShard
{
    // Packets handed to the reply stage ahead of what it builds: enough to keep it busy, few enough that turns stay fair.
    private const int FeedAhead = 32;

    // With fewer SURBs than this a half-full bundle waits for its timer instead of using one up.
    private const int ComfortableCredit = 16;

    // Regular slots that bundles may not use up, and what one session may hold while slots are short.
    private const int SlotReserve = 512;
    private const int SlotsWhenShort = 8;

    // No packet fits into less.
    private const int LeastPacket = 20;

    private const int IPv4DestinationOffset = 16;
    private const int IPv6DestinationOffset = 24;

    /// <inheritdoc/>
    public void OnFrame(ReadOnlySpan<byte> frame, long nowMilliseconds)
    {
        _now = nowMilliseconds;
        if (!PacketSegmenter.TryOpen(frame, out PacketSegmenter segments)
            || !TryReadDestination(frame[VirtioNetHeader.Bytes..], out NumericAddress destination))
        {
            _counters.Increment(Counter.IpPacketRouter_BadFrames);
            return;
        }

        int core = 0, index = SessionTable.None;
        bool isClient = _network.Routes(destination.IsIPv6) && _network.TryNumber(destination, out int number)
            && ((core = IprAddressPool.CoreOf(number, _links.Cores)) != _links.Core || _sessions.TryFindNumber(number, out index));
        if (!isClient)
            _counters.Add(Counter.IpPacketRouter_DownlinkNoClient, segments.Packets);
        else if (core == _links.Core)
            Take(index, ref segments);
        else
            HandOver(core, ref segments);
    }

    private static bool TryReadDestination(ReadOnlySpan<byte> packet, out NumericAddress destination)
    {
        destination = default;
        switch (packet[0] >> 4)
        {
            case 4 when packet.Length >= IpPacket.IPv4HeaderBytes:
                destination = NumericAddress.IPv4(BinaryPrimitives.ReadUInt32BigEndian(packet[IPv4DestinationOffset..]));
                return true;
            case 6 when packet.Length >= IpPacket.IPv6HeaderBytes:
                destination = NumericAddress.IPv6(BinaryPrimitives.ReadUInt128BigEndian(packet[IPv6DestinationOffset..]));
                return destination.IsIPv6;
            default:
                return false;
        }
    }

    /// <summary>Every packet of the frame into the session's bundles; those that find no room are counted.</summary>
    private void Take(int index, ref PacketSegmenter segments)
    {
        bool single = segments.Packets == 1;
        int taken = 0;
        while (segments.NextBytes is > 0 and int bytes)
        {
            if (!TryPlace(index, bytes, segments.Packets - taken, out Span<byte> place))
                break;
            segments.TryNext(place, out _);

            // What was cut from a large frame is data, never a SYN.
            if (single && IpPacket.TryRead(place, out IpPacket ip) == IpReadStatus.Ok)
                Clamp(place, ip);
            Commit(index, bytes);
            taken++;
        }
    }

    private void HandOver(int core, ref PacketSegmenter segments)
    {
        int taken = 0;
        while (segments.NextBytes is > 0 and int bytes)
        {
            if (bytes > _longestPacket)
            {
                _counters.Add(Counter.IpPacketRouter_DownlinkTooBig, segments.Packets - taken);
                break;
            }

            if (_memory.Own.Available(SlotClass.Regular) <= SlotReserve || !_memory.Own.TryRent(SlotClass.Regular, out SlotHandle slot))
            {
                _counters.Add(Counter.IpPacketRouter_DroppedNoSlot, segments.Packets - taken);
                break;
            }

            segments.TryNext(_memory.Slot(slot)[SlotHeader.Bytes..], out _);
            if (!TryHandOver(core, slot, bytes))
            {
                _counters.Add(Counter.IpPacketRouter_DroppedRingFull, segments.Packets - taken);
                break;
            }

            taken++;
        }
    }

    private bool TryHandOver(int core, SlotHandle slot, int bytes)
    {
        var parcel = new CoreParcel(
            ParcelKind.IpPacket, slot, SlotHeader.Bytes, bytes, 0, 0, 0, ServicePlan.IpPacketRouter);
        if (_links.TrySend(core, parcel))
        {
            _counters.Increment(Counter.IpPacketRouter_MovedToOtherCore);
            return true;
        }

        _memory.Free(slot);
        return false;
    }

    /// <summary>A packet another core read: its client is here, or gone meanwhile.</summary>
    private void Deliver(Span<byte> packet)
    {
        if (!packet.IsEmpty && TryReadDestination(packet, out NumericAddress destination)
            && _network.TryNumber(destination, out int number) && _sessions.TryFindNumber(number, out int index))
        {
            if (IpPacket.TryRead(packet, out IpPacket ip) == IpReadStatus.Ok)
                Clamp(packet, ip);
            Append(index, packet);
        }
        else
        {
            _counters.Increment(Counter.IpPacketRouter_DownlinkNoClient);
        }
    }

    /// <summary>From one client to another, wherever that one lives.</summary>
    private void Deliver(int number, ReadOnlySpan<byte> packet)
    {
        int core = IprAddressPool.CoreOf(number, _links.Cores);
        if (core == _links.Core)
        {
            if (_sessions.TryFindNumber(number, out int index))
                Append(index, packet);
            else
                _counters.Increment(Counter.IpPacketRouter_DownlinkNoClient);
            return;
        }

        if (_memory.Own.Available(SlotClass.Regular) <= SlotReserve || !_memory.Own.TryRent(SlotClass.Regular, out SlotHandle slot))
        {
            _counters.Increment(Counter.IpPacketRouter_DroppedNoSlot);
            return;
        }

        packet.CopyTo(_memory.Slot(slot)[SlotHeader.Bytes..]);
        if (!TryHandOver(core, slot, packet.Length))
            _counters.Increment(Counter.IpPacketRouter_DroppedRingFull);
    }

    private void Append(int index, ReadOnlySpan<byte> packet)
    {
        if (!TryPlace(index, packet.Length, 1, out Span<byte> place))
            return;
        packet.CopyTo(place);
        Commit(index, packet.Length);
    }

    /// <summary>Room for a packet in the session's open bundle. False: <paramref name="dropped"/> packets are counted as not taken.</summary>
    private bool TryPlace(int index, int bytes, int dropped, out Span<byte> place)
    {
        ref IprSession session = ref _sessions[index];
        int limit = BundleLimits.Reply(session.Version);
        if (!session.Queue.Fits(bytes, limit) && !TryBegin(index, bytes, limit, dropped))
        {
            place = default;
            return false;
        }

        place = session.Queue.Place(_memory, bytes);
        return true;
    }

    private bool TryBegin(int index, int bytes, int limit, int dropped)
    {
        ref IprSession session = ref _sessions[index];
        if (DownlinkQueue.PrefixBytes + bytes > limit)
        {
            _counters.Add(Counter.IpPacketRouter_DownlinkTooBig, dropped);
            return false;
        }

        if (session.Queue.HasOpen)
            CloseBundle(index);
        if (session.Queue.Bytes + bytes > _limits.QueueBytes)
        {
            DropOld(ref session);
            if (session.Queue.Bytes + bytes > _limits.QueueBytes)
            {
                _counters.Add(
                    session.WaitsForCredit ? Counter.IpPacketRouter_DroppedNoSurbs : Counter.IpPacketRouter_DroppedQueueFull, dropped);
                return false;
            }
        }

        int available = _memory.Own.Available(SlotClass.Regular);
        bool isShort = available < _memory.Own.Total(SlotClass.Regular) / 4;
        if (available <= SlotReserve || (isShort && session.Queue.Slots >= SlotsWhenShort)
            || !_memory.Own.TryRent(SlotClass.Regular, out SlotHandle slot))
        {
            _counters.Add(Counter.IpPacketRouter_DroppedNoSlot, dropped);
            return false;
        }

        int header = IprResponseWriter.DataHeaderBytes(session.Version, limit);
        session.Queue.Begin(slot, ReplyLayout.MessageOffset + header, _now);
        _timers.Set(index, _now + session.BundleMilliseconds);
        _opened.Add(index);
        return true;
    }

    private void Commit(int index, int bytes)
    {
        ref IprSession session = ref _sessions[index];
        session.Queue.Commit(_memory, bytes);
        _queuedBytes += DownlinkQueue.PrefixBytes + bytes;
        _counters.Increment(Counter.IpPacketRouter_DownlinkPackets);
        _counters.Add(Counter.IpPacketRouter_DownlinkBytes, bytes);
        if (session.BundleMilliseconds == 0 || !session.Queue.Fits(LeastPacket, BundleLimits.Reply(session.Version)))
            CloseBundle(index);
    }

    private void CloseBundle(int index)
    {
        ref IprSession session = ref _sessions[index];
        session.Queue.Close(_memory);
        _timers.Clear(index);
        if (!session.WaitsForCredit)
            _ready.Add(index);
    }

    private void Resume(int index)
    {
        ref IprSession session = ref _sessions[index];
        session.WaitsForCredit = false;
        if (session.Queue.Closed > 0)
            _ready.Add(index);
    }

    /// <summary>Bundles whose time has come are closed; then one bundle of each client in turn, as far as the reply stage keeps up.</summary>
    private void SendDue()
    {
        while (_timers.TryFire(_now, out int due))
            CloseBundle(due);
        int room = FeedAhead - _replies.Backlog;
        while (room > 0 && _ready.TryTake(out int index))
        {
            if (TrySendNext(index))
                room--;
        }

        // The next packet's place is free and nobody else wants it: nothing is gained by waiting for companions.
        for (int looks = room == FeedAhead ? _opened.Count : 0; looks > 0 && room > 0; looks--)
        {
            _opened.TryTake(out int index);
            ref IprSession session = ref _sessions[index];
            if (!session.Queue.HasOpen || session.WaitsForCredit || _replies.Credit(session.Peer) < ComfortableCredit)
                continue;
            CloseBundle(index);
            if (_ready.TryTake(out index) && TrySendNext(index))
                room--;
        }
    }

    private bool TrySendNext(int index)
    {
        ref IprSession session = ref _sessions[index];
        DropOld(ref session);
        if (session.Queue.Closed == 0)
            return false;
        if (_replies.Credit(session.Peer) <= 0)
        {
            session.WaitsForCredit = true;
            return false;
        }

        session.Queue.TryTake(_memory, out SlotHandle slot, out int offset, out int bytes);
        _queuedBytes -= bytes;
        int start = IprResponseWriter.WriteDataHeaderBefore(_memory.Slot(slot), offset, bytes, EnvelopeOf(session));
        Debug.Assert(start >= ReplyLayout.MessageOffset, "the header does not fit before the bundle");
        session.NextSequence = StreamFrame.NextSequence(session.NextSequence);
        _counters.Increment(Counter.IpPacketRouter_DownlinkBundles);
        int retransmissions = session.HasStream ? _limits.StreamRetransmissions : 0;
        _replies.SendInPlace(session.Peer, slot, start, offset - start + bytes, connection: 0, retransmissions);
        if (session.Queue.Closed > 0)
            _ready.Add(index);
        return true;
    }

    /// <summary>What waited too long is of no use to anyone: senders have repeated it.</summary>
    private void DropOld(ref IprSession session)
    {
        while (session.Queue.Closed > 0 && _now - session.Queue.OldestSince(_memory) > _queueAge)
        {
            session.Queue.TryTake(_memory, out SlotHandle slot, out _, out int bytes);
            _queuedBytes -= bytes;
            _memory.Free(slot);
            _counters.Increment(Counter.IpPacketRouter_BundlesDroppedAge);
        }
    }
}
