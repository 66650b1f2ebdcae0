using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace FastExit.Crypto.Primitives;

/// <summary>X25519: scalar multiplication on Curve25519, Montgomery u-coordinates only.</summary>
/// <remarks>
/// <para>References: RFC 7748 §5 (function, clamping, encodings), §4.1 (base point u = 9); sphinx.md §4.1, §4.4, §4.5.</para>
/// <para>Parameters: scalar 32 bytes LE, point 32 bytes LE, result 32 bytes LE. Bit 255 of a point is ignored, a point
/// from p up is taken mod p, low-order points are accepted and give zero: nothing is ever refused here. Callers that must
/// refuse an all-zero result ask <see cref="IsZero"/>. Lanes: 1 to <see cref="MaximumLanes"/>, packed 32 bytes each, any
/// mix of scalars and points; results may overlay scalars or points of the same lane.</para>
/// <para>Constant time: a Montgomery ladder of fixed length with masked swaps; the fixed base goes through signed 4-bit
/// windows whose table line is read whole (<see cref="EdwardsBaseTable"/>).</para>
/// </remarks>
public static class X25519
{
    /// <summary>Bytes of a scalar, of a point and of a result.</summary>
    public const int KeyBytes = 32;

    /// <summary>Most lanes that one call takes.</summary>
    public const int MaximumLanes = 8;

    private const uint A24 = 121665;

    /// <summary>result = [clamp(scalar)] point, RFC 7748 §5.</summary>
    public static void Multiply(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> point, Span<byte> result)
    {
        Scalar256 k = Scalar256.Read(scalar).Clamped();
        Ladder(in k, 254, point, result);
    }

    /// <summary>result = [clamp(scalar)] 9: the public key of a private key.</summary>
    public static void MultiplyBase(ReadOnlySpan<byte> scalar, Span<byte> result)
    {
        Scalar256 k = Scalar256.Read(scalar).Clamped();
        EdwardsBaseTable.Multiply(in k, result);
    }

    /// <summary>result = [scalar] point for all 256 bits of the scalar, not clamped (sphinx.md §4.4, §4.5).</summary>
    public static void MultiplyUnclamped(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> point, Span<byte> result)
    {
        Scalar256 k = Scalar256.Read(scalar);
        Ladder(in k, 255, point, result);
    }

    /// <summary>result = [scalar] 9 without clamping; the scalar must be below 2^255.</summary>
    public static void MultiplyBaseUnclamped(ReadOnlySpan<byte> scalar, Span<byte> result)
    {
        Scalar256 k = Scalar256.Read(scalar);
        EdwardsBaseTable.Multiply(in k, result);
    }

    /// <summary><see cref="Multiply"/> for several lanes.</summary>
    public static void MultiplyLanes(
        ReadOnlySpan<byte> scalars, ReadOnlySpan<byte> points, Span<byte> results, int lanes)
    {
        CheckLanes(lanes);
        for (int lane = 0; lane < lanes; lane++)
        {
            Multiply(
                scalars.Slice(lane * KeyBytes, KeyBytes),
                points.Slice(lane * KeyBytes, KeyBytes),
                results.Slice(lane * KeyBytes, KeyBytes));
        }
    }

    /// <summary><see cref="MultiplyUnclamped"/> for several lanes.</summary>
    public static void MultiplyUnclampedLanes(
        ReadOnlySpan<byte> scalars, ReadOnlySpan<byte> points, Span<byte> results, int lanes)
    {
        CheckLanes(lanes);
        for (int lane = 0; lane < lanes; lane++)
        {
            MultiplyUnclamped(
                scalars.Slice(lane * KeyBytes, KeyBytes),
                points.Slice(lane * KeyBytes, KeyBytes),
                results.Slice(lane * KeyBytes, KeyBytes));
        }
    }

    /// <summary><see cref="MultiplyBase"/> for several lanes.</summary>
    public static void MultiplyBaseLanes(ReadOnlySpan<byte> scalars, Span<byte> results, int lanes)
    {
        CheckLanes(lanes);
        for (int lane = 0; lane < lanes; lane++)
            MultiplyBase(scalars.Slice(lane * KeyBytes, KeyBytes), results.Slice(lane * KeyBytes, KeyBytes));
    }

    /// <summary>True when every byte is zero; time depends on the length alone.</summary>
    public static bool IsZero(ReadOnlySpan<byte> value)
    {
        int any = 0;
        for (int i = 0; i < value.Length; i++)
            any |= value[i];
        return any == 0;
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
