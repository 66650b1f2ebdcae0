using System.Buffers.Binary;

namespace FastExit.Crypto.EndToEnd;

/// <summary>Whether a fragment names a neighbouring set of its message (end-to-end.md §3.2).</summary>
public enum SetLink : byte
{
    None,
    Previous,
    Next,
}

/// <summary>
/// Head of a fragment (end-to-end.md §3.2). 7 bytes: set id (u32 BE with bit 31 set, id 1..2^31-1), total (1..255),
/// position (1..total), 0. 10 bytes when linked: the last byte is replaced by the neighbour's id, again with bit 31 set;
/// legal at position 1 (previous set) and at position 255 of 255 (next set).
/// </summary>
public readonly struct FragmentHeader : IEquatable<FragmentHeader>
{
    public const int UnlinkedBytes = 7;
    public const int LinkedBytes = 10;
    public const int MaximumTotal = 255;

    /// <summary>Set id with bit 31 clear and position: what an acknowledgement carries.</summary>
    public const int IdentifierBytes = 5;

    private const uint Marker = 0x8000_0000;

    public FragmentHeader(uint setId, byte total, byte position, SetLink link = SetLink.None, uint linkedSetId = 0)
    {
        SetId = setId;
        Total = total;
        Position = position;
        Link = link;
        LinkedSetId = linkedSetId;
    }

    public uint SetId { get; }

    /// <summary>Fragments in the set.</summary>
    public byte Total { get; }

    /// <summary>Counted from 1.</summary>
    public byte Position { get; }

    public SetLink Link { get; }

    /// <summary>0 when there is no link.</summary>
    public uint LinkedSetId { get; }

    public int HeaderBytes => Link == SetLink.None ? UnlinkedBytes : LinkedBytes;

    public static bool TryRead(ReadOnlySpan<byte> fragment, out FragmentHeader header)
    {
        header = default;
        if (fragment.Length < UnlinkedBytes)
            return false;
        uint setId = BinaryPrimitives.ReadUInt32BigEndian(fragment);
        byte total = fragment[4], position = fragment[5];
        if (setId <= Marker || position == 0 || position > total)
            return false;
        setId ^= Marker;
        if (fragment[6] == 0)
        {
            header = new FragmentHeader(setId, total, position);
            return true;
        }

        if (fragment.Length < LinkedBytes)
            return false;
        uint linked = BinaryPrimitives.ReadUInt32BigEndian(fragment[6..]);
        SetLink link = position switch
        {
            1 => SetLink.Previous,
            MaximumTotal => SetLink.Next,
            _ => SetLink.None,
        };
        if (linked <= Marker || (linked ^ Marker) == setId || link == SetLink.None)
            return false;
        header = new FragmentHeader(setId, total, position, link, linked ^ Marker);
        return true;
    }

    /// <summary>Writes 7 or 10 bytes and returns their number.</summary>
    public int Write(Span<byte> destination)
    {
        int length = HeaderBytes;
        destination = destination[..length];
        BinaryPrimitives.WriteUInt32BigEndian(destination, SetId | Marker);
        destination[4] = Total;
        destination[5] = Position;
        if (Link == SetLink.None)
            destination[6] = 0;
        else
            BinaryPrimitives.WriteUInt32BigEndian(destination[6..], LinkedSetId | Marker);
        return length;
    }

    /// <summary>Writes the 5 bytes an acknowledgement of this fragment carries.</summary>
    public static void WriteIdentifier(Span<byte> destination, uint setId, byte position)
    {
        destination[4] = position;
        BinaryPrimitives.WriteUInt32BigEndian(destination, setId & ~Marker);
    }

    public bool Equals(FragmentHeader other) =>
        SetId == other.SetId && Total == other.Total && Position == other.Position
        && Link == other.Link && LinkedSetId == other.LinkedSetId;

    public override bool Equals(object? obj) => obj is FragmentHeader other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(SetId, Total, Position, Link, LinkedSetId);

    public static bool operator ==(FragmentHeader left, FragmentHeader right) => left.Equals(right);

    public static bool operator !=(FragmentHeader left, FragmentHeader right) => !left.Equals(right);
}
