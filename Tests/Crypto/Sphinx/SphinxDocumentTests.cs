using System.Security.Cryptography;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using Xunit;

namespace FastExit.Tests.Crypto.Sphinx;

/// <summary>The vectors of sphinx.md §14.</summary>
public class SphinxDocumentTests
{
    [Fact]
    public void Section141ExpandedSecret()
    {
        byte[] a = Convert.FromHexString("023f37203a2476c42566a61cc55c3ca875dbb4cc41c0deb789f8e7bf88183638");
        byte[] b = Convert.FromHexString("1ecc3686b60ee3b84b6c7d321d70d5c06e9dac63a4d0a79d731b17c0d04d030d");
        byte[] point = new byte[32], secret = new byte[32], expanded = new byte[SharedSecretExpansion.Bytes];
        X25519.MultiplyBase(a, point);
        X25519.Multiply(b, point, secret);
        Assert.Equal("499a6ab6e6c50f92a5f15d4a93bf90c0b7d8b0e9577f31907c8e01152b752747", Hex(secret));
        SharedSecretExpansion expansion = SharedSecretExpansion.Start(secret);
        expansion.ExtendTo(SharedSecretExpansion.AllBlocks, expanded);
        Assert.Equal(
            "baea9871ca7cbfe4ad595b087ffbd6c8" + "1cde11e32eb4aa072234b18e96898ede"
            + "d2d151f1fe7b24519b55732865d26108c4683d17a5bebfeccb450fe64664a188"
            + "3558747651393ab5e866955defff9ccd00926e75893b66aa57faafcfc16b709a"
            + "f7dc6e87206a14980e84599af918b0281eb6c3d17c3b3ac9d1ff50976de29de8"
            + "3080389f5aa8e53c6a0e32d7c6c8a8189fe0f07717f23d8136248cf57f9fe605"
            + "348efe34a8ab8b64ce105edb44718d9f04e9bd90a4cab44ad64260b946bf9b12"
            + "d2347b47e7e14f00c419d9e785bf607767b6c824d73ecb95d68b2046421e3f66"
            + "e340b8eb8c3ee8aceb2a3aa9f1fdf50288954a3006a59185be69dedaf8ac31bc"
            + "10e008d2c39ea43ac2a4837ec49a2a0151825117c62f8fc51b31abd37202ade5",
            Hex(expanded));
    }

    [Fact]
    public void Section142Parts()
    {
        byte[] stream = new byte[360];
        AesCtr.Keystream(Sequence(0, 16), stream);
        Assert.StartsWith("c6a13b37878f5b826f4f8162a1c8d8797346139595c0b41e497bbde365f42d0a49d68753999ba68c", Hex(stream));
        Assert.Equal("724be9dfd62148bce60ff0257bebcce5ef55ce867d8a8910f0d9e36897fc54ca", Hash(stream));
        byte[] mac = new byte[16], digest = new byte[32], key = new byte[192];
        RoutingBlock.ComputeMac(Sequence(16, 16), Sequence(0, 300), mac);
        Assert.Equal("47246eb6e134fcd6af824e93ad9adf50", Hex(mac));
        Blake2b.KeyedHash(Sequence(0, 64), "abc"u8, digest);
        Assert.Equal("dff38c978666dff5631db35ca15535520d134f5c8060ea569c6a178ad393719f", Hex(digest));
        SharedSecretExpansion.ExpandSeed(Sequence(0, 16), key);
        Assert.StartsWith("f459f26002b91e68ffe8cdf562e100a9a0f1a65c89025141fe1c208e05d19d31746df40c", Hex(key));
        Assert.EndsWith("35cb0dc583507a39562c66a223c4d0718", Hex(key));
        byte[] block = Sequence(1, 33, 3);
        Lioness.Encrypt(Sequence(0, 192), block);
        Assert.Equal("6eda9befdd133c41c01c2ac12187b18e27359638a300531028f373d2ba1745fa05", Hex(block));
        block = Sequence(1, 38, 3);
        Lioness.Encrypt(Sequence(0, 192), block);
        Assert.Equal("0e8aeeb1a7801259a0cbbf30262c0acddbe1bb9097326dbc729cc694c12a5e76ab5678970b60", Hex(block));
        block = Sequence(1, 2065, 3);
        Lioness.Encrypt(Sequence(0, 192), block);
        Assert.Equal("ef89642ca048c3a62b52dcdf16a0034b9f7bdf2d1dcc004de61bd140454a1bef", Hash(block));
    }

