using System.Numerics;
using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using SimpleBase;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

public class RecipientTests
{
    internal const string FirstHex =
        "227011b6e106aed8a02948eca05a9c03fa29f335bfb2da35aa0eb9215e991929"
        + "0652a9bb58f6d33944e1e4e7741d77eba00e9ccd42014bccccdc0e96bfcbae58"
        + "79ad53dbbca4c2d4eee404803069e05311f6e910ebdf44570d2822badacc7e91";

    internal const string FirstText = "3KRydEpanwjFhq5GAraVjRUF1Tno7w7oc4EwJYTGNo5J"
        + ".RgZ7uMJHruBQqD5hC9Ghi3sqiTn6NycfM5qCfJz6yoM@9Byd9VAtyYMnbVAcqdoQxJnq76XEg2dbxbiF5Aa5Jj9J";

    private const string SecondHex =
        "4305849203ec7459fe39839f45b537d00c6c88533a4cabc31f625c4044359cb8"
        + "64bd4903ee679c6c7cc72a4fac6251b1b664a7a44ab7c7d5a2ad66701e9f9442"
        + "2c4be6b68a72aaa3d152cc64765b3996d49397879410d5dfb6a4f225284989e4";

    private const string SecondText = "5WdCMZXZBkGsXwPqzxwJqf9sSzyRLt3xmhuGDBaXiQh5"
        + ".7nFB8HqKM9jxExRkfhUoLb6oo2LSCDDesP5uuXH5iWY1@3yv4qTKVxC5Vqgtshzkcm8nT1q9zeETnj3RMDiaREeB5";

    private static readonly BigInteger Prime = BigInteger.Pow(2, 255) - 19;

    private static readonly BigInteger EdwardsD =
        Prime - (121665 * BigInteger.ModPow(121666, Prime - 2, Prime) % Prime);

    // end-to-end.md A.1, A.2
    [Theory]
    [InlineData(FirstHex, FirstText)]
    [InlineData(SecondHex, SecondText)]
    public void Published_recipients(string hex, string text)
    {
        byte[] bytes = Convert.FromHexString(hex);
        Assert.True(Recipient.TryRead(bytes, out Recipient fromBytes));
        Assert.True(Recipient.TryParse(text, out Recipient fromText));
        Assert.Equal(fromBytes, fromText);
        Assert.Equal(fromBytes.GetHashCode(), fromText.GetHashCode());
        Assert.Equal(text, fromBytes.ToString());
        byte[] copy = new byte[96];
        fromText.CopyTo(copy);
        Assert.Equal(bytes, copy);
        Assert.Equal(bytes[..32], fromBytes.Identity.ToArray());
        Assert.Equal(bytes[32..64], fromBytes.EncryptionKey.ToArray());
        Assert.Equal(bytes[64..], fromBytes.Gateway.ToArray());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(".@")]
    [InlineData("@.")]
    [InlineData("a.b@c")]
    public void Short_texts_are_refused(string? text) => Assert.False(Recipient.TryParse(text, out _));

    [Fact]
    public void Texts_with_wrong_separators_or_characters_are_refused()
    {
        string[] parts = FirstText.Split('.', '@');
        Assert.False(Recipient.TryParse($"{parts[0]}@{parts[1]}.{parts[2]}", out _));
        Assert.False(Recipient.TryParse($"{parts[0]}.{parts[1]}.{parts[2]}", out _));
        Assert.False(Recipient.TryParse($"{parts[0]}.{parts[1]}@{parts[2]}@", out _));
        Assert.False(Recipient.TryParse($"{parts[0]}..{parts[1]}@{parts[2]}", out _));
        Assert.False(Recipient.TryParse($"{parts[0]}.{parts[1]}@{parts[2]}.", out _));
        Assert.False(Recipient.TryParse(FirstText + " ", out _));
        Assert.False(Recipient.TryParse(" " + FirstText, out _));
        foreach (char bad in "0OIl+/é\0")
            Assert.False(Recipient.TryParse($"{bad}{FirstText[1..]}", out _));
        Assert.False(Recipient.TryParse($"1{FirstText}", out _));
        Assert.False(Recipient.TryParse($"{new string('z', 44)}.{parts[1]}@{parts[2]}", out _));
    }

    [Fact]
    public void Leading_zero_bytes_survive_the_text_form()
    {
        byte[] bytes = Convert.FromHexString(FirstHex);
        bytes.AsSpan(32, 32).Clear();
        bytes.AsSpan(0, 32).Clear();
        Assert.True(Recipient.TryRead(bytes, out Recipient recipient));
        string text = recipient.ToString();
        Assert.StartsWith(new string('1', 32) + ".", text, StringComparison.Ordinal);
        Assert.True(Recipient.TryParse(text, out Recipient parsed));
        Assert.Equal(recipient, parsed);
        Assert.False(Recipient.TryParse($"1{text}", out _));
        Assert.False(Recipient.TryParse(text[1..], out _));
    }

    [Fact]
    public void Equality_is_of_all_bytes()
    {
        byte[] bytes = Convert.FromHexString(FirstHex);
        Recipient.TryRead(bytes, out Recipient first);
        for (int i = 0; i < 32; i++)
        {
            bytes[32 + i] ^= 1;
            Assert.True(Recipient.TryRead(bytes, out Recipient other));
            Assert.NotEqual(first, other);
            bytes[32 + i] ^= 1;
        }

        Assert.False(Recipient.TryRead(bytes.AsSpan(0, 95), out _));
        Assert.False(Recipient.TryRead([.. bytes, 0], out _));
    }

