using System.Numerics;
using FastExit.Crypto.Primitives;
using Xunit;

namespace FastExit.Tests.Crypto.Primitives;

public class GroupOrderScalarTests
{
    private static readonly BigInteger L =
        (BigInteger.One << 252) + BigInteger.Parse("27742317777372353535851937790883648493");

    [Fact]
    public void AgreesWithWholeNumbers()
    {
        Random random = new(1);
        byte[] a = new byte[32], b = new byte[32], wide = new byte[64], result = new byte[32];
        for (int i = 0; i < 5000; i++)
        {
            Draw(a);
            Draw(b);
            Draw(wide.AsSpan(0, 32));
            Draw(wide.AsSpan(32));
            GroupOrderScalar.Multiply(a, b, result);
            Assert.Equal(Integer(a) * Integer(b) % L, Integer(result));
            GroupOrderScalar.MultiplyClamped(a, b, result);
            Assert.Equal(Integer(a) * Clamp(b) % L, Integer(result));
            GroupOrderScalar.Reduce(a, result);
            Assert.Equal(Integer(a) % L, Integer(result));
            GroupOrderScalar.ReduceClamped(a, result);
            Assert.Equal(Clamp(a) % L, Integer(result));
            GroupOrderScalar.ReduceWide(wide, result);
            Assert.Equal(Integer(wide) % L, Integer(result));
            GroupOrderScalar.TimesInverseEightTimesEight(a, result);
            Assert.Equal(Integer(a) % L, Integer(result) % L);
            Assert.True((Integer(result) % 8).IsZero && Integer(result) < 8 * L);
        }

        void Draw(Span<byte> value)
        {
            random.NextBytes(value);
            BigInteger edge = random.Next(12) switch
            {
                0 => 0,
                1 => 1,
                2 => L - 1,
                3 => L,
                4 => L + 1,
                5 => (BigInteger.One << 256) - 1,
                6 => ((BigInteger.One << 256) - 1) / L * L,
                _ => -1,
            };
            if (edge.Sign < 0)
                return;
            value.Clear();
            Assert.True(edge.TryWriteBytes(value, out _, isUnsigned: true));
        }
    }

    // What folding is for: 8 (acc / 8) P equals clamped multiplications one after the other, also with a point of order 8 in P.
    [Fact]
    public void FoldedScalarsEqualTheChainOnTheCurve()
    {
        Random random = new(2);
        byte[] x = new byte[32], factor = new byte[32], point = new byte[32], folded = new byte[32];
        byte[] chain = new byte[32], once = new byte[32], scalar = new byte[32];
        int tried = 0;
        while (tried < 30)
        {
            random.NextBytes(point);
            if (!X25519.IsOnCurve(point))
                continue;
            tried++;
            random.NextBytes(x);
            X25519.Multiply(x, point, chain);
            GroupOrderScalar.ReduceClamped(x, folded);
            for (int i = 0; i < 3; i++)
            {
                random.NextBytes(factor);
                X25519.Multiply(factor, chain, chain);
                GroupOrderScalar.MultiplyClamped(folded, factor, folded);
            }

            GroupOrderScalar.TimesInverseEightTimesEight(folded, scalar);
            X25519.MultiplyUnclamped(scalar, point, once);
            Assert.Equal(chain, once);
        }
    }

    private static BigInteger Integer(ReadOnlySpan<byte> littleEndian) => new(littleEndian, isUnsigned: true);

    private static BigInteger Clamp(byte[] value)
    {
        byte[] k = (byte[])value.Clone();
        k[0] &= 248;
        k[31] = (byte)(k[31] & 127 | 64);
        return Integer(k);
    }
}
