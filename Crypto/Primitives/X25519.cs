using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using FastExit.Crypto.Lanes;

namespace FastExit.Crypto.Primitives;

/// <summary>X25519: scalar multiplication on Curve25519, Montgomery u-coordinates only.</summary>
/// <remarks>
/// <para>References: RFC 7748 §5 (function, clamping, encodings), §4.1 (base point u = 9); sphinx.md §4.1, §4.4, §4.5.</para>
/// <para>Parameters: scalar 32 bytes LE, point 32 bytes LE, result 32 bytes LE. Bit 255 of a point is ignored, a point
/// from p up is taken mod p, low-order points are accepted and give zero: nothing is ever refused here. Callers that must
/// refuse an all-zero result ask <see cref="IsZero"/>. Lanes: 1 to <see cref="MaximumLanes"/>, packed 32 bytes each, any
/// mix of scalars and points; results may overlay scalars or points of the same lane.</para>
/// <para>Kernels: eight lanes in AVX-512, four in AVX2 (<see cref="IFieldLanes"/>), or one after the other here; the level
/// of <see cref="CpuLevels"/> decides, and below it whichever is faster for the number of lanes. One lane is a batch of
/// one.</para>
/// <para>Constant time: Montgomery ladders of fixed length with masked swaps; fixed bases go through signed windows of which
/// every entry is read (<see cref="EdwardsBaseTable"/> here, <see cref="X25519Table"/> on lanes).</para>
/// </remarks>
public static class X25519
{
    /// <summary>Bytes of a scalar, of a point and of a result.</summary>
    public const int KeyBytes = 32;

    /// <summary>Most lanes that one call takes.</summary>
    public const int MaximumLanes = 8;

    private const uint A24 = 121665;

    /// <summary>result = [clamp(scalar)] point, RFC 7748 §5.</summary>
    public static void Multiply(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> point, Span<byte> result) =>
        MultiplyLanes(scalar, point, result, 1);

    /// <summary>result = [clamp(scalar)] 9: the public key of a private key.</summary>
    public static void MultiplyBase(ReadOnlySpan<byte> scalar, Span<byte> result) => MultiplyBaseLanes(scalar, result, 1);

    /// <summary>result = [scalar] point for all 256 bits of the scalar, not clamped (sphinx.md §4.4, §4.5).</summary>
    public static void MultiplyUnclamped(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> point, Span<byte> result) =>
        MultiplyUnclampedLanes(scalar, point, result, 1);

    /// <summary>result = [scalar] 9 without clamping; the scalar must be below 2^255.</summary>
    public static void MultiplyBaseUnclamped(ReadOnlySpan<byte> scalar, Span<byte> result) =>
        MultiplyBaseUnclampedLanes(scalar, result, 1);

    /// <summary><see cref="Multiply"/> for several lanes.</summary>
    public static void MultiplyLanes(
        ReadOnlySpan<byte> scalars, ReadOnlySpan<byte> points, Span<byte> results, int lanes) =>
        MultiplyLanes(CpuLevels.Current, scalars, points, results, lanes);

    /// <summary><see cref="MultiplyUnclamped"/> for several lanes.</summary>
    public static void MultiplyUnclampedLanes(
        ReadOnlySpan<byte> scalars, ReadOnlySpan<byte> points, Span<byte> results, int lanes) =>
        MultiplyUnclampedLanes(CpuLevels.Current, scalars, points, results, lanes);

    /// <summary><see cref="MultiplyBase"/> for several lanes.</summary>
    public static void MultiplyBaseLanes(ReadOnlySpan<byte> scalars, Span<byte> results, int lanes) =>
        MultiplyBaseLanes(CpuLevels.Current, scalars, results, lanes);

    /// <summary><see cref="MultiplyBaseUnclamped"/> for several lanes.</summary>
    public static void MultiplyBaseUnclampedLanes(ReadOnlySpan<byte> scalars, Span<byte> results, int lanes) =>
        MultiplyBaseUnclampedLanes(CpuLevels.Current, scalars, results, lanes);

