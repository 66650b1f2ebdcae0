namespace FastExit.Crypto.EndToEnd;

/// <summary>Where a fragment stands: set (from 0) and position in it (from 1).</summary>
public readonly record struct FragmentPlace(int Set, byte Position);

/// <summary>
/// How a message is cut (end-to-end.md §3.3, §3.4): message, 0x01 and zeros fill fragments of A bytes each. Up to
/// 255 fragments form one set; a longer message is a chain of sets of 255 with 10-byte headers on both sides of every
/// joint. Fragments can be written in any order and each alone. A is at least 11; positions and sizes are in bytes.
/// </summary>
public readonly struct FragmentPlan
{
    private readonly long _messageBytes;
    private readonly int _fragmentBytes;
    private readonly byte _lastTotal;

    private FragmentPlan(long messageBytes, int fragmentBytes, int sets, int packets)
    {
        _messageBytes = messageBytes;
        _fragmentBytes = fragmentBytes;
        Sets = sets;
        Packets = packets;
        _lastTotal = (byte)(packets - ((sets - 1) * FragmentHeader.MaximumTotal));
    }

    /// <summary>Fragments, and so packets, of the whole message.</summary>
    public int Packets { get; }

    /// <summary>Set ids the message needs.</summary>
    public int Sets { get; }

    public long MessageBytes => _messageBytes;

    private int Unlinked => _fragmentBytes - FragmentHeader.UnlinkedBytes;

    private int Linked => _fragmentBytes - FragmentHeader.LinkedBytes;

    // A set with one linked fragment holds three bytes less than 255 unlinked ones, a middle set six less.
    private long EdgeSetBytes => (255L * Unlinked) - 3;

    private long MiddleSetBytes => (255L * Unlinked) - 6;

    /// <param name="messageBytes">Length with the type bytes, without padding.</param>
    /// <param name="fragmentBytes">A: see <see cref="PacketSizes.FragmentBytes"/>.</param>
    public static FragmentPlan For(long messageBytes, int fragmentBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(messageBytes);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(fragmentBytes, FragmentHeader.LinkedBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(
            messageBytes, (int.MaxValue - 255L) * (fragmentBytes - FragmentHeader.LinkedBytes) - 1);
        FragmentPlan shape = new(messageBytes, fragmentBytes, 1, 1);
        long padded = messageBytes + 1;
        int unlinked = shape.Unlinked, linked = shape.Linked;
        if (padded <= 255L * unlinked)
            return new FragmentPlan(messageBytes, fragmentBytes, 1, (int)DivideUp(padded, unlinked));

        long edge = shape.EdgeSetBytes, middle = shape.MiddleSetBytes;
        int sets = padded <= 2 * edge ? 2 : 2 + (int)DivideUp(padded - (2 * edge), middle);
        long last = padded - edge - ((sets - 2) * middle);
        int lastTotal = last <= linked ? 1 : 1 + (int)DivideUp(last - linked, unlinked);
        return new FragmentPlan(
            messageBytes, fragmentBytes, sets, ((sets - 1) * FragmentHeader.MaximumTotal) + lastTotal);
    }

    public FragmentPlace Place(int index)
    {
        CheckIndex(index);
        return new FragmentPlace(
            index / FragmentHeader.MaximumTotal, (byte)((index % FragmentHeader.MaximumTotal) + 1));
    }

    public FragmentHeader Header(int index, ReadOnlySpan<uint> setIds)
    {
        FragmentPlace place = Place(index);
        byte total = place.Set == Sets - 1 ? _lastTotal : (byte)FragmentHeader.MaximumTotal;
        uint id = setIds[place.Set];
        return LinkOf(place) switch
        {
            SetLink.Previous => new FragmentHeader(id, total, place.Position, SetLink.Previous, setIds[place.Set - 1]),
            SetLink.Next => new FragmentHeader(id, total, place.Position, SetLink.Next, setIds[place.Set + 1]),
            _ => new FragmentHeader(id, total, place.Position),
        };
    }

    /// <summary>
    /// Part of the message in a fragment: it lies <paramref name="headerBytes"/> (7 or 10) behind the fragment's start.
    /// The last fragments may hold less than they could, or only padding (0 bytes).
    /// </summary>
    public void Slice(int index, out int headerBytes, out long messageOffset, out int messageBytes)
    {
        FragmentPlace place = Place(index);
        headerBytes = HeaderBytesOf(place);
        long inSet = place.Position == 1
            ? 0
            : (place.Set == 0 ? Unlinked : Linked) + ((place.Position - 2L) * Unlinked);
        messageOffset = inSet + (place.Set == 0 ? 0 : EdgeSetBytes + ((place.Set - 1) * MiddleSetBytes));
        messageBytes = (int)Math.Clamp(_messageBytes - messageOffset, 0, _fragmentBytes - headerBytes);
    }

    /// <summary>
    /// Completes a fragment whose part of the message already lies in place: writes the header in front of it and the
    /// padding behind it. <paramref name="setIds"/> holds <see cref="Sets"/> different ids.
    /// </summary>
    public void Frame(int index, ReadOnlySpan<uint> setIds, Span<byte> fragment)
    {
        fragment = fragment[.._fragmentBytes];
        Slice(index, out int headerBytes, out _, out int bytes);
        Header(index, setIds).Write(fragment);
        Span<byte> padding = fragment[(headerBytes + bytes)..];
        padding.Clear();

        // Only the last fragment has room left, and at least one byte: the plan counts the marker as part of the message.
        if (!padding.IsEmpty)
            padding[0] = MessagePadding.Marker;
    }

    /// <summary>Writes fragment <paramref name="index"/>: header, its part of the message, padding; A bytes.</summary>
    public void WriteFragment(ReadOnlySpan<byte> message, int index, ReadOnlySpan<uint> setIds, Span<byte> fragment) =>
        WriteFragment(default, message, index, setIds, fragment);

    /// <summary>As above for a message in two parts, for example its type bytes and the application's bytes.</summary>
    public void WriteFragment(
        ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, int index, ReadOnlySpan<uint> setIds, Span<byte> fragment)
    {
        if (head.Length + (long)body.Length != _messageBytes)
            throw new ArgumentException("The message has another length than the plan was made for.", nameof(body));
        Slice(index, out int headerBytes, out long offset, out int bytes);
        Span<byte> target = fragment.Slice(headerBytes, bytes);
        if (offset < head.Length)
        {
            ReadOnlySpan<byte> part = head[(int)offset..];
            part = part[..Math.Min(part.Length, target.Length)];
            part.CopyTo(target);
            target = target[part.Length..];
            offset += part.Length;
        }

        if (!target.IsEmpty)
            body.Slice((int)(offset - head.Length), target.Length).CopyTo(target);
        Frame(index, setIds, fragment);
    }

    private SetLink LinkOf(FragmentPlace place)
    {
        if (place.Position == 1 && place.Set > 0)
            return SetLink.Previous;
        return place.Position == FragmentHeader.MaximumTotal && place.Set < Sets - 1 ? SetLink.Next : SetLink.None;
    }

    private int HeaderBytesOf(FragmentPlace place) =>
        LinkOf(place) == SetLink.None ? FragmentHeader.UnlinkedBytes : FragmentHeader.LinkedBytes;

    private void CheckIndex(int index) =>
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Packets, nameof(index));

    private static long DivideUp(long dividend, long divisor) => (dividend + divisor - 1) / divisor;
}
