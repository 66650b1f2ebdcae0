using System.Runtime.CompilerServices;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

// The inverse of one element modulo p = 2^255 - 19 by division steps: a third of the time of a power.
//
// References
//   Bernstein, Yang, "Fast constant-time gcd computation and modular inversion", §8 and §11; with delta from 1/2 on, 590
//   steps are enough for p and any value below 2^256
//
// Parameters: integers of nine limbs, 30 bits each and the topmost with the sign; 20 batches of 30 steps. The steps of a
// batch look at the lower 30 bits of f and g alone and give a matrix (u v; q r) scaled by 2^30: |u| + |v| <= 2^30, and so q, r.
//
// Bounds: f and g stay below 2^256 in size. d and e, for which value * d = f and value * e = g mod p, stay in (-2p, p): p is
// added to a negative one, the multiple of p that clears the lower 30 bits is below 2^30 p, and the division by 2^30 leads
// back. Limbs below 2^30, the topmost below 2^17 in size: sums of three products and a carry stay below 2^62.
//
// Constant time: as many steps for every value; every choice is a mask.
internal static unsafe class DivstepInverse
{
    private const int Batches = 20, StepsPerBatch = 30, Limbs = 9, LimbBits = 30;
    private const long LimbMask = (1L << LimbBits) - 1;

    // p has the limbs -19, seven times 0, and 2^15; this is 1 / p mod 2^30.
    private const long P0 = -19, P8 = 1L << 15, InverseOfP = 0x179435E5;

    /// <summary>1 / value mod p, canonical, for a value below 2^256; 0 when p divides it.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Scalar256 Invert(in Scalar256 value)
    {
        long* f = stackalloc long[4 * Limbs], g = f + Limbs, d = g + Limbs, e = d + Limbs;
        new Span<long>(f, 4 * Limbs).Clear();
        f[0] = P0;
        f[Limbs - 1] = P8;
        e[0] = 1;
        Split(in value, g);
        long zeta = -1;
        for (int batch = 0; batch < Batches; batch++)
        {
            zeta = Steps(zeta, (ulong)(f[0] | f[1] << LimbBits), (ulong)(g[0] | g[1] << LimbBits), out Matrix matrix);
            Follow(in matrix, d, e);
            Advance(in matrix, f, g);
        }

        // g is 0 and f is 1 or -1: d or -d is the inverse.
        AddP(d, d[Limbs - 1] >> 63);
        Negate(d, f[Limbs - 1] >> 63);
        AddP(d, d[Limbs - 1] >> 63);
        Scalar256 result = Join(d);
        new Span<long>(f, 4 * Limbs).Clear();
        return result;
    }

    // A step: where g is odd and delta positive, (delta, f, g) becomes (1 - delta, g, (g - f) / 2), else
    // (1 + delta, f, (g + (g mod 2) f) / 2). Zeta is -(delta + 1/2). A row of the matrix is one word, u + 2^32 v: the steps
    // only add, negate and double it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long Steps(long zeta, ulong f, ulong g, out Matrix matrix)
    {
        ulong forF = 1, forG = 1UL << 32;
        for (int step = 0; step < StepsPerBatch; step++)
        {
            ulong negate = (ulong)(zeta >> 63), odd = 0 - (g & 1);
            g += ((f ^ negate) - negate) & odd;
            forG += ((forF ^ negate) - negate) & odd;
            negate &= odd;
            zeta = (zeta ^ (long)negate) - 1;
            f += g & negate;
            forF += forG & negate;
            g >>= 1;
            forF <<= 1;
        }

        matrix = new(forF, forG);
        return zeta;
    }

