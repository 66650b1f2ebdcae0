using System.Buffers.Binary;

namespace FastExit.IpPacketRouter.Protocol;

/// <summary>
/// Sizes of bundles (ip-packet-router.md §2.1, §2.3). A bundle is (u16 big-endian length | packet)*, and the most bytes of it that fit
/// one Sphinx packet depend on the direction and on the stream frame.
/// </summary>
public static class BundleLimits
{
    public const int PrefixBytes = 2;

    /// <summary>What the reference puts into one bundle, prefixes included.</summary>
    public const int Reference = 1500;

    private const int RawReply = 1596, RawRequest = 1575;

    /// <summary>Largest bundle of a data answer that fits one Sphinx packet: 1596, or 1580 in a stream.</summary>
    public static int Reply(byte version) => RawReply - (IprVersion.UsesStream(version) ? StreamFrame.HeaderBytes : 0);

    /// <summary>Largest bundle of a data request without SURBs that fits one Sphinx packet: 1575, or 1559 in a stream.</summary>
    public static int Request(byte version) => RawRequest - (IprVersion.UsesStream(version) ? StreamFrame.HeaderBytes : 0);

    /// <summary>True when a packet may join a bundle of <paramref name="usedBytes"/>; an empty one takes any packet.</summary>
    public static bool Fits(int usedBytes, int packetBytes, int limit) =>
        usedBytes == 0 || usedBytes + PrefixBytes + packetBytes <= limit;
}

/// <summary>Walks over the packets of a bundle. Empty packets are passed over and counted; a cut tail ends the walk.</summary>
public ref struct BundleReader
{
    private readonly ReadOnlySpan<byte> _message;
    private readonly int _end;
    private int _position;

    /// <summary>The bundle at message[offset, offset + bytes); a range outside the message reads as an empty bundle.</summary>
    public BundleReader(ReadOnlySpan<byte> message, int offset, int bytes)
    {
        bool inside = offset >= 0 && bytes >= 0 && (long)offset + bytes <= message.Length;
        _message = message;
        _position = inside ? offset : 0;
        _end = inside ? offset + bytes : 0;
    }

    /// <summary>The last packet, or its length, was cut off. Known when <see cref="TryNext"/> has returned false.</summary>
    public bool Truncated { get; private set; }

    public int EmptyPackets { get; private set; }

    /// <summary>The next packet: offset from the start of the message, and bytes (at least 1).</summary>
    public bool TryNext(out int offset, out int bytes)
    {
        while (_end - _position >= BundleLimits.PrefixBytes)
        {
            bytes = BinaryPrimitives.ReadUInt16BigEndian(_message[_position..]);
            offset = _position + BundleLimits.PrefixBytes;
            if (bytes > _end - offset)
                break;
            _position = offset + bytes;
            if (bytes > 0)
                return true;
            EmptyPackets++;
        }

        Truncated |= _position < _end;
        _position = _end;
        offset = 0;
        bytes = 0;
        return false;
    }
}

/// <summary>What became of a packet offered to a <see cref="BundleWriter"/>.</summary>
public enum BundleStep : byte
{
    Added,

    /// <summary>Send what is there first, then offer the packet again.</summary>
    FlushFirst,

    /// <summary>Larger than the buffer or than a length can say.</summary>
    TooLarge,
}

/// <summary>Fills a buffer with packets up to a limit in bytes, prefixes included; a larger packet travels alone (§2.1).</summary>
public ref struct BundleWriter
{
    private readonly Span<byte> _buffer;
    private readonly int _limit;

    public BundleWriter(Span<byte> buffer, int limit)
    {
        _buffer = buffer;
        _limit = limit;
        Written = 0;
    }

    public int Written { get; private set; }

    public void Clear() => Written = 0;

    /// <summary>Writes the length and leaves the packet's bytes, at <paramref name="offset"/> of the buffer, to the caller.</summary>
    public BundleStep TryReserve(int packetBytes, out int offset)
    {
        offset = 0;
        if (packetBytes is < 1 or > ushort.MaxValue || packetBytes > _buffer.Length - BundleLimits.PrefixBytes)
            return BundleStep.TooLarge;
        if (!BundleLimits.Fits(Written, packetBytes, _limit)
            || packetBytes > _buffer.Length - BundleLimits.PrefixBytes - Written)
            return BundleStep.FlushFirst;
        BinaryPrimitives.WriteUInt16BigEndian(_buffer[Written..], (ushort)packetBytes);
        offset = Written + BundleLimits.PrefixBytes;
        Written = offset + packetBytes;
        return BundleStep.Added;
    }

    public BundleStep TryAdd(ReadOnlySpan<byte> packet)
    {
        BundleStep step = TryReserve(packet.Length, out int offset);
        if (step == BundleStep.Added)
            packet.CopyTo(_buffer[offset..]);
        return step;
    }
}
