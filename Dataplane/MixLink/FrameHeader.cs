using FastExit.Crypto.EndToEnd;

namespace FastExit.MixLink;

/// <summary>What <see cref="FrameHeader.TryRead"/> found.</summary>
internal enum FrameStatus : byte
{
    Ok,

    /// <summary>More bytes are needed to tell.</summary>
    Incomplete,
    BadVersion,
    BadSize,
    BadType,
    BadRotation,
}

/// <summary>
/// Header of a framed packet (mix-link.md §1.1): version 7: <c>07 | size | type</c>; version 8: <c>08 | size | type | rotation</c>.
/// Only Sphinx (type 0) with the sizes 1 to 5 is taken; Outfox is refused as malformed.
/// </summary>
internal readonly record struct FrameHeader(byte Version, PacketSize Size, KeyRotation Rotation)
{
    public const byte LegacyVersion = 7;
    public const byte KeyRotationVersion = 8;
    public const byte SphinxType = 0;
    public const int MaximumBytes = 4;

    public int Bytes => Version == LegacyVersion ? 3 : 4;

    public int PacketBytes => PacketSizes.PacketBytes(Size);

    /// <summary>Checks as early as the bytes allow: a bad version is told from one byte.</summary>
    public static FrameStatus TryRead(ReadOnlySpan<byte> stream, out FrameHeader header)
    {
        header = default;
        if (stream.IsEmpty)
            return FrameStatus.Incomplete;
        byte version = stream[0];
        if (version is not (LegacyVersion or KeyRotationVersion))
            return FrameStatus.BadVersion;
        if (stream.Length < 2)
            return FrameStatus.Incomplete;
        if (!PacketSizes.TryFromCode(stream[1], out PacketSize size))
            return FrameStatus.BadSize;
        if (stream.Length < 3)
            return FrameStatus.Incomplete;
        if (stream[2] != SphinxType)
            return FrameStatus.BadType;
        KeyRotation rotation = KeyRotation.Unknown;
        if (version == KeyRotationVersion)
        {
            if (stream.Length < 4)
                return FrameStatus.Incomplete;
            if (stream[3] > (byte)KeyRotation.Even)
                return FrameStatus.BadRotation;
            rotation = (KeyRotation)stream[3];
        }

        header = new FrameHeader(version, size, rotation);
        return FrameStatus.Ok;
    }

    public void Write(Span<byte> destination)
    {
        destination[0] = Version;
        destination[1] = (byte)Size;
        destination[2] = SphinxType;
        if (Version == KeyRotationVersion)
            destination[3] = (byte)Rotation;
    }
}