    // (f, g) = matrix (f, g) / 2^30, which is exact.
    private static void Advance(in Matrix m, long* f, long* g)
    {
        long u = m.U, v = m.V, q = m.Q, r = m.R;
        long a = (u * f[0] + v * g[0]) >> LimbBits, b = (q * f[0] + r * g[0]) >> LimbBits;
        for (int i = 1; i < Limbs; i++)
        {
            a += u * f[i] + v * g[i];
            b += q * f[i] + r * g[i];
            f[i - 1] = a & LimbMask;
            g[i - 1] = b & LimbMask;
            a >>= LimbBits;
            b >>= LimbBits;
        }

        f[Limbs - 1] = a;
        g[Limbs - 1] = b;
    }

    // (d, e) = matrix (d, e) / 2^30 mod p.
    private static void Follow(in Matrix m, long* d, long* e)
    {
        long u = m.U, v = m.V, q = m.Q, r = m.R;
        long signD = d[Limbs - 1] >> 63, signE = e[Limbs - 1] >> 63;
        long a = u * d[0] + v * e[0], b = q * d[0] + r * e[0];

        // Multiples of p: for negative d and e, less what makes the lower limb zero.
        long timesA = (u & signD) + (v & signE), timesB = (q & signD) + (r & signE);
        timesA -= (InverseOfP * a + timesA) & LimbMask;
        timesB -= (InverseOfP * b + timesB) & LimbMask;
        a = (a + P0 * timesA) >> LimbBits;
        b = (b + P0 * timesB) >> LimbBits;
        for (int i = 1; i < Limbs - 1; i++)
        {
            a += u * d[i] + v * e[i];
            b += q * d[i] + r * e[i];
            d[i - 1] = a & LimbMask;
            e[i - 1] = b & LimbMask;
            a >>= LimbBits;
            b >>= LimbBits;
        }

        a += u * d[Limbs - 1] + v * e[Limbs - 1] + P8 * timesA;
        b += q * d[Limbs - 1] + r * e[Limbs - 1] + P8 * timesB;
        d[Limbs - 2] = a & LimbMask;
        e[Limbs - 2] = b & LimbMask;
        d[Limbs - 1] = a >> LimbBits;
        e[Limbs - 1] = b >> LimbBits;
    }

    private static void AddP(long* n, long mask)
    {
        n[0] += P0 & mask;
        n[Limbs - 1] += P8 & mask;
        Carry(n);
    }

    private static void Negate(long* n, long mask)
    {
        for (int i = 0; i < Limbs; i++)
            n[i] = (n[i] ^ mask) - mask;
        Carry(n);
    }

    private static void Carry(long* n)
    {
        for (int i = 0; i < Limbs - 1; i++)
        {
            n[i + 1] += n[i] >> LimbBits;
            n[i] &= LimbMask;
        }
    }

    private static void Split(in Scalar256 value, long* n)
    {
        UInt128 low = new(value.W1, value.W0), high = new(value.W3, value.W2);
        for (int i = 0; i < 4; i++)
            n[i] = (long)(ulong)(low >> (LimbBits * i)) & LimbMask;
        n[4] = (long)(ulong)((low >> 120) | (high << 8)) & LimbMask;
        for (int i = 5; i < Limbs; i++)
            n[i] = (long)(ulong)(high >> (LimbBits * i - 128)) & LimbMask;
    }

    private static Scalar256 Join(long* n)
    {
        UInt128 low = 0, high = 0;
        for (int i = 0; i < 5; i++)
            low |= (UInt128)(ulong)n[i] << (LimbBits * i);
        high = (UInt128)(ulong)n[4] >> 8;
        for (int i = 5; i < Limbs; i++)
            high |= (UInt128)(ulong)n[i] << (LimbBits * i - 128);
        return new((ulong)low, (ulong)(low >> 64), (ulong)high, (ulong)(high >> 64));
    }

    // The lower half of a row's word is signed: what it borrowed from the upper one is given back.
    private readonly struct Matrix(ulong forF, ulong forG)
    {
        public readonly long U = (int)forF, V = (long)(forF - (ulong)(long)(int)forF) >> 32;
        public readonly long Q = (int)forG, R = (long)(forG - (ulong)(long)(int)forG) >> 32;
    }
}
