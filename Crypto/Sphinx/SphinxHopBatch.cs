using System.Buffers.Binary;
using System.Security.Cryptography;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

/// <summary>
/// Processes up to 8 received packets side by side, forward and final hops, any mix of keys, sizes and versions
/// (sphinx.md §7). A workspace: one per thread, allocated once, no allocation afterwards.
/// </summary>
/// <remarks>
/// <para>Use: <see cref="OpenHeaders"/>; look at the lanes that are HeaderValid, check their replay tags and set Skipped
/// where one is known; <see cref="OpenPayloads"/> with the same lanes in the same order. A bad packet gets a status; it
/// throws nothing and does not touch its neighbours.</para>
/// <para>Nothing of a packet is used before its code is checked, and of its keys only stream and MAC key are derived before
/// that; if no lane's code is good, nothing else is derived at all. (Beside good lanes a bad one is carried along through the
/// derivation, which costs no time there; what comes out is overwritten by zeros unread.) An all-zero shared secret is
/// refused (sphinx.md §4.1 leaves that open: no sender makes one by chance); every version number is accepted.</para>
/// <para>Constant time: in keys and secrets. What a header says (flag, version) decides what is done next, as it must.</para>
/// </remarks>
public sealed class SphinxHopBatch
{
    private const int Lanes = SphinxSizes.MaximumLanes;
    private const int MacEnd = SphinxSizes.AlphaBytes + SphinxSizes.MacBytes;

    private readonly CpuLevel _level;
    private readonly SharedSecretLanes _keys;
    private readonly byte[] _scalars = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _points = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _results = new byte[Lanes * X25519.KeyBytes];
    private readonly int[] _laneOfSlot = new int[Lanes];
    private readonly byte[] _macs = new byte[Lanes * SphinxSizes.MacBytes];
    private readonly LaneRange[] _routings = new LaneRange[Lanes];

    // By slot of OpenHeaders, and for OpenPayloads the slot of each lane.
    private readonly byte[] _expanded = new byte[Lanes * SharedSecretExpansion.Bytes];
    private readonly int[] _slotOfLane = new int[Lanes];

    private readonly byte[] _seeds = new byte[Lanes * SphinxSizes.SeedBytes];
    private readonly byte[] _payloadKeys = new byte[Lanes * SphinxSizes.PayloadKeyBytes];
    private readonly LionessLane[] _payloads = new LionessLane[Lanes];
    private readonly byte[] _blocks = new byte[Lanes * RoutingBlock.MetaBytes];
    private readonly LaneRange[] _blockRanges = new LaneRange[Lanes];
    private readonly byte[] _streamKeys = new byte[Lanes * AesCtr.KeyBytes];
    private readonly byte[] _shifted = new byte[Lanes * SphinxSizes.StreamBytes];
    private readonly LaneRange[] _shiftedRanges = new LaneRange[Lanes];
    private readonly int[] _forwardLanes = new int[Lanes];

    /// <summary>A workspace for the level of this process.</summary>
    public SphinxHopBatch()
        : this(CpuLevels.Current)
    {
    }

    internal SphinxHopBatch(CpuLevel level)
    {
        _level = level;
        _keys = new(level);
        for (int slot = 0; slot < Lanes; slot++)
        {
            _blockRanges[slot] = new(slot * RoutingBlock.MetaBytes, RoutingBlock.MetaBytes);
            _shiftedRanges[slot] = new(slot * SphinxSizes.StreamBytes, SphinxSizes.StreamBytes);
        }
    }

    /// <summary>
    /// Whether a forward hop wants an IPv4 or IPv6 next hop (sphinx.md §7.1 step 9), true unless set. The packet format
    /// itself does not care what the 32 bytes are.
    /// </summary>
    public bool ChecksNextHop { get; init; } = true;

