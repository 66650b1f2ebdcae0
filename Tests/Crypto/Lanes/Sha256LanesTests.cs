using System.Text;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using Xunit;
using Allocation = FastExit.Tests.Crypto.EndToEnd.Allocation;

namespace FastExit.Tests.Crypto.Lanes;

[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class Sha256LanesTests
{
    public static TheoryData<CpuLevel> Levels => LaneCases.Levels;

    // FIPS 180-4's examples: one, two and no bytes of message blocks, side by side in every number of lanes.
    [Theory]
    [MemberData(nameof(Levels))]
    public void Fips180(CpuLevel level)
    {
        (string Text, string Digest)[] vectors =
        [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
            (
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"),
        ];
        byte[] region = Encoding.ASCII.GetBytes(string.Concat(vectors.Select(v => v.Text)));
        LaneRange[] all = new LaneRange[vectors.Length];
        for (int i = 0, offset = 0; i < all.Length; offset += vectors[i++].Text.Length)
            all[i] = new(offset, vectors[i].Text.Length);
        for (int lanes = 1; lanes <= 33; lanes++)
        {
            LaneRange[] messages = [.. Enumerable.Range(0, lanes).Select(i => all[i % all.Length])];
            byte[] digests = new byte[32 * lanes];
            Sha256Lanes.Hash(level, region, messages, digests);
            for (int i = 0; i < lanes; i++)
                Assert.Equal(vectors[i % all.Length].Digest, Convert.ToHexStringLower(digests.AsSpan(32 * i, 32)));
        }
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void MillionLettersBesideShortMessages(CpuLevel level)
    {
        byte[] region = new byte[1_000_000], digests = new byte[5 * 32];
        region.AsSpan().Fill((byte)'a');
        Sha256Lanes.Hash(level, region, [new(0, 0), new(7, 1), new(0, 1_000_000), new(9, 64), new(0, 0)], digests);
        Assert.Equal("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", Convert.ToHexStringLower(digests.AsSpan(64, 32)));
        Assert.Equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Convert.ToHexStringLower(digests.AsSpan(128, 32)));
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void AgreesWithThePortableCode(CpuLevel level) =>
        LaneCases.ForEachBatch(11, Sha256Lanes.MaximumLanes, LaneCases.Messages, 300, (_, region, messages) =>
        {
            byte[] digests = new byte[32 * messages.Length], expected = new byte[32];
            Sha256Lanes.Hash(level, region, messages, digests);
            for (int i = 0; i < messages.Length; i++)
            {
                Sha256.Hash(CpuLevel.Portable, region.AsSpan(messages[i].Offset, messages[i].Length), expected);
                Assert.True(expected.AsSpan().SequenceEqual(digests.AsSpan(32 * i, 32)), $"lane {i} of {messages.Length}, {messages[i]}");
            }
        });

    [Theory]
    [MemberData(nameof(Levels))]
    public void SingleMessagesAgreeAtEveryLength(CpuLevel level)
    {
        byte[] data = LaneCases.Bytes(new(12), 600), digest = new byte[32], expected = new byte[32];
        for (int length = 0; length <= data.Length; length++)
        {
            Sha256.Hash(level, data.AsSpan(0, length), digest);
            Sha256.Hash(CpuLevel.Portable, data.AsSpan(0, length), expected);
            Assert.Equal(expected, digest);
        }
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void RefusesWhatLiesOutside(CpuLevel level)
    {
        Refused([new(0, 65), new(0, 0)], 64);
        Refused([new(1, 64), new(0, 0)], 64);
        Refused([new(-1, 1), new(0, 0)], 64);
        Refused([new(0, -1), new(0, 0)], 64);
        Refused([new(int.MaxValue, int.MaxValue), new(0, 0)], 64);
        Refused([new(0, 1), new(0, 1)], 63);

        void Refused(LaneRange[] messages, int digestBytes) =>
            Assert.Throws<ArgumentOutOfRangeException>(
                () => Sha256Lanes.Hash(level, new byte[64], messages, new byte[digestBytes]));
    }

    [SkippableTheory]
    [MemberData(nameof(Levels))]
    public void AllocatesNothing(CpuLevel level)
    {
        Allocation.SkipIfUnoptimised();
        byte[] region = new byte[4096], digests = new byte[32 * 16];
        LaneRange[] equal = [.. Enumerable.Range(0, 16).Select(i => new LaneRange(i, 300))];
        LaneRange[] mixed = [.. Enumerable.Range(0, 16).Select(i => new LaneRange(i, 100 * i))];
        Allocation.AssertNone(() => Sha256Lanes.Hash(level, region, equal, digests));
        Allocation.AssertNone(() => Sha256Lanes.Hash(level, region, mixed, digests));
        Allocation.AssertNone(() => Sha256.Hash(level, region, digests));
    }
}
