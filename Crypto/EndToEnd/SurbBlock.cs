using System.Buffers.Binary;
using FastExit.Crypto.Sphinx;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// View over the SURBs of a repliable message (end-to-end.md §2.3).
/// Current form: count (u16 BE), hops (u8), key rotation (u8), then count × (396 + 16 × hops) bytes.
/// Legacy form: count (u32 BE), then count × 1164 bytes (4 hops of full payload keys, rotation unknown).
/// A block that declares more than there is, another rotation byte than 0..2, hops above 5, hops 0 with a count, or a
/// SURB whose first hop is no node address makes the whole message malformed.
/// </summary>
public readonly ref struct SurbBlock
{
    /// <summary>Head of either form.</summary>
    public const int HeadBytes = 4;

    public const int LegacyHops = 4;
    public const int LegacyEntryBytes = ReplySurb.MaterialOffset + (LegacyHops * SphinxSizes.PayloadKeyBytes);

    private readonly ReadOnlySpan<byte> _entries;

    private SurbBlock(ReadOnlySpan<byte> entries, int count, int hops, int entryBytes, KeyRotation rotation, bool legacy)
    {
        _entries = entries;
        Count = count;
        Hops = hops;
        EntryBytes = entryBytes;
        Rotation = rotation;
        IsLegacyForm = legacy;
    }

    public int Count { get; }

    /// <summary>Hops of every SURB, the egress included; may be 0 when there are none.</summary>
    public int Hops { get; }

    public KeyRotation Rotation { get; }

    public bool IsLegacyForm { get; }

    /// <summary>Bytes of one SURB.</summary>
    public int EntryBytes { get; }

    /// <summary>All SURBs, packed.</summary>
    public ReadOnlySpan<byte> Entries => _entries;

    public ReplySurb this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            return ReplySurb.OfValidated(_entries.Slice(index * EntryBytes, EntryBytes));
        }
    }

    /// <summary>Reads a block at the start of <paramref name="bytes"/>; more may follow it.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, bool legacyForm, out SurbBlock block, out int blockBytes)
    {
        block = default;
        blockBytes = 0;
        if (bytes.Length < HeadBytes)
            return false;

        long count;
        int hops, entryBytes;
        KeyRotation rotation = KeyRotation.Unknown;
        if (legacyForm)
        {
            count = BinaryPrimitives.ReadUInt32BigEndian(bytes);
            hops = LegacyHops;
            entryBytes = LegacyEntryBytes;
        }
        else
        {
            count = BinaryPrimitives.ReadUInt16BigEndian(bytes);
            hops = bytes[2];
            entryBytes = ReplySurb.MaterialOffset + (SphinxSizes.SeedBytes * hops);
            if (!KeyRotation.TryFromByte(bytes[3], out rotation)
                || hops > SphinxSizes.MaximumHops
                || (hops == 0 && count > 0))
            {
                return false;
            }
        }

        ReadOnlySpan<byte> rest = bytes[HeadBytes..];
        if (count * entryBytes > rest.Length)
            return false;
        ReadOnlySpan<byte> entries = rest[..((int)count * entryBytes)];
        for (int offset = ReplySurb.FirstHopOffset; offset < entries.Length; offset += entryBytes)
        {
            if (entries[offset] is not (4 or 6))
                return false;
        }

        block = new SurbBlock(entries, (int)count, hops, entryBytes, rotation, legacyForm);
        blockBytes = HeadBytes + entries.Length;
        return true;
    }

    /// <summary>Writes the 4-byte head of the current form.</summary>
    public static int WriteHead(Span<byte> destination, int count, int hops, KeyRotation rotation)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, ushort.MaxValue, nameof(count));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)hops, (uint)SphinxSizes.MaximumHops, nameof(hops));
        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)count);
        destination[2] = (byte)hops;
        destination[3] = (byte)rotation;
        return HeadBytes;
    }
}
