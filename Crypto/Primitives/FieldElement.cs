using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace FastExit.Crypto.Primitives;

// Arithmetic modulo p = 2^255 - 19 in five limbs of 51 bits.
//
// References
//   RFC 7748 §4.1 (the field), §5 (encoding)
//
// Bounds (limb by limb)
//   reduced : < 2^51 + 2^17      what Multiply, Square, MultiplySmall and FromBytes give
//   loose   : < 2^53             what Add and Subtract of reduced elements give; every operation takes loose operands,
//                                except Add and Subtract, which want reduced ones; the second operand of a product may reach
//                                2^53 + 2^18 (EdwardsBaseTable): only the first one is shifted
//
// How a product avoids 128-bit sums: with one operand shifted left by 11 (53 + 11 = 64), the upper word of the 64 x 64
// product is floor(ab / 2^53). A column's upper words are summed, and so are the plain lower words of ab mod 2^64. The
// sums differ by what the floors dropped, less than five times 2^53: low - high * 2^53, exact mod 2^64. A column is then
// that plus 4 * the high sum of the column before (2^53 = 4 * 2^51), the wrap-around costs 76 = 4 * 19. Largest: 19b <
// 2^57.3, five such terms times 4 < 2^61.7, and 76 * 5 * 2^53 < 2^61.6 for the wrap-around: all columns below 2^63.
//
// Constant time: no branch and no index depends on a limb.
internal struct FieldElement
{
    private const ulong Mask = (1UL << 51) - 1;
    private const int Shift = 11;

    // 2p, limb by limb: added before a subtraction so that no limb goes below zero.
    private const ulong TwiceP0 = 0xFFFFFFFFFFFDA, TwiceP = 0xFFFFFFFFFFFFE;

    public ulong L0, L1, L2, L3, L4;

    public FieldElement(ulong l0, ulong l1, ulong l2, ulong l3, ulong l4)
    {
        L0 = l0;
        L1 = l1;
        L2 = l2;
        L3 = l3;
        L4 = l4;
    }

    public static FieldElement Zero => default;

    public static FieldElement One => new(1, 0, 0, 0, 0);

