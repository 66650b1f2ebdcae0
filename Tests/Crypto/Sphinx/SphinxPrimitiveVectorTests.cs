using System.Text.Json;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using Xunit;

namespace FastExit.Tests.Crypto.Sphinx;

/// <summary>Every entry under primitives in the vector file.</summary>
public class SphinxPrimitiveVectorTests
{
    [Fact]
    public void EverySectionHasATest()
    {
        Assert.Equal(
            [
                "aes128ctr", "blake2b_keyed", "blinding", "chacha20", "fragment_decryption", "header_mac", "hkdf_blake3",
                "hkdf_expanded_shared_secret", "hkdf_payload_key", "key_material", "lioness",
            ],
            SphinxVectors.Root.GetProperty("primitives").EnumerateObject().Select(p => p.Name).Order());
    }

    [Fact]
    public void Aes128Ctr() => All("aes128ctr", 3, entry =>
    {
        byte[] stream = new byte[360];
        AesCtr.Keystream(entry.Hex("key"), stream);
        Assert.Equal(entry.Hex("keystream360"), stream);
        stream.AsSpan().Clear();
        AesBitsliced.Transform(entry.Hex("key"), new byte[16], stream);
        Assert.Equal(entry.Hex("keystream360"), stream);
    });

    [Fact]
    public void Blake2bKeyed() => All("blake2b_keyed", 7, entry =>
    {
        byte[] digest = new byte[32];
        Blake2b.KeyedHash(entry.Hex("key"), entry.Hex("data"), digest);
        Assert.Equal(entry.Hex("hash32"), digest);
    });

    [Fact]
    public void Blinding() => All("blinding", 10, entry =>
    {
        byte[] result = new byte[32], scalar = new byte[32];
        X25519.Multiply(entry.Hex("blinding_factor"), entry.Hex("alpha"), result);
        Assert.Equal(entry.Hex("new_alpha"), result);
        GroupOrderScalar.Reduce(entry.Hex("blinding_factor"), scalar);
        X25519.MultiplyUnclamped(scalar, entry.Hex("alpha"), result);
        Assert.Equal(entry.Hex("new_alpha_legacy"), result);
    });

    [Fact]
    public void ChaCha() => All("chacha20", 8, entry =>
    {
        byte[] expected = entry.Hex("keystream"), stream = new byte[expected.Length];
        ChaCha20.XorZeroNonce(entry.Hex("key"), stream);
        Assert.Equal(expected, stream);
    });

    [Fact]
    public void FragmentDecryption() => All("fragment_decryption", 6, entry =>
    {
        byte[] wire = entry.Hex("wire"), shared = new byte[32], key = new byte[16], publicKey = new byte[32];
        X25519.MultiplyBase(entry.Hex("recipient_private_key"), publicKey);
        Assert.Equal(entry.Hex("recipient_public_key"), publicKey);
        X25519.MultiplyBase(entry.Hex("ephemeral_private_key"), publicKey);
        Assert.Equal(wire[..32], publicKey);
        X25519.Multiply(entry.Hex("recipient_private_key"), wire.AsSpan(0, 32), shared);
        Assert.Equal(entry.Hex("shared_secret"), shared);
        HkdfBlake3.DeriveFragmentKey(shared, key);
        Assert.Equal(entry.Hex("key"), key);
        AesCtr.TransformZeroIv(key, wire.AsSpan(32));
        Assert.Equal(entry.Hex("plaintext"), wire[32..]);
    });

    [Fact]
    public void HeaderMac() => All("header_mac", 3, entry =>
    {
        byte[] mac = new byte[16];
        RoutingBlock.ComputeMac(entry.Hex("key"), entry.Hex("data"), mac);
        Assert.Equal(entry.Hex("mac16"), mac);
    });

    [Fact]
    public void FragmentKeyDerivation() => All("hkdf_blake3", 4, entry =>
    {
        byte[] key = new byte[16];
        HkdfBlake3.DeriveFragmentKey(entry.Hex("ikm"), key);
        Assert.Equal(entry.Hex("okm"), key);
    });

