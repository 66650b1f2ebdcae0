using System.Text.Json;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

public class FragmentCipherTests
{
    // end-to-end.md A.4
    [Fact]
    public void Published_forward_fragment()
    {
        byte[] ephemeral = Convert.FromHexString("0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20");
        byte[] recipient = Convert.FromHexString("65666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f8081828384");
        byte[] recipientPublic = new byte[32], shared = new byte[32], key = new byte[16], digest = new byte[32];
        byte[] block = new byte[32 + 1611];
        X25519.MultiplyBase(ephemeral, block);
        Assert.Equal("07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c", Hex(block.AsSpan(0, 32)));
        X25519.MultiplyBase(recipient, recipientPublic);
        Assert.Equal("5714769d116bf76436ae74bc793d2c30ad1903c59ac5273805c7e2698b410c36", Hex(recipientPublic));
        X25519.Multiply(ephemeral, recipientPublic, shared);
        Assert.Equal("c9ea6a3f79a000b60b076d4afc990b272f3f0b5aaa3f0b8713c209273e363863", Hex(shared));
        HkdfBlake3.DeriveFragmentKey(shared, key);
        Assert.Equal("de02cb6c63bad1604e2ec6c2c2181ca7", Hex(key));

        byte[] message = [0, .. "hello"u8];
        byte[] fragment = new byte[1611];
        FragmentPlan.For(message.Length, 1611).WriteFragment(message, 0, [0x12345678], fragment);
        Assert.StartsWith("923456780101000068656c6c6f0100", Hex(fragment), StringComparison.Ordinal);
        Assert.False(fragment.AsSpan(14).ContainsAnyExcept((byte)0));
        fragment.CopyTo(block, 32);
        AesCtr.TransformZeroIv(key, block.AsSpan(32));
        Assert.Equal("59124ae90ee890c9d84f49d1407cbffd60160630a00ae8431e05a14649808bdf", Hex(block.AsSpan(32, 32)));
        Assert.Equal("6cee5e289ddb8ff25ecb9d9396e447e6", Hex(block.AsSpan(32 + 1611 - 16)));
        Blake3.Hash(block.AsSpan(32), digest);
        Assert.Equal("455b51d4364beacb9b1e549f5b488f17e126208f6b8fe9e9630bc92b80a0f51d", Hex(digest));

        FragmentLane[] lanes = [new FragmentLane { Offset = 0, Length = block.Length }];
        new FragmentCipherBatch().DecryptForward(block, lanes, recipient);
        Assert.True(lanes[0].Valid);
        Assert.Equal(fragment, block[32..]);
    }

    // end-to-end.md A.5
    [Fact]
    public void Published_reply_fragment()
    {
        byte[] key = Convert.FromHexString("000102030405060708090a0b0c0d0e0f");
        byte[] digest = new byte[32], fragment = new byte[1611];
        ReplyKey.Digest(key, digest);
        Assert.Equal("a6a492965517a830cb75fdb713465aa465f2f098233896fea44c1d98268bf9e3", Hex(digest));
        byte[] message = [2, 0, .. "hello"u8];
        FragmentPlan.For(message.Length, 1611).WriteFragment(message, 0, [0x12345678], fragment);
        byte[] original = [.. fragment];
        ReplyKey.Transform(key, fragment);
        Assert.Equal("54956d4f868e5b806f27e40ecda7d9797346139595c0b41e497bbde365f42d0a", Hex(fragment.AsSpan(0, 32)));
        Blake3.Hash(fragment, digest);
        Assert.Equal("9ec3fe94be865bd765fd86a427e347594578b13ea33708e19b1a44bc912fc069", Hex(digest));
        ReplyKey.Transform(key, fragment);
        Assert.Equal(original, fragment);
    }

    [Fact]
    public void Known_answers_of_the_key_derivation()
    {
        byte[] key = new byte[16];
        foreach (JsonElement vector in SphinxVectors.Primitive("hkdf_blake3"))
        {
            HkdfBlake3.DeriveFragmentKey(vector.Hex("ikm"), key);
            Assert.Equal(vector.Hex("okm"), key);
        }
    }

