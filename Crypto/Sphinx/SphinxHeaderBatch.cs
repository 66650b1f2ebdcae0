using System.Security.Cryptography;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

/// <summary>
/// Builds up to 8 Sphinx headers side by side, hop by hop, each with its own route and version (sphinx.md §4, §6 steps 1
/// to 5). A workspace: one per thread, allocated once, no allocation afterwards.
/// </summary>
/// <remarks>
/// <para>Use: <see cref="Clear"/>, <see cref="Add(SphinxRoute, ushort)"/> some routes, <see cref="Build"/>, read the lanes.
/// The spans that the readers give are valid until the next Clear, which also wipes all secrets.</para>
/// <para>Scalars: clamped versions fold their scalars mod l and pay one multiplication a hop (sphinx.md §4.4). That equals
/// the chain of §4.2 only for keys on the curve; a key on the twist, which no node can own but a directory can list, takes
/// the chain. Which one a key needs is remembered. Versions 1 and 257 multiply by the reduced product itself (§4.5).</para>
/// <para>Constant time: in everything but public keys, versions and numbers of hops.</para>
/// </remarks>
public sealed class SphinxHeaderBatch
{
    private const int Lanes = SphinxSizes.MaximumLanes, Hops = SphinxSizes.MaximumHops;

    private readonly int[] _hops = new int[Lanes];
    private readonly ushort[] _versions = new ushort[Lanes];
    private readonly byte[] _publicKeys = new byte[Lanes * Hops * X25519.KeyBytes];
    private readonly byte[] _addresses = new byte[Lanes * Hops * SphinxSizes.AddressBytes];
    private readonly ulong[] _delays = new ulong[Lanes * Hops];
    private readonly byte[] _destinations = new byte[Lanes * SphinxSizes.DestinationBytes];
    private readonly byte[] _identifiers = new byte[Lanes * SphinxSizes.IdentifierBytes];
    private readonly byte[] _paddings = new byte[Lanes * SphinxSizes.MaximumPaddingBytes];

    private readonly byte[] _secrets = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _folded = new byte[Lanes * GroupOrderScalar.Bytes];
    private readonly byte[] _expanded = new byte[Lanes * Hops * SharedSecretExpansion.Bytes];
    private readonly byte[] _headers = new byte[Lanes * SphinxSizes.HeaderBytes];
    private readonly byte[] _payloadKeys = new byte[Lanes * Hops * SphinxSizes.PayloadKeyBytes];
    private readonly byte[] _payloadSeeds = new byte[Lanes * Hops * SphinxSizes.SeedBytes];

    private readonly byte[] _scalars = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _points = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _shared = new byte[Lanes * X25519.KeyBytes];
    private readonly int[] _laneOfSlot = new int[Lanes];
    private readonly byte[] _streams = new byte[Hops * SphinxSizes.StreamBytes];
    private readonly CurveKeyCache _curveKeys = new();

    /// <summary>Lanes added since the last <see cref="Clear"/>.</summary>
    public int Count { get; private set; }

    /// <summary>Forgets all lanes and wipes their secrets.</summary>
    public void Clear()
    {
        CryptographicOperations.ZeroMemory(_secrets);
        CryptographicOperations.ZeroMemory(_folded);
        CryptographicOperations.ZeroMemory(_scalars);
        CryptographicOperations.ZeroMemory(_shared);
        CryptographicOperations.ZeroMemory(_streams);
        CryptographicOperations.ZeroMemory(_expanded.AsSpan(0, Count * Hops * SharedSecretExpansion.Bytes));
        CryptographicOperations.ZeroMemory(_payloadKeys.AsSpan(0, Count * Hops * SphinxSizes.PayloadKeyBytes));
        CryptographicOperations.ZeroMemory(_payloadSeeds.AsSpan(0, Count * Hops * SphinxSizes.SeedBytes));
        Count = 0;
    }

