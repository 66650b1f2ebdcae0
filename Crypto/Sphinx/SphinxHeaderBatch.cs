using System.Security.Cryptography;
using FastExit.Crypto.Lanes;
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
/// <para>A hop whose route has a table of its key (<see cref="SphinxRoute.Tables"/>) gets its multiplication from that; such
/// a key is of the generator's order, where the folded scalar itself will do. A table that is not of the hop's key, or was
/// disposed of, is left aside.</para>
/// <para>All lanes go through every step together; a lane whose route is shorter idles through the hops that it has not.</para>
/// <para>Constant time: in everything but public keys, versions, numbers of hops and which key has a table.</para>
/// </remarks>
public sealed partial class SphinxHeaderBatch
{
    private const int Lanes = SphinxSizes.MaximumLanes, Hops = SphinxSizes.MaximumHops;
    private const int MacEnd = SphinxSizes.AlphaBytes + SphinxSizes.MacBytes;

    private readonly CpuLevel _level;
    private readonly SharedSecretLanes _keys;
    private readonly RandomReserve _random = new();
    private readonly CurveKeyCache _curveKeys = new();

    private readonly int[] _hops = new int[Lanes];
    private readonly ushort[] _versions = new ushort[Lanes];
    private readonly byte[] _publicKeys = new byte[Lanes * Hops * X25519.KeyBytes];
    private readonly X25519Table?[] _tables = new X25519Table?[Lanes * Hops];
    private readonly byte[] _addresses = new byte[Lanes * Hops * SphinxSizes.AddressBytes];
    private readonly ulong[] _delays = new ulong[Lanes * Hops];
    private readonly byte[] _destinations = new byte[Lanes * SphinxSizes.DestinationBytes];
    private readonly byte[] _identifiers = new byte[Lanes * SphinxSizes.IdentifierBytes];
    private readonly byte[] _paddings = new byte[Lanes * SphinxSizes.MaximumPaddingBytes];

    private readonly byte[] _secrets = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _folded = new byte[Lanes * GroupOrderScalar.Bytes];
    private readonly byte[] _shared = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _headers = new byte[Lanes * SphinxSizes.HeaderBytes];

    // Hop by hop, in each the lanes.
    private readonly byte[] _expanded = new byte[Hops * Lanes * SharedSecretExpansion.Bytes];
    private readonly byte[] _streams = new byte[Hops * Lanes * SphinxSizes.StreamBytes];

    // Lane by lane without gaps; _firstEntry says how many entries of other lanes are in front.
    private readonly byte[] _payloadSeeds = new byte[Lanes * Hops * SphinxSizes.SeedBytes];
    private readonly byte[] _payloadKeys = new byte[Lanes * Hops * SphinxSizes.PayloadKeyBytes];
    private readonly int[] _firstEntry = new int[Lanes];
    private int _entries;

    // Of the lanes that go through one multiplication, in slots.
    private readonly byte[] _scalars = new byte[Lanes * X25519.KeyBytes];
    private readonly byte[] _points = new byte[Lanes * X25519.KeyBytes];
    private readonly X25519Table[] _slotTables = new X25519Table[Lanes];
    private readonly byte[] _results = new byte[Lanes * X25519.KeyBytes];
    private readonly int[] _laneOfSlot = new int[Lanes];

    private readonly LaneRange[] _streamRanges = new LaneRange[Lanes];
    private readonly LaneRange[] _routings = new LaneRange[Lanes];
    private readonly byte[] _macs = new byte[Lanes * SphinxSizes.MacBytes];

    /// <summary>A workspace for the level of this process.</summary>
    public SphinxHeaderBatch()
        : this(CpuLevels.Current)
    {
    }

    internal SphinxHeaderBatch(CpuLevel level)
    {
        _level = level;
        _keys = new(level);
        for (int lane = 0; lane < Lanes; lane++)
        {
            _streamRanges[lane] = new(lane * SphinxSizes.StreamBytes, SphinxSizes.StreamBytes);
            _routings[lane] = new(lane * SphinxSizes.HeaderBytes + MacEnd, SphinxSizes.RoutingBytes);
        }
    }

