using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FastExit.Crypto.Primitives;

// Fixed-base multiplication on the Edwards form of Curve25519, result as a Montgomery u-coordinate.
//
// References
//   RFC 7748 §4.1 (the birational map u = (1 + y) / (1 - y)), RFC 8032 §5.1 (the base point)
//   Hisil, Wong, Carter, Dawson, "Twisted Edwards Curves Revisited", §3.1 and §3.2 (complete formulas for a = -1)
//
// Parameters
//   scalar below 2^255; 64 signed 4-bit digits; table of 64 x 8 points (j + 1) * 16^w * B, each as y + x, y - x, 2dxy:
//   15 words and one of padding, 64 KiB in all, computed at first use (under 2 ms)
//
// Constant time: every digit reads all 8 entries of its window and keeps one by mask; the sign is a masked exchange; the
// addition formulas are complete, so the neutral element needs no branch.
internal static class EdwardsBaseTable
{
    private const int Windows = 64, Entries = 8, EntryWords = 16;

    private static readonly FieldElement TwiceD =
        new(0x69B9426B2F159, 0x35050762ADD7A, 0x3CF44C0038052, 0x6738CC7407977, 0x2406D9DC56DFF);

    private static readonly ulong[] Table = Build();

    /// <summary>result = u-coordinate of [k]B, 32 bytes; 0 for the neutral element.</summary>
    public static void Multiply(in Scalar256 k, Span<byte> result)
    {
        FieldElement x = FieldElement.Zero, y = FieldElement.One, z = FieldElement.One, t = FieldElement.Zero;
        long carry = 0;
        for (int window = 0; window < Windows; window++)
        {
            ulong word = (window >> 4) switch { 0 => k.W0, 1 => k.W1, 2 => k.W2, _ => k.W3 };
            long digit = (long)(word >> (4 * (window & 15)) & 15) + carry;
            // Digits of 8 and more become negative and hand one to the next window; the last one keeps what it has.
            carry = window == Windows - 1 ? 0 : (digit + 8) >> 4;
            digit -= carry << 4;

            Select(window, digit, out FieldElement sum, out FieldElement difference, out FieldElement product);
            FieldElement.Subtract(out FieldElement a, in y, in x);
            FieldElement.Multiply(out a, in a, in difference);
            FieldElement.Add(out FieldElement b, in y, in x);
            FieldElement.Multiply(out b, in b, in sum);
            FieldElement.Multiply(out FieldElement c, in t, in product);
            Combine(ref x, ref y, ref z, ref t, in a, in b, in c);
        }

        FieldElement.Add(out FieldElement numerator, in z, in y);
        FieldElement.Subtract(out FieldElement denominator, in z, in y);
        FieldElement.Invert(out denominator, in denominator);
        FieldElement.Multiply(out numerator, in numerator, in denominator);
        numerator.ToBytes(result);
    }

    // The common end of every addition: from A, B, C and the old Z to the new point.
    private static void Combine(
        ref FieldElement x,
        ref FieldElement y,
        ref FieldElement z,
        ref FieldElement t,
        in FieldElement a,
        in FieldElement b,
        in FieldElement c)
    {
        FieldElement.Add(out FieldElement d, in z, in z);
        FieldElement.Subtract(out FieldElement e, in b, in a);
        // d is loose already, so f may reach 2^53 + 2^18: only the second operand of a product may be that large.
        FieldElement.Subtract(out FieldElement f, in d, in c);
        FieldElement.Add(out FieldElement g, in d, in c);
        FieldElement.Add(out FieldElement h, in b, in a);
        FieldElement.Multiply(out x, in e, in f);
        FieldElement.Multiply(out y, in g, in h);
        FieldElement.Multiply(out t, in e, in h);
        FieldElement.Multiply(out z, in g, in f);
    }