    /// <summary>
    /// Whether the replay tag of a final hop whose payload key comes from a seed is taken from the part of the expanded secret
    /// behind the seed, which nothing else uses, twice over; false unless set. What such packets need is derived then with 40
    /// SHA-256 compressions instead of 68 (sphinx.md §11.2). A tag is the node's own affair and never leaves it: like the
    /// protocol's, which all others keep, this one is a function of the shared secret alone that tells nothing about a key.
    /// All that share a replay filter must agree.
    /// </summary>
    public bool TagsBySeedBlock { get; init; }

    /// <summary>Any byte that is not zero where keys, secrets and what follows from them are.</summary>
    internal bool HoldsSecrets
    {
        get
        {
            bool any = _keys.HoldsSecrets;
            foreach (byte[] secret in (ReadOnlySpan<byte[]>)[_scalars, _expanded, _seeds, _payloadKeys, _streamKeys])
                any |= secret.AsSpan().ContainsAnyExcept((byte)0);
            return any;
        }
    }

    /// <summary>
    /// Shared secret, code, replay tag and routing of every lane: sets HeaderValid or an error. The region is only read.
    /// </summary>
    /// <param name="region">Holds all packets.</param>
    /// <param name="lanes">At most 8.</param>
    /// <param name="privateKeys">32 bytes each; a lane whose key is not there is Skipped.</param>
    public void OpenHeaders(Span<byte> region, Span<SphinxLane> lanes, ReadOnlySpan<byte> privateKeys)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lanes.Length, Lanes);
        int slots = 0;
        for (int i = 0; i < lanes.Length; i++)
        {
            ref SphinxLane lane = ref lanes[i];
            lane.Status = CheckPlace(in lane, region.Length, privateKeys.Length);
            if (lane.Status != SphinxStatus.None)
                continue;
            privateKeys.Slice(lane.Key * X25519.KeyBytes, X25519.KeyBytes)
                .CopyTo(Slice(_scalars, slots, X25519.KeyBytes));
            region.Slice(lane.Offset, X25519.KeyBytes).CopyTo(Slice(_points, slots, X25519.KeyBytes));
            _slotOfLane[i] = slots;
            _laneOfSlot[slots++] = i;
        }

        if (slots == 0)
            return;
        X25519.MultiplyLanes(_level, _scalars, _points, _results, slots);
        _keys.Start(_results, slots);
        _keys.ExtendTo(SharedSecretExpansion.HeaderKeyBlocks, _expanded, SharedSecretExpansion.Bytes);
        if (CheckMacs(region, lanes, slots) && ReadRouting(region, lanes, slots))
            _keys.ExtendTo(BlocksWanted(lanes, slots), _expanded, SharedSecretExpansion.Bytes);

        for (int slot = 0; slot < slots; slot++)
        {
            ref SphinxLane lane = ref lanes[_laneOfSlot[slot]];
            if (lane.Status == SphinxStatus.HeaderValid)
                TakeTag(Expanded(slot), ref lane);
            else
                CryptographicOperations.ZeroMemory(Expanded(slot));
        }

        _keys.Clear();
        CryptographicOperations.ZeroMemory(_scalars);
        CryptographicOperations.ZeroMemory(_results);
    }

    /// <summary>
    /// Takes a layer off the payload of every lane that is HeaderValid: Forward (the region holds the next hop's packet),
    /// Final (plaintext found) or an error. With allowForward false a forward hop becomes Forward and nothing else is
    /// done for it.
    /// </summary>
    public void OpenPayloads(Span<byte> region, Span<SphinxLane> lanes, bool allowForward = true)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lanes.Length, Lanes);
        int slots = 0;
        foreach (bool explicitKeys in (ReadOnlySpan<bool>)[false, true])
        {
            // Slots of lanes with seeds come first, so that their keys come out of one derivation in place.
            for (int i = 0; i < lanes.Length; i++)
            {
                ref SphinxLane lane = ref lanes[i];
                if (SphinxVersion.HasExplicitKeys(lane.Version) != explicitKeys || !WantsPayload(ref lane, allowForward))
                    continue;
                ReadOnlySpan<byte> keyField = Expanded(_slotOfLane[i])[SharedSecretExpansion.PayloadKeyOffset..];
                if (explicitKeys)
                    keyField[..SphinxSizes.PayloadKeyBytes].CopyTo(Slice(_payloadKeys, slots, SphinxSizes.PayloadKeyBytes));
                else
                    keyField[..SphinxSizes.SeedBytes].CopyTo(Slice(_seeds, slots, SphinxSizes.SeedBytes));
                _payloads[slots] = new(lane.Offset + SphinxSizes.HeaderBytes, lane.Length - SphinxSizes.HeaderBytes);
                _laneOfSlot[slots++] = i;
            }

            if (!explicitKeys && slots > 0)
                _keys.ExpandSeeds(_seeds.AsSpan(0, slots * SphinxSizes.SeedBytes), _payloadKeys);
        }

        if (slots > 0)
        {
            Lioness.DecryptLanes(_level, region, _payloads.AsSpan(0, slots), _payloadKeys);
            int forward = 0;
            for (int slot = 0; slot < slots; slot++)
            {
                int i = _laneOfSlot[slot];
                if (lanes[i].IsForward)
                    _forwardLanes[forward++] = i;
                else
                    Recover(region, ref lanes[i]);
            }

            if (forward > 0)
            {
                BlindAlphas(region, lanes, _forwardLanes.AsSpan(0, forward));
                ShiftHeaders(region, lanes, _forwardLanes.AsSpan(0, forward));
            }
        }

        _keys.Clear();
        CryptographicOperations.ZeroMemory(_expanded);
        CryptographicOperations.ZeroMemory(_seeds);
        CryptographicOperations.ZeroMemory(_payloadKeys);
    }

    private static Span<byte> Slice(byte[] array, int index, int bytes) => array.AsSpan(index * bytes, bytes);

    private Span<byte> Expanded(int slot) => Slice(_expanded, slot, SharedSecretExpansion.Bytes);

    private bool HasShortTag(in SphinxLane lane) =>
        TagsBySeedBlock && !lane.IsForward && !SphinxVersion.HasExplicitKeys(lane.Version);

    // As far as the lane needs it that needs most.
    private int BlocksWanted(ReadOnlySpan<SphinxLane> lanes, int slots)
    {
        for (int slot = 0; slot < slots; slot++)
        {
            ref readonly SphinxLane lane = ref lanes[_laneOfSlot[slot]];
            if (lane.Status == SphinxStatus.HeaderValid && !HasShortTag(in lane))
                return SharedSecretExpansion.AllBlocks;
        }

        return SharedSecretExpansion.SeedBlocks;
    }

    private void TakeTag(ReadOnlySpan<byte> expanded, ref SphinxLane lane)
    {
        Span<byte> tag = lane.ReplayTag;
        if (!HasShortTag(in lane))
        {
            expanded[SharedSecretExpansion.ReplayTagOffset..].CopyTo(tag);
            return;
        }

        ReadOnlySpan<byte> spare = expanded.Slice(SharedSecretExpansion.SpareOffset, SharedSecretExpansion.SpareBytes);
        spare.CopyTo(tag);
        spare.CopyTo(tag[SharedSecretExpansion.SpareBytes..]);
    }

    private static SphinxStatus CheckPlace(in SphinxLane lane, int regionBytes, int keysBytes)
    {
        if (lane.Length < SphinxSizes.MinimumPacketBytes || lane.Offset < 0 || lane.Offset > regionBytes - lane.Length)
            return SphinxStatus.InvalidLength;
        return (uint)lane.Key < (uint)(keysBytes / X25519.KeyBytes) ? SphinxStatus.None : SphinxStatus.Skipped;
    }

    // False if no lane's code is good; the others get their status.
    private bool CheckMacs(ReadOnlySpan<byte> region, Span<SphinxLane> lanes, int slots)
    {
        for (int slot = 0; slot < slots; slot++)
            _routings[slot] = new(lanes[_laneOfSlot[slot]].Offset + MacEnd, SphinxSizes.RoutingBytes);
        HmacSha256Lanes.Compute(
            _level,
            new(_expanded.AsSpan(SharedSecretExpansion.MacKeyOffset), SharedSecretExpansion.Bytes, SphinxSizes.MacBytes),
            region,
            _routings.AsSpan(0, slots),
            _macs,
            SphinxSizes.MacBytes,
            SphinxSizes.MacBytes);
        bool any = false;
        for (int slot = 0; slot < slots; slot++)
        {
            ref SphinxLane lane = ref lanes[_laneOfSlot[slot]];
            ReadOnlySpan<byte> received = region.Slice(lane.Offset + SphinxSizes.AlphaBytes, SphinxSizes.MacBytes);
            bool good = CryptographicOperations.FixedTimeEquals(Slice(_macs, slot, SphinxSizes.MacBytes), received);

            // Zero says that alpha is a point of low order, which anybody can see: the branch tells no secret.
            bool zero = X25519.IsZero(Slice(_results, slot, X25519.KeyBytes));
            lane.Status = zero ? SphinxStatus.BadKey : good ? SphinxStatus.HeaderValid : SphinxStatus.BadMac;
            any |= good & !zero;
        }

        return any;
    }

    // What the blocks say, for lanes whose code is good; false if none is of a kind that exists.
    private bool ReadRouting(ReadOnlySpan<byte> region, Span<SphinxLane> lanes, int slots)
    {
        for (int slot = 0; slot < slots; slot++)
        {
            Span<byte> block = Slice(_blocks, slot, RoutingBlock.MetaBytes);
            ref readonly SphinxLane lane = ref lanes[_laneOfSlot[slot]];
            if (lane.Status == SphinxStatus.HeaderValid)
                region.Slice(lane.Offset + MacEnd, block.Length).CopyTo(block);
            else
                block.Clear();
        }

        AesCtr.TransformZeroIvLanes(
            _level,
            new(_expanded.AsSpan(SharedSecretExpansion.StreamKeyOffset), SharedSecretExpansion.Bytes, AesCtr.KeyBytes),
            _blocks,
            _blockRanges.AsSpan(0, slots));
        bool any = false;
        for (int slot = 0; slot < slots; slot++)
        {
            ref SphinxLane lane = ref lanes[_laneOfSlot[slot]];
            if (lane.Status != SphinxStatus.HeaderValid)
                continue;
            lane.Status = ReadBlock(Slice(_blocks, slot, RoutingBlock.MetaBytes), ref lane);
            any |= lane.Status == SphinxStatus.HeaderValid;
        }

        return any;
    }

    private static SphinxStatus ReadBlock(ReadOnlySpan<byte> block, ref SphinxLane lane)
    {
        if (block[0] is not (RoutingBlock.ForwardFlag or RoutingBlock.FinalFlag))
            return SphinxStatus.BadRouting;
        lane.IsForward = block[0] == RoutingBlock.ForwardFlag;
        lane.Version = BinaryPrimitives.ReadUInt16BigEndian(block[RoutingBlock.VersionOffset..]);
        if (lane.IsForward)
        {
            block.Slice(RoutingBlock.AddressOffset, SphinxSizes.AddressBytes).CopyTo(lane.NextHop);
            lane.DelayNanoseconds = BinaryPrimitives.ReadUInt64BigEndian(block[RoutingBlock.DelayOffset..]);
        }
        else
        {
            block.Slice(RoutingBlock.DestinationOffset, SphinxSizes.DestinationBytes).CopyTo(lane.Destination);
            block.Slice(RoutingBlock.IdentifierOffset, SphinxSizes.IdentifierBytes).CopyTo(lane.Identifier);
        }

        return SphinxStatus.HeaderValid;
    }

    // False for a lane that is not HeaderValid or ends here, with the status it ends with.
    private bool WantsPayload(ref SphinxLane lane, bool allowForward)
    {
        if (lane.Status != SphinxStatus.HeaderValid)
            return false;
        if (lane.IsForward && !allowForward)
            lane.Status = SphinxStatus.Forward;
        else if (lane.Length - SphinxSizes.HeaderBytes < SphinxSizes.MinimumPayloadBytes)
            lane.Status = SphinxStatus.BadPayload;
        else if (lane.IsForward && ChecksNextHop && lane.NextHop[0] is not (4 or 6))
            lane.Status = SphinxStatus.BadAddress;
        return lane.Status == SphinxStatus.HeaderValid;
    }

    // alpha' = [blinding factor] alpha, written over alpha: clamped factors, then reduced ones, side by side.
    private void BlindAlphas(Span<byte> region, Span<SphinxLane> lanes, ReadOnlySpan<int> forward)
    {
        foreach (bool reduced in (ReadOnlySpan<bool>)[false, true])
        {
            int slots = 0;
            foreach (int i in forward)
            {
                if (SphinxVersion.HasReducedScalars(lanes[i].Version) != reduced)
                    continue;
                ReadOnlySpan<byte> factor = Expanded(_slotOfLane[i])
                    .Slice(SharedSecretExpansion.BlindingFactorOffset, X25519.KeyBytes);
                Span<byte> scalar = Slice(_scalars, slots, X25519.KeyBytes);
                if (reduced)
                    GroupOrderScalar.Reduce(factor, scalar);
                else
                    factor.CopyTo(scalar);
                region.Slice(lanes[i].Offset, SphinxSizes.AlphaBytes).CopyTo(Slice(_points, slots, X25519.KeyBytes));
                _laneOfSlot[slots++] = i;
            }

            if (slots == 0)
                continue;
            if (reduced)
                X25519.MultiplyUnclampedLanes(_level, _scalars, _points, _results, slots);
            else
                X25519.MultiplyLanes(_level, _scalars, _points, _results, slots);
            for (int slot = 0; slot < slots; slot++)
            {
                Slice(_results, slot, X25519.KeyBytes)
                    .CopyTo(region.Slice(lanes[_laneOfSlot[slot]].Offset, SphinxSizes.AlphaBytes));
            }
        }

        CryptographicOperations.ZeroMemory(_scalars);
    }

    // gamma' and beta' over gamma and beta: the decrypted header less the block that was for this hop.
    private void ShiftHeaders(Span<byte> region, Span<SphinxLane> lanes, ReadOnlySpan<int> forward)
    {
        for (int slot = 0; slot < forward.Length; slot++)
        {
            int i = forward[slot];
            Expanded(_slotOfLane[i]).Slice(SharedSecretExpansion.StreamKeyOffset, AesCtr.KeyBytes)
                .CopyTo(Slice(_streamKeys, slot, AesCtr.KeyBytes));
            Span<byte> routing = Slice(_shifted, slot, SphinxSizes.StreamBytes);
            region.Slice(lanes[i].Offset + MacEnd, SphinxSizes.RoutingBytes).CopyTo(routing);
            routing[SphinxSizes.RoutingBytes..].Clear();
        }

        AesCtr.TransformZeroIvLanes(
            _level, new(_streamKeys, AesCtr.KeyBytes), _shifted, _shiftedRanges.AsSpan(0, forward.Length));
        for (int slot = 0; slot < forward.Length; slot++)
        {
            ref SphinxLane lane = ref lanes[forward[slot]];
            Slice(_shifted, slot, SphinxSizes.StreamBytes)[RoutingBlock.MacOffset..]
                .CopyTo(region[(lane.Offset + SphinxSizes.AlphaBytes)..]);
            lane.Status = SphinxStatus.Forward;
        }

        CryptographicOperations.ZeroMemory(_streamKeys);
    }

    private static void Recover(ReadOnlySpan<byte> region, ref SphinxLane lane)
    {
        ReadOnlySpan<byte> payload =
            region.Slice(lane.Offset + SphinxSizes.HeaderBytes, lane.Length - SphinxSizes.HeaderBytes);
        bool found = SphinxPayload.TryRecover(payload, out int offset, out int bytes);
        lane.PlaintextOffset = lane.Offset + SphinxSizes.HeaderBytes + offset;
        lane.PlaintextBytes = bytes;
        lane.Status = found ? SphinxStatus.Final : SphinxStatus.BadPayload;
    }
}
