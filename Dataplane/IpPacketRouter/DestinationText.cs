using System.Buffers.Text;
using System.Globalization;
using FastExit.Policy;

namespace FastExit.IpPacketRouter;

/// <summary>`1.2.3.4:443` or `[2001:db8::1]:443` (RFC 5952) in ASCII, without allocation.</summary>
internal static class DestinationText
{
    public const int MaximumBytes = 2 + 39 + 1 + 5;

    private const int Groups = 8;

    /// <summary>Returns the bytes written; the destination has room for <see cref="MaximumBytes"/>.</summary>
    public static int Write(Span<byte> text, NumericAddress address, ushort port)
    {
        int at = 0;
        if (address.IsIPv6)
        {
            text[at++] = (byte)'[';
            at = WriteIPv6(text, at, address.Bits);
            text[at++] = (byte)']';
        }
        else
        {
            for (int shift = 24; shift >= 0; shift -= 8)
            {
                at = WriteDecimal(text, at, (byte)((uint)address.Bits >> shift));
                if (shift > 0)
                    text[at++] = (byte)'.';
            }
        }

        text[at++] = (byte)':';
        return WriteDecimal(text, at, port);
    }

    private static int WriteIPv6(Span<byte> text, int at, UInt128 bits)
    {
        // The longest run of at least two zero groups is left out, the first of equals.
        int runStart = -1, runLength = 1;
        for (int i = 0; i < Groups; i++)
        {
            int end = i;
            while (end < Groups && Group(bits, end) == 0)
                end++;
            if (end - i > runLength)
                (runStart, runLength) = (i, end - i);
            i = Math.Max(i, end - 1);
        }

        for (int i = 0; i < Groups; i++)
        {
            if (i == runStart)
            {
                text[at++] = (byte)':';
                text[at++] = (byte)':';
                i += runLength - 1;
                continue;
            }

            if (i > 0 && i != runStart + runLength)
                text[at++] = (byte)':';
            Group(bits, i).TryFormat(text[at..], out int written, "x", CultureInfo.InvariantCulture);
            at += written;
        }

        return at;
    }

    private static ushort Group(UInt128 bits, int index) => (ushort)(bits >> ((Groups - 1 - index) * 16));

    private static int WriteDecimal(Span<byte> text, int at, ushort value)
    {
        Utf8Formatter.TryFormat(value, text[at..], out int written);
        return at + written;
    }
}
