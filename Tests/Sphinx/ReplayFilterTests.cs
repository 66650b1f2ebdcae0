using System.Buffers.Binary;
using FastExit.Crypto.EndToEnd;
using FastExit.Sphinx;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Sphinx;

public sealed class ReplayFilterTests
{
    [Fact]
    public void EveryTagIsFreshOnceAtFullDesignLoad()
    {
        const int Packets = 1_000_000;
        using var filter = new ReplayFilter(Packets);
        int refused = Pass(filter, seed: 1, Packets, ReplayVerdict.Fresh);
        // 32 × 2^-32 for each packet: 0.0075 expected of a million.
        Assert.InRange(refused, 0, 2);
        Assert.Equal(0, Pass(filter, seed: 1, Packets, ReplayVerdict.Replay));
        Assert.InRange(filter.Bytes, 5_000_000, 5_000_100);
    }

    /// <summary>Tags of seeded final hops are 16 bytes twice: fingerprint and both buckets still come from different bytes.</summary>
    [Fact]
    public void DoubledTagsAreToldApartAsWell()
    {
        const int Packets = 1_000_000;
        using var filter = new ReplayFilter(Packets);
        Assert.InRange(PassDoubled(filter, Packets, ReplayVerdict.Fresh), 0, 2);
        Assert.Equal(0, PassDoubled(filter, Packets, ReplayVerdict.Replay));
    }

    [Fact]
    public void FullSaysSoAndStillKnowsWhatItHolds()
    {
        using var filter = new ReplayFilter(20);
        var random = new SeededBytes(3);
        var known = new List<byte[]>();
        int full = 0;
        for (int i = 0; i < 1000; i++)
        {
            byte[] tag = random.Bytes(32);
            switch (filter.Check(tag))
            {
                case ReplayVerdict.Fresh:
                    known.Add(tag);
                    break;
                case ReplayVerdict.Full:
                    full++;
                    break;
            }
        }

        Assert.Equal(32, known.Count);
        Assert.Equal(1000 - 32, full);
        Assert.All(known, tag => Assert.Equal(ReplayVerdict.Replay, filter.Check(tag)));
        Assert.Equal(ReplayVerdict.Full, filter.Check(new byte[32]));
    }

    [Theory]
    [InlineData(1_000_000)]
    [InlineData(100)]
    public void TwoThreadsNeverBothPass(int capacity)
    {
        // Many small filters make the threads meet in few entries; one large one shows the ordinary case.
        const int Tags = 1_000_000;
        int perFilter = Math.Min(Tags, capacity);
        int both = 0, neither = 0;
        using var barrier = new Barrier(2);
        byte[] tags = new byte[perFilter * 32];
        var verdicts = new ReplayVerdict[2][];
        var random = new SeededBytes(11);
        for (int round = 0; round < Tags / perFilter; round++)
        {
            random.Fill(tags);
            using var filter = new ReplayFilter(capacity);
            Task[] tasks = [.. Enumerable.Range(0, 2).Select(t => Task.Factory.StartNew(
                () =>
                {
                    var mine = new ReplayVerdict[perFilter];
                    barrier.SignalAndWait();
                    for (int i = 0; i < perFilter; i++)
                        mine[i] = filter.Check(tags.AsSpan(i * 32, 32));
                    verdicts[t] = mine;
                },
                TaskCreationOptions.LongRunning))];
            Task.WaitAll(tasks);
            for (int i = 0; i < perFilter; i++)
            {
                bool first = verdicts[0][i] == ReplayVerdict.Fresh, second = verdicts[1][i] == ReplayVerdict.Fresh;
                both += first && second ? 1 : 0;
                neither += !first && !second ? 1 : 0;
            }
        }

        Assert.Equal(0, both);
        // Both refused needs two different buckets within one race.
        Assert.InRange(neither, 0, Tags / 100);
    }

    [Fact]
    public void KeysAreChosenByRotation()
    {
        using var odd = new ReplayFilter(10);
        using var even = new ReplayFilter(10);
        byte[] a = [.. Enumerable.Repeat((byte)1, 32)], b = [.. Enumerable.Repeat((byte)2, 32)];
        var keys = new SphinxKeySet((a, 7u, odd), (b, 8u, even));
        Assert.Equal(0, keys.KeyFor(KeyRotation.Unknown));
        Assert.Equal(0, keys.KeyFor(KeyRotation.Odd));
        Assert.Equal(1, keys.KeyFor(KeyRotation.Even));
        Assert.Same(even, keys.FilterOf(8));
        Assert.Null(keys.FilterOf(9));
        Assert.Equal(b, keys.PrivateKeys[32..].ToArray());
        var alone = new SphinxKeySet((a, 7u, odd));
        Assert.Equal(-1, alone.KeyFor(KeyRotation.Even));

        // The rotation goes on: the even key leads, the next odd one comes, the first goes with its filter.
        using var next = new ReplayFilter(10);
        var successor = new SphinxKeySet((b, 8u, even), (a, 9u, next));
        Assert.Equal(0, successor.KeyFor(KeyRotation.Even));
        byte[] tag = new byte[32];
        BinaryPrimitives.WriteInt32LittleEndian(tag, 99);
        Assert.Equal(ReplayVerdict.Fresh, even.Check(tag));
        keys.Retire(successor);
        Assert.Equal(new byte[64], keys.PrivateKeys.ToArray());
        Assert.Equal(ReplayVerdict.Replay, successor.Filter(0).Check(tag));
        Assert.Throws<ObjectDisposedException>(() => odd.Check(tag));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SphinxKeySet());
    }

    private static int PassDoubled(ReplayFilter filter, int packets, ReplayVerdict expected)
    {
        var random = new SeededBytes(2);
        Span<byte> tag = stackalloc byte[32];
        int other = 0;
        for (int i = 0; i < packets; i++)
        {
            random.Fill(tag[..16]);
            tag[..16].CopyTo(tag[16..]);
            other += filter.Check(tag) == expected ? 0 : 1;
        }

        return other;
    }

    private static int Pass(ReplayFilter filter, ulong seed, int packets, ReplayVerdict expected)
    {
        var random = new SeededBytes(seed);
        Span<byte> tag = stackalloc byte[32];
        int other = 0;
        for (int i = 0; i < packets; i++)
        {
            random.Fill(tag);
            other += filter.Check(tag) == expected ? 0 : 1;
        }

        return other;
    }
}
