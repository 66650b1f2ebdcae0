using System.Text.Json;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Tests.Crypto.Sphinx;
using Xunit;
using Allocation = FastExit.Tests.Crypto.EndToEnd.Allocation;

namespace FastExit.Tests.Crypto.Lanes;

[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class Blake3LanesTests
{
    // The official test input, byte i is i mod 251.
    private static readonly (int Length, string Digest)[] Official =
    [
        (0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
        (64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98"),
        (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"),
        (1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"),
        (2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"),
    ];

    public static TheoryData<CpuLevel> Levels => LaneCases.Levels;

    [Theory]
    [MemberData(nameof(Levels))]
    public void OfficialInputs(CpuLevel level)
    {
        byte[] region = [.. Enumerable.Range(0, 2049).Select(i => (byte)(i % 251))];
        for (int lanes = 1; lanes <= 33; lanes++)
        {
            LaneRange[] messages = [.. Enumerable.Range(0, lanes).Select(i => new LaneRange(0, Official[i % Official.Length].Length))];
            byte[] digests = new byte[32 * lanes];
            Blake3Lanes.Hash(level, region, messages, digests);
            for (int i = 0; i < lanes; i++)
                Assert.Equal(Official[i % Official.Length].Digest, Convert.ToHexStringLower(digests.AsSpan(32 * i, 32)));
        }
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void AgreesWithThePortableCode(CpuLevel level) =>
        LaneCases.ForEachBatch(51, Blake3Lanes.MaximumLanes, LaneCases.Messages, 1100, (_, region, messages) =>
        {
            byte[] digests = new byte[32 * messages.Length], expected = new byte[32];
            Blake3Lanes.Hash(level, region, messages, digests);
            for (int i = 0; i < messages.Length; i++)
            {
                Blake3.Hash(region.AsSpan(messages[i].Offset, messages[i].Length), expected);
                Assert.True(expected.AsSpan().SequenceEqual(digests.AsSpan(32 * i, 32)), $"lane {i} of {messages.Length}, {messages[i]}");
            }
        });

    [Theory]
    [MemberData(nameof(Levels))]
    public void FragmentKeysAsRecorded(CpuLevel level)
    {
        List<JsonElement> entries = SphinxVectors.Entries("primitives.hkdf_blake3");
        byte[] keys = new byte[16 * entries.Count];
        HkdfBlake3Lanes.DeriveFragmentKeys(level, new(entries.Joined("ikm"), 32), entries.Count, keys, 16);
        Assert.Equal(entries.Joined("okm"), keys);
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void FragmentKeysAgreeWithThePortableCode(CpuLevel level)
    {
        Random random = new(52);
        byte[] expected = new byte[16];
        for (int done = 0; done < LaneCases.Messages;)
        {
            int lanes = random.Next(20), stride = 32 + random.Next(3), keyStride = 16 + random.Next(3);
            byte[] secrets = LaneCases.Bytes(random, lanes * stride), keys = new byte[lanes * keyStride];
            HkdfBlake3Lanes.DeriveFragmentKeys(level, new(secrets, stride, 32), lanes, keys, keyStride);
            for (int i = 0; i < lanes; i++)
            {
                HkdfBlake3.DeriveFragmentKey(CpuLevel.Portable, secrets.AsSpan(i * stride, 32), expected);
                Assert.True(expected.AsSpan().SequenceEqual(keys.AsSpan(i * keyStride, 16)), $"lane {i} of {lanes}");
                Assert.True(keys.AsSpan(i * keyStride + 16, keyStride - 16).IndexOfAnyExcept((byte)0) < 0);
            }

            done += lanes;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Levels))]
    public void AllocatesNothing(CpuLevel level)
    {
        Allocation.SkipIfUnoptimised();
        byte[] region = new byte[16 * 1024], digests = new byte[16 * 32];
        LaneRange[] messages = [.. Enumerable.Range(0, 16).Select(i => new LaneRange(64 * i, 64 * i))];
        Allocation.AssertNone(() => Blake3Lanes.Hash(level, region, messages, digests));
        Allocation.AssertNone(() => HkdfBlake3Lanes.DeriveFragmentKeys(level, new(region, 32), 16, digests, 16));
        Allocation.AssertNone(() => HkdfBlake3Lanes.DeriveFragmentKeys(level, new(region, 32), 1, digests, 16));
    }
}
