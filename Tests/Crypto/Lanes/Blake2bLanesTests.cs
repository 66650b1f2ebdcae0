using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using Xunit;
using Allocation = FastExit.Tests.Crypto.EndToEnd.Allocation;

namespace FastExit.Tests.Crypto.Lanes;

[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class Blake2bLanesTests
{
    public static TheoryData<CpuLevel> Levels => LaneCases.Levels;

    [Theory]
    [MemberData(nameof(Levels))]
    public void Rfc7693AppendixA(CpuLevel level)
    {
        for (int lanes = 1; lanes <= 17; lanes++)
        {
            byte[] digests = new byte[64 * lanes];
            LaneRange[] messages = [.. Enumerable.Repeat(new LaneRange(0, 3), lanes)];
            Blake2bLanes.KeyedHash(level, default, "abc"u8, messages, digests, 64);
            for (int i = 0; i < lanes; i++)
            {
                Assert.Equal(
                    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                    + "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
                    Convert.ToHexStringLower(digests.AsSpan(64 * i, 64)));
            }
        }
    }

    // RFC 7693 appendix E: all digest lengths, keyed and plain, the six input lengths there side by side.
    [Theory]
    [MemberData(nameof(Levels))]
    public void Rfc7693SelfTest(CpuLevel level)
    {
        int[] lengths = [0, 3, 128, 129, 255, 1024];
        byte[] region = [.. lengths.SelectMany(Sequence)];
        LaneRange[] messages = [.. lengths.Select((length, i) => new LaneRange(lengths.Take(i).Sum(), length))];
        using MemoryStream all = new();
        foreach (int hashBytes in (int[])[20, 32, 48, 64])
        {
            byte[] plain = new byte[6 * hashBytes], keyed = new byte[6 * hashBytes], key = Sequence(hashBytes);
            Blake2bLanes.KeyedHash(level, default, region, messages, plain, hashBytes);
            Blake2bLanes.KeyedHash(level, new(key, 0, hashBytes), region, messages, keyed, hashBytes);
            for (int i = 0; i < 6; i++)
            {
                all.Write(plain, i * hashBytes, hashBytes);
                all.Write(keyed, i * hashBytes, hashBytes);
            }
        }

        byte[] result = new byte[32];
        Blake2b.KeyedHash(level, default, all.ToArray(), result);
        Assert.Equal("c23a7800d98123bd10f506c61e29da5603d763b8bbad2e737f5e765a7bccd475", Convert.ToHexStringLower(result));

        static byte[] Sequence(int length)
        {
            uint a = unchecked(0xDEAD4BAD * (uint)length), b = 1;
            byte[] bytes = new byte[length];
            for (int i = 0; i < length; i++)
            {
                (a, b) = (b, unchecked(a + b));
                bytes[i] = (byte)(b >> 24);
            }

            return bytes;
        }
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void AgreesWithThePortableCode(CpuLevel level) =>
        LaneCases.ForEachBatch(41, Blake2bLanes.MaximumLanes, LaneCases.Messages, 400, (random, region, messages) =>
        {
            int keyBytes = random.Next(4) == 0 ? 0 : random.Next(65), keyStride = keyBytes + random.Next(20);
            int hashBytes = 1 + random.Next(64);
            byte[] keys = LaneCases.Bytes(random, messages.Length * keyStride + keyBytes);
            byte[] digests = new byte[messages.Length * hashBytes], expected = new byte[hashBytes];
            Blake2bLanes.KeyedHash(level, new(keys, keyStride, keyBytes), region, messages, digests, hashBytes);
            for (int i = 0; i < messages.Length; i++)
            {
                Blake2b.KeyedHash(
                    CpuLevel.Portable,
                    keys.AsSpan(i * keyStride, keyBytes),
                    region.AsSpan(messages[i].Offset, messages[i].Length),
                    expected);
                Assert.True(
                    expected.AsSpan().SequenceEqual(digests.AsSpan(i * hashBytes, hashBytes)),
                    $"lane {i} of {messages.Length}, key {keyBytes}, digest {hashBytes}, {messages[i]}");
            }
        });

    [Theory]
    [MemberData(nameof(Levels))]
    public void RefusesImpossibleLengths(CpuLevel level)
    {
        LaneRange[] two = [new(0, 8), new(8, 8)];
        Assert.Throws<ArgumentOutOfRangeException>(() => Blake2bLanes.KeyedHash(level, new(new byte[130], 65), new byte[16], two, new byte[64], 32));
        Assert.Throws<ArgumentOutOfRangeException>(() => Blake2bLanes.KeyedHash(level, new(new byte[127], 64), new byte[16], two, new byte[64], 32));
        Assert.Throws<ArgumentOutOfRangeException>(() => Blake2bLanes.KeyedHash(level, default, new byte[15], two, new byte[64], 32));
        Assert.Throws<ArgumentOutOfRangeException>(() => Blake2bLanes.KeyedHash(level, default, new byte[16], two, new byte[63], 32));
        Assert.Throws<ArgumentOutOfRangeException>(() => Blake2bLanes.KeyedHash(level, default, new byte[16], two, new byte[64], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Blake2bLanes.KeyedHash(level, default, new byte[16], two, new byte[200], 65));
    }

    [SkippableTheory]
    [MemberData(nameof(Levels))]
    public void AllocatesNothing(CpuLevel level)
    {
        Allocation.SkipIfUnoptimised();
        byte[] region = new byte[8 * 2033], keys = new byte[8 * 64], digests = new byte[8 * 32];
        LaneRange[] messages = [.. Enumerable.Range(0, 8).Select(i => new LaneRange(2033 * i, 2033))];
        Allocation.AssertNone(() => Blake2bLanes.KeyedHash(level, new(keys, 64), region, messages, digests, 32));
        Allocation.AssertNone(() => Blake2b.KeyedHash(level, keys.AsSpan(0, 64), region, digests.AsSpan(0, 32)));
    }
}
