using System.Numerics;
using FastExit.Crypto.Primitives;
using NSec.Cryptography;
using Xunit;
using X25519 = FastExit.Crypto.Primitives.X25519;

namespace FastExit.Tests.Crypto.Primitives;

public class X25519Tests
{
    private static readonly BigInteger P = (BigInteger.One << 255) - 19;

    [Theory]
    [InlineData(
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")]
    [InlineData(
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957")]
    public void Rfc7748Section5Vectors(string scalar, string point, string expected) =>
        Assert.Equal(expected, Multiply(scalar, point));

    [Fact]
    public void Rfc7748Section5Iterated()
    {
        byte[] k = new byte[32], u = new byte[32], result = new byte[32];
        k[0] = u[0] = 9;
        for (int i = 1; i <= 1000; i++)
        {
            X25519.Multiply(k, u, result);
            k.CopyTo(u, 0);
            result.CopyTo(k, 0);
            if (i == 1)
                Assert.Equal("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079", Convert.ToHexStringLower(k));
        }

        Assert.Equal("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", Convert.ToHexStringLower(k));
    }

    [Fact]
    public void Rfc7748Section61DiffieHellman()
    {
        string a = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
        string b = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
        byte[] publicA = new byte[32], publicB = new byte[32];
        X25519.MultiplyBase(Convert.FromHexString(a), publicA);
        X25519.MultiplyBase(Convert.FromHexString(b), publicB);
        Assert.Equal("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", Convert.ToHexStringLower(publicA));
        Assert.Equal("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", Convert.ToHexStringLower(publicB));
        string shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
        Assert.Equal(shared, Multiply(a, Convert.ToHexString(publicB)));
        Assert.Equal(shared, Multiply(b, Convert.ToHexString(publicA)));
    }

    // The points of order 1, 2, 4 and 8 on curve and twist, canonical and not, without and with bit 255.
    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    public void LowOrderPointsGiveZero(string point)
    {
        byte[] u = Convert.FromHexString(point), k = new byte[32], result = new byte[32];
        for (int seed = 0; seed < 20; seed++)
        {
            new Random(seed).NextBytes(k);
            u[31] ^= 0x80;
            result.AsSpan().Fill(0xFF);
            X25519.Multiply(k, u, result);
            Assert.True(X25519.IsZero(result));
            Assert.True(X25519.HasLowOrder(u));
            X25519.MultiplyBase(k, result);
            Assert.False(X25519.HasLowOrder(result));
        }
    }

    [Fact]
    public void PointsFromPUpAreTakenModP()
    {
        byte[] k = new byte[32], high = new byte[32], low = new byte[32];
        byte[] fromHigh = new byte[32], fromLow = new byte[32];
        new Random(3).NextBytes(k);
        for (int i = 0; i < 19; i++)
        {
            high.AsSpan().Fill(0xFF);
            high[0] = (byte)(0xED + i);
            high[31] = (byte)(i % 2 == 0 ? 0x7F : 0xFF);
            low[0] = (byte)i;
            X25519.Multiply(k, high, fromHigh);
            X25519.Multiply(k, low, fromLow);
            Assert.Equal(fromLow, fromHigh);
            Assert.Equal(i is 0 or 1, X25519.IsZero(fromHigh));
        }
    }

    [Fact]
    public void AgreesWithNSec()
    {
        KeyAgreementAlgorithm algorithm = KeyAgreementAlgorithm.X25519;
        SharedSecretCreationParameters exportable = new() { ExportPolicy = KeyExportPolicies.AllowPlaintextExport };
        Random random = new(7);
        byte[] a = new byte[32], b = new byte[32], publicA = new byte[32], publicB = new byte[32], shared = new byte[32];
        for (int i = 0; i < 200; i++)
        {
            random.NextBytes(a);
            random.NextBytes(b);
            X25519.MultiplyBase(a, publicA);
            X25519.MultiplyBase(b, publicB);
            X25519.Multiply(a, publicB, shared);
            using Key key = Key.Import(algorithm, a, KeyBlobFormat.RawPrivateKey);
            Assert.Equal(key.PublicKey.Export(KeyBlobFormat.RawPublicKey), publicA);
            PublicKey other = PublicKey.Import(algorithm, publicB, KeyBlobFormat.RawPublicKey);
            using SharedSecret? secret = algorithm.Agree(key, other, in exportable);
            Assert.Equal(secret!.Export(SharedSecretBlobFormat.RawSharedSecret), shared);
        }
    }

    // Against a ladder in whole numbers: points of curve and twist, scalars of all 256 bits.
    [Fact]
    public void UnclampedAgreesWithWholeNumbers()
    {
        Random random = new(11);
        byte[] k = new byte[32], u = new byte[32], result = new byte[32];
        int onCurve = 0;
        const int Rounds = 60;
        for (int i = 0; i < Rounds; i++)
        {
            random.NextBytes(k);
            random.NextBytes(u);
            if (i < 4)
                k.AsSpan().Fill(i < 2 ? (byte)0xFF : (byte)0);
            if (i is 1 or 3)
                k[0] ^= 1;
            X25519.MultiplyUnclamped(k, u, result);
            BigInteger expected = Ladder(Integer(k), Integer(u) & ((BigInteger.One << 255) - 1));
            Assert.Equal(expected, Integer(result));
            bool isCurve = X25519.IsOnCurve(u);
            onCurve += isCurve ? 1 : 0;
            Assert.Equal(IsSquareOrZero(CurveEquation(Integer(u) & ((BigInteger.One << 255) - 1))), isCurve);
        }

        Assert.InRange(onCurve, 10, Rounds - 10);
    }

    [Fact]
    public void FixedBaseAgreesWithLadder()
    {
        Random random = new(13);
        byte[] k = new byte[32], nine = new byte[32], fixedBase = new byte[32], ladder = new byte[32];
        nine[0] = 9;
        for (int i = 0; i < 200; i++)
        {
            random.NextBytes(k);
            if (i < 16)
                k.AsSpan().Fill((byte)(i * 0x11));
            X25519.MultiplyBase(k, fixedBase);
            X25519.Multiply(k, nine, ladder);
            Assert.Equal(ladder, fixedBase);
            k[31] &= 0x7F;
            if (i == 20)
                k = Convert.FromHexString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
            if (i == 21)
                k.AsSpan().Clear();
            X25519.MultiplyBaseUnclamped(k, fixedBase);
            X25519.MultiplyUnclamped(k, nine, ladder);
            Assert.Equal(ladder, fixedBase);
            Assert.Equal(i is 0 or 20 or 21, X25519.IsZero(ladder));
        }
    }

    [Fact]
    public void LanesEqualSingles()
    {
        Random random = new(17);
        for (int lanes = 1; lanes <= X25519.MaximumLanes; lanes++)
        {
            byte[] scalars = new byte[32 * lanes], points = new byte[32 * lanes];
            random.NextBytes(scalars);
            random.NextBytes(points);
            if (lanes > 2)
                points.AsSpan(32, 32).Clear();
            byte[] results = new byte[32 * lanes], unclamped = new byte[32 * lanes], bases = new byte[32 * lanes];
            X25519.MultiplyLanes(scalars, points, results, lanes);
            X25519.MultiplyUnclampedLanes(scalars, points, unclamped, lanes);
            X25519.MultiplyBaseLanes(scalars, bases, lanes);
            byte[] one = new byte[32];
            for (int lane = 0; lane < lanes; lane++)
            {
                ReadOnlySpan<byte> k = scalars.AsSpan(32 * lane, 32), u = points.AsSpan(32 * lane, 32);
                X25519.Multiply(k, u, one);
                Assert.Equal(one, results[(32 * lane)..(32 * lane + 32)]);
                X25519.MultiplyUnclamped(k, u, one);
                Assert.Equal(one, unclamped[(32 * lane)..(32 * lane + 32)]);
                X25519.MultiplyBase(k, one);
                Assert.Equal(one, bases[(32 * lane)..(32 * lane + 32)]);
            }
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => X25519.MultiplyLanes(default, default, default, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => X25519.MultiplyLanes(default, default, default, 9));
    }

    [Fact]
    public void FieldHoldsAtItsBounds()
    {
        Random random = new(19);
        ulong[] edges = [0, 1, (1UL << 51) - 19, (1UL << 51) - 1, 1UL << 51, (1UL << 52) + 1, (1UL << 53) - 1];
        for (int i = 0; i < 20000; i++)
        {
            FieldElement a = Draw(), b = Draw();

            // Only the second operand of a product is ever so large.
            if (i % 4 == 0)
                b.L0 = b.L1 = b.L2 = b.L3 = b.L4 = (1UL << 53) + (1UL << 18) - (ulong)random.Next(3);
            FieldElement.Multiply(out FieldElement product, in a, in b);
            Assert.Equal(Value(a) * Value(b) % P, Value(product) % P);
            AssertReduced(product);
            FieldElement.Square(out FieldElement square, in a);
            Assert.Equal(Value(a) * Value(a) % P, Value(square) % P);
            AssertReduced(square);
            FieldElement.MultiplySmall(out FieldElement small, in a, 121665);
            Assert.Equal(Value(a) * 121665 % P, Value(small) % P);
            AssertReduced(small);
            byte[] bytes = new byte[32];
            a.ToBytes(bytes);
            Assert.Equal(Value(a) % P, Integer(bytes));
        }

        FieldElement Draw() => new(Limb(), Limb(), Limb(), Limb(), Limb());

        ulong Limb() => random.Next(3) == 0 ? edges[random.Next(edges.Length)] : (ulong)random.NextInt64(1L << 53);
    }

    private static void AssertReduced(FieldElement e)
    {
        foreach (ulong limb in (ulong[])[e.L0, e.L1, e.L2, e.L3, e.L4])
            Assert.InRange(limb, 0UL, (1UL << 51) + (1UL << 17) - 1);
    }

    private static BigInteger Value(FieldElement e) =>
        e.L0 + ((BigInteger)e.L1 << 51) + ((BigInteger)e.L2 << 102) + ((BigInteger)e.L3 << 153) + ((BigInteger)e.L4 << 204);

    private static BigInteger Integer(ReadOnlySpan<byte> littleEndian) => new(littleEndian, isUnsigned: true);

    private static BigInteger CurveEquation(BigInteger u) => (u * u * u + 486662 * u * u + u) % P;

    private static bool IsSquareOrZero(BigInteger a) => BigInteger.ModPow(a, (P - 1) / 2, P) <= 1;

    private static BigInteger Ladder(BigInteger k, BigInteger u)
    {
        BigInteger x1 = u % P, x2 = 1, z2 = 0, x3 = x1, z3 = 1;
        for (int bit = 255; bit >= 0; bit--)
        {
            bool one = !((k >> bit) & 1).IsZero;
            if (one)
                (x2, z2, x3, z3) = (x3, z3, x2, z2);
            BigInteger plus = x2 + z2, minus = x2 - z2;
            BigInteger da = (x3 - z3) * plus, cb = (x3 + z3) * minus;
            BigInteger aa = plus * plus % P, bb = minus * minus % P, e = aa - bb;
            x3 = Positive((da + cb) * (da + cb));
            z3 = Positive(x1 * ((da - cb) * (da - cb) % P));
            x2 = Positive(aa * bb);
            z2 = Positive(e * (aa + 121665 * e));
            if (one)
                (x2, z2, x3, z3) = (x3, z3, x2, z2);
        }

        return x2 * BigInteger.ModPow(z2, P - 2, P) % P;
    }

    private static BigInteger Positive(BigInteger a)
    {
        a %= P;
        return a.Sign < 0 ? a + P : a;
    }

    private static string Multiply(string scalar, string point)
    {
        byte[] result = new byte[32];
        X25519.Multiply(Convert.FromHexString(scalar), Convert.FromHexString(point), result);
        return Convert.ToHexStringLower(result);
    }
}