    /// <summary>Lanes added since the last <see cref="Clear"/>.</summary>
    public int Count { get; private set; }

    /// <summary>Forgets all lanes and wipes their secrets.</summary>
    public void Clear()
    {
        if (Count == 0)
            return;
        foreach (byte[] secrets in (ReadOnlySpan<byte[]>)
            [_secrets, _folded, _shared, _scalars, _results, _streams, _expanded, _payloadSeeds, _payloadKeys])
        {
            CryptographicOperations.ZeroMemory(secrets);
        }

        Array.Clear(_tables);
        Array.Clear(_slotTables);
        _entries = 0;
        Count = 0;
    }

    /// <summary>Adds a header with a fresh secret and fresh padding. The lane, or -1: batch full or route not valid.</summary>
    public int Add(SphinxRoute route, ushort version)
    {
        if (Count == Lanes || !route.IsValid)
            return -1;
        int lane = AddRoute(route, version);
        _random.Fill(Slice(_secrets, lane, X25519.KeyBytes));
        _random.Fill(Padding(lane));
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

        int lane = AddRoute(route, version);
        initialSecret.CopyTo(Slice(_secrets, lane, X25519.KeyBytes));
        padding.CopyTo(Padding(lane));
        return lane;
    }

    /// <summary>
    /// Builds all lanes. SURBs that hand out seeds need no payload keys: pass false and <see cref="PayloadKeys"/> is
    /// only right for lanes whose version has explicit keys.
    /// </summary>
    public void Build(bool derivePayloadKeys = true)
    {
        if (Count == 0)
            return;
        int hops = 0;
        for (int lane = 0; lane < Count; lane++)
            hops = Math.Max(hops, _hops[lane]);
        PrefetchTables(0);
        BuildAlphas();
        for (int hop = 0; hop < hops; hop++)
        {
            AgreeByTables(hop);
            AgreeByLadders(hop);
            if (hop + 1 < hops)
                PrefetchTables(hop + 1);
            Derive(hop);
        }

        if (derivePayloadKeys)
            _keys.ExpandSeeds(_payloadSeeds.AsSpan(0, _entries * SphinxSizes.SeedBytes), _payloadKeys);
        CopyExplicitKeys();
        _keys.Clear();
        MakeStreams(hops);
        for (int lane = 0; lane < Count; lane++)
            AppendFiller(lane);
        for (int hop = hops - 1; hop >= 0; hop--)
            WriteHop(hop);
    }

    /// <summary>The 348 bytes of a built header.</summary>
    public ReadOnlySpan<byte> Header(int lane) => Slice(_headers, lane, SphinxSizes.HeaderBytes);

    /// <summary>Payload keys, 192 bytes a hop in route order.</summary>
    public ReadOnlySpan<byte> PayloadKeys(int lane) =>
        _payloadKeys.AsSpan(PayloadKeysOffset(lane), _hops[lane] * SphinxSizes.PayloadKeyBytes);

    /// <summary>Payload key seeds, 16 bytes a hop in route order: what a SURB of version 259 carries.</summary>
    public ReadOnlySpan<byte> PayloadSeeds(int lane) =>
        _payloadSeeds.AsSpan(_firstEntry[lane] * SphinxSizes.SeedBytes, _hops[lane] * SphinxSizes.SeedBytes);

    /// <summary>The payload keys of all lanes, for <see cref="PayloadLane.KeysOffset"/>.</summary>
    internal ReadOnlySpan<byte> AllPayloadKeys => _payloadKeys;

    /// <summary>Where in <see cref="AllPayloadKeys"/> a lane's begin.</summary>
    internal int PayloadKeysOffset(int lane) => _firstEntry[lane] * SphinxSizes.PayloadKeyBytes;