    /// <summary>Adds a header with a fresh secret and fresh padding. The lane, or -1: batch full or route not valid.</summary>
    public int Add(SphinxRoute route, ushort version)
    {
        if (Count == Lanes || !route.IsValid)
            return -1;
        Span<byte> random = stackalloc byte[X25519.KeyBytes + SphinxSizes.MaximumPaddingBytes];
        random = random[..(X25519.KeyBytes + SphinxSizes.PaddingBytes(route.Hops))];
        RandomNumberGenerator.Fill(random);
        int lane = Add(route, version, random[..X25519.KeyBytes], random[X25519.KeyBytes..]);
        CryptographicOperations.ZeroMemory(random);
        return lane;
    }

    /// <summary>
    /// Adds a header with a given secret (32 bytes) and padding (<see cref="SphinxSizes.PaddingBytes"/>), for known
    /// answers. The lane, or -1: batch full, route not valid or one of these of another length.
    /// </summary>
    public int Add(SphinxRoute route, ushort version, ReadOnlySpan<byte> initialSecret, ReadOnlySpan<byte> padding)
    {
        if (Count == Lanes || !route.IsValid || initialSecret.Length != X25519.KeyBytes
            || padding.Length != SphinxSizes.PaddingBytes(route.Hops))
        {
            return -1;
        }

        int lane = Count++;
        _hops[lane] = route.Hops;
        _versions[lane] = version;
        route.PublicKeys.CopyTo(_publicKeys.AsSpan(lane * Hops * X25519.KeyBytes));
        route.Addresses.CopyTo(_addresses.AsSpan(lane * Hops * SphinxSizes.AddressBytes));
        route.Delays.CopyTo(_delays.AsSpan(lane * Hops));
        route.Destination.CopyTo(_destinations.AsSpan(lane * SphinxSizes.DestinationBytes));
        route.Identifier.CopyTo(_identifiers.AsSpan(lane * SphinxSizes.IdentifierBytes));
        initialSecret.CopyTo(Slice(_secrets, lane, X25519.KeyBytes));
        padding.CopyTo(Slice(_paddings, lane, SphinxSizes.MaximumPaddingBytes));
        return lane;
    }

    /// <summary>
    /// Builds all lanes. SURBs that hand out seeds need no payload keys: pass false and <see cref="PayloadKeys"/> is
    /// only right for lanes whose version has explicit keys.
    /// </summary>
    public void Build(bool derivePayloadKeys = true)
    {
        BuildAlphas();
        for (int hop = 0; hop < Hops; hop++)
        {
            AgreeWithHop(hop);
            for (int lane = 0; lane < Count; lane++)
            {
                if (hop < _hops[lane])
                    Derive(lane, hop, derivePayloadKeys);
            }
        }

        for (int lane = 0; lane < Count; lane++)
            Assemble(lane);
    }

    /// <summary>The 348 bytes of a built header.</summary>
    public ReadOnlySpan<byte> Header(int lane) => Slice(_headers, lane, SphinxSizes.HeaderBytes);

    /// <summary>Payload keys, 192 bytes a hop in route order.</summary>
    public ReadOnlySpan<byte> PayloadKeys(int lane) =>
        _payloadKeys.AsSpan(lane * Hops * SphinxSizes.PayloadKeyBytes, _hops[lane] * SphinxSizes.PayloadKeyBytes);

    /// <summary>Payload key seeds, 16 bytes a hop in route order: what a SURB of version 259 carries.</summary>
    public ReadOnlySpan<byte> PayloadSeeds(int lane) =>
        _payloadSeeds.AsSpan(lane * Hops * SphinxSizes.SeedBytes, _hops[lane] * SphinxSizes.SeedBytes);

    /// <summary>Padded address of the first hop, 32 bytes: where the packet is sent to.</summary>
    public ReadOnlySpan<byte> FirstHop(int lane) => Address(lane, 0);

    /// <summary>Version of a lane.</summary>
    public ushort Version(int lane) => _versions[lane];

    private static Span<byte> Slice(byte[] array, int index, int bytes) => array.AsSpan(index * bytes, bytes);

    private Span<byte> PublicKey(int lane, int hop) => Slice(_publicKeys, lane * Hops + hop, X25519.KeyBytes);

    private Span<byte> Address(int lane, int hop) => Slice(_addresses, lane * Hops + hop, SphinxSizes.AddressBytes);

