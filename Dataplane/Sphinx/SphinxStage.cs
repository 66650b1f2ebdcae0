using FastExit.Cores;
using FastExit.Crypto;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Sphinx;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.MixLink;

namespace FastExit.Sphinx;

/// <summary>
/// Unwraps packets, up to eight side by side, in their slots: header and MAC, replay check, payload, ack split, end-to-end decryption.
/// Then each fragment goes to the <see cref="Inbox"/> of its service and, if it was taken, its ack to the mix link.
/// <para>
/// A stage takes what is there (1 to 8 packets) and never waits for more. Every failure is counted by reason and ends that packet alone.
/// </para>
/// </summary>
internal sealed class SphinxStage
{
    public const int MaximumLanes = 8;
    private const int QueueSlots = 4096;
    private const int EnoughSlots = 64;

    private readonly SlotPool _slots;
    private readonly CoreCounters _counters;
    private readonly MixEgress _egress;
    private readonly SphinxHopBatch _hops = new() { TagsBySeedBlock = true };
    private readonly FragmentCipherBatch _cipher = new();
    private readonly ServiceKeys _services;
    private readonly SlotHandle[] _queue = new SlotHandle[QueueSlots];
    private readonly SphinxLane[] _lanes = new SphinxLane[MaximumLanes];
    private readonly SphinxLane[] _retry = new SphinxLane[MaximumLanes];
    private readonly int[] _retryOf = new int[MaximumLanes];
    private readonly SlotHandle[] _laneSlots = new SlotHandle[MaximumLanes];
    private readonly FragmentLane[] _fragments = new FragmentLane[MaximumLanes];
    private readonly int[] _fragmentLane = new int[MaximumLanes];
    private readonly Inbox?[] _inboxes;
    private SphinxKeySet _keys;
    private int _head;
    private int _count;

    public SphinxStage(SlotPool slots, MixEgress egress, ServiceKeys services, SphinxKeySet keys, CoreCounters counters)
    {
        _slots = slots;
        _egress = egress;
        _services = services;
        _inboxes = new Inbox?[services.Count];
        _keys = keys;
        _counters = counters;
    }

    public bool HasWork => _count > 0;

    /// <summary>Enough is queued: what else arrived waits in the sockets.</summary>
    public bool IsBusy => _count >= EnoughSlots;

    /// <summary>The inbox of one service; the rooms downstream are built after this one, and each service has its own.</summary>
    public void Connect(Inbox inbox)
    {
        _inboxes[inbox.Service] = inbox;
        inbox.Connect(this);
    }

    /// <summary>From the next batch on; the caller retires the old set once every core has done this.</summary>
    public void Use(SphinxKeySet keys) => _keys = keys;

    /// <summary>Takes the slot of one packet.</summary>
    public void Enqueue(SlotHandle slot, long now)
    {
        if (_count == QueueSlots)
            Run(now);
        _queue[(_head + _count++) & (QueueSlots - 1)] = slot;
    }

    /// <summary>Processes one batch of what is queued.</summary>
    public void Run(long now)
    {
        int lanes = Math.Min(_count, MaximumLanes);
        if (lanes == 0)
            return;
        for (int i = 0; i < lanes; i++)
            _laneSlots[i] = _queue[(_head + i) & (QueueSlots - 1)];
        _head = (_head + lanes) & (QueueSlots - 1);
        _count -= lanes;
        _counters.Increment(Counter.Sphinx_Batches);

        Span<SphinxLane> batch = _lanes.AsSpan(0, lanes);
        Open(batch);
        int fragments = Classify(batch);
        if (fragments == 0)
            return;
        _cipher.DecryptForward(_slots.All, _fragments.AsSpan(0, fragments), _services.EncryptionKeys);
        for (int f = 0; f < fragments; f++)
            Deliver(ref _fragments[f], ref batch[_fragmentLane[f]], _laneSlots[_fragmentLane[f]], now);
    }