    /// <summary>Number of hops of a lane's route.</summary>
    public int HopsOf(int lane) => _hops[lane];

    /// <summary>Padded address of the first hop, 32 bytes: where the packet is sent to.</summary>
    public ReadOnlySpan<byte> FirstHop(int lane) => Address(lane, 0);

    /// <summary>Version of a lane.</summary>
    public ushort Version(int lane) => _versions[lane];

    private static Span<byte> Slice(byte[] array, int index, int bytes) => array.AsSpan(index * bytes, bytes);

    private Span<byte> PublicKey(int lane, int hop) => Slice(_publicKeys, lane * Hops + hop, X25519.KeyBytes);

    private Span<byte> Address(int lane, int hop) => Slice(_addresses, lane * Hops + hop, SphinxSizes.AddressBytes);

    private Span<byte> Expanded(int lane, int hop) => Slice(_expanded, hop * Lanes + lane, SharedSecretExpansion.Bytes);

    private Span<byte> BlindingFactor(int lane, int hop) =>
        Expanded(lane, hop).Slice(SharedSecretExpansion.BlindingFactorOffset, X25519.KeyBytes);

    private Span<byte> Folded(int lane) => Slice(_folded, lane, GroupOrderScalar.Bytes);

    private Span<byte> Padding(int lane) =>
        Slice(_paddings, lane, SphinxSizes.MaximumPaddingBytes)[..SphinxSizes.PaddingBytes(_hops[lane])];

    private int AddRoute(SphinxRoute route, ushort version)
    {
        int lane = Count++;
        _hops[lane] = route.Hops;
        _versions[lane] = version;
        _firstEntry[lane] = _entries;
        _entries += route.Hops;
        route.PublicKeys.CopyTo(_publicKeys.AsSpan(lane * Hops * X25519.KeyBytes));
        for (int hop = 0; hop < route.Tables.Length; hop++)
        {
            X25519Table? table = route.Tables[hop];
            if (table is not null && table.IsOf(PublicKey(lane, hop)))
                _tables[lane * Hops + hop] = table;
        }

        route.Addresses.CopyTo(_addresses.AsSpan(lane * Hops * SphinxSizes.AddressBytes));
        route.Delays.CopyTo(_delays.AsSpan(lane * Hops));
        route.Destination.CopyTo(_destinations.AsSpan(lane * SphinxSizes.DestinationBytes));
        route.Identifier.CopyTo(_identifiers.AsSpan(lane * SphinxSizes.IdentifierBytes));
        return lane;
    }

    // Folds the secrets and multiplies the base point by them, clamped or reduced: both below 2^255.
    private void BuildAlphas()
    {
        for (int lane = 0; lane < Count; lane++)
        {
            Span<byte> secret = Slice(_secrets, lane, X25519.KeyBytes), scalar = Slice(_scalars, lane, X25519.KeyBytes);
            if (SphinxVersion.HasReducedScalars(_versions[lane]))
            {
                GroupOrderScalar.Reduce(secret, Folded(lane));
                Folded(lane).CopyTo(scalar);
            }
            else
            {
                GroupOrderScalar.ReduceClamped(secret, Folded(lane));
                Scalar256.Read(secret).Clamped().Write(scalar);
            }
        }

        X25519.MultiplyBaseUnclampedLanes(_level, _scalars, _results, Count);
        for (int lane = 0; lane < Count; lane++)
            Slice(_results, lane, X25519.KeyBytes).CopyTo(Slice(_headers, lane, SphinxSizes.HeaderBytes));
    }

    private void PrefetchTables(int hop)
    {
        for (int lane = 0; lane < Count; lane++)
            _tables[lane * Hops + hop]?.Prefetch();
    }