    private Span<byte> Expanded(int lane, int hop) => Slice(_expanded, lane * Hops + hop, SharedSecretExpansion.Bytes);

    private Span<byte> BlindingFactor(int lane, int hop) =>
        Expanded(lane, hop).Slice(SharedSecretExpansion.BlindingFactorOffset, X25519.KeyBytes);

    private Span<byte> Folded(int lane) => Slice(_folded, lane, GroupOrderScalar.Bytes);

    private void BuildAlphas()
    {
        int slots = 0;
        for (int lane = 0; lane < Count; lane++)
        {
            Span<byte> secret = Slice(_secrets, lane, X25519.KeyBytes);
            if (SphinxVersion.HasReducedScalars(_versions[lane]))
            {
                GroupOrderScalar.Reduce(secret, Folded(lane));
                X25519.MultiplyBaseUnclamped(Folded(lane), Slice(_headers, lane, SphinxSizes.HeaderBytes));
                continue;
            }

            GroupOrderScalar.ReduceClamped(secret, Folded(lane));
            secret.CopyTo(Slice(_scalars, slots, X25519.KeyBytes));
            _laneOfSlot[slots++] = lane;
        }

        if (slots == 0)
            return;
        X25519.MultiplyBaseLanes(_scalars, _points, slots);
        for (int slot = 0; slot < slots; slot++)
        {
            Slice(_points, slot, X25519.KeyBytes)
                .CopyTo(Slice(_headers, _laneOfSlot[slot], SphinxSizes.HeaderBytes));
        }
    }

    // Leaves each lane's shared secret with this hop in _shared, in slots; lanes with a twist key get theirs alone.
    private void AgreeWithHop(int hop)
    {
        int slots = 0;
        for (int lane = 0; lane < Count; lane++)
        {
            if (hop >= _hops[lane])
                continue;
            Span<byte> scalar = Slice(_scalars, slots, X25519.KeyBytes);
            if (SphinxVersion.HasReducedScalars(_versions[lane]))
            {
                Folded(lane).CopyTo(scalar);
            }
            else if (_curveKeys.IsOnCurve(PublicKey(lane, hop)))
            {
                GroupOrderScalar.TimesInverseEightTimesEight(Folded(lane), scalar);
            }
            else
            {
                AgreeByChain(lane, hop);
                continue;
            }

            PublicKey(lane, hop).CopyTo(Slice(_points, slots, X25519.KeyBytes));
            _laneOfSlot[slots++] = lane;
        }

        if (slots == 0)
            return;
        X25519.MultiplyUnclampedLanes(_scalars, _points, _shared, slots);
        for (int slot = 0; slot < slots; slot++)
        {
            Slice(_shared, slot, X25519.KeyBytes)
                .CopyTo(Expanded(_laneOfSlot[slot], hop)[SharedSecretExpansion.ReplayTagOffset..]);
        }
    }

    // sphinx.md §4.2: one clamped multiplication for the secret and one for every hop before.
    private void AgreeByChain(int lane, int hop)
    {
        Span<byte> shared = Expanded(lane, hop)[SharedSecretExpansion.ReplayTagOffset..];
        X25519.Multiply(Slice(_secrets, lane, X25519.KeyBytes), PublicKey(lane, hop), shared);
        for (int before = 0; before < hop; before++)
            X25519.Multiply(BlindingFactor(lane, before), shared, shared);
    }