    private static void Select(
        int window, long digit, out FieldElement sum, out FieldElement difference, out FieldElement product)
    {
        long sign = digit >> 63;
        ulong magnitude = (ulong)((digit ^ sign) - sign);
        ReadOnlySpan<Vector256<ulong>> entries = MemoryMarshal.Cast<ulong, Vector256<ulong>>(
            Table.AsSpan(window * Entries * EntryWords, Entries * EntryWords));

        // Magnitude 0 keeps the neutral element (1, 1, 0).
        Vector256<ulong> keep = MaskIfEqual(magnitude, 0);
        Vector256<ulong> w0 = keep & Vector256.Create(1UL, 0, 0, 0);
        Vector256<ulong> w1 = keep & Vector256.Create(0UL, 1, 0, 0);
        Vector256<ulong> w2 = Vector256<ulong>.Zero, w3 = Vector256<ulong>.Zero;
        for (int entry = 0; entry < Entries; entry++)
        {
            keep = MaskIfEqual(magnitude, (ulong)entry + 1);
            w0 |= keep & entries[4 * entry];
            w1 |= keep & entries[4 * entry + 1];
            w2 |= keep & entries[4 * entry + 2];
            w3 |= keep & entries[4 * entry + 3];
        }

        sum = new(w0[0], w0[1], w0[2], w0[3], w1[0]);
        difference = new(w1[1], w1[2], w1[3], w2[0], w2[1]);
        product = new(w2[2], w2[3], w3[0], w3[1], w3[2]);
        FieldElement.Swap(ref sum, ref difference, (ulong)sign);
        FieldElement.Subtract(out FieldElement negated, FieldElement.Zero, in product);
        FieldElement.Swap(ref product, ref negated, (ulong)sign);
    }

    private static Vector256<ulong> MaskIfEqual(ulong a, ulong b)
    {
        ulong difference = a ^ b;
        return Vector256.Create(((difference | (0 - difference)) >> 63) - 1);
    }

    private static ulong[] Build()
    {
        FieldElement bx = new(0x62D608F25D51A, 0x412A4B4F6592A, 0x75B7171A4B31D, 0x1FF60527118FE, 0x216936D3CD6E5);
        FieldElement by = new(0x6666666666658, 0x4CCCCCCCCCCCC, 0x1999999999999, 0x3333333333333, 0x6666666666666);
        FieldElement.Multiply(out FieldElement bt, in bx, in by);
        ExtendedPoint power = new() { X = bx, Y = by, Z = FieldElement.One, T = bt };
        ExtendedPoint[] points = new ExtendedPoint[Windows * Entries];
        for (int window = 0; window < Windows; window++)
        {
            ExtendedPoint multiple = power;
            for (int entry = 0; entry < Entries; entry++)
            {
                points[window * Entries + entry] = multiple;
                multiple.Add(in power);
            }

            // points[7] is 8 times the window's power: twice that is the next one.
            power = points[window * Entries + Entries - 1];
            ExtendedPoint same = power;
            power.Add(in same);
        }

        ulong[] table = new ulong[Windows * Entries * EntryWords];
        for (int i = 0; i < points.Length; i++)
            points[i].WriteEntry(table.AsSpan(i * EntryWords, EntryWords));
        return table;
    }

    // Extended twisted Edwards coordinates: x = X/Z, y = Y/Z, T = XY/Z.
    private struct ExtendedPoint
    {
        public FieldElement X, Y, Z, T;

        public void Add(in ExtendedPoint other)
        {
            FieldElement.Subtract(out FieldElement a, in Y, in X);
            FieldElement.Subtract(out FieldElement difference, in other.Y, in other.X);
            FieldElement.Multiply(out a, in a, in difference);
            FieldElement.Add(out FieldElement b, in Y, in X);
            FieldElement.Add(out FieldElement sum, in other.Y, in other.X);
            FieldElement.Multiply(out b, in b, in sum);
            FieldElement.Multiply(out FieldElement c, in T, in other.T);
            FieldElement.Multiply(out c, in c, in TwiceD);
            FieldElement.Multiply(out FieldElement z, in Z, in other.Z);
            Combine(ref X, ref Y, ref z, ref T, in a, in b, in c);
            Z = z;
        }

        public readonly void WriteEntry(Span<ulong> words)
        {
            FieldElement.Invert(out FieldElement inverse, in Z);
            FieldElement.Multiply(out FieldElement x, in X, in inverse);
            FieldElement.Multiply(out FieldElement y, in Y, in inverse);
            FieldElement.Multiply(out FieldElement xy, in x, in y);
            FieldElement.Multiply(out FieldElement product, in xy, in TwiceD);
            FieldElement.Add(out FieldElement sum, in y, in x);
            FieldElement.Subtract(out FieldElement difference, in y, in x);
            WriteCanonical(in sum, words);
            WriteCanonical(in difference, words[5..]);
            WriteCanonical(in product, words[10..]);
        }

        private static void WriteCanonical(in FieldElement value, Span<ulong> words)
        {
            Span<byte> bytes = stackalloc byte[32];
            value.ToBytes(bytes);
            FieldElement canonical = FieldElement.FromBytes(bytes);
            words[0] = canonical.L0;
            words[1] = canonical.L1;
            words[2] = canonical.L2;
            words[3] = canonical.L3;
            words[4] = canonical.L4;
        }
    }
}
