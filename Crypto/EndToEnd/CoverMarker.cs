namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// What a loop cover packet carries in place of a fragment: 18 ASCII bytes, 0x01, zeros (end-to-end.md §3.6).
/// No fragment begins so, because bit 31 of its first word is set.
/// </summary>
public static class CoverMarker
{
    private static ReadOnlySpan<byte> Text => "The cake is a lie!"u8;

    public static bool IsCover(ReadOnlySpan<byte> fragment) => fragment.StartsWith(Text);

    /// <summary>Fills a whole fragment with the cover text and its padding.</summary>
    public static void Write(Span<byte> fragment)
    {
        fragment.Clear();
        Text.CopyTo(fragment);
        fragment[Text.Length] = MessagePadding.Marker;
    }
}
