using System.Text;
using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using Xunit;
using Allocation = FastExit.Tests.Crypto.EndToEnd.Allocation;

namespace FastExit.Tests.Crypto.Lanes;

[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class HmacSha256LanesTests
{
    // RFC 4231, cases 1 to 4 with keys as long as they are or padded with zeros, which HMAC takes for the same.
    private static readonly (string Key, string Data, string Mac)[] Vectors =
    [
        ("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        ("4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (
            "0102030405060708090a0b0c0d0e0f10111213141516171819",
            "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    ];

    public static TheoryData<CpuLevel> Levels => LaneCases.Levels;

    [Theory]
    [MemberData(nameof(Levels))]
    public void Rfc4231(CpuLevel level)
    {
        byte[] region = Convert.FromHexString(string.Concat(Vectors.Select(v => v.Data)));
        for (int lanes = 1; lanes <= 20; lanes++)
        {
            byte[] keys = new byte[64 * lanes], macs = new byte[40 * lanes];
            LaneRange[] messages = new LaneRange[lanes];
            for (int i = 0; i < lanes; i++)
            {
                int v = i % Vectors.Length;
                Convert.FromHexString(Vectors[v].Key).CopyTo(keys, 64 * i);
                messages[i] = new(Vectors[..v].Sum(x => x.Data.Length / 2), Vectors[v].Data.Length / 2);
            }

            HmacSha256Lanes.Compute(level, new(keys, 64), region, messages, macs, 40, 32);
            for (int i = 0; i < lanes; i++)
                Assert.Equal(Vectors[i % Vectors.Length].Mac, Convert.ToHexStringLower(macs.AsSpan(40 * i, 32)));
        }
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void Rfc4231Single(CpuLevel level)
    {
        byte[] mac = new byte[32];
        foreach ((string key, string data, string expected) in Vectors)
        {
            HmacSha256.Compute(level, Convert.FromHexString(key), Convert.FromHexString(data), mac);
            Assert.Equal(expected, Convert.ToHexStringLower(mac));
        }

        byte[] longKey = new byte[131];
        longKey.AsSpan().Fill(0xAA);
        HmacSha256.Compute(level, longKey, Encoding.ASCII.GetBytes("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
        Assert.Equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", Convert.ToHexStringLower(mac));
    }

    // Keys of 0 to 64 bytes out of a table, codes cut to any length and put where the caller wants them, nothing beside.
    [Theory]
    [MemberData(nameof(Levels))]
    public void AgreesWithThePortableCode(CpuLevel level) =>
        LaneCases.ForEachBatch(21, Sha256Lanes.MaximumLanes, LaneCases.Messages, 360, (random, region, messages) =>
        {
            int keyBytes = random.Next(65), keyStride = keyBytes + random.Next(20);
            int macBytes = 1 + random.Next(32), macStride = macBytes + random.Next(8);
            byte[] keys = LaneCases.Bytes(random, messages.Length * keyStride + keyBytes);
            byte[] macs = new byte[messages.Length * macStride], expected = new byte[macs.Length], full = new byte[32];
            macs.AsSpan().Fill(0xEE);
            expected.AsSpan().Fill(0xEE);
            HmacSha256Lanes.Compute(level, new(keys, keyStride, keyBytes), region, messages, macs, macStride, macBytes);
            for (int i = 0; i < messages.Length; i++)
            {
                HmacSha256.Compute(
                    CpuLevel.Portable,
                    keys.AsSpan(i * keyStride, keyBytes),
                    region.AsSpan(messages[i].Offset, messages[i].Length),
                    full);
                full.AsSpan(0, macBytes).CopyTo(expected.AsSpan(i * macStride));
            }

            Assert.True(expected.AsSpan().SequenceEqual(macs), $"{messages.Length} lanes, key {keyBytes}, {messages[0]}");
        });

    [Theory]
    [MemberData(nameof(Levels))]
    public void SinglesAgreeAtEveryLength(CpuLevel level)
    {
        Random random = new(22);
        byte[] data = LaneCases.Bytes(random, 1100), key = LaneCases.Bytes(random, 80), mac = new byte[32], expected = new byte[32];
        for (int length = 0; length <= data.Length; length += length < 300 ? 1 : 13)
        {
            int keyBytes = length % 81;
            HmacSha256.Compute(level, key.AsSpan(0, keyBytes), data.AsSpan(0, length), mac);
            HmacSha256.Compute(CpuLevel.Portable, key.AsSpan(0, keyBytes), data.AsSpan(0, length), expected);
            Assert.Equal(expected, mac);
        }
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void RefusesWhatLiesOutside(CpuLevel level)
    {
        LaneRange[] two = [new(0, 8), new(8, 8)];
        Assert.Throws<ArgumentOutOfRangeException>(() => HmacSha256Lanes.Compute(level, new(new byte[130], 65), new byte[16], two, new byte[64], 32, 32));
        Assert.Throws<ArgumentOutOfRangeException>(() => HmacSha256Lanes.Compute(level, new(new byte[31], 16), new byte[16], two, new byte[64], 32, 32));
        Assert.Throws<ArgumentOutOfRangeException>(() => HmacSha256Lanes.Compute(level, new(new byte[32], 16), new byte[15], two, new byte[64], 32, 32));
        Assert.Throws<ArgumentOutOfRangeException>(() => HmacSha256Lanes.Compute(level, new(new byte[32], 16), new byte[16], two, new byte[63], 32, 32));
        Assert.Throws<ArgumentOutOfRangeException>(() => HmacSha256Lanes.Compute(level, new(new byte[32], 16), new byte[16], two, new byte[99], 33, 33));
    }

    [SkippableTheory]
    [MemberData(nameof(Levels))]
    public void AllocatesNothing(CpuLevel level)
    {
        Allocation.SkipIfUnoptimised();
        byte[] region = new byte[8 * 348], macs = new byte[8 * 16], keys = new byte[8 * 16];
        LaneRange[] messages = [.. Enumerable.Range(0, 8).Select(i => new LaneRange(348 * i, 348))];
        Allocation.AssertNone(() => HmacSha256Lanes.Compute(level, new(keys, 16), region, messages, macs, 16, 16));
        Allocation.AssertNone(() => HmacSha256Lanes.Compute(level, new(keys, 16), region, messages.AsSpan(0, 1), macs, 16, 16));
    }
}
