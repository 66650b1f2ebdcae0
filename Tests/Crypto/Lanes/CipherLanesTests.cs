using System.Text.Json;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Tests.Crypto.Sphinx;
using Xunit;
using Allocation = FastExit.Tests.Crypto.EndToEnd.Allocation;

namespace FastExit.Tests.Crypto.Lanes;

[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class CipherLanesTests
{
    private delegate void Stream(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, uint counter, Span<byte> data);

    public static TheoryData<CpuLevel> Levels => LaneCases.Levels;

    // RFC 8439 §2.4.2, and the same text far behind: blocks 1 and 2 of a stream of any length.
    [Theory]
    [MemberData(nameof(Levels))]
    public void ChaCha20Rfc8439(CpuLevel level) =>
        CheckRfc8439((key, nonce, counter, data) => ChaCha20.Xor(level, key, nonce, counter, data));

    [Fact]
    public void ChaCha20Rfc8439InVectorsOf128Bits() => CheckRfc8439(ChaCha20.XorRows128);

    [Theory]
    [MemberData(nameof(Levels))]
    public void ChaCha20AgreesWithThePortableCode(CpuLevel level) =>
        CompareStreams(61, (key, nonce, counter, data) => ChaCha20.Xor(level, key, nonce, counter, data));

    [Fact]
    public void ChaCha20InVectorsOf128BitsAgrees() => CompareStreams(62, ChaCha20.XorRows128);

    // Blocks 0 and 1 under a key of zeros (the GCM specification's test cases 1 and 2) and block 0 under the key of
    // SP 800-38A's examples (RFC 4493 §4).
    [Theory]
    [MemberData(nameof(Levels))]
    public void AesKnownAnswers(CpuLevel level)
    {
        (string Key, string Stream)[] vectors =
        [
            ("00000000000000000000000000000000", "66e94bd4ef8a2c3b884cfa59ca342b2e58e2fccefa7e3061367f1d57a4e7455a"),
            ("2b7e151628aed2a6abf7158809cf4f3c", "7df76b0c1ab899b33e42f047b91b546f"),
        ];
        for (int lanes = 1; lanes <= 17; lanes++)
        {
            byte[] keys = [.. Enumerable.Range(0, lanes).SelectMany(i => Convert.FromHexString(vectors[i % 2].Key))];
            byte[] region = new byte[32 * lanes];
            LaneRange[] ranges = [.. Enumerable.Range(0, lanes).Select(i => new LaneRange(32 * i, 32))];
            AesCtr.TransformZeroIvLanes(level, new(keys, 16), region, ranges);
            for (int i = 0; i < lanes; i++)
                Assert.StartsWith(vectors[i % 2].Stream, Convert.ToHexStringLower(region.AsSpan(32 * i, 32)), StringComparison.Ordinal);
        }
    }

    // In place, lanes one behind the other: what lies between them stays.
    [Theory]
    [MemberData(nameof(Levels))]
    public void AesLanesAgreeWithTheBitSlicedCode(CpuLevel level) =>
        LaneCases.ForEachBatch(63, 8, LaneCases.Messages, 90, (random, _, ranges) => CompareAes(level, random, ranges));

    [Theory]
    [MemberData(nameof(Levels))]
    public void AesLanesAgreeWithTheBitSlicedCodeOverLongerStreams(CpuLevel level) =>
        LaneCases.ForEachBatch(64, 8, 3000, 700, (random, _, ranges) => CompareAes(level, random, ranges));

    [Theory]
    [MemberData(nameof(Levels))]
    public void AesRefusesWhatLiesOutside(CpuLevel level)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => AesCtr.TransformZeroIvLanes(level, new(new byte[34], 17), new byte[32], [new(0, 1), new(1, 1)]));
        Assert.Throws<ArgumentOutOfRangeException>(() => AesCtr.TransformZeroIvLanes(level, new(new byte[31], 16), new byte[32], [new(0, 1), new(1, 1)]));
        Assert.Throws<ArgumentOutOfRangeException>(() => AesCtr.TransformZeroIvLanes(level, new(new byte[32], 16), new byte[32], [new(0, 1), new(32, 1)]));
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void LionessAsRecorded(CpuLevel level)
    {
        List<JsonElement> entries = SphinxVectors.Entries("primitives.lioness");
        byte[] keys = entries.Joined("key"), region = entries.Joined("block");
        LionessLane[] lanes = new LionessLane[entries.Count];
        for (int i = 0, offset = 0; i < lanes.Length; offset += lanes[i++].Length)
            lanes[i] = new(offset, entries[i].Hex("block").Length);
        Lioness.EncryptLanes(level, region, lanes, keys);
        Assert.Equal(entries.Joined("encrypted"), region);
        Lioness.DecryptLanes(level, region, lanes, keys);
        Assert.Equal(entries.Joined("block"), region);
        Lioness.DecryptLanes(level, region, lanes, keys);
        Assert.Equal(entries.Joined("decrypted"), region);
    }

    // Every number of lanes, blocks of 33 bytes to more than two kernels' worth, in place with gaps that stay.
    [Theory]
    [MemberData(nameof(Levels))]
    public void LionessAgreesWithThePortableCode(CpuLevel level)
    {
        LaneCases.ForEachBatch(65, 8, LaneCases.Messages / 2, 120, (random, _, ranges) => CompareLioness(level, random, ranges));
        LaneCases.ForEachBatch(66, 8, 4000, 2300, (random, _, ranges) => CompareLioness(level, random, ranges));
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void LionessRefusesShortBlocksAndKeys(CpuLevel level)
    {
        Refused(new byte[80], [new(0, 40), new(40, 32)], new byte[384]);
        Refused(new byte[80], [new(0, 40), new(40, 41)], new byte[384]);
        Refused(new byte[80], [new(-1, 40), new(40, 40)], new byte[384]);
        Refused(new byte[80], [new(0, 40), new(40, 40)], new byte[383]);

        void Refused(byte[] region, LionessLane[] lanes, byte[] keys)
        {
            byte[] before = (byte[])region.Clone();
            Assert.Throws<ArgumentOutOfRangeException>(() => Lioness.EncryptLanes(level, region, lanes, keys));
            Assert.Throws<ArgumentOutOfRangeException>(() => Lioness.DecryptLanes(level, region, lanes, keys));
            Assert.Equal(before, region);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Levels))]
    public void AllocatesNothing(CpuLevel level)
    {
        Allocation.SkipIfUnoptimised();
        byte[] region = new byte[8 * 2065], keys = new byte[8 * 192], nonce = new byte[12];
        LionessLane[] blocks = [.. Enumerable.Range(0, 8).Select(i => new LionessLane(2065 * i, 2065))];
        LaneRange[] streams = [.. Enumerable.Range(0, 8).Select(i => new LaneRange(2065 * i, 333))];
        Allocation.AssertNone(() => Lioness.EncryptLanes(level, region, blocks, keys));
        Allocation.AssertNone(() => Lioness.DecryptLanes(level, region, blocks, keys));
        Allocation.AssertNone(() => AesCtr.TransformZeroIvLanes(level, new(keys, 16), region, streams));
        Allocation.AssertNone(() => ChaCha20.Xor(level, keys.AsSpan(0, 32), nonce, 0, region));
    }

    private static void CheckRfc8439(Stream xor)
    {
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)], nonce = Convert.FromHexString("000000000000004a00000000");
        byte[] text = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."u8.ToArray();
        const string Expected =
            "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b357"
            + "1639d624e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
            + "5af90bbf74a35be6b40b8eedf2785e42874d";
        foreach (int before in (int[])[0, 1, 7, 15, 16, 17, 40])
        {
            byte[] data = [.. new byte[64 * before], .. text];
            xor(key, nonce, unchecked(1u - (uint)before), data);
            Assert.Equal(Expected, Convert.ToHexStringLower(data.AsSpan(64 * before)));
        }
    }

    private static void CompareStreams(int seed, Stream xor) =>
        LaneCases.ForEachBatch(seed, 1, LaneCases.Messages, 1100, (random, region, ranges) =>
        {
            foreach (LaneRange range in ranges)
            {
                byte[] key = LaneCases.Bytes(random, 32), nonce = LaneCases.Bytes(random, 12);
                uint counter = random.Next(8) == 0 ? uint.MaxValue - (uint)random.Next(20) : (uint)random.Next();
                byte[] expected = (byte[])region.Clone();
                ChaCha20.Xor(CpuLevel.Portable, key, nonce, counter, expected.AsSpan(range.Offset, range.Length));
                xor(key, nonce, counter, region.AsSpan(range.Offset, range.Length));
                Assert.True(expected.AsSpan().SequenceEqual(region), $"{range}, counter {counter}");
            }
        });

    private static void CompareAes(CpuLevel level, Random random, LaneRange[] ranges)
    {
        (byte[] region, LaneRange[] apart) = LaneCases.Apart(random, ranges);
        int stride = 16 + random.Next(5);
        byte[] keys = LaneCases.Bytes(random, ranges.Length * stride), expected = (byte[])region.Clone(), iv = new byte[16];
        AesCtr.TransformZeroIvLanes(level, new(keys, stride, 16), region, apart);
        for (int i = 0; i < apart.Length; i++)
            AesBitsliced.Transform(keys.AsSpan(i * stride, 16), iv, expected.AsSpan(apart[i].Offset, apart[i].Length));
        Assert.True(expected.AsSpan().SequenceEqual(region), $"{apart.Length} lanes, {apart[0]}");
    }

    private static void CompareLioness(CpuLevel level, Random random, LaneRange[] ranges)
    {
        LaneRange[] longer = [.. ranges.Select(range => range with { Length = range.Length + Lioness.MinimumBlockBytes })];
        (byte[] region, LaneRange[] apart) = LaneCases.Apart(random, longer);
        LionessLane[] lanes = [.. apart.Select(range => new LionessLane(range.Offset, range.Length))];
        byte[] keys = LaneCases.Bytes(random, lanes.Length * Lioness.KeyBytes);
        byte[] before = (byte[])region.Clone(), expected = (byte[])region.Clone();
        Lioness.EncryptLanes(CpuLevel.Portable, expected, lanes, keys);
        Lioness.EncryptLanes(level, region, lanes, keys);
        Assert.True(expected.AsSpan().SequenceEqual(region), $"encrypt, {lanes.Length} lanes, {lanes[0]}");
        Lioness.DecryptLanes(level, region, lanes, keys);
        Assert.True(before.AsSpan().SequenceEqual(region), $"decrypt, {lanes.Length} lanes, {lanes[0]}");
    }
}