    /// <summary>
    /// Unwraps with the key that the frame names; what names none and fails the primary key's MAC is tried with the neighbouring
    /// keys, again side by side (mix-link.md §3.2).
    /// </summary>
    private void Open(Span<SphinxLane> batch)
    {
        SphinxKeySet keys = _keys;
        for (int i = 0; i < batch.Length; i++)
        {
            ref SlotHeader header = ref _slots.Header(_laneSlots[i]);
            batch[i] = new SphinxLane
            {
                Offset = _slots.OffsetOf(_laneSlots[i]) + header.ContentOffset,
                Length = header.ContentBytes,
                Key = keys.KeyFor((KeyRotation)header.Rotation),
            };
            if (batch[i].Key < 0)
                _counters.Increment(Counter.Sphinx_ExpiredKey);
        }

        Unwrap(batch, keys);
        for (int key = 1; key < keys.Count; key++)
        {
            int retries = 0;
            for (int i = 0; i < batch.Length; i++)
            {
                if (batch[i].Status != SphinxStatus.BadMac
                    || (KeyRotation)_slots.Header(_laneSlots[i]).Rotation != KeyRotation.Unknown)
                    continue;
                _retry[retries] = batch[i];
                _retry[retries].Key = key;
                _retryOf[retries++] = i;
            }

            if (retries == 0)
                return;
            Unwrap(_retry.AsSpan(0, retries), keys);
            for (int r = 0; r < retries; r++)
                batch[_retryOf[r]] = _retry[r];
        }
    }

    private void Unwrap(Span<SphinxLane> lanes, SphinxKeySet keys)
    {
        _hops.OpenHeaders(_slots.All, lanes, keys.PrivateKeys);
        foreach (ref SphinxLane lane in lanes)
        {
            if (lane.Status != SphinxStatus.HeaderValid)
                continue;
            CheckReplay(ref lane, keys);
            // This node is no mix node: the payload of a forward hop is not worth its decryption.
            if (lane.Status == SphinxStatus.HeaderValid && lane.IsForward)
                lane.Status = SphinxStatus.Forward;
        }

        _hops.OpenPayloads(_slots.All, lanes);
    }

    private void CheckReplay(ref SphinxLane lane, SphinxKeySet keys)
    {
        switch (keys.Filter(lane.Key).Check(lane.ReplayTag.AsReadOnlySpan()))
        {
            case ReplayVerdict.Replay:
                _counters.Increment(Counter.Sphinx_Replays);
                lane.Status = SphinxStatus.Skipped;
                break;
            case ReplayVerdict.Full:
                _counters.Increment(Counter.Sphinx_ReplayFilterFull);
                lane.Status = SphinxStatus.Skipped;
                break;
        }
    }

    /// <summary>Ends every lane but the final hops with an end-to-end layer, which become the fragment lanes.</summary>
    private int Classify(Span<SphinxLane> batch)
    {
        int fragments = 0;
        for (int i = 0; i < batch.Length; i++)
        {
            ref SphinxLane lane = ref batch[i];
            SlotHandle slot = _laneSlots[i];
            if (lane.Status != SphinxStatus.Final)
            {
                Count(lane.Status);
                _slots.Free(slot);
                continue;
            }

            _counters.Increment(Counter.Sphinx_FinalHops);
            int service = _services.Find(lane.Destination.AsReadOnlySpan());
            if (service < 0)
            {
                _counters.Increment(Counter.Sphinx_UnknownDestination);
                _slots.Free(slot);
                continue;
            }

            ReadOnlySpan<byte> plaintext = _slots.All.Slice(lane.PlaintextOffset, lane.PlaintextBytes);
            if ((PacketSize)_slots.Header(slot).Size == PacketSize.Acknowledgement)
            {
                _inboxes[service]!.OnAck(plaintext);
                _slots.Free(slot);
                continue;
            }

            if (plaintext.Length < PacketSizes.AckPrefixBytes + PacketSizes.KeyBlockBytes
                || !NodeAddress.TryRead(plaintext[..NodeAddress.AckPrefixBytes], out _, out _))
            {
                _counters.Increment(Counter.Sphinx_MissingAck);
                _slots.Free(slot);
                continue;
            }

            _fragments[fragments] = new FragmentLane
            {
                Offset = lane.PlaintextOffset + PacketSizes.AckPrefixBytes,
                Length = lane.PlaintextBytes - PacketSizes.AckPrefixBytes,
                Key = service,
            };
            _fragmentLane[fragments++] = i;
        }

        return fragments;
    }

