using System.Security.Cryptography;
using System.Text;
using FastExit.Crypto.Primitives;
using Xunit;

namespace FastExit.Tests.Crypto.Primitives;

public class HashTests
{
    [Theory]
    [InlineData("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData(
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")]
    public void Sha256Fips180(string text, string expected)
    {
        byte[] digest = new byte[32];
        Sha256.Hash(Encoding.ASCII.GetBytes(text), digest);
        Assert.Equal(expected, Convert.ToHexStringLower(digest));
    }

    [Fact]
    public void Sha256MillionLetters()
    {
        byte[] data = new byte[1_000_000], digest = new byte[32];
        data.AsSpan().Fill((byte)'a');
        Sha256.Hash(data, digest);
        Assert.Equal("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", Convert.ToHexStringLower(digest));
    }

    [Fact]
    public void Sha256HmacAndHkdfAgreeWithTheSystem()
    {
        Random random = new(5);
        byte[] digest = new byte[32];
        for (int length = 0; length < 300; length++)
        {
            byte[] data = new byte[length], key = new byte[random.Next(150)], info = new byte[random.Next(257)];
            random.NextBytes(data);
            random.NextBytes(key);
            random.NextBytes(info);
            Sha256.Hash(data, digest);
            Assert.Equal(SHA256.HashData(data), digest);
            HmacSha256.Compute(key, data, digest);
            Assert.Equal(HMACSHA256.HashData(key, data), digest);
            HkdfSha256.Extract(key, data, digest);
            Assert.Equal(HKDF.Extract(HashAlgorithmName.SHA256, data, key), digest);
            byte[] output = new byte[1 + random.Next(400)], expected = new byte[output.Length];
            HkdfSha256.Expand(digest, info, output);
            HKDF.Expand(HashAlgorithmName.SHA256, digest, expected, info);
            Assert.Equal(expected, output);
        }
    }

    [Theory]
    [InlineData("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")]
    [InlineData("4a656665", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")]
    public void HmacRfc4231(string key, string data, string expected)
    {
        byte[] mac = new byte[32];
        HmacSha256.Compute(Convert.FromHexString(key), Encoding.ASCII.GetBytes(data), mac);
        Assert.Equal(expected, Convert.ToHexStringLower(mac));
    }

    [Fact]
    public void HmacRfc4231LongKey()
    {
        byte[] key = new byte[131], mac = new byte[32];
        key.AsSpan().Fill(0xAA);
        HmacSha256.Compute(
            key, "Test Using Larger Than Block-Size Key - Hash Key First"u8, mac);
        Assert.Equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", Convert.ToHexStringLower(mac));
    }

    // RFC 5869 A.1 to A.3.
    [Theory]
    [InlineData(
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")]
    [InlineData(
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
        "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
        "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87")]
    [InlineData(
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")]
    public void HkdfRfc5869(string input, string salt, string info, string key, string output)
    {
        byte[] extracted = new byte[32], expanded = new byte[output.Length / 2];
        HkdfSha256.Extract(Convert.FromHexString(salt), Convert.FromHexString(input), extracted);
        Assert.Equal(key, Convert.ToHexStringLower(extracted));
        HkdfSha256.Expand(extracted, Convert.FromHexString(info), expanded);
        Assert.Equal(output, Convert.ToHexStringLower(expanded));
    }

    [Fact]
    public void Blake2bRfc7693AppendixA()
    {
        byte[] digest = new byte[64];
        Blake2b.KeyedHash(default, "abc"u8, digest);
        Assert.Equal(
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            + "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
            Convert.ToHexStringLower(digest));
    }

    // RFC 7693 appendix E: all digest lengths and input lengths there, plain and keyed, hashed together.
    [Fact]
    public void Blake2bRfc7693SelfTest()
    {
        using MemoryStream all = new();
        foreach (int hashBytes in (int[])[20, 32, 48, 64])
        {
            foreach (int length in (int[])[0, 3, 128, 129, 255, 1024])
            {
                byte[] data = Sequence(length), digest = new byte[hashBytes];
                Blake2b.KeyedHash(default, data, digest);
                all.Write(digest);
                Blake2b.KeyedHash(Sequence(hashBytes), data, digest);
                all.Write(digest);
            }
        }

        byte[] result = new byte[32];
        Blake2b.KeyedHash(default, all.ToArray(), result);
        Assert.Equal("c23a7800d98123bd10f506c61e29da5603d763b8bbad2e737f5e765a7bccd475", Convert.ToHexStringLower(result));

        static byte[] Sequence(int length)
        {
            uint a = unchecked(0xDEAD4BAD * (uint)length), b = 1;
            byte[] bytes = new byte[length];
            for (int i = 0; i < length; i++)
            {
                (a, b) = (b, unchecked(a + b));
                bytes[i] = (byte)(b >> 24);
            }

            return bytes;
        }
    }

    [Fact]
    public void Blake2bRefusesImpossibleLengths()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Blake2b.KeyedHash(new byte[65], default, new byte[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Blake2b.KeyedHash(default, default, default));
        Assert.Throws<ArgumentOutOfRangeException>(() => Blake2b.KeyedHash(default, default, new byte[65]));
    }

    // The official test input: byte i is i mod 251.
    [Theory]
    [InlineData(0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")]
    [InlineData(1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213")]
    [InlineData(64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98")]
    [InlineData(1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7")]
    [InlineData(1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444")]
    [InlineData(2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a")]
    [InlineData(2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030")]
    [InlineData(3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2")]
    [InlineData(102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085")]
    public void Blake3OfficialInput(int length, string expected)
    {
        byte[] data = new byte[length], digest = new byte[32];
        for (int i = 0; i < length; i++)
            data[i] = (byte)(i % 251);
        Blake3.Hash(data, digest);
        Assert.Equal(expected, Convert.ToHexStringLower(digest));
    }

    [Fact]
    public void Blake3Abc()
    {
        byte[] digest = new byte[32];
        Blake3.Hash("abc"u8, digest);
        Assert.Equal("6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85", Convert.ToHexStringLower(digest));
    }
}
