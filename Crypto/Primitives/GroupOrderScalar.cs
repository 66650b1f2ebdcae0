namespace FastExit.Crypto.Primitives;

/// <summary>Scalars modulo l, the order of the base point of Curve25519.</summary>
/// <remarks>
/// <para>References: RFC 8032 §5.1 (l), Montgomery, "Modular Multiplication Without Trial Division"; sphinx.md §4.4
/// (folding of clamped scalars), §4.5 (reduced scalars of versions 1 and 257).</para>
/// <para>Parameters: l = 2^252 + 27742317777372353535851937790883648493; a scalar is 32 bytes LE, any 256-bit value is
/// taken as input, results are below l unless said otherwise. Outputs may overlay inputs.</para>
/// <para>Constant time: four-word Montgomery multiplication with R = 2^256 of fixed length and one masked subtraction. Its
/// bound: for a &lt; l and b &lt; 2^256, (ab + ml) / R &lt; 2l.</para>
/// </remarks>
public static class GroupOrderScalar
{
    /// <summary>Bytes of a scalar.</summary>
    public const int Bytes = 32;

    // l, -1/l mod 2^64, R^2 mod l and 1/8 mod l.
    private const ulong L0 = 0x5812631A5CF5D3ED, L1 = 0x14DEF9DEA2F79CD6, L3 = 0x1000000000000000;
    private const ulong NegativeInverse = 0xD2B51DA312547E1B;

    private static readonly Scalar256 RadixSquared =
        new(0xA40611E3449C0F01, 0xD00E1BA768859347, 0xCEEC73D217F5BE65, 0x0399411B7C309A3D);

    private static readonly Scalar256 InverseOfEight = new(0x6106E529E2DC2F79, 0x07D39DB37D1CDAD0, 0, 0x0600000000000000);

    /// <summary>result = a * b mod l.</summary>
    public static void Multiply(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, Span<byte> result) =>
        Multiply(Scalar256.Read(a), Scalar256.Read(b)).Write(result);

    /// <summary>result = a * clamp(b) mod l, the clamped value taken as an integer (RFC 7748 §5).</summary>
    public static void MultiplyClamped(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, Span<byte> result) =>
        Multiply(Scalar256.Read(a), Scalar256.Read(b).Clamped()).Write(result);

    /// <summary>result = value mod l.</summary>
    public static void Reduce(ReadOnlySpan<byte> value, Span<byte> result) =>
        Reduce(Scalar256.Read(value)).Write(result);

    /// <summary>result = clamp(value) mod l.</summary>
    public static void ReduceClamped(ReadOnlySpan<byte> value, Span<byte> result) =>
        Reduce(Scalar256.Read(value).Clamped()).Write(result);

    /// <summary>result = wide mod l for 64 bytes LE.</summary>
    public static void ReduceWide(ReadOnlySpan<byte> wide, Span<byte> result)
    {
        Scalar256 low = Reduce(Scalar256.Read(wide));
        // The upper half counts 2^256 = R fold, and a Montgomery product with R^2 is a multiplication by R.
        Scalar256 high = MontgomeryProduct(in RadixSquared, Scalar256.Read(wide[32..]));
        UInt128 sum = (UInt128)low.W0 + high.W0;
        ulong s0 = (ulong)sum;
        sum = (sum >> 64) + low.W1 + high.W1;
        ulong s1 = (ulong)sum;
        sum = (sum >> 64) + low.W2 + high.W2;
        ulong s2 = (ulong)sum;
        SubtractOrderOnce(s0, s1, s2, (ulong)(sum >> 64) + low.W3 + high.W3).Write(result);
    }

    /// <summary>
    /// result = 8 * (a / 8 mod l): congruent to a, a multiple of 8 and below 8 l &lt; 2^256, not reduced. The scalar to
    /// multiply a public key with when clamped scalars were folded mod l (sphinx.md §4.4).
    /// </summary>
    public static void TimesInverseEightTimesEight(ReadOnlySpan<byte> a, Span<byte> result)
    {
        Scalar256 q = Multiply(in InverseOfEight, Scalar256.Read(a));
        new Scalar256(q.W0 << 3, q.W1 << 3 | q.W0 >> 61, q.W2 << 3 | q.W1 >> 61, q.W3 << 3 | q.W2 >> 61).Write(result);
    }

    private static Scalar256 Multiply(in Scalar256 a, in Scalar256 b) =>
        MontgomeryProduct(MontgomeryProduct(in RadixSquared, in a), in b);

    private static Scalar256 Reduce(in Scalar256 a) =>
        MontgomeryProduct(MontgomeryProduct(in RadixSquared, in a), new Scalar256(1, 0, 0, 0));

    // a * b / R mod l for a < l, b < 2^256.
    private static Scalar256 MontgomeryProduct(in Scalar256 a, in Scalar256 b)
    {
        ulong t0 = 0, t1 = 0, t2 = 0, t3 = 0, t4 = 0;
        for (int i = 0; i < 4; i++)
        {
            ulong word = i switch { 0 => b.W0, 1 => b.W1, 2 => b.W2, _ => b.W3 };
            UInt128 c = (UInt128)a.W0 * word + t0;
            t0 = (ulong)c;
            c = (UInt128)a.W1 * word + t1 + (ulong)(c >> 64);
            t1 = (ulong)c;
            c = (UInt128)a.W2 * word + t2 + (ulong)(c >> 64);
            t2 = (ulong)c;
            c = (UInt128)a.W3 * word + t3 + (ulong)(c >> 64);
            t3 = (ulong)c;
            t4 += (ulong)(c >> 64);

            ulong m = t0 * NegativeInverse;
            c = (UInt128)m * L0 + t0;
            c = (UInt128)m * L1 + t1 + (ulong)(c >> 64);
            t0 = (ulong)c;
            c = (UInt128)t2 + (ulong)(c >> 64);
            t1 = (ulong)c;
            c = (UInt128)m * L3 + t3 + (ulong)(c >> 64);
            t2 = (ulong)c;
            c = (UInt128)t4 + (ulong)(c >> 64);
            t3 = (ulong)c;
            t4 = (ulong)(c >> 64);
        }

        return SubtractOrderOnce(t0, t1, t2, t3);
    }

    // value - l if value >= l, else value; value < 2l.
    private static Scalar256 SubtractOrderOnce(ulong v0, ulong v1, ulong v2, ulong v3)
    {
        UInt128 d = (UInt128)v0 - L0;
        ulong d0 = (ulong)d;
        d = (UInt128)v1 - L1 - ((ulong)(d >> 64) & 1);
        ulong d1 = (ulong)d;
        d = (UInt128)v2 - ((ulong)(d >> 64) & 1);
        ulong d2 = (ulong)d;
        d = (UInt128)v3 - L3 - ((ulong)(d >> 64) & 1);
        ulong d3 = (ulong)d;
        ulong keep = 0 - ((ulong)(d >> 64) & 1);
        return new(
            d0 ^ ((d0 ^ v0) & keep), d1 ^ ((d1 ^ v1) & keep), d2 ^ ((d2 ^ v2) & keep), d3 ^ ((d3 ^ v3) & keep));
    }
}
