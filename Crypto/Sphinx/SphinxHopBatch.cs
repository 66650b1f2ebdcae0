using System.Buffers.Binary;
using System.Security.Cryptography;
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
/// <para>Nothing of a packet is used before its code is checked, and no key beyond stream and MAC key is derived before
/// that. As in the network's own nodes an all-zero shared secret is accepted (whoever makes one could make an ordinary
/// packet as well), and so is every version number.</para>
/// <para>Constant time: in keys and secrets. What a header says (flag, version) decides what is done next, as it must.</para>
/// </remarks>
public sealed class SphinxHopBatch
{
    private const int Lanes = SphinxSizes.MaximumLanes;
    private const int MacEnd = SphinxSizes.AlphaBytes + SphinxSizes.MacBytes;

    private readonly byte[] _scalars = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _points = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _results = new byte[Lanes * X25519.KeyBytes];
    private readonly int[] _laneOfSlot = new int[Lanes];
    private readonly byte[] _expanded = new byte[Lanes * SharedSecretExpansion.Bytes];
    private readonly byte[] _payloadKeys = new byte[Lanes * SphinxSizes.PayloadKeyBytes];
    private readonly LionessLane[] _payloads = new LionessLane[Lanes];
    private readonly byte[] _routing = new byte[SphinxSizes.StreamBytes];