    // Whole, and stopped and continued after every block.
    [Fact]
    public void ExpandedSharedSecret() => All("hkdf_expanded_shared_secret", 4, entry =>
    {
        byte[] whole = new byte[288], pieces = new byte[288], expected = entry.Hex("okm");
        SharedSecretExpansion expansion = SharedSecretExpansion.Start(entry.Hex("ikm"));
        expansion.ExtendTo(SharedSecretExpansion.AllBlocks, whole);
        Assert.Equal(expected, whole);
        expansion = SharedSecretExpansion.Start(entry.Hex("ikm"));
        for (int blocks = 1; blocks <= SharedSecretExpansion.AllBlocks; blocks++)
        {
            expansion.ExtendTo(blocks, pieces);
            Assert.Equal(expected[..(32 * blocks)], pieces[..(32 * blocks)]);
            Assert.True(pieces.AsSpan(32 * blocks).IndexOfAnyExcept((byte)0) < 0);
        }
    });

    [Fact]
    public void PayloadKey() => All("hkdf_payload_key", 4, entry =>
    {
        byte[] key = new byte[192];
        SharedSecretExpansion.ExpandSeed(entry.Hex("seed"), key);
        Assert.Equal(entry.Hex("payload_key"), key);
    });

    // The sender's side: first alpha and the keys of every hop, clamped and reduced.
    [Theory]
    [InlineData(259, "expanded", "alpha0")]
    [InlineData(258, "expanded", "alpha0")]
    [InlineData(257, "expanded_legacy", "alpha0_legacy")]
    [InlineData(1, "expanded_legacy", "alpha0_legacy")]
    public void KeyMaterial(ushort version, string expandedField, string alphaField) => All("key_material", 5, entry =>
    {
        byte[] publicKeys = [.. entry.List("public_keys").SelectMany(k => Convert.FromHexString(k.GetString()!))];
        int hops = publicKeys.Length / 32;
        SphinxHeaderBatch batch = new();
        SphinxRoute route = new(publicKeys, new byte[32 * hops], new ulong[hops], new byte[32], new byte[16]);
        Assert.Equal(
            0, batch.Add(route, version, entry.Hex("initial_secret"), new byte[SphinxSizes.PaddingBytes(hops)]));
        batch.Build();
        Assert.Equal(entry.Hex(alphaField), batch.Header(0)[..32].ToArray());
        List<JsonElement> expanded = entry.List(expandedField);
        Assert.Equal(hops, expanded.Count);
        for (int hop = 0; hop < hops; hop++)
        {
            byte[] secret = Convert.FromHexString(expanded[hop].GetString()!);
            Assert.Equal(secret[32..48], batch.PayloadSeeds(0).Slice(16 * hop, 16).ToArray());
            if (version != 259)
                Assert.Equal(secret[32..224], batch.PayloadKeys(0).Slice(192 * hop, 192).ToArray());
        }

        // The first hop's keys open the header.
        byte[] first = Convert.FromHexString(expanded[0].GetString()!), mac = new byte[16];
        RoutingBlock.ComputeMac(first.AsSpan(16, 16), batch.Header(0)[48..], mac);
        Assert.Equal(mac, batch.Header(0)[32..48].ToArray());
    });

    [Fact]
    public void LionessBlocks() => All("lioness", 12, entry =>
    {
        byte[] key = entry.Hex("key"), block = entry.Hex("block");
        Lioness.Encrypt(key, block);
        Assert.Equal(entry.Hex("encrypted"), block);
        block = entry.Hex("block");
        Lioness.Decrypt(key, block);
        Assert.Equal(entry.Hex("decrypted"), block);
    });

    private static void All(string section, int count, Action<JsonElement> check)
    {
        List<JsonElement> entries = SphinxVectors.Entries("primitives." + section);
        Assert.Equal(count, entries.Count);
        entries.ForEach(check);
    }
}
