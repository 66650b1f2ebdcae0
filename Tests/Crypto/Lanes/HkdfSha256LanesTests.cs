using System.Text.Json;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Tests.Crypto.Sphinx;
using Xunit;
using Allocation = FastExit.Tests.Crypto.EndToEnd.Allocation;

namespace FastExit.Tests.Crypto.Lanes;

[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class HkdfSha256LanesTests
{
    public static TheoryData<CpuLevel> Levels => LaneCases.Levels;

    // RFC 5869 A.1 to A.3, the same input in every lane.
    [Theory]
    [MemberData(nameof(Levels))]
    public void Rfc5869(CpuLevel level)
    {
        Check(Repeat(0x0B, 22), Count(0x00, 13), Count(0xF0, 10), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
        Check(
            Count(0x00, 80), Count(0x60, 80), Count(0xB0, 80),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
        Check(Repeat(0x0B, 22), [], [], "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");

        void Check(byte[] input, byte[] salt, byte[] info, string output)
        {
            int bytes = output.Length / 2, blocks = (bytes + 31) / 32;
            HkdfSha256Info prepared = new(info, blocks);
            HkdfSha256Lanes workspace = new(level);
            HmacSha256Key saltKey = HmacSha256Key.Create(salt);
            for (int lanes = 1; lanes <= HkdfSha256Lanes.MaximumLanes; lanes++)
            {
                byte[] results = new byte[lanes * bytes];
                workspace.Extract(in saltKey, new(input, 0, input.Length), lanes);
                workspace.ExpandTo(prepared, blocks, results, bytes, bytes - 32 * (blocks - 1));
                Assert.Equal(blocks, workspace.Blocks);
                for (int i = 0; i < lanes; i++)
                    Assert.Equal(output, Convert.ToHexStringLower(results.AsSpan(i * bytes, bytes)));
            }
        }

        static byte[] Repeat(byte value, int bytes) => [.. Enumerable.Repeat(value, bytes)];
        static byte[] Count(byte first, int bytes) => [.. Enumerable.Range(first, bytes).Select(i => (byte)i)];
    }

    // The two derivations of Sphinx as recorded, all entries side by side; EXPAND stops at the first block and goes on.
    [Theory]
    [MemberData(nameof(Levels))]
    public void SphinxVectorsSideBySide(CpuLevel level)
    {
        HkdfSha256Lanes workspace = new(level);
        List<JsonElement> entries = SphinxVectors.Entries("primitives.hkdf_expanded_shared_secret");
        int lanes = Math.Min(entries.Count, HkdfSha256Lanes.MaximumLanes);
        byte[] output = new byte[288 * lanes];
        HmacSha256Key salt = HmacSha256Key.Create([]);
        HkdfSha256Info info = new("Dwste mou enan moxlo arketa makru kai ena upomoxlio gia na ton topothetisw kai tha kinisw thn gh."u8, 9);
        workspace.Extract(in salt, new(entries.Take(lanes).ToList().Joined("ikm"), 32), lanes);
        workspace.ExpandTo(info, 1, output, 288);
        for (int i = 0; i < lanes; i++)
            Assert.True(output.AsSpan(288 * i + 32, 256).IndexOfAnyExcept((byte)0) < 0);
        workspace.ExpandTo(info, 9, output, 288);
        for (int i = 0; i < lanes; i++)
            Assert.Equal(entries[i].Hex("okm"), output.AsSpan(288 * i, 288).ToArray());

        entries = SphinxVectors.Entries("primitives.hkdf_payload_key");
        salt = HmacSha256Key.Create("sphinx-payload-key-V01-CS01-HKDF:SHA256-SALT"u8);
        info = new("sphinx-payload-key-V01-CS01-HKDF:SHA256-INFO"u8, 6);
        byte[] keys = new byte[192 * entries.Count];
        workspace.Extract(in salt, new(entries.Joined("seed"), 16), entries.Count);
        workspace.ExpandTo(info, 6, keys, 192);
        Assert.Equal(entries.Joined("payload_key"), keys);
    }

    // Inputs, salts and infos of all lengths; output in two steps, the last block cut; nothing written beside.
    [Theory]
    [MemberData(nameof(Levels))]
    public void AgreesWithThePortableCode(CpuLevel level)
    {
        const int Cases = 100_000, Stride = 300;
        Random random = new(31);
        HkdfSha256Lanes workspace = new(level);
        for (int done = 0; done < Cases;)
        {
            int lanes = 1 + random.Next(16), blocks = 1 + random.Next(9), first = random.Next(blocks + 1), last = random.Next(33);
            byte[] info = LaneCases.Bytes(random, random.Next(3) == 0 ? random.Next(257) : random.Next(110));
            byte[] salt = LaneCases.Bytes(random, random.Next(100));
            int inputBytes = random.Next(130);
            byte[] inputs = LaneCases.Bytes(random, lanes * inputBytes), output = new byte[lanes * Stride];
            HkdfSha256Info prepared = new(info, 9);
            HmacSha256Key saltKey = HmacSha256Key.Create(salt);
            workspace.Extract(in saltKey, new(inputs, inputBytes), lanes);
            workspace.ExpandTo(prepared, first, output, Stride);
            workspace.ExpandTo(prepared, blocks, output, Stride, last);
            byte[] key = new byte[32], expected = new byte[Stride];
            for (int i = 0; i < lanes; i++)
            {
                expected.AsSpan().Clear();
                saltKey.Compute(inputs.AsSpan(i * inputBytes, inputBytes), key);
                HkdfSha256.Expand(key, info, expected.AsSpan(0, first == blocks ? 32 * blocks : 32 * (blocks - 1) + last));
                Assert.True(
                    expected.AsSpan().SequenceEqual(output.AsSpan(i * Stride, Stride)),
                    $"lane {i} of {lanes}, blocks {first} and {blocks}, info {info.Length}, input {inputBytes}");
            }

            done += lanes;
        }
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void ClearedWorkspaceKnowsNothing(CpuLevel level)
    {
        HkdfSha256Lanes workspace = new(level);
        HmacSha256Key salt = HmacSha256Key.Create([]);
        HkdfSha256Info info = new("info"u8, 3);
        workspace.Extract(in salt, new(new byte[64], 32), 2);
        workspace.ExpandTo(info, 3, new byte[192], 96);
        Assert.True(workspace.HoldsSecrets);
        workspace.Clear();
        Assert.False(workspace.HoldsSecrets);
        byte[] output = new byte[192];
        workspace.ExpandTo(info, 3, output, 96);
        Assert.True(output.AsSpan().IndexOfAnyExcept((byte)0) < 0);
        Assert.Throws<ArgumentOutOfRangeException>(() => workspace.ExpandTo(info, 4, output, 96));
        Assert.Throws<ArgumentOutOfRangeException>(() => workspace.Extract(in salt, new(new byte[17 * 32], 32), 17));
        Assert.Throws<ArgumentOutOfRangeException>(() => workspace.Extract(in salt, new(new byte[63], 32), 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new HkdfSha256Info(new byte[257], 1));
    }

    [SkippableTheory]
    [MemberData(nameof(Levels))]
    public void AllocatesNothing(CpuLevel level)
    {
        Allocation.SkipIfUnoptimised();
        HkdfSha256Lanes workspace = new(level);
        HmacSha256Key salt = HmacSha256Key.Create([]);
        HkdfSha256Info info = new(new byte[98], 9);
        byte[] secrets = new byte[8 * 32], output = new byte[8 * 288];
        foreach (int lanes in (int[])[1, 8])
        {
            Allocation.AssertNone(() =>
            {
                workspace.Extract(in salt, new(secrets, 32), lanes);
                workspace.ExpandTo(info, 9, output, 288);
            });
        }
    }
}
