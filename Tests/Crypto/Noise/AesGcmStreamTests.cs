using System.Security.Cryptography;
using FastExit.Crypto.Noise;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Crypto.Noise;

public sealed class AesGcmStreamTests
{
    private const string Key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    private const string Plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    private const string Cipher = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
    private const string Zeros = "0000000000000000000000000000000000000000000000000000000000000000";

    /// <summary>Test cases 13 to 16 of the GCM submission to NIST (McGrew, Viega).</summary>
    [Theory]
    [InlineData(Zeros, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b")]
    [InlineData(Zeros, "000000000000000000000000", "", "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919")]
    [InlineData(Key, "cafebabefacedbaddecaf888", "", Plain, Cipher, "b094dac5d93471bdec1a502270e3cc6c")]
    [InlineData(Key, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", null, null, "76fc6ece0f4e1768cddf8853bb2d551b")]
    public void PublishedVectors(string key, string nonce, string associated, string? plaintext, string? ciphertext, string tag)
    {
        byte[] plain = Convert.FromHexString(plaintext ?? Plain[..120]), cipher = Convert.FromHexString(ciphertext ?? Cipher[..120]);
        foreach (bool portable in (bool[])[false, true])
        {
            var stream = new AesGcmStream(portable || !AesGcmKernel.IsSupported);
            stream.SetKey(Convert.FromHexString(key));
            stream.Begin(Convert.FromHexString(nonce), Convert.FromHexString(associated));
            byte[] data = [.. plain], found = new byte[16];
            stream.Encrypt(data, data);
            stream.Finish(found);
            Assert.Equal(cipher, data);
            Assert.Equal(tag, Convert.ToHexStringLower(found));
            stream.Begin(Convert.FromHexString(nonce), Convert.FromHexString(associated));
            stream.Decrypt(data, data);
            Assert.True(stream.Verify(found));
            Assert.Equal(plain, data);
        }
    }

    [Theory]
    [InlineData(false, 100_000)]
    [InlineData(true, 10_000)]
    public void AgreesWithTheSystemInAnyPieces(bool portable, int cases)
    {
        var random = new SeededBytes(portable ? 2u : 1u);
        var stream = new AesGcmStream(portable || !AesGcmKernel.IsSupported);
        byte[] key = new byte[32], nonce = new byte[12], plain = new byte[9000], expected = new byte[9000], data = new byte[9000];
        byte[] other = new byte[9000], associated = new byte[80], expectedTag = new byte[16], tag = new byte[16];
        random.Fill(plain);
        AesGcm? system = null;
        for (int i = 0; i < cases; i++)
        {
            if (i % 50 == 0)
            {
                random.Fill(key);
                stream.SetKey(key);
                system?.Dispose();
                system = new AesGcm(key, 16);
            }

            int length = random.Below(i % 64 == 0 ? plain.Length : 600), associatedBytes = random.Below(associated.Length);
            random.Fill(nonce.AsSpan(4));
            random.Fill(associated.AsSpan(0, associatedBytes));
            system!.Encrypt(nonce, plain.AsSpan(0, length), expected.AsSpan(0, length), expectedTag, associated.AsSpan(0, associatedBytes));
            stream.Begin(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(nonce.AsSpan(4)), associated.AsSpan(0, associatedBytes));
            Pieces(length, (at, piece) => stream.Encrypt(plain.AsSpan(at, piece), data.AsSpan(at, piece)));
            stream.Finish(tag);
            if (!tag.AsSpan().SequenceEqual(expectedTag) || !data.AsSpan(0, length).SequenceEqual(expected.AsSpan(0, length)))
                Assert.Fail($"case {i}: {length} bytes, {associatedBytes} associated");

            // Elsewhere, then in place with one bit wrong somewhere.
            stream.Begin(nonce, associated.AsSpan(0, associatedBytes));
            Pieces(length, (at, piece) => stream.Decrypt(data.AsSpan(at, piece), other.AsSpan(at, piece)));
            Assert.True(stream.Verify(tag));
            Assert.True(other.AsSpan(0, length).SequenceEqual(plain.AsSpan(0, length)));
            int wrong = random.Below(length + 16);
            (wrong < length ? data : tag)[wrong < length ? wrong : wrong - length] ^= (byte)(1 << random.Below(8));
            stream.Begin(nonce, associated.AsSpan(0, associatedBytes));
            Pieces(length, (at, piece) => stream.Decrypt(data.AsSpan(at, piece), data.AsSpan(at, piece)));
            Assert.False(stream.Verify(tag));
        }

        system?.Dispose();

        void Pieces(int length, Action<int, int> take)
        {
            for (int at = 0; at < length;)
            {
                int piece = Math.Min(length - at, random.Below(3) == 0 ? random.Below(20) : random.Below(3000));
                take(at, piece);
                at += piece;
            }
        }
    }

    [Fact]
    public void NothingIsAllocatedForAMessage()
    {
        if (!AesGcmKernel.IsSupported)
            return;
        var stream = new AesGcmStream();
        byte[] data = new byte[2416], tag = new byte[16];
        stream.SetKey(new byte[32]);
        long before = 0;
        for (ulong i = 0; i < 1000; i++)
        {
            if (i == 100)
                before = GC.GetAllocatedBytesForCurrentThread();
            stream.Begin(i, default);
            stream.Encrypt(data, data);
            stream.Finish(tag);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