    /// <summary>
    /// result = [scalar] P for several lanes, P the point that the lane's table was made for: what
    /// <see cref="MultiplyUnclampedLanes(ReadOnlySpan{byte}, ReadOnlySpan{byte}, Span{byte}, int)"/> gives for it, for every
    /// scalar below 2^256. Any mix of tables; lanes with the same one cost less, neighbours of different sizes more. Which lane
    /// has which table is public.
    /// </summary>
    public static void MultiplyTableLanes(
        ReadOnlySpan<byte> scalars, ReadOnlySpan<X25519Table> tables, Span<byte> results, int lanes) =>
        MultiplyTableLanes(CpuLevels.Current, scalars, tables, results, lanes);

    internal static void MultiplyLanes(
        CpuLevel level, ReadOnlySpan<byte> scalars, ReadOnlySpan<byte> points, Span<byte> results, int lanes)
    {
        CheckLanes(lanes);
        MultiplyLanes(FieldKernels.ForLadder(level, lanes), scalars, points, results, lanes, clamp: true);
    }

    internal static void MultiplyUnclampedLanes(
        CpuLevel level, ReadOnlySpan<byte> scalars, ReadOnlySpan<byte> points, Span<byte> results, int lanes)
    {
        CheckLanes(lanes);
        MultiplyLanes(FieldKernels.ForLadder(level, lanes), scalars, points, results, lanes, clamp: false);
    }

    internal static void MultiplyBaseLanes(
        CpuLevel level, ReadOnlySpan<byte> scalars, Span<byte> results, int lanes)
    {
        CheckLanes(lanes);
        MultiplyBaseLanes(FieldKernels.At(level), scalars, results, lanes, clamp: true);
    }

    internal static void MultiplyBaseUnclampedLanes(
        CpuLevel level, ReadOnlySpan<byte> scalars, Span<byte> results, int lanes)
    {
        CheckLanes(lanes);
        MultiplyBaseLanes(FieldKernels.At(level), scalars, results, lanes, clamp: false);
    }

    internal static void MultiplyTableLanes(
        CpuLevel level, ReadOnlySpan<byte> scalars, ReadOnlySpan<X25519Table> tables, Span<byte> results, int lanes)
    {
        CheckLanes(lanes);
        // Kernels walk tables of one shape.
        for (int first = 0, count; first < lanes; first += count)
        {
            count = 1;
            while (first + count < lanes && tables[first + count].Shape.Spacing == tables[first].Shape.Spacing)
                count++;
            MultiplyTableLanes(
                FieldKernels.At(level),
                scalars[(first * KeyBytes)..],
                tables.Slice(first, count),
                results[(first * KeyBytes)..],
                count);
        }
    }

    internal static void MultiplyLanes(
        FieldKernel kernel,
        ReadOnlySpan<byte> scalars,
        ReadOnlySpan<byte> points,
        Span<byte> results,
        int lanes,
        bool clamp)
    {
        switch (kernel)
        {
            case FieldKernel.Quotient512:
                X25519Lanes<FieldLanes512Quotient>.Multiply(scalars, points, results, lanes, clamp);
                return;
            case FieldKernel.Split512:
                X25519Lanes<FieldLanes512Split>.Multiply(scalars, points, results, lanes, clamp);
                return;
            case FieldKernel.Avx2:
                X25519Lanes<FieldLanes256>.Multiply(scalars, points, results, lanes, clamp);
                return;
        }

        for (int lane = 0; lane < lanes; lane++)
        {
            Scalar256 k = Scalar256.Read(Key(scalars, lane));
            if (clamp)
                k = k.Clamped();
            Ladder(in k, clamp ? 254 : 255, Key(points, lane), results.Slice(lane * KeyBytes, KeyBytes));
        }
    }

