using System.Numerics;
using FastExit.Crypto.Primitives;
using Xunit;

namespace FastExit.Tests.Crypto.Primitives;

public class Ed25519Tests
{
    // RFC 8032 §7.1 tests 1 and 2.
    [Theory]
    [InlineData(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")]
    [InlineData(
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")]
    public void Rfc8032(string seed, string publicKey, string data, string signature)
    {
        byte[] message = Convert.FromHexString(data);
        Assert.Equal(publicKey, Convert.ToHexStringLower(Ed25519.PublicKey(Convert.FromHexString(seed))));
        byte[] made = Ed25519.Sign(Convert.FromHexString(seed), message);
        Assert.Equal(signature, Convert.ToHexStringLower(made));
        Assert.True(Ed25519.Verify(Convert.FromHexString(publicKey), message, made));
        made[0] ^= 1;
        Assert.False(Ed25519.Verify(Convert.FromHexString(publicKey), message, made));
        Assert.False(Ed25519.Verify(Convert.FromHexString(publicKey), message, made.AsSpan(1)));
        Assert.False(Ed25519.Verify(made.AsSpan(0, 31), message, made));
    }

    [Fact]
    public void FreshKeysAreDistinctPoints()
    {
        byte[] a = Ed25519.GenerateSeed(), b = Ed25519.GenerateSeed();
        Assert.NotEqual(a, b);
        Assert.True(Ed25519.IsPoint(Ed25519.PublicKey(a)));
        Assert.False(Ed25519.IsPoint(Ed25519.PublicKey(a).AsSpan(1)));
    }

    [Fact]
    public void IsPointAgreesWithWholeNumbers()
    {
        BigInteger p = (BigInteger.One << 255) - 19;
        BigInteger d = (p - 121665 * BigInteger.ModPow(121666, p - 2, p) % p) % p;
        Random random = new(9);
        byte[] y = new byte[32];
        int points = 0;
        for (int i = 0; i < 300; i++)
        {
            random.NextBytes(y);
            if (i < 4)
            {
                y.AsSpan().Clear();
                y[0] = (byte)i;
            }

            BigInteger value = new BigInteger(y, isUnsigned: true) & ((BigInteger.One << 255) - 1);
            BigInteger square = value * value % p;
            BigInteger x2 = (square - 1 + p) * BigInteger.ModPow(d * square + 1, p - 2, p) % p;
            bool expected = BigInteger.ModPow(x2, (p - 1) / 2, p) <= 1;
            Assert.Equal(expected, Ed25519.IsPoint(y));
            points += expected ? 1 : 0;
        }

        Assert.InRange(points, 100, 200);
    }
}