    /// <summary>
    /// Whether a forward hop wants an IPv4 or IPv6 next hop (sphinx.md §7.1 step 9), true unless set. The packet format
    /// itself does not care what the 32 bytes are.
    /// </summary>
    public bool ChecksNextHop { get; init; } = true;

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
            _laneOfSlot[slots++] = i;
        }

        if (slots == 0)
            return;
        X25519.MultiplyLanes(_scalars, _points, _results, slots);
        for (int slot = 0; slot < slots; slot++)
        {
            int i = _laneOfSlot[slot];
            ref SphinxLane lane = ref lanes[i];
            OpenHeader(
                region.Slice(lane.Offset, SphinxSizes.HeaderBytes),
                ref lane,
                Slice(_results, slot, X25519.KeyBytes),
                Slice(_expanded, i, SharedSecretExpansion.Bytes));
        }

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
        for (int i = 0; i < lanes.Length; i++)
        {
            ref SphinxLane lane = ref lanes[i];
            if (lane.Status != SphinxStatus.HeaderValid)
                continue;
            int payloadBytes = lane.Length - SphinxSizes.HeaderBytes;
            if (lane.IsForward && !allowForward)
                lane.Status = SphinxStatus.Forward;
            else if (payloadBytes < SphinxSizes.MinimumPayloadBytes)
                lane.Status = SphinxStatus.BadPayload;
            else if (lane.IsForward && ChecksNextHop && lane.NextHop[0] is not (4 or 6))
                lane.Status = SphinxStatus.BadAddress;
            if (lane.Status != SphinxStatus.HeaderValid)
                continue;
            DerivePayloadKey(
                lane.Version,
                Slice(_expanded, i, SharedSecretExpansion.Bytes)[SharedSecretExpansion.PayloadKeyOffset..],
                Slice(_payloadKeys, slots, SphinxSizes.PayloadKeyBytes));
            _payloads[slots] = new(lane.Offset + SphinxSizes.HeaderBytes, payloadBytes);
            _laneOfSlot[slots++] = i;
        }

        if (slots > 0)
        {
            Lioness.DecryptLanes(region, _payloads.AsSpan(0, slots), _payloadKeys);
            BlindForwardLanes(region, lanes, slots);
            for (int slot = 0; slot < slots; slot++)
            {
                int i = _laneOfSlot[slot];
                if (lanes[i].IsForward)
                    ShiftHeader(region, ref lanes[i], Slice(_expanded, i, SharedSecretExpansion.Bytes));
                else
                    Recover(region, ref lanes[i]);
            }
        }

        CryptographicOperations.ZeroMemory(_expanded);
        CryptographicOperations.ZeroMemory(_payloadKeys);
    }

    private static Span<byte> Slice(byte[] array, int index, int bytes) => array.AsSpan(index * bytes, bytes);

    private static SphinxStatus CheckPlace(in SphinxLane lane, int regionBytes, int keysBytes)
    {
        if (lane.Length < SphinxSizes.MinimumPacketBytes || lane.Offset < 0 || lane.Offset > regionBytes - lane.Length)
            return SphinxStatus.InvalidLength;
        return (uint)lane.Key < (uint)(keysBytes / X25519.KeyBytes) ? SphinxStatus.None : SphinxStatus.Skipped;
    }

    private static void OpenHeader(
        ReadOnlySpan<byte> header, ref SphinxLane lane, ReadOnlySpan<byte> sharedSecret, Span<byte> expanded)
    {
        SharedSecretExpansion expansion = SharedSecretExpansion.Start(sharedSecret);
        expansion.ExtendTo(SharedSecretExpansion.HeaderKeyBlocks, expanded);
        Span<byte> mac = stackalloc byte[SphinxSizes.MacBytes];
        RoutingBlock.ComputeMac(
            expanded.Slice(SharedSecretExpansion.MacKeyOffset, SphinxSizes.MacBytes), header[MacEnd..], mac);
        if (!CryptographicOperations.FixedTimeEquals(mac, header[SphinxSizes.AlphaBytes..MacEnd]))
        {
            lane.Status = SphinxStatus.BadMac;
            return;
        }

        Span<byte> block = stackalloc byte[RoutingBlock.MetaBytes];
        header.Slice(MacEnd, block.Length).CopyTo(block);
        AesCtr.TransformZeroIv(expanded[..AesCtr.KeyBytes], block);
        if (block[0] is not (RoutingBlock.ForwardFlag or RoutingBlock.FinalFlag))
        {
            lane.Status = SphinxStatus.BadRouting;
            return;
        }

        expansion.ExtendTo(SharedSecretExpansion.AllBlocks, expanded);
        expanded[SharedSecretExpansion.ReplayTagOffset..].CopyTo(lane.ReplayTag);
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

        lane.Status = SphinxStatus.HeaderValid;
    }

    private static void DerivePayloadKey(ushort version, ReadOnlySpan<byte> keyField, Span<byte> payloadKey)
    {
        if (SphinxVersion.HasExplicitKeys(version))
            keyField[..SphinxSizes.PayloadKeyBytes].CopyTo(payloadKey);
        else
            SharedSecretExpansion.ExpandSeed(keyField[..SphinxSizes.SeedBytes], payloadKey);
    }

    // alpha' = [blinding factor] alpha, written over alpha; clamped lanes side by side.
    private void BlindForwardLanes(Span<byte> region, Span<SphinxLane> lanes, int slots)
    {
        Span<int> forward = stackalloc int[Lanes];
        int count = 0;
        Span<byte> reduced = stackalloc byte[GroupOrderScalar.Bytes];
        for (int slot = 0; slot < slots; slot++)
        {
            int i = _laneOfSlot[slot];
            if (!lanes[i].IsForward)
                continue;
            Span<byte> alpha = region.Slice(lanes[i].Offset, SphinxSizes.AlphaBytes);
            Span<byte> factor = Slice(_expanded, i, SharedSecretExpansion.Bytes)
                .Slice(SharedSecretExpansion.BlindingFactorOffset, X25519.KeyBytes);
            if (SphinxVersion.HasReducedScalars(lanes[i].Version))
            {
                GroupOrderScalar.Reduce(factor, reduced);
                X25519.MultiplyUnclamped(reduced, alpha, alpha);
                continue;
            }

            factor.CopyTo(Slice(_scalars, count, X25519.KeyBytes));
            alpha.CopyTo(Slice(_points, count, X25519.KeyBytes));
            forward[count++] = i;
        }

        if (count == 0)
            return;
        X25519.MultiplyLanes(_scalars, _points, _results, count);
        for (int k = 0; k < count; k++)
        {
            Slice(_results, k, X25519.KeyBytes)
                .CopyTo(region.Slice(lanes[forward[k]].Offset, SphinxSizes.AlphaBytes));
        }

        CryptographicOperations.ZeroMemory(_scalars);
    }

    // gamma' and beta' over gamma and beta: the decrypted header less the block that was for this hop.
    private void ShiftHeader(Span<byte> region, ref SphinxLane lane, ReadOnlySpan<byte> expanded)
    {
        Span<byte> header = region.Slice(lane.Offset, SphinxSizes.HeaderBytes);
        Span<byte> routing = _routing;
        header[MacEnd..].CopyTo(routing);
        routing[SphinxSizes.RoutingBytes..].Clear();
        AesCtr.TransformZeroIv(expanded[..AesCtr.KeyBytes], routing);
        routing[RoutingBlock.MacOffset..].CopyTo(header[SphinxSizes.AlphaBytes..]);
        lane.Status = SphinxStatus.Forward;
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
