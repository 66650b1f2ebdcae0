using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FastExit.Crypto.Lanes;

namespace FastExit.Crypto.Primitives;

/// <summary>ChaCha20.</summary>
/// <remarks>
/// <para>References: RFC 8439 §2.3, §2.4; sphinx.md §3 (zero nonce, counter 0).</para>
/// <para>Parameters: key 32 bytes, nonce 12 bytes, 32-bit block counter, data of any length, in place. With a zero nonce and
/// less than 2^32 blocks this is also the original layout with a 64-bit counter and an 8-byte nonce.</para>
/// <para>Constant time: additions, rotations and xor only; time depends on the length alone. With AVX-512 16 blocks at once,
/// a vector for each word; else vectors of rows, two blocks to a vector (one, without vectors of 256 bits) and four vectors
/// side by side.</para>
/// </remarks>
[SkipLocalsInit]
public static class ChaCha20
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyBytes = 32;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceBytes = 12;

    /// <summary>Bytes of a key-stream block.</summary>
    public const int BlockBytes = 64;

    // Up to here 8 blocks at a time are faster than 16 of which some are thrown away.
    private const int WideFrom = 8 * BlockBytes;

    /// <summary>data = data xor the stream of this key with a zero nonce from counter 0 on.</summary>
    public static void XorZeroNonce(ReadOnlySpan<byte> key, Span<byte> data)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        nonce.Clear();
        Xor(key, nonce, 0, data);
    }

    /// <summary>data = data xor the stream of this key and nonce from block counter on.</summary>
    public static void Xor(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, uint counter, Span<byte> data) =>
        Xor(CpuLevels.Current, key, nonce, counter, data);

    internal static void Xor(
        CpuLevel level, ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, uint counter, Span<byte> data)
    {
        if (level == CpuLevel.Avx512 && data.Length > WideFrom)
        {
            int taken = XorWide(key, nonce, counter, data);
            data = data[taken..];
            counter += (uint)(taken / BlockBytes);
        }

        if (data.IsEmpty)
            return;
        if (Vector256.IsHardwareAccelerated)
            XorRows(key, nonce, counter, data);
        else
            XorRows128(key, nonce, counter, data);
    }

    // All data but a rest of up to WideFrom bytes, a multiple of the block size or everything.
    private static unsafe int XorWide(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, uint counter, Span<byte> data)
    {
        byte* memory = stackalloc byte[ChaCha20Kernel16.Bytes + 64];
        byte* stream = (byte*)((nuint)memory + 63 & ~(nuint)63);
        // Word by word: unoptimised builds would copy a span of constants to the heap.
        uint* input = stackalloc uint[16];
        input[0] = 0x61707865;
        input[1] = 0x3320646E;
        input[2] = 0x79622D32;
        input[3] = 0x6B206574;
        input[12] = counter;
        key[..KeyBytes].CopyTo(new(input + 4, KeyBytes));
        nonce[..NonceBytes].CopyTo(new(input + 13, NonceBytes));
        int done = 0;
        fixed (byte* start = data)
        {
            for (; data.Length - done >= ChaCha20Kernel16.Bytes; done += ChaCha20Kernel16.Bytes)
            {
                ChaCha20Kernel16.XorBlocks(input, start + done, ChaCha20Kernel16.Bytes, stream);
                input[12] += ChaCha20Kernel16.Bytes / BlockBytes;
            }

            int rest = data.Length - done;
            if (rest <= WideFrom)
                return done;
            ChaCha20Kernel16.XorBlocks(input, start + done, rest, stream);
        }

        return data.Length;
    }

    internal static void XorRows128(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, uint counter, Span<byte> data)
    {
        Vector128<uint> b = Vector128.Create(key[..16]).AsUInt32(), c = Vector128.Create(key[16..32]).AsUInt32();
        Vector128<uint> d = CounterRow(nonce, counter);
        for (; data.Length >= ChaCha20Rows128.Bytes; data = data[ChaCha20Rows128.Bytes..])
        {
            ChaCha20Rows128.XorFourBlocks(b, c, d, ref MemoryMarshal.GetReference(data));
            d += Vector128.Create(4u, 0, 0, 0);
        }

        if (data.IsEmpty)
            return;
        Span<byte> last = stackalloc byte[ChaCha20Rows128.Bytes];
        data.CopyTo(last);
        ChaCha20Rows128.XorFourBlocks(b, c, d, ref MemoryMarshal.GetReference(last));
        last[..data.Length].CopyTo(data);
    }

    private static Vector128<uint> CounterRow(ReadOnlySpan<byte> nonce, uint counter) =>
        Vector128.Create(
            counter,
            BinaryPrimitives.ReadUInt32LittleEndian(nonce),
            BinaryPrimitives.ReadUInt32LittleEndian(nonce[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(nonce[8..]));

    private static void XorRows(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, uint counter, Span<byte> data)
    {
        Vector128<uint> row1 = Vector128.Create(key[..16]).AsUInt32();
        Vector128<uint> row2 = Vector128.Create(key[16..32]).AsUInt32();
        Vector128<uint> row3 = CounterRow(nonce, counter);
        Vector256<uint> b = Vector256.Create(row1, row1), c = Vector256.Create(row2, row2);
        Vector256<uint> d = Vector256.Create(row3, row3) + Vector256.Create(0u, 0, 0, 0, 1, 0, 0, 0);

        while (data.Length >= 8 * BlockBytes)
        {
            EightBlocks(b, c, d, ref MemoryMarshal.GetReference(data));
            d += Vector256.Create(8u, 0, 0, 0, 8, 0, 0, 0);
            data = data[(8 * BlockBytes)..];
        }

        if (data.Length > 2 * BlockBytes)
        {
            Span<byte> last = stackalloc byte[8 * BlockBytes];
            data.CopyTo(last);
            EightBlocks(b, c, d, ref MemoryMarshal.GetReference(last));
            last[..data.Length].CopyTo(data);
        }
        else if (!data.IsEmpty)
        {
            Span<byte> last = stackalloc byte[2 * BlockBytes];
            data.CopyTo(last);
            TwoBlocks(b, c, d, ref MemoryMarshal.GetReference(last));
            last[..data.Length].CopyTo(data);
        }
    }

    private static Vector256<uint> Constants =>
        Vector256.Create(0x61707865u, 0x3320646E, 0x79622D32, 0x6B206574, 0x61707865, 0x3320646E, 0x79622D32, 0x6B206574);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EightBlocks(Vector256<uint> b, Vector256<uint> c, Vector256<uint> d, ref byte data)
    {
        Vector256<uint> a = Constants, two = Vector256.Create(2u, 0, 0, 0, 2, 0, 0, 0);
        Vector256<uint> d1 = d + two, d2 = d1 + two, d3 = d2 + two;
        Vector256<uint> a0 = a, b0 = b, c0 = c, e0 = d, a1 = a, b1 = b, c1 = c, e1 = d1;
        Vector256<uint> a2 = a, b2 = b, c2 = c, e2 = d2, a3 = a, b3 = b, c3 = c, e3 = d3;
        for (int round = 0; round < 20; round += 2)
        {
            QuarterRounds(ref a0, ref b0, ref c0, ref e0);
            QuarterRounds(ref a1, ref b1, ref c1, ref e1);
            QuarterRounds(ref a2, ref b2, ref c2, ref e2);
            QuarterRounds(ref a3, ref b3, ref c3, ref e3);
            ToDiagonals(ref b0, ref c0, ref e0);
            ToDiagonals(ref b1, ref c1, ref e1);
            ToDiagonals(ref b2, ref c2, ref e2);
            ToDiagonals(ref b3, ref c3, ref e3);
            QuarterRounds(ref a0, ref b0, ref c0, ref e0);
            QuarterRounds(ref a1, ref b1, ref c1, ref e1);
            QuarterRounds(ref a2, ref b2, ref c2, ref e2);
            QuarterRounds(ref a3, ref b3, ref c3, ref e3);
            ToColumns(ref b0, ref c0, ref e0);
            ToColumns(ref b1, ref c1, ref e1);
            ToColumns(ref b2, ref c2, ref e2);
            ToColumns(ref b3, ref c3, ref e3);
        }

        XorPair(ref data, a0 + a, b0 + b, c0 + c, e0 + d);
        XorPair(ref Unsafe.Add(ref data, 128), a1 + a, b1 + b, c1 + c, e1 + d1);
        XorPair(ref Unsafe.Add(ref data, 256), a2 + a, b2 + b, c2 + c, e2 + d2);
        XorPair(ref Unsafe.Add(ref data, 384), a3 + a, b3 + b, c3 + c, e3 + d3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoBlocks(Vector256<uint> b, Vector256<uint> c, Vector256<uint> d, ref byte data)
    {
        Vector256<uint> a = Constants, a0 = a, b0 = b, c0 = c, e0 = d;
        for (int round = 0; round < 20; round += 2)
        {
            QuarterRounds(ref a0, ref b0, ref c0, ref e0);
            ToDiagonals(ref b0, ref c0, ref e0);
            QuarterRounds(ref a0, ref b0, ref c0, ref e0);
            ToColumns(ref b0, ref c0, ref e0);
        }

        XorPair(ref data, a0 + a, b0 + b, c0 + c, e0 + d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(
        ref Vector256<uint> a, ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d)
    {
        a += b;
        d = RotateLeft(d ^ a, 16);
        c += d;
        b = RotateLeft(b ^ c, 12);
        a += b;
        d = RotateLeft(d ^ a, 8);
        c += d;
        b = RotateLeft(b ^ c, 7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateLeft(Vector256<uint> x, int bits) => x << bits | x >>> (32 - bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ToDiagonals(ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d)
    {
        b = Vector256.Shuffle(b, Vector256.Create(1u, 2, 3, 0, 5, 6, 7, 4));
        c = Vector256.Shuffle(c, Vector256.Create(2u, 3, 0, 1, 6, 7, 4, 5));
        d = Vector256.Shuffle(d, Vector256.Create(3u, 0, 1, 2, 7, 4, 5, 6));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ToColumns(ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d)
    {
        b = Vector256.Shuffle(b, Vector256.Create(3u, 0, 1, 2, 7, 4, 5, 6));
        c = Vector256.Shuffle(c, Vector256.Create(2u, 3, 0, 1, 6, 7, 4, 5));
        d = Vector256.Shuffle(d, Vector256.Create(1u, 2, 3, 0, 5, 6, 7, 4));
    }

    // The lower halves of the rows are one block, the upper halves the next.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void XorPair(
        ref byte data, Vector256<uint> a, Vector256<uint> b, Vector256<uint> c, Vector256<uint> d)
    {
        XorRow(ref data, a.GetLower());
        XorRow(ref Unsafe.Add(ref data, 16), b.GetLower());
        XorRow(ref Unsafe.Add(ref data, 32), c.GetLower());
        XorRow(ref Unsafe.Add(ref data, 48), d.GetLower());
        XorRow(ref Unsafe.Add(ref data, 64), a.GetUpper());
        XorRow(ref Unsafe.Add(ref data, 80), b.GetUpper());
        XorRow(ref Unsafe.Add(ref data, 96), c.GetUpper());
        XorRow(ref Unsafe.Add(ref data, 112), d.GetUpper());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void XorRow(ref byte data, Vector128<uint> row) =>
        (Vector128.LoadUnsafe(ref data) ^ row.AsByte()).StoreUnsafe(ref data);
}
