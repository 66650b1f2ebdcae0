using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FastExit.Native.Tun;

/// <summary>
/// The Internet checksum (RFC 1071): one's complement sum of big-endian 16-bit words, an odd last byte padded with
/// zero. Sums are kept unfolded in 64 bits and may be added to one another as long as each part but the last has an
/// even length. Words are added in the machine's order and swapped once at the end (RFC 1071 §2 B), 64 bytes at a
/// time where vectors of that width exist. A vector lane holds at most 2^15 32-bit sums of words below 2^16.
/// </summary>
public static class InternetChecksum
{
    // 16-bit words per 32-bit lane before it could overflow: 2^16; each round adds two.
    private const int RoundsPerFold = 1 << 15;

    /// <summary>The value for the checksum field: complement of the folded sum.</summary>
    public static ushort Compute(ReadOnlySpan<byte> data) => Finish(Sum(data));

    /// <summary>Adds the data to a sum that another part began.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Sum(ReadOnlySpan<byte> data, ulong initial) => initial + Sum(data);

    /// <summary>The unfolded sum, in network meaning: fold and complement it with <see cref="Finish"/>.</summary>
    public static ulong Sum(ReadOnlySpan<byte> data)
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        int at = 0;
        ulong sum = 0;
        if (Vector512.IsHardwareAccelerated && data.Length >= 2 * Vector512<byte>.Count)
            sum = Sum512(ref start, data.Length, out at);
        else if (Vector256.IsHardwareAccelerated && data.Length >= 2 * Vector256<byte>.Count)
            sum = Sum256(ref start, data.Length, out at);
        else if (Vector128.IsHardwareAccelerated && data.Length >= 2 * Vector128<byte>.Count)
            sum = Sum128(ref start, data.Length, out at);
        sum += SumWords(ref start, at, data.Length);
        ushort folded = Fold(sum);
        return BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(folded) : folded;
    }

    /// <summary>Copies and sums in one pass: the same sum as <see cref="Sum(ReadOnlySpan{byte})"/>.</summary>
    /// <exception cref="ArgumentException">The destination is shorter than the source.</exception>
    public static ulong CopyAndSum(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (!Vector512.IsHardwareAccelerated || source.Length < 2 * Vector512<byte>.Count || source.Length > ushort.MaxValue)
        {
            source.CopyTo(destination);
            return Sum(source);
        }

        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(destination[..source.Length]);
        ulong sum = CopyAndSum512(ref from, ref to, source.Length, out int at);
        source[at..].CopyTo(destination[at..]);
        ushort folded = Fold(sum + SumWords(ref from, at, source.Length));
        return BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(folded) : folded;
    }

    /// <summary>Folds to 16 bits and complements.</summary>
    public static ushort Finish(ulong sum) => (ushort)~Fold(sum);

    /// <summary>Folds to 16 bits without the complement: what a partial checksum field holds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Fold(ulong sum)
    {
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }

    /// <summary>The checksum after one 16-bit word changed (RFC 1624 eqn. 3): ~(~HC + ~m + m').</summary>
    public static ushort Update(ushort checksum, ushort oldWord, ushort newWord) =>
        Finish((ulong)(ushort)~checksum + (ushort)~oldWord + newWord);

    /// <summary>The checksum after an even number of bytes was replaced by as many others.</summary>
    /// <exception cref="ArgumentException">Lengths differ or are odd.</exception>
    public static ushort Update(ushort checksum, ReadOnlySpan<byte> oldBytes, ReadOnlySpan<byte> newBytes)
    {
        if (oldBytes.Length != newBytes.Length || (oldBytes.Length & 1) != 0)
            throw new ArgumentException("Replaced and replacing bytes must be of one, even length", nameof(newBytes));
        return Finish((ulong)(ushort)~checksum + Finish(Sum(oldBytes)) + Sum(newBytes));
    }

    /// <summary>The unfolded sum of a TCP or UDP pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1).</summary>
    /// <param name="addresses">Source and destination as they lie in the IP header: 8 or 32 bytes.</param>
    /// <param name="protocol">6 or 17 …</param>
    /// <param name="transportBytes">Transport header and payload.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong PseudoHeader(ReadOnlySpan<byte> addresses, byte protocol, int transportBytes) =>
        Sum(addresses) + protocol + ((uint)transportBytes & 0xffff) + ((uint)transportBytes >> 16);

    private static ulong SumWords(ref byte start, int at, int length)
    {
        ulong sum = 0;
        for (; at + 4 <= length; at += 4)
            sum += Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref start, at));
        if (at + 2 <= length)
        {
            sum += Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref start, at));
            at += 2;
        }

        if (at < length)
            sum += BitConverter.IsLittleEndian ? Unsafe.Add(ref start, at) : (ulong)Unsafe.Add(ref start, at) << 8;
        return sum;
    }

    // Apart from its caller: vectors that live until after a call are kept on the stack all through the loop, which then takes eight times
    // as long. 2^10 rounds at most: two lanes of 32 bits together do not overflow.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong CopyAndSum512(ref byte from, ref byte to, int length, out int at)
    {
        Vector512<uint> low = Vector512<uint>.Zero;
        Vector512<uint> high = Vector512<uint>.Zero;
        nuint place = 0;
        for (nuint end = (nuint)(length - Vector512<byte>.Count); place <= end; place += (nuint)Vector512<byte>.Count)
        {
            Vector512<uint> words = Vector512.LoadUnsafe(ref from, place).AsUInt32();
            words.AsByte().StoreUnsafe(ref to, place);
            low += words & Vector512.Create(0xffffu);
            high += words >>> 16;
        }

        at = (int)place;
        (Vector512<ulong> first, Vector512<ulong> second) = Vector512.Widen(low + high);
        return Vector512.Sum(first + second);
    }

    private static ulong Sum512(ref byte start, int length, out int at)
    {
        ulong sum = 0;
        at = 0;
        while (length - at >= Vector512<byte>.Count)
        {
            int rounds = Math.Min((length - at) / Vector512<byte>.Count, RoundsPerFold);
            Vector512<uint> low = Vector512<uint>.Zero;
            Vector512<uint> high = Vector512<uint>.Zero;
            for (int round = 0; round < rounds; round++, at += Vector512<byte>.Count)
            {
                Vector512<uint> words = Vector512.LoadUnsafe(ref start, (nuint)at).AsUInt32();
                low += words & Vector512.Create(0xffffu);
                high += words >>> 16;
            }

            (Vector512<ulong> first, Vector512<ulong> second) = Vector512.Widen(low);
            (Vector512<ulong> third, Vector512<ulong> fourth) = Vector512.Widen(high);
            sum += Vector512.Sum(first + second) + Vector512.Sum(third + fourth);
        }

        return sum;
    }

    private static ulong Sum256(ref byte start, int length, out int at)
    {
        ulong sum = 0;
        at = 0;
        while (length - at >= Vector256<byte>.Count)
        {
            int rounds = Math.Min((length - at) / Vector256<byte>.Count, RoundsPerFold);
            Vector256<uint> low = Vector256<uint>.Zero;
            Vector256<uint> high = Vector256<uint>.Zero;
            for (int round = 0; round < rounds; round++, at += Vector256<byte>.Count)
            {
                Vector256<uint> words = Vector256.LoadUnsafe(ref start, (nuint)at).AsUInt32();
                low += words & Vector256.Create(0xffffu);
                high += words >>> 16;
            }

            (Vector256<ulong> first, Vector256<ulong> second) = Vector256.Widen(low);
            (Vector256<ulong> third, Vector256<ulong> fourth) = Vector256.Widen(high);
            sum += Vector256.Sum(first + second) + Vector256.Sum(third + fourth);
        }

        return sum;
    }

    private static ulong Sum128(ref byte start, int length, out int at)
    {
        ulong sum = 0;
        at = 0;
        while (length - at >= Vector128<byte>.Count)
        {
            int rounds = Math.Min((length - at) / Vector128<byte>.Count, RoundsPerFold);
            Vector128<uint> low = Vector128<uint>.Zero;
            Vector128<uint> high = Vector128<uint>.Zero;
            for (int round = 0; round < rounds; round++, at += Vector128<byte>.Count)
            {
                Vector128<uint> words = Vector128.LoadUnsafe(ref start, (nuint)at).AsUInt32();
                low += words & Vector128.Create(0xffffu);
                high += words >>> 16;
            }

            (Vector128<ulong> first, Vector128<ulong> second) = Vector128.Widen(low);
            (Vector128<ulong> third, Vector128<ulong> fourth) = Vector128.Widen(high);
            sum += Vector128.Sum(first + second) + Vector128.Sum(third + fourth);
        }

        return sum;
    }
}