    internal static void MultiplyBaseLanes(
        FieldKernel kernel, ReadOnlySpan<byte> scalars, Span<byte> results, int lanes, bool clamp)
    {
        switch (kernel)
        {
            case FieldKernel.Quotient512:
                X25519Lanes<FieldLanes512Quotient>.MultiplyBase(scalars, results, lanes, clamp);
                return;
            case FieldKernel.Split512:
                X25519Lanes<FieldLanes512Split>.MultiplyBase(scalars, results, lanes, clamp);
                return;
            case FieldKernel.Avx2:
                X25519Lanes<FieldLanes256>.MultiplyBase(scalars, results, lanes, clamp);
                return;
        }

        for (int lane = 0; lane < lanes; lane++)
        {
            Scalar256 k = Scalar256.Read(Key(scalars, lane));
            if (clamp)
                k = k.Clamped();
            EdwardsBaseTable.Multiply(in k, results.Slice(lane * KeyBytes, KeyBytes));
        }
    }

    internal static void MultiplyTableLanes(
        FieldKernel kernel, ReadOnlySpan<byte> scalars, ReadOnlySpan<X25519Table> tables, Span<byte> results, int lanes)
    {
        switch (kernel)
        {
            case FieldKernel.Quotient512:
                X25519Lanes<FieldLanes512Quotient>.MultiplyTable(scalars, tables, results, lanes, clamp: false);
                return;
            case FieldKernel.Split512:
                X25519Lanes<FieldLanes512Split>.MultiplyTable(scalars, tables, results, lanes, clamp: false);
                return;
            case FieldKernel.Avx2:
                X25519Lanes<FieldLanes256>.MultiplyTable(scalars, tables, results, lanes, clamp: false);
                return;
        }

        for (int lane = 0; lane < lanes; lane++)
        {
            Scalar256 k = Scalar256.Read(Key(scalars, lane));
            Ladder(in k, 255, tables[lane].Point, results.Slice(lane * KeyBytes, KeyBytes));
        }
    }

    /// <summary>True when every byte is zero; time depends on the length alone.</summary>
    public static bool IsZero(ReadOnlySpan<byte> value)
    {
        int any = 0;
        for (int i = 0; i < value.Length; i++)
            any |= value[i];
        return any == 0;
    }

    private static ReadOnlySpan<byte> LowOrder8 =>
    [
        0xE0, 0xEB, 0x7A, 0x7C, 0x3B, 0x41, 0xB8, 0xAE, 0x16, 0x56, 0xE3, 0xFA, 0xF1, 0x9F, 0xC4, 0x6A,
        0xDA, 0x09, 0x8D, 0xEB, 0x9C, 0x32, 0xB1, 0xFD, 0x86, 0x62, 0x05, 0x16, 0x5F, 0x49, 0xB8, 0x00,
    ];

    private static ReadOnlySpan<byte> LowOrder8Too =>
    [
        0x5F, 0x9C, 0x95, 0xBC, 0xA3, 0x50, 0x8C, 0x24, 0xB1, 0xD0, 0xB1, 0x55, 0x9C, 0x83, 0xEF, 0x5B,
        0x04, 0x44, 0x5C, 0xC4, 0x58, 0x1C, 0x8E, 0x86, 0xD8, 0x22, 0x4E, 0xDD, 0xD0, 0x9F, 0x11, 0x57,
    ];

    private static ReadOnlySpan<byte> MinusOne =>
    [
        0xEC, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F,
    ];

    /// <summary>True for a point that every clamped scalar takes to zero (orders 1, 2, 4 and 8). For public keys only.</summary>
    public static bool HasLowOrder(ReadOnlySpan<byte> point)
    {
        // Modulo p there are five: 0, 1, -1 and two of order 8 (RFC 7748 §7 and the curve's group).
        Span<byte> u = stackalloc byte[KeyBytes];
        FieldElement.FromBytes(point).ToBytes(u);
        return u.SequenceEqual(LowOrder8) || u.SequenceEqual(LowOrder8Too) || u.SequenceEqual(MinusOne) || (u[0] <= 1 && IsZero(u[1..]));
    }