    /// <summary>Reads 32 bytes LE; bit 255 is ignored, values from p up are taken as they are (mod p).</summary>
    public static FieldElement FromBytes(ReadOnlySpan<byte> bytes)
    {
        ulong w0 = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        ulong w1 = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        ulong w2 = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        ulong w3 = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]);
        return new(
            w0 & Mask,
            (w0 >> 51 | w1 << 13) & Mask,
            (w1 >> 38 | w2 << 26) & Mask,
            (w2 >> 25 | w3 << 39) & Mask,
            (w3 >> 12) & Mask);
    }

    /// <summary>Writes the canonical value, 32 bytes LE.</summary>
    public readonly void ToBytes(Span<byte> bytes)
    {
        ulong l0 = L0, l1 = L1, l2 = L2, l3 = L3, l4 = L4;
        for (int pass = 0; pass < 2; pass++)
        {
            l1 += l0 >> 51;
            l0 &= Mask;
            l2 += l1 >> 51;
            l1 &= Mask;
            l3 += l2 >> 51;
            l2 &= Mask;
            l4 += l3 >> 51;
            l3 &= Mask;
            l0 += 19 * (l4 >> 51);
            l4 &= Mask;
        }

        // The value is now below 2^255 + 19: it is at least p exactly when adding 19 carries out of bit 255.
        ulong carry = (l0 + 19) >> 51;
        carry = (l1 + carry) >> 51;
        carry = (l2 + carry) >> 51;
        carry = (l3 + carry) >> 51;
        carry = (l4 + carry) >> 51;
        l0 += 19 * carry;
        l1 += l0 >> 51;
        l0 &= Mask;
        l2 += l1 >> 51;
        l1 &= Mask;
        l3 += l2 >> 51;
        l2 &= Mask;
        l4 += l3 >> 51;
        l3 &= Mask;
        l4 &= Mask;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, l0 | l1 << 51);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], l1 >> 13 | l2 << 38);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], l2 >> 26 | l3 << 25);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[24..], l3 >> 39 | l4 << 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(out FieldElement r, in FieldElement a, in FieldElement b) =>
        r = new(a.L0 + b.L0, a.L1 + b.L1, a.L2 + b.L2, a.L3 + b.L3, a.L4 + b.L4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Subtract(out FieldElement r, in FieldElement a, in FieldElement b) =>
        r = new(
            a.L0 + TwiceP0 - b.L0,
            a.L1 + TwiceP - b.L1,
            a.L2 + TwiceP - b.L2,
            a.L3 + TwiceP - b.L3,
            a.L4 + TwiceP - b.L4);

    /// <summary>Exchanges a and b where mask is all ones, leaves them where it is zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Swap(ref FieldElement a, ref FieldElement b, ulong mask)
    {
        ulong t0 = (a.L0 ^ b.L0) & mask, t1 = (a.L1 ^ b.L1) & mask, t2 = (a.L2 ^ b.L2) & mask;
        ulong t3 = (a.L3 ^ b.L3) & mask, t4 = (a.L4 ^ b.L4) & mask;
        a = new(a.L0 ^ t0, a.L1 ^ t1, a.L2 ^ t2, a.L3 ^ t3, a.L4 ^ t4);
        b = new(b.L0 ^ t0, b.L1 ^ t1, b.L2 ^ t2, b.L3 ^ t3, b.L4 ^ t4);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(out FieldElement r, in FieldElement a, in FieldElement b)
    {
        ulong b0 = b.L0, b1 = b.L1, b2 = b.L2, b3 = b.L3, b4 = b.L4;
        ulong n1 = 19 * b1, n2 = 19 * b2, n3 = 19 * b3, n4 = 19 * b4;

        // Row by row, so that one limb of a is live at a time.
        ulong x = a.L0, s = x << Shift;
        ulong high0 = High(s, b0), high1 = High(s, b1), high2 = High(s, b2), high3 = High(s, b3), high4 = High(s, b4);
        ulong low0 = x * b0, low1 = x * b1, low2 = x * b2, low3 = x * b3, low4 = x * b4;

        x = a.L1;
        s = x << Shift;
        high0 += High(s, n4);
        high1 += High(s, b0);
        high2 += High(s, b1);
        high3 += High(s, b2);
        high4 += High(s, b3);
        low0 += x * n4;
        low1 += x * b0;
        low2 += x * b1;
        low3 += x * b2;
        low4 += x * b3;

        x = a.L2;
        s = x << Shift;
        high0 += High(s, n3);
        high1 += High(s, n4);
        high2 += High(s, b0);
        high3 += High(s, b1);
        high4 += High(s, b2);
        low0 += x * n3;
        low1 += x * n4;
        low2 += x * b0;
        low3 += x * b1;
        low4 += x * b2;

        x = a.L3;
        s = x << Shift;
        high0 += High(s, n2);
        high1 += High(s, n3);
        high2 += High(s, n4);
        high3 += High(s, b0);
        high4 += High(s, b1);
        low0 += x * n2;
        low1 += x * n3;
        low2 += x * n4;
        low3 += x * b0;
        low4 += x * b1;

        x = a.L4;
        s = x << Shift;
        high0 += High(s, n1);
        high1 += High(s, n2);
        high2 += High(s, n3);
        high3 += High(s, n4);
        high4 += High(s, b0);
        low0 += x * n1;
        low1 += x * n2;
        low2 += x * n3;
        low3 += x * n4;
        low4 += x * b0;

        r = Carry(low0, low1, low2, low3, low4, high0, high1, high2, high3, high4);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Square(out FieldElement r, in FieldElement a)
    {
        ulong l0 = a.L0, l1 = a.L1, l2 = a.L2, l3 = a.L3, l4 = a.L4;
        ulong d1 = 2 * l1, d2 = 2 * l2, d3 = 2 * l3, d4 = 2 * l4;
        ulong n3 = 19 * l3, n4 = 19 * l4, m3 = 2 * n3, m4 = 2 * n4;

        ulong s = l0 << Shift;
        ulong high0 = High(s, l0), high1 = High(s, d1), high2 = High(s, d2), high3 = High(s, d3), high4 = High(s, d4);
        ulong low0 = l0 * l0, low1 = l0 * d1, low2 = l0 * d2, low3 = l0 * d3, low4 = l0 * d4;

        s = l1 << Shift;
        high0 += High(s, m4);
        high2 += High(s, l1);
        high3 += High(s, d2);
        high4 += High(s, d3);
        low0 += l1 * m4;
        low2 += l1 * l1;
        low3 += l1 * d2;
        low4 += l1 * d3;

        s = l2 << Shift;
        high0 += High(s, m3);
        high1 += High(s, m4);
        high4 += High(s, l2);
        low0 += l2 * m3;
        low1 += l2 * m4;
        low4 += l2 * l2;

        s = l3 << Shift;
        high1 += High(s, n3);
        high2 += High(s, m4);
        low1 += l3 * n3;
        low2 += l3 * m4;

        high3 += High(l4 << Shift, n4);
        low3 += l4 * n4;

        r = Carry(low0, low1, low2, low3, low4, high0, high1, high2, high3, high4);
    }

    /// <summary>r = factor * a, factor below 2^32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplySmall(out FieldElement r, in FieldElement a, uint factor)
    {
        r = Carry(
            a.L0 * factor,
            a.L1 * factor,
            a.L2 * factor,
            a.L3 * factor,
            a.L4 * factor,
            High(a.L0 << Shift, factor),
            High(a.L1 << Shift, factor),
            High(a.L2 << Shift, factor),
            High(a.L3 << Shift, factor),
            High(a.L4 << Shift, factor));
    }

    /// <summary>r = a^(2^times), times at least 1.</summary>
    public static void SquareRepeatedly(out FieldElement r, in FieldElement a, int times)
    {
        Square(out r, in a);
        for (int i = 1; i < times; i++)
            Square(out r, in r);
    }

    /// <summary>r = a^(p-2), the inverse, 0 for 0.</summary>
    public static void Invert(out FieldElement r, in FieldElement a)
    {
        PowerOfTwoTo250MinusOne(out FieldElement t, out FieldElement eleventh, in a);
        SquareRepeatedly(out t, in t, 5);
        Multiply(out r, in t, in eleventh);
    }

    /// <summary>r = a^((p-5)/8), the core of a square root.</summary>
    public static void PowerForSquareRoot(out FieldElement r, in FieldElement a)
    {
        PowerOfTwoTo250MinusOne(out FieldElement t, out _, in a);
        SquareRepeatedly(out t, in t, 2);
        Multiply(out r, in t, in a);
    }

    /// <summary>True when a is a square or zero (Euler's criterion).</summary>
    public static bool IsSquare(in FieldElement a)
    {
        // (p - 1) / 2 = 4 * (2^252 - 3) + 2, and (p - 5) / 8 = 2^252 - 3.
        PowerForSquareRoot(out FieldElement t, in a);
        SquareRepeatedly(out t, in t, 2);
        Square(out FieldElement squared, in a);
        Multiply(out t, in t, in squared);
        return IsZero(in t) || AreEqual(in t, One);
    }

    public static bool AreEqual(in FieldElement a, in FieldElement b)
    {
        Subtract(out FieldElement difference, in a, in b);
        return IsZero(in difference);
    }

    public static bool IsZero(in FieldElement a)
    {
        Span<byte> bytes = stackalloc byte[32];
        a.ToBytes(bytes);
        return X25519.IsZero(bytes);
    }

    // t = a^(2^250 - 1), eleventh = a^11.
    private static void PowerOfTwoTo250MinusOne(out FieldElement t, out FieldElement eleventh, in FieldElement a)
    {
        Square(out FieldElement t0, in a);
        SquareRepeatedly(out FieldElement t1, in t0, 2);
        Multiply(out t1, in t1, in a);
        Multiply(out eleventh, in t1, in t0);
        Square(out t0, in eleventh);
        Multiply(out FieldElement e5, in t0, in t1);
        SquareRepeatedly(out t0, in e5, 5);
        Multiply(out FieldElement e10, in t0, in e5);
        SquareRepeatedly(out t0, in e10, 10);
        Multiply(out FieldElement e20, in t0, in e10);
        SquareRepeatedly(out t0, in e20, 20);
        Multiply(out t0, in t0, in e20);
        SquareRepeatedly(out t0, in t0, 10);
        Multiply(out FieldElement e50, in t0, in e10);
        SquareRepeatedly(out t0, in e50, 50);
        Multiply(out FieldElement e100, in t0, in e50);
        SquareRepeatedly(out t0, in e100, 100);
        Multiply(out t0, in t0, in e100);
        SquareRepeatedly(out t0, in t0, 50);
        Multiply(out t, in t0, in e50);
    }

    // Upper word of a product. The lower one is not taken along: the pair would go through memory.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong High(ulong x, ulong y)
    {
        if (Bmi2.X64.IsSupported)
            return Bmi2.X64.MultiplyNoFlags(x, y);
        return ArmBase.Arm64.IsSupported ? ArmBase.Arm64.MultiplyHigh(x, y) : Math.BigMul(x, y, out _);
    }

    // Column sums to a reduced element. What the high parts have of each low part is taken off it, then they move one
    // column up, then every column hands its upper 12 bits to the next, all five at the same time.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static FieldElement Carry(
        ulong low0, ulong low1, ulong low2, ulong low3, ulong low4,
        ulong high0, ulong high1, ulong high2, ulong high3, ulong high4)
    {
        ulong c0 = low0 - (high0 << 53) + 76 * high4;
        ulong c1 = low1 - (high1 << 53) + 4 * high0;
        ulong c2 = low2 - (high2 << 53) + 4 * high1;
        ulong c3 = low3 - (high3 << 53) + 4 * high2;
        ulong c4 = low4 - (high4 << 53) + 4 * high3;
        return new(
            (c0 & Mask) + 19 * (c4 >> 51),
            (c1 & Mask) + (c0 >> 51),
            (c2 & Mask) + (c1 >> 51),
            (c3 & Mask) + (c2 >> 51),
            (c4 & Mask) + (c3 >> 51));
    }
}