    // SHA-256 of the packet as the client sends it, then as hops 0, 1 and 2 do, then of the payload the final hop sees.
    [Theory]
    [InlineData(
        259, 2048,
        "32537bb4eb285bb3bdf8ab7b10afe7467246423b083dd14e97c7a12c96623c9f",
        "a56877d2b19927c7ade857dfc72153048368196a440f522b5e40c7e78d81dc96",
        "e5aaa9ea016c0ac485a14c019ad8fcd36a5fb148f9d87a535ba5a1b68315a8c9",
        "e811dbcade86fb402a7264f72d5114054a9366287833429ad6d9229873ef3c1f",
        "ac96f7fabf0715e3530caae7c983bceac0b3a7b3416093f2abf8fe85c4d3b277")]
    [InlineData(
        259, 21,
        "6a8196b5a991054477952feda593fc8575e84d44cd8479f28f087b248b46ea40",
        "69568ef027e2b456a40d4d1f4f2bb3cd10068fd6da7b047cc403d82449ccf4d2",
        "0c194a3c2f1509cdbf4b5c8783603e2f074e191ce1fc09cd9fcef8700051f20a",
        "82c6e25a434e103238856bf269f4022194c0276b7002f2278da93022c8aff1a8",
        "190561f03fce20ca4a81097056b37975707551df1608173b235a560caf5326ee")]
    [InlineData(
        258, 2048,
        "4055c0f68d600557221cee9dd36c9cc1ab425e60e3ea6a65d96010f00f885d53",
        // sphinx.md prints f4d2 here. No two inputs have hashes one digit apart: a slip of the pen, the rest agrees.
        "f4b21cd143561bf2c4c3d665dc80b09fafed3fe89c9647c22e2a8e869cd67d91",
        "91eefb650d50bb1d5abb680b2645df2c4feed617e18ed69b6fc241047f4d45f8",
        "80aab544c42eb9af1453d6b631558d77c8876cbf0e93a97b959ab5e8f6079334",
        "ac96f7fabf0715e3530caae7c983bceac0b3a7b3416093f2abf8fe85c4d3b277")]
    [InlineData(
        258, 21,
        "25654eabbd90566c7af20647c087e6324aeb2c8ddc9ef4744e24932af24ccbfe",
        "d811a65198ef7b31371808e47c3ae239d51848ddfb0fa00880e6e5ddd6c54800",
        "e056b9b8b155e7b923f5820b16c1ad6a9f0852770f74fb81f844c59c3d4a7f41",
        "125550c9beda950346d8b7f0d8f5383f81343350ee498f4ae25600ad4b665248",
        "190561f03fce20ca4a81097056b37975707551df1608173b235a560caf5326ee")]
    [InlineData(
        257, 2048,
        "f759918626b4a37b37d869f6d54ea1b33dad7ca2c02aed3e991d2bad482a62f3",
        null, null, null,
        "ac96f7fabf0715e3530caae7c983bceac0b3a7b3416093f2abf8fe85c4d3b277")]
    public void Section143WholePackets(
        ushort version, int messageBytes, string client, string? hop0, string? hop1, string? hop2, string final)
    {
        byte[] privateKeys = new byte[128], message = Sequence(3, messageBytes, 7);
        SphinxHeaderBatch batch = Build(version, privateKeys);
        byte[] packet = SphinxRun.Packet(batch.Header(0), batch.PayloadKeys(0), messageBytes + 17, message);
        Assert.Equal(client, Hash(packet));
        SphinxHopBatch hopBatch = new();
        string?[] sent = [hop0, hop1, hop2];
        for (int hop = 0; hop < 3; hop++)
        {
            SphinxLane lane = SphinxRun.Open(hopBatch, packet, privateKeys[(32 * hop)..(32 * hop + 32)]);
            Assert.Equal(SphinxStatus.Forward, lane.Status);
            Assert.Equal((ulong)(hop + 1) * 1_000_000, lane.DelayNanoseconds);
            if (sent[hop] is string expected)
                Assert.Equal(expected, Hash(packet));
        }

        SphinxLane last = SphinxRun.Open(hopBatch, packet, privateKeys[96..]);
        Assert.Equal(SphinxStatus.Final, last.Status);
        Assert.Equal(final, Hash(packet[SphinxSizes.HeaderBytes..]));
        Assert.Equal(message, SphinxRun.Plaintext(packet, last));
    }

    [Theory]
    [InlineData(259, 444, "adbd024f1e6e1cb8cd41810b5d9274aa12fc6e573fed6c82335e6421aa7ed77f")]
    [InlineData(258, 1148, "84e546f4e7ede40858c0da16318d8203ec35dc4323028b4e756a04fd537a7bb9")]
    public void Section143Surbs(ushort version, int bytes, string expected)
    {
        byte[] surb = new byte[bytes];
        Assert.Equal(bytes, Surb.Write(Build(version, new byte[128]), 0, surb));
        Assert.Equal(expected, Hash(surb));
    }

    private static SphinxHeaderBatch Build(ushort version, byte[] privateKeys)
    {
        byte[] publicKeys = new byte[128], addresses = new byte[128];
        ulong[] delays = new ulong[4];
        for (int i = 0; i < 4; i++)
        {
            Sequence((0x20 * i) + 1, 32).CopyTo(privateKeys, 32 * i);
            X25519.MultiplyBase(privateKeys.AsSpan(32 * i, 32), publicKeys.AsSpan(32 * i, 32));
            byte[] address = [4, 0x06, 0xFD, 10, 0, 0, (byte)(i + 1)];
            address.CopyTo(addresses, 32 * i);
            delays[i] = (ulong)(i + 1) * 1_000_000;
        }

        SphinxHeaderBatch batch = new();
        Assert.Equal(0, batch.Add(
            new SphinxRoute(publicKeys, addresses, delays, Sequence(0x40, 32), new byte[16]),
            version,
            Sequence(0x80, 32),
            Sequence(0xA0, 68)));
        batch.Build();
        return batch;
    }

    private static byte[] Sequence(int start, int length, int step = 1) =>
        [.. Enumerable.Range(0, length).Select(i => (byte)(start + i * step))];

    private static string Hash(byte[] data) => Hex(SHA256.HashData(data));

    private static string Hex(byte[] data) => Convert.ToHexStringLower(data);
}
