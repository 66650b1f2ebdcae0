using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

// Scalars as the table walk wants them: for an odd number below 2 l < 2^254 that gives the same multiple of a point of
// order l, half of it, rounded down.
//
// Constant time: the same five masked subtractions or additions for every scalar.
internal static class OddScalar
{
    // l = 2^252 + 27742317777372353535851937790883648493, least significant word first.
    private const ulong L0 = 0x5812631A5CF5D3ED, L1 = 0x14DEF9DEA2F79CD6, L3 = 0x1000000000000000;

    /// <summary>
    /// Half of value mod l, l added to it when it is even; any value below 2^256, which is less than 16 l.
    /// </summary>
    public static Scalar256 Half(Scalar256 value)
    {
        for (int shift = 3; shift >= 0; shift--)
            value = SubtractOnce(value, shift);

        ulong even = (value.W0 & 1) - 1;
        UInt128 sum = (UInt128)value.W0 + (L0 & even);
        ulong w0 = (ulong)sum;
        sum = (sum >> 64) + value.W1 + (L1 & even);
        ulong w1 = (ulong)sum;
        sum = (sum >> 64) + value.W2;
        ulong w2 = (ulong)sum, w3 = (ulong)(sum >> 64) + value.W3 + (L3 & even);
        return new(w0 >> 1 | w1 << 63, w1 >> 1 | w2 << 63, w2 >> 1 | w3 << 63, w3 >> 1);
    }

    // Takes 2^shift l off where it fits; the shift is public.
    private static Scalar256 SubtractOnce(Scalar256 value, int shift)
    {
        ulong l0 = L0 << shift, l1 = L1 << shift | L0 >> 1 >> (63 - shift), l2 = L1 >> 1 >> (63 - shift), l3 = L3 << shift;
        UInt128 d = (UInt128)value.W0 - l0;
        ulong d0 = (ulong)d;
        d = (UInt128)value.W1 - l1 - ((ulong)(d >> 64) & 1);
        ulong d1 = (ulong)d;
        d = (UInt128)value.W2 - l2 - ((ulong)(d >> 64) & 1);
        ulong d2 = (ulong)d;
        d = (UInt128)value.W3 - l3 - ((ulong)(d >> 64) & 1);
        ulong d3 = (ulong)d, keep = 0 - ((ulong)(d >> 64) & 1);
        return new(
            d0 ^ ((d0 ^ value.W0) & keep),
            d1 ^ ((d1 ^ value.W1) & keep),
            d2 ^ ((d2 ^ value.W2) & keep),
            d3 ^ ((d3 ^ value.W3) & keep));
    }
}