    /// <summary>
    /// True when the u-coordinate belongs to the curve itself, false when it belongs to its quadratic twist. For public
    /// keys only: the answer is a branch.
    /// </summary>
    public static bool IsOnCurve(ReadOnlySpan<byte> point)
    {
        // v^2 = u^3 + 486662 u^2 + u = u (u (u + 486662) + 1)
        FieldElement u = FieldElement.FromBytes(point);
        FieldElement.Add(out FieldElement t, in u, new FieldElement(486662, 0, 0, 0, 0));
        FieldElement.Multiply(out t, in t, in u);
        FieldElement.Add(out t, in t, FieldElement.One);
        FieldElement.Multiply(out t, in t, in u);
        return FieldElement.IsSquare(in t);
    }

    // RFC 7748 §5, from bit topBit down to bit 0.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Ladder(in Scalar256 k, int topBit, ReadOnlySpan<byte> point, Span<byte> result)
    {
        FieldElement x1 = FieldElement.FromBytes(point);
        FieldElement x2 = FieldElement.One, z2 = FieldElement.Zero, x3 = x1, z3 = FieldElement.One;
        ulong swapped = 0;
        for (int bit = topBit; bit >= 0; bit--)
        {
            ulong current = 0 - k.Bit(bit);
            FieldElement.Swap(ref x2, ref x3, swapped ^ current);
            FieldElement.Swap(ref z2, ref z3, swapped ^ current);
            swapped = current;

            FieldElement.Add(out FieldElement a, in x2, in z2);
            FieldElement.Subtract(out FieldElement b, in x2, in z2);
            FieldElement.Add(out FieldElement c, in x3, in z3);
            FieldElement.Subtract(out FieldElement d, in x3, in z3);
            FieldElement.Multiply(out FieldElement da, in d, in a);
            FieldElement.Multiply(out FieldElement cb, in c, in b);
            FieldElement.Square(out FieldElement aa, in a);
            FieldElement.Square(out FieldElement bb, in b);
            FieldElement.Add(out x3, in da, in cb);
            FieldElement.Subtract(out z3, in da, in cb);
            FieldElement.Square(out x3, in x3);
            FieldElement.Square(out z3, in z3);
            FieldElement.Multiply(out z3, in z3, in x1);
            FieldElement.Multiply(out x2, in aa, in bb);
            FieldElement.Subtract(out FieldElement e, in aa, in bb);
            FieldElement.MultiplySmall(out z2, in e, A24);
            FieldElement.Add(out z2, in z2, in aa);
            FieldElement.Multiply(out z2, in z2, in e);
        }

        FieldElement.Swap(ref x2, ref x3, swapped);
        FieldElement.Swap(ref z2, ref z3, swapped);
        FieldElement.Invert(out z2, in z2);
        FieldElement.Multiply(out x2, in x2, in z2);
        x2.ToBytes(result);
    }

    private static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> keys, int lane) => keys.Slice(lane * KeyBytes, KeyBytes);

    private static void CheckLanes(int lanes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(lanes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lanes, MaximumLanes);
    }
}

// A 256-bit integer in four words, least significant first.
internal readonly struct Scalar256(ulong w0, ulong w1, ulong w2, ulong w3)
{
    public readonly ulong W0 = w0, W1 = w1, W2 = w2, W3 = w3;

    public static Scalar256 Read(ReadOnlySpan<byte> bytes) =>
        new(
            BinaryPrimitives.ReadUInt64LittleEndian(bytes),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]));

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, W0);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], W1);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], W2);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[24..], W3);
    }

    public Scalar256 Clamped() => new(W0 & ~7UL, W1, W2, (W3 & ~(1UL << 63)) | 1UL << 62);

    // The position is public, the bit is not.
    public ulong Bit(int position)
    {
        ulong word = (position >> 6) switch { 0 => W0, 1 => W1, 2 => W2, _ => W3 };
        return word >> (position & 63) & 1;
    }
}
