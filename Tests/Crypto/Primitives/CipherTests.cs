using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using FastExit.Crypto.Primitives;
using Xunit;

namespace FastExit.Tests.Crypto.Primitives;

public class CipherTests
{
    public delegate void CounterMode(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data);

    // What the machine uses, and the fallback for machines without AES instructions.
    public static TheoryData<string> Implementations => ["machine", "bit-sliced"];

    // FIPS 197 appendix B and C.1: one block of the cipher is the key stream of a counter block.
    [Theory]
    [MemberData(nameof(Implementations))]
    public void AesFips197(string implementation)
    {
        Check("2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32");
        Check("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a");

        void Check(string key, string block, string expected)
        {
            byte[] data = new byte[16];
            Mode(implementation)(Convert.FromHexString(key), Convert.FromHexString(block), data);
            Assert.Equal(expected, Convert.ToHexStringLower(data));
        }
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void AesCtrSp80038AF51(string implementation)
    {
        byte[] data = Convert.FromHexString(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
            + "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
        Mode(implementation)(
            Convert.FromHexString("2b7e151628aed2a6abf7158809cf4f3c"),
            Convert.FromHexString("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"),
            data);
        Assert.Equal(
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
            + "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
            Convert.ToHexStringLower(data));
    }

    // Every length up to 300, random keys and counters, some where the low half wraps: no carry into the upper half.
    [Theory]
    [MemberData(nameof(Implementations))]
    public void AesCtrAgreesWithTheSystemsAes(string implementation)
    {
        Random random = new(3);
        byte[] key = new byte[16], iv = new byte[16];
        for (int length = 0; length <= 300; length++)
        {
            random.NextBytes(key);
            random.NextBytes(iv);
            if (length % 3 == 0)
                iv.AsSpan(8, 7).Fill(0xFF);
            byte[] data = new byte[length];
            random.NextBytes(data);
            byte[] expected = Expected(key, iv, data);
            Mode(implementation)(key, iv, data);
            Assert.Equal(expected, data);
        }
    }

    [Fact]
    public void AesZeroIvAndKeystreamAreTheSameStream()
    {
        byte[] key = new byte[16], data = new byte[1000], stream = new byte[1000];
        new Random(4).NextBytes(key);
        stream.AsSpan().Fill(7);
        AesCtr.TransformZeroIv(key, data);
        AesCtr.Keystream(key, stream);
        Assert.Equal(data, stream);
        Assert.Equal(Expected(key, new byte[16], new byte[1000]), stream);
    }

    [Fact]
    public void ChaCha20Rfc8439Section242()
    {
        byte[] key = new byte[32];
        for (int i = 0; i < 32; i++)
            key[i] = (byte)i;
        byte[] data = Encoding.ASCII.GetBytes(
            "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.");
        ChaCha20.Xor(key, Convert.FromHexString("000000000000004a00000000"), 1, data);
        Assert.Equal(
            "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b357"
            + "1639d624e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
            + "5af90bbf74a35be6b40b8eedf2785e42874d",
            Convert.ToHexStringLower(data));
    }

    // RFC 8439 A.1 test vectors 1 and 2: zero key and nonce, counters 0 and 1.
    [Fact]
    public void ChaCha20Rfc8439AppendixA1()
    {
        byte[] stream = new byte[128];
        ChaCha20.XorZeroNonce(new byte[32], stream);
        Assert.Equal(
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a37"
            + "6a43b8f41518a11cc387b669b2ee6586"
            + "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d5"
            + "31ed1f28510afb45ace10a1f4b794d6f",
            Convert.ToHexStringLower(stream));
    }

    // A plain scalar ChaCha20 written out for the test, every length over both kernels, odd nonces and counters.
    [Fact]
    public void ChaCha20AgreesWithAPlainOne()
    {
        Random random = new(6);
        byte[] key = new byte[32], nonce = new byte[12];
        for (int length = 0; length <= 1300; length += length < 200 ? 1 : 37)
        {
            random.NextBytes(key);
            random.NextBytes(nonce);
            uint counter = length % 2 == 0 ? 0u : 12345u;
            byte[] data = new byte[length];
            random.NextBytes(data);
            byte[] expected = (byte[])data.Clone();
            for (int i = 0; i < length; i++)
                expected[i] ^= PlainBlock(key, nonce, counter + (uint)(i / 64))[i % 64];
            ChaCha20.Xor(key, nonce, counter, data);
            Assert.Equal(expected, data);
        }
    }

    [Fact]
    public void LionessInvertsAndKeepsLanesApart()
    {
        Random random = new(8);
        int[] lengths = [33, 34, 38, 64, 100, 2065, 8209, 33];
        byte[] keys = new byte[lengths.Length * Lioness.KeyBytes], region = new byte[lengths.Sum() + 8];
        random.NextBytes(keys);
        random.NextBytes(region);
        LionessLane[] lanes = new LionessLane[lengths.Length];
        int offset = 4;
        for (int i = 0; i < lengths.Length; offset += lengths[i++])
            lanes[i] = new(offset, lengths[i]);
        byte[] single = (byte[])region.Clone(), original = (byte[])region.Clone();
        Lioness.EncryptLanes(region, lanes, keys);
        for (int i = 0; i < lanes.Length; i++)
            Lioness.Encrypt(keys.AsSpan(i * 192, 192), single.AsSpan(lanes[i].Offset, lanes[i].Length));
        Assert.Equal(single, region);
        Assert.NotEqual(original, region);
        Lioness.DecryptLanes(region, lanes, keys);
        Assert.Equal(original, region);
        Assert.Throws<ArgumentOutOfRangeException>(() => Lioness.Encrypt(new byte[192], new byte[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Lioness.Decrypt(new byte[192], new byte[32]));
    }

    private static CounterMode Mode(string implementation) =>
        implementation == "machine" ? AesCtr.Transform : AesBitsliced.Transform;

    private static byte[] Expected(byte[] key, byte[] iv, byte[] data)
    {
        using Aes aes = Aes.Create();
        aes.Key = key;
        byte[] result = (byte[])data.Clone(), block = (byte[])iv.Clone();
        for (int i = 0; i < data.Length; i++)
        {
            if (i % 16 == 0)
            {
                BinaryPrimitives.WriteUInt64BigEndian(
                    block.AsSpan(8), unchecked(BinaryPrimitives.ReadUInt64BigEndian(iv.AsSpan(8)) + (ulong)(i / 16)));
            }

            result[i] ^= aes.EncryptEcb(block, PaddingMode.None)[i % 16];
        }

        return result;
    }

    private static byte[] PlainBlock(byte[] key, byte[] nonce, uint counter)
    {
        uint[] state = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, .. Words(key), counter, .. Words(nonce)];
        uint[] x = (uint[])state.Clone();
        for (int i = 0; i < 10; i++)
        {
            Quarter(0, 4, 8, 12);
            Quarter(1, 5, 9, 13);
            Quarter(2, 6, 10, 14);
            Quarter(3, 7, 11, 15);
            Quarter(0, 5, 10, 15);
            Quarter(1, 6, 11, 12);
            Quarter(2, 7, 8, 13);
            Quarter(3, 4, 9, 14);
        }

        byte[] block = new byte[64];
        for (int i = 0; i < 16; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(block.AsSpan(4 * i), unchecked(x[i] + state[i]));
        return block;

        void Quarter(int a, int b, int c, int d)
        {
            x[d] = uint.RotateLeft(x[d] ^ (x[a] = unchecked(x[a] + x[b])), 16);
            x[b] = uint.RotateLeft(x[b] ^ (x[c] = unchecked(x[c] + x[d])), 12);
            x[d] = uint.RotateLeft(x[d] ^ (x[a] = unchecked(x[a] + x[b])), 8);
            x[b] = uint.RotateLeft(x[b] ^ (x[c] = unchecked(x[c] + x[d])), 7);
        }

        static IEnumerable<uint> Words(byte[] bytes) =>
            Enumerable.Range(0, bytes.Length / 4).Select(i => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4 * i)));
    }
}