    // Leaves each lane's shared secret with this hop in _shared: first the lanes that have a table of the hop's key.
    private void AgreeByTables(int hop)
    {
        int slots = 0;
        for (int lane = 0; lane < Count; lane++)
        {
            if (_tables[lane * Hops + hop] is not { } table)
                continue;
            Folded(lane).CopyTo(Slice(_scalars, slots, X25519.KeyBytes));
            _slotTables[slots] = table;
            _laneOfSlot[slots++] = lane;
        }

        if (slots == 0)
            return;
        X25519.MultiplyTableLanes(_level, _scalars, _slotTables.AsSpan(0, slots), _results, slots);
        TakeShared(slots);
    }

    // The lanes without a table; those with a twist key alone.
    private void AgreeByLadders(int hop)
    {
        int slots = 0;
        for (int lane = 0; lane < Count; lane++)
        {
            if (hop >= _hops[lane] || _tables[lane * Hops + hop] is not null)
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
        X25519.MultiplyUnclampedLanes(_level, _scalars, _points, _results, slots);
        TakeShared(slots);
    }

    private void TakeShared(int slots)
    {
        for (int slot = 0; slot < slots; slot++)
            Slice(_results, slot, X25519.KeyBytes).CopyTo(Slice(_shared, _laneOfSlot[slot], X25519.KeyBytes));
    }

    // sphinx.md §4.2: one clamped multiplication for the secret and one for every hop before.
    private void AgreeByChain(int lane, int hop)
    {
        Span<byte> shared = Slice(_shared, lane, X25519.KeyBytes);
        X25519.MultiplyLanes(_level, Slice(_secrets, lane, X25519.KeyBytes), PublicKey(lane, hop), shared, 1);
        for (int before = 0; before < hop; before++)
            X25519.MultiplyLanes(_level, BlindingFactor(lane, before), shared, shared, 1);
    }

    // Keys of this hop for every lane, as far as the one needs them that needs most.
    private void Derive(int hop)
    {
        int blocks = 0;
        for (int lane = 0; lane < Count; lane++)
            blocks = Math.Max(blocks, BlocksWanted(lane, hop));
        _keys.Start(_shared, Count);
        _keys.ExtendTo(blocks, _expanded.AsSpan(hop * Lanes * SharedSecretExpansion.Bytes), SharedSecretExpansion.Bytes);
        for (int lane = 0; lane < Count; lane++)
        {
            if (hop >= _hops[lane])
                continue;
            Expanded(lane, hop).Slice(SharedSecretExpansion.PayloadKeyOffset, SphinxSizes.SeedBytes)
                .CopyTo(Slice(_payloadSeeds, _firstEntry[lane] + hop, SphinxSizes.SeedBytes));
            if (hop == _hops[lane] - 1)
                continue;
            if (SphinxVersion.HasReducedScalars(_versions[lane]))
                GroupOrderScalar.Multiply(Folded(lane), BlindingFactor(lane, hop), Folded(lane));
            else
                GroupOrderScalar.MultiplyClamped(Folded(lane), BlindingFactor(lane, hop), Folded(lane));
        }
    }

    private int BlocksWanted(int lane, int hop)
    {
        if (hop >= _hops[lane])
            return 0;
        if (hop < _hops[lane] - 1)
            return SharedSecretExpansion.BlindingFactorBlocks;
        return SphinxVersion.HasExplicitKeys(_versions[lane])
            ? SharedSecretExpansion.PayloadKeyBlocks
            : SharedSecretExpansion.SeedBlocks;
    }

    private void CopyExplicitKeys()
    {
        for (int lane = 0; lane < Count; lane++)
        {
            if (!SphinxVersion.HasExplicitKeys(_versions[lane]))
                continue;
            for (int hop = 0; hop < _hops[lane]; hop++)
            {
                Expanded(lane, hop).Slice(SharedSecretExpansion.PayloadKeyOffset, SphinxSizes.PayloadKeyBytes)
                    .CopyTo(Slice(_payloadKeys, _firstEntry[lane] + hop, SphinxSizes.PayloadKeyBytes));
            }
        }
    }
}