    // The place of the replay tag, which a sender never needs, holds the shared secret on the way in.
    private void Derive(int lane, int hop, bool derivePayloadKeys)
    {
        Span<byte> expanded = Expanded(lane, hop);
        bool explicitKeys = SphinxVersion.HasExplicitKeys(_versions[lane]);
        bool last = hop == _hops[lane] - 1;
        int blocks = SharedSecretExpansion.BlindingFactorBlocks;
        if (last)
            blocks = explicitKeys ? SharedSecretExpansion.PayloadKeyBlocks : SharedSecretExpansion.SeedBlocks;
        SharedSecretExpansion expansion =
            SharedSecretExpansion.Start(expanded[SharedSecretExpansion.ReplayTagOffset..]);
        expansion.ExtendTo(blocks, expanded);

        ReadOnlySpan<byte> keyField = expanded[SharedSecretExpansion.PayloadKeyOffset..];
        Span<byte> seed = Slice(_payloadSeeds, lane * Hops + hop, SphinxSizes.SeedBytes);
        Span<byte> payloadKey = Slice(_payloadKeys, lane * Hops + hop, SphinxSizes.PayloadKeyBytes);
        keyField[..SphinxSizes.SeedBytes].CopyTo(seed);
        if (explicitKeys)
            keyField[..SphinxSizes.PayloadKeyBytes].CopyTo(payloadKey);
        else if (derivePayloadKeys)
            SharedSecretExpansion.ExpandSeed(seed, payloadKey);

        if (last)
            return;
        if (SphinxVersion.HasReducedScalars(_versions[lane]))
            GroupOrderScalar.Multiply(Folded(lane), BlindingFactor(lane, hop), Folded(lane));
        else
            GroupOrderScalar.MultiplyClamped(Folded(lane), BlindingFactor(lane, hop), Folded(lane));
    }

    // sphinx.md §6 steps 2 to 5.
    private void Assemble(int lane)
    {
        int last = _hops[lane] - 1;
        int ownBytes = SphinxSizes.RoutingBytes - SphinxSizes.RoutingBlockBytes * last;
        Span<byte> filler = stackalloc byte[SphinxSizes.RoutingBlockBytes * (Hops - 1)];
        filler.Clear();
        for (int hop = 0; hop <= last; hop++)
        {
            Span<byte> stream = Slice(_streams, hop, SphinxSizes.StreamBytes);
            stream = hop < last ? stream : stream[..ownBytes];
            AesCtr.Keystream(StreamKey(lane, hop), stream);
            if (hop == last)
                break;
            int fillerBytes = SphinxSizes.RoutingBlockBytes * (hop + 1);
            Xor(filler[..fillerBytes], stream[^fillerBytes..]);
        }

        Span<byte> header = Slice(_headers, lane, SphinxSizes.HeaderBytes);
        Span<byte> mac = header.Slice(SphinxSizes.AlphaBytes, SphinxSizes.MacBytes);
        Span<byte> routing = header[(SphinxSizes.AlphaBytes + SphinxSizes.MacBytes)..];
        RoutingBlock.WriteFinal(
            routing,
            _versions[lane],
            Slice(_destinations, lane, SphinxSizes.DestinationBytes),
            Slice(_identifiers, lane, SphinxSizes.IdentifierBytes));
        Slice(_paddings, lane, SphinxSizes.MaximumPaddingBytes)[..(ownBytes - SphinxSizes.FinalMetaBytes)]
            .CopyTo(routing[SphinxSizes.FinalMetaBytes..]);
        Xor(routing[..ownBytes], _streams.AsSpan(last * SphinxSizes.StreamBytes));
        filler[..(SphinxSizes.RoutingBytes - ownBytes)].CopyTo(routing[ownBytes..]);
        RoutingBlock.ComputeMac(MacKey(lane, last), routing, mac);

        for (int hop = last - 1; hop >= 0; hop--)
        {
            routing[..^SphinxSizes.RoutingBlockBytes].CopyTo(routing[SphinxSizes.RoutingBlockBytes..]);
            RoutingBlock.WriteForward(
                routing, _versions[lane], Address(lane, hop + 1), _delays[lane * Hops + hop], mac);
            Xor(routing, _streams.AsSpan(hop * SphinxSizes.StreamBytes));
            RoutingBlock.ComputeMac(MacKey(lane, hop), routing, mac);
        }
    }

    private Span<byte> StreamKey(int lane, int hop) =>
        Expanded(lane, hop).Slice(SharedSecretExpansion.StreamKeyOffset, AesCtr.KeyBytes);

    private Span<byte> MacKey(int lane, int hop) =>
        Expanded(lane, hop).Slice(SharedSecretExpansion.MacKeyOffset, SphinxSizes.MacBytes);

    private static void Xor(Span<byte> data, ReadOnlySpan<byte> stream)
    {
        for (int i = 0; i < data.Length; i++)
            data[i] ^= stream[i];
    }
}