    [Fact]
    public void Known_answers_in_one_batch_with_bad_lanes_between()
    {
        JsonElement[] vectors = [.. SphinxVectors.Primitive("fragment_decryption")];
        List<byte> region = [], privateKeys = [];
        List<FragmentLane> lanes = [];
        List<byte[]?> expected = [];
        for (int round = 0; round < 3; round++)
        {
            foreach (JsonElement vector in vectors)
            {
                Add(vector.Hex("wire"), vector.Hex("recipient_private_key"), vector.Hex("plaintext"));
                Add(vector.Hex("wire").AsSpan(0, 31).ToArray(), vector.Hex("recipient_private_key"), null);
                Add(new byte[80], vector.Hex("recipient_private_key"), null);
            }
        }

        byte[] bytes = [.. region], before = [.. region];
        FragmentLane[] array = [.. lanes];
        new FragmentCipherBatch().DecryptForward(bytes, array, privateKeys.ToArray());
        for (int i = 0; i < array.Length; i++)
        {
            Assert.Equal(expected[i] is not null, array[i].Valid);
            Span<byte> block = bytes.AsSpan(array[i].Offset, array[i].Length);
            if (expected[i] is byte[] plaintext)
                Assert.Equal(plaintext, block[32..].ToArray());
            else
                Assert.True(block.SequenceEqual(before.AsSpan(array[i].Offset, array[i].Length)));
        }

        void Add(byte[] wire, byte[] privateKey, byte[]? plaintext)
        {
            lanes.Add(new FragmentLane { Offset = region.Count, Length = wire.Length, Key = lanes.Count });
            region.AddRange(wire);
            privateKeys.AddRange(privateKey);
            expected.Add(plaintext);
        }
    }

    [SkippableFact]
    public void Decryption_allocates_nothing()
    {
        Allocation.SkipIfUnoptimised();
        SeededBytes random = new(53);
        byte[] region = random.Bytes(12 * 1643), keys = random.Bytes(64);
        FragmentLane[] lanes = new FragmentLane[12];
        for (int i = 0; i < lanes.Length; i++)
            lanes[i] = new FragmentLane { Offset = i * 1643, Length = 1643, Key = i & 1 };
        FragmentCipherBatch batch = new();
        Allocation.AssertNone(() => batch.DecryptForward(region, lanes, keys));
        Assert.All(lanes, lane => Assert.True(lane.Valid));
    }

    // end-to-end.md A.6
    [Theory]
    [InlineData(0x12345678u, 1, "101112131415161718191a1b1c1d1e1f529859a34d")]
    [InlineData(0u, 0, "101112131415161718191a1b1c1d1e1f40ac0fdb4c")]
    public void Published_ack_contents(uint setId, byte position, string hex)
    {
        byte[] key = Convert.FromHexString("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        byte[] content = new byte[21];
        AckContent.Write(content, key, Convert.FromHexString("101112131415161718191a1b1c1d1e1f"), setId, position);
        Assert.Equal(hex, Hex(content));
        Assert.True(AckContent.TryRead(content, key, out uint readId, out byte readPosition));
        Assert.Equal((setId, position), (readId, readPosition));
        content[16] ^= 0x80;
        Assert.False(AckContent.TryRead(content, key, out _, out _));
    }

    [Fact]
    public void Generated_ack_contents_of_any_length()
    {
        SeededBytes random = new(47);
        byte[] buffer = new byte[48], key = random.Bytes(16), identifier = new byte[5];
        int accepted = 0;
        Allocation.AssertNone(() =>
        {
            for (int i = 0; i < 500_000; i++)
            {
                Span<byte> input = buffer.AsSpan(0, random.Below(3) == 0 ? random.Below(49) : 21);
                random.Fill(input);
                uint setId = (uint)random.Next();
                byte position = (byte)random.Next();
                bool written = input.Length == 21 && random.Below(2) == 0;
                if (written)
                    AckContent.Write(input, key, input[..16], setId, position);
                bool ok = AckContent.TryRead(input, key, out uint readId, out byte readPosition);
                if (ok && input.Length != 21)
                    Assert.Fail(Convert.ToHexString(input));
                if (written && (!ok || readId != (setId & SetId.Maximum) || readPosition != position))
                    Assert.Fail(Convert.ToHexString(input));
                if (!ok)
                    continue;
                accepted++;

                // What was read, encrypted again under the same IV, is what came.
                FragmentHeader.WriteIdentifier(identifier, readId, readPosition);
                AesCtr.Transform(key, input[..16], identifier);
                if (!input[16..].SequenceEqual(identifier))
                    Assert.Fail(Convert.ToHexString(input));
            }
        });
        Assert.True(accepted > 500_000);
    }

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);
}