    private void Count(SphinxStatus status)
    {
        switch (status)
        {
            case SphinxStatus.Forward:
                _counters.Increment(Counter.Sphinx_ForwardHopsRefused);
                break;
            case SphinxStatus.BadKey:
                _counters.Increment(Counter.Sphinx_BadKey);
                break;
            case SphinxStatus.BadMac:
                _counters.Increment(Counter.Sphinx_BadMac);
                break;
            case SphinxStatus.BadPayload:
                _counters.Increment(Counter.Sphinx_BadPayload);
                break;
            case SphinxStatus.Skipped:
                break;
            default:
                _counters.Increment(Counter.Sphinx_BadRouting);
                break;
        }
    }

    private void Deliver(ref FragmentLane fragment, ref SphinxLane lane, SlotHandle slot, long now)
    {
        if (!fragment.Valid)
        {
            _counters.Increment(Counter.Delivery_BadEphemeralKey);
            _slots.Free(slot);
            return;
        }

        // The fragment's slot may be gone after delivery, and a packet that was not taken must not be acknowledged.
        bool haveAck = TryCopyAck(
            _slots.All.Slice(lane.PlaintextOffset, PacketSizes.AckPrefixBytes),
            _slots.Header(slot).Rotation, out SlotHandle ack, out NodeAddress firstHop);
        FragmentFate fate = _inboxes[fragment.Key]!.OnFragment(
            slot,
            fragment.Offset + PacketSizes.KeyBlockBytes - _slots.OffsetOf(slot),
            fragment.Length - PacketSizes.KeyBlockBytes,
            now);
        if (haveAck)
            EndAck(fate == FragmentFate.Taken, ack, firstHop, now);
    }

    /// <summary>Sends the ack of a fragment that was taken.</summary>
    public void EndAck(bool taken, SlotHandle ack, in NodeAddress firstHop, long now)
    {
        if (!taken)
        {
            _slots.Free(ack);
            return;
        }

        _counters.Increment(Counter.Sphinx_AcksReleased);
        _egress.Send(firstHop, ack, now);
    }

    /// <summary>Copies the ack packet out of a prefix that was found readable, framed with its carrier's rotation.</summary>
    public bool TryCopyAck(
        ReadOnlySpan<byte> prefix, byte rotation, out SlotHandle ack, out NodeAddress firstHop)
    {
        bool readable = NodeAddress.TryRead(prefix[..NodeAddress.AckPrefixBytes], out firstHop, out _);
        if (!_slots.TryRent(SlotClass.Regular, out ack))
        {
            _counters.Increment(Counter.MixLink_NoSlot);
            return false;
        }

        System.Diagnostics.Debug.Assert(readable, "checked in Classify");
        ReadOnlySpan<byte> packet = prefix[NodeAddress.AckPrefixBytes..];
        packet.CopyTo(_slots.Slot(ack)[ReplyLayout.PacketOffset..]);
        ref SlotHeader header = ref _slots.Header(ack);
        header.ContentOffset = ReplyLayout.PacketOffset;
        header.ContentBytes = packet.Length;
        header.Size = (byte)PacketSize.Acknowledgement;
        header.Rotation = rotation;
        return true;
    }
}