    [Fact]
    [Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
    public void Point_check_agrees_with_big_integers()
    {
        SeededBytes random = new(11);
        int points = 0;
        byte[] text = Convert.FromHexString(FirstHex);
        List<byte[]> samples = [];
        for (int i = 0; i < 400; i++)
            samples.Add(random.Bytes(32));

        // Around 0, 1, p and 2^255, with and without the sign bit.
        foreach (BigInteger centre in new[] { BigInteger.Zero, Prime, BigInteger.Pow(2, 255), BigInteger.Pow(2, 256) })
        {
            for (int delta = -40; delta < 40; delta++)
            {
                BigInteger value = centre + delta;
                if (value.Sign < 0 || value >= BigInteger.Pow(2, 256))
                    continue;
                byte[] bytes = new byte[32];
                value.TryWriteBytes(bytes, out _, isUnsigned: true);
                samples.Add(bytes);
            }
        }

        foreach (byte[] sample in samples)
        {
            sample.CopyTo(text, 64);
            bool expected = IsPoint(sample);
            points += expected ? 1 : 0;
            Assert.Equal(expected, Recipient.TryRead(text, out _));
            sample.CopyTo(text, 0);
            Assert.Equal(expected, Recipient.TryRead(text, out _));
            Convert.FromHexString(FirstHex).CopyTo(text, 0);
        }

        Assert.InRange(points, samples.Count / 3, samples.Count * 2 / 3);
    }

    [Fact]
    [Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
    public void Generated_binaries_are_checked_without_allocation()
    {
        SeededBytes random = new(5);
        byte[] valid = Convert.FromHexString(FirstHex);
        byte[] buffer = new byte[160];
        int accepted = 0;
        Allocation.AssertNone(
            () =>
            {
                for (int i = 0; i < 500_000; i++)
                {
                    // The point checks dominate, so most inputs fail or pass at the length and one in 16 at the points.
                    Span<byte> input = random.Mutate(valid, buffer);
                    if (input.Length == 96 && random.Below(16) != 0)
                        input = input[..95];
                    if (!Recipient.TryRead(input, out Recipient recipient))
                        continue;
                    accepted++;
                    if (!recipient.Identity.SequenceEqual(input[..32]) || !recipient.Gateway.SequenceEqual(input[64..]))
                        Assert.Fail(Convert.ToHexString(input));
                }
            },
            runs: 1);
        Assert.True(accepted > 15_000);
    }

    [Fact]
    [Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
    public void Generated_texts_never_throw_and_round_trip()
    {
        SeededBytes random = new(7);
        const string alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz.@0OIl é";
        char[] buffer = new char[160];
        int accepted = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            string source = random.Below(2) == 0 ? FirstText : SecondText;
            source.CopyTo(buffer);
            int length = source.Length;

            // Decoding and point checks dominate: one in 16 has only legal characters in place of others.
            bool legal = random.Below(16) == 0;
            for (int edits = random.Below(3) + (legal ? 0 : 1); edits > 0; edits--)
            {
                int at = random.Below(length);
                switch (legal ? 0 : random.Below(12))
                {
                    case 0:
                        buffer[at] = alphabet[random.Below(legal ? 58 : alphabet.Length)];
                        break;
                    case 1:
                        buffer.AsSpan(at + 1, length - at - 1).CopyTo(buffer.AsSpan(at));
                        length--;
                        break;
                    case 2:
                        buffer.AsSpan(at, length - at).CopyTo(buffer.AsSpan(at + 1));
                        buffer[at] = alphabet[random.Below(alphabet.Length)];
                        length++;
                        break;
                    default:
                        buffer[at] = alphabet[58 + random.Below(alphabet.Length - 58)];
                        break;
                }
            }

            if (!Recipient.TryParse(buffer.AsSpan(0, length), out Recipient recipient))
                continue;
            accepted++;
            if (accepted % 64 == 0)
                Assert.Equal(new string(buffer, 0, length), recipient.ToString());
        }

        Assert.InRange(accepted, 15_000, 500_000);
    }

    // end-to-end.md A.7 and the binary-to-text rule of §2.4
    [Fact]
    public void Tag_text() =>
        Assert.Equal("12drXXUifSrRnXLGbXg8E", Base58.Bitcoin.Encode(Convert.FromHexString("000102030405060708090a0b0c0d0e0f")));

    // end-to-end.md A.8: seed = HKDF-SHA-512(salt, SHA-256(master), index), the form identities take in text.
    [Fact]
    public void Deterministic_identity()
    {
        byte[] seed = HKDF.DeriveKey(
            HashAlgorithmName.SHA512, SHA256.HashData("this is a secret master key"u8), 32, "unique-salt"u8.ToArray(), new byte[4]);
        Assert.Equal("6S3uMi2rU5SwyUUYCiMrF5qqdcYnEDMYLggBSvavVzEt", Base58.Bitcoin.Encode(seed));
        byte[] identity = Ed25519.PublicKey(seed);
        Assert.Equal("FX4Undr5LPPBA7zThWWpAKXKQTXSbW1C28PnxbCqUkU4", Base58.Bitcoin.Encode(identity));
        Assert.True(Recipient.TryRead([.. identity, .. new byte[32], .. identity], out _));
    }

    // Decompression by RFC 8032 §5.1.3 with y mod p and the sign bit ignored, in big integers.
    private static bool IsPoint(byte[] encoded)
    {
        byte[] bytes = [.. encoded];
        bytes[31] &= 0x7F;
        BigInteger y = new BigInteger(bytes, isUnsigned: true) % Prime;
        BigInteger u = ((y * y) - 1 + Prime) % Prime;
        BigInteger v = ((EdwardsD * y * y) + 1) % Prime;
        BigInteger x2 = u * BigInteger.ModPow(v, Prime - 2, Prime) % Prime;
        BigInteger euler = BigInteger.ModPow(x2, (Prime - 1) / 2, Prime);
        return euler.IsZero || euler.IsOne;
    }
}
