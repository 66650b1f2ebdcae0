namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Padding of a reassembled message: 0x01, then zeros up to the end of the last fragment (end-to-end.md §3.3).
/// </summary>
public static class MessagePadding
{
    public const byte Marker = 1;

    /// <summary>
    /// The message ends before the last 0x01; false if there is none. Like deployed receivers this does not insist on
    /// zeros behind it.
    /// </summary>
    public static bool TryStrip(ReadOnlySpan<byte> padded, out int messageBytes)
    {
        int last = padded.LastIndexOf(Marker);
        messageBytes = Math.Max(last, 0);
        return last >= 0;
    }
}
