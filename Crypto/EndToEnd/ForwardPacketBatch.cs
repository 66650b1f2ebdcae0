using System.Security.Cryptography;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Builds up to 8 forward packets to known Recipients side by side (end-to-end.md §4.2, §4.4), each around a fragment
/// that already lies in the region at <see cref="PacketLayout.FragmentOffset"/>: fresh ephemeral key, encryption, ack
/// prefix, Sphinx version 259. A workspace for one thread: Clear, Add…, Build.
/// </summary>
public sealed class ForwardPacketBatch
{
    private readonly CpuLevel _level;
    private readonly SphinxHeaderBatch _headers;
    private readonly FragmentCipherBatch _cipher;
    private readonly RandomReserve _random = new();
    private readonly FragmentLane[] _fragments = new FragmentLane[SphinxSizes.MaximumLanes];
    private readonly Lane[] _lanes = new Lane[SphinxSizes.MaximumLanes];
    private readonly byte[] _ephemeral = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _ephemeralPublic = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _recipients = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly X25519Table?[] _recipientTables = new X25519Table?[SphinxSizes.MaximumLanes];
    private readonly byte[] _shared = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];

    // Of the lanes with, or those without a table, in slots.
    private readonly byte[] _scalars = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _points = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly byte[] _results = new byte[SphinxSizes.MaximumLanes * X25519.KeyBytes];
    private readonly X25519Table[] _slotTables = new X25519Table[SphinxSizes.MaximumLanes];
    private readonly int[] _laneOfSlot = new int[SphinxSizes.MaximumLanes];

    private readonly byte[] _ackPrefixes = new byte[SphinxSizes.MaximumLanes * PacketSizes.AckPrefixBytes];
    private readonly PayloadLane[] _payloads = new PayloadLane[SphinxSizes.MaximumLanes];

    /// <summary>A workspace for the level of this process.</summary>
    public ForwardPacketBatch()
        : this(CpuLevels.Current)
    {
    }

    internal ForwardPacketBatch(CpuLevel level)
    {
        _level = level;
        _headers = new(level);
        _cipher = new(level);
    }

    public int Count => _headers.Count;

    public void Clear()
    {
        _headers.Clear();
        Array.Clear(_recipientTables);
    }

    /// <summary>
    /// Adds a packet at <paramref name="packetOffset"/> of the region and returns its lane, or -1 if the batch is
    /// full or the route not valid. The route ends at the recipient's gateway, its destination is the recipient's identity.
    /// A recipient that gets many packets is worth a table of its key: the same packets for less.
    /// </summary>
    public int Add(
        int packetOffset,
        PacketSize size,
        SphinxRoute route,
        ReadOnlySpan<byte> recipientEncryptionKey,
        ReadOnlySpan<byte> ackPrefix,
        X25519Table? recipientTable = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(PacketSizes.FragmentBytes(size), nameof(size));
        ArgumentOutOfRangeException.ThrowIfNotEqual(ackPrefix.Length, PacketSizes.AckPrefixBytes, nameof(ackPrefix));
        int lane = _headers.Add(route, SphinxVersion.Seeds);
        if (lane < 0)
            return lane;
        NodeAddress.TryRead(route.Addresses, out NodeAddress firstHop, out _);
        _lanes[lane] = new Lane(packetOffset, size, firstHop, false);
        recipientEncryptionKey[..X25519.KeyBytes].CopyTo(_recipients.AsSpan(lane * X25519.KeyBytes));
        _recipientTables[lane] = recipientTable is not null && recipientTable.IsOf(recipientEncryptionKey) ? recipientTable : null;
        ackPrefix.CopyTo(_ackPrefixes.AsSpan(lane * PacketSizes.AckPrefixBytes));
        return lane;
    }

    /// <summary>Completes every packet in place.</summary>
    public void Build(Span<byte> region)
    {
        int count = Count;
        if (count == 0)
            return;
        _random.Fill(_ephemeral.AsSpan(0, count * X25519.KeyBytes));
        X25519.MultiplyBaseLanes(_level, _ephemeral, _ephemeralPublic, count);
        Agree(byTable: true);
        Agree(byTable: false);
        for (int lane = 0; lane < count; lane++)
        {
            _fragments[lane] = new FragmentLane
            {
                Offset = _lanes[lane].PacketOffset + PacketLayout.FragmentOffset,
                Length = PacketSizes.FragmentBytes(_lanes[lane].Size),
            };
        }

        _cipher.Transform(region, _fragments.AsSpan(0, count), _shared);
        _headers.Build();
        int built = 0;
        for (int lane = 0; lane < count; lane++)
        {
            ref Lane at = ref _lanes[lane];
            Span<byte> packet = region.Slice(at.PacketOffset, PacketSizes.PacketBytes(at.Size));
            at = at with { IsBuilt = _fragments[lane].Valid };
            if (!at.IsBuilt)
                continue;
            _headers.Header(lane).CopyTo(packet);
            _ackPrefixes.AsSpan(lane * PacketSizes.AckPrefixBytes, PacketSizes.AckPrefixBytes)
                .CopyTo(packet[PacketLayout.AckPrefixOffset..]);
            _ephemeralPublic.AsSpan(lane * X25519.KeyBytes, X25519.KeyBytes)
                .CopyTo(packet[PacketLayout.KeyBlockOffset..]);
            SphinxPayload.Frame(packet[PacketLayout.PayloadOffset..], PacketSizes.PlaintextBytes(at.Size));
            _payloads[built++] = new PayloadLane(
                at.PacketOffset + PacketLayout.PayloadOffset,
                PacketSizes.PayloadBytes(at.Size),
                _headers.PayloadKeysOffset(lane),
                _headers.HopsOf(lane));
        }

        SphinxPayload.AddLayers(_level, region, _payloads.AsSpan(0, built), _headers.AllPayloadKeys);
        CryptographicOperations.ZeroMemory(_ephemeral);
        CryptographicOperations.ZeroMemory(_scalars);
        CryptographicOperations.ZeroMemory(_results);
        CryptographicOperations.ZeroMemory(_shared);
    }

    /// <summary>
    /// After Build: false if the recipient's encryption key is a low-order point. The fragment then still lies there
    /// in the clear and must not be sent.
    /// </summary>
    public bool IsBuilt(int lane) => _lanes[lane].IsBuilt;

    /// <summary>Where the packet of a lane is to be sent.</summary>
    public NodeAddress FirstHop(int lane) => _lanes[lane].FirstHop;

    // Tables are only of keys of the generator's order and take scalars as they are.
    private void Agree(bool byTable)
    {
        int slots = 0;
        for (int lane = 0; lane < Count; lane++)
        {
            if (_recipientTables[lane] is not null != byTable)
                continue;
            Span<byte> scalar = Key(_scalars, slots);
            Key(_ephemeral, lane).CopyTo(scalar);
            Key(_recipients, lane).CopyTo(Key(_points, slots));
            if (byTable)
            {
                Scalar256.Read(scalar).Clamped().Write(scalar);
                _slotTables[slots] = _recipientTables[lane]!;
            }

            _laneOfSlot[slots++] = lane;
        }

        if (slots == 0)
            return;
        if (byTable)
            X25519.MultiplyTableLanes(_level, _scalars, _slotTables.AsSpan(0, slots), _results, slots);
        else
            X25519.MultiplyLanes(_level, _scalars, _points, _results, slots);
        for (int slot = 0; slot < slots; slot++)
            Key(_results, slot).CopyTo(Key(_shared, _laneOfSlot[slot]));
    }

    private static Span<byte> Key(byte[] keys, int index) => keys.AsSpan(index * X25519.KeyBytes, X25519.KeyBytes);

    private readonly record struct Lane(int PacketOffset, PacketSize Size, NodeAddress FirstHop, bool IsBuilt);
}
