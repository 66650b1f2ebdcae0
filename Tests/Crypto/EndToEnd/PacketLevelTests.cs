using FastExit.Crypto;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using Xunit;
using static FastExit.Tests.Crypto.Lanes.LaneKernels;

namespace FastExit.Tests.Crypto.EndToEnd;

/// <summary>The end-to-end batches at every level: the same bytes as the portable one, or packets that it can open.</summary>
[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class PacketLevelTests
{
    private const int Lanes = SphinxSizes.MaximumLanes;

    private static readonly CpuLevel[] Levels = [.. Enum.GetValues<CpuLevel>().Where(level => level <= CpuLevels.Highest)];
    // The longest are seldom: they cost most and differ least.
    private static readonly PacketSize[] Sizes =
        [.. Enumerable.Repeat(PacketSize.Regular, 30), PacketSize.Extended8, PacketSize.Extended32];

    // Blocks of every length from none to several kilobytes, and ephemeral keys of low order among them.
    [Fact]
    public void Fragments_are_the_same_at_every_level()
    {
        int valid = 0, invalid = 0, count = Cases(100_000);
        Assert.True(GeneratedInputs.Judged(431, count, (random, lanes) => CompareFragments(random, lanes, ref valid, ref invalid)) >= count);
        Assert.True(valid > count / 2 && invalid > count / 10, $"{valid}, {invalid}");
    }

    // The reference decrypts each fragment alone.
    private static int CompareFragments(SeededBytes random, int count, ref int valid, ref int invalid)
    {
        FragmentCipherBatch reference = new(CpuLevel.Portable);
        FragmentCipherBatch[] batches = [.. Levels.Select(level => new FragmentCipherBatch(level))];
        int judged = 0;
        while (judged < count)
        {
            byte[] keys = random.Bytes(2 * 32);
            FragmentLane[] lanes = new FragmentLane[1 + random.Below(11)];
            int end = 0;
            for (int i = 0; i < lanes.Length; i++)
            {
                int length = random.Below(3) switch { 0 => 1643, 1 => random.Below(40), _ => random.Below(3000) };
                lanes[i] = new FragmentLane { Offset = end, Length = length, Key = random.Below(2) };
                end += length + random.Below(9);
            }

            byte[] region = random.Bytes(end);
            foreach (ref readonly FragmentLane lane in lanes.AsSpan())
            {
                if (lane.Length >= 32 && random.Below(6) == 0)
                    region.AsSpan(lane.Offset, 32).Clear();
            }

            byte[] expected = [.. region];
            FragmentLane[] singles = [.. lanes];
            for (int i = 0; i < singles.Length; i++)
                reference.DecryptForward(expected, singles.AsSpan(i, 1), keys);
            bool[] flags = [.. singles.Select(l => l.Valid)];
            foreach (FragmentCipherBatch batch in batches)
            {
                byte[] copy = [.. region];
                FragmentLane[] result = [.. lanes];
                batch.DecryptForward(copy, result, keys);
                Assert.True(expected.AsSpan().SequenceEqual(copy));
                Assert.Equal(flags, result.Select(l => l.Valid));
            }

            Interlocked.Add(ref valid, flags.Count(f => f));
            Interlocked.Add(ref invalid, flags.Count(f => !f));
            judged += lanes.Length;
        }

        return judged;
    }

    [Fact]
    public void Replies_are_the_same_at_every_level()
    {
        int count = Cases(20_000);
        Assert.True(GeneratedInputs.Judged(433, count, CompareReplies) >= count);
    }

    // The reference builds each reply alone.
    private static int CompareReplies(SeededBytes random, int count)
    {
        ReplyPacketBatch reference = new(CpuLevel.Portable);
        ReplyPacketBatch[] batches = [.. Levels.Select(level => new ReplyPacketBatch(level))];
        int judged = 0;
        while (judged < count)
        {
            PacketSize[] sizes = [.. Enumerable.Range(0, 1 + random.Below(Lanes)).Select(_ => Sizes[random.Below(Sizes.Length)])];
            PlacedPackets placed = new(random, sizes);
            byte[][] surbs = [.. sizes.Select(_ => RandomSurb(random))];
            byte[] expected = [.. placed.Region];
            for (int i = 0; i < sizes.Length; i++)
            {
                reference.Clear();
                Assert.Equal(0, reference.Add(placed.Offsets[i], sizes[i], surbs[i], placed.AckPrefixes[i]));
                reference.Build(expected);
            }

            foreach (ReplyPacketBatch batch in batches)
            {
                byte[] region = [.. placed.Region];
                batch.Clear();
                for (int i = 0; i < sizes.Length; i++)
                    Assert.Equal(i, batch.Add(placed.Offsets[i], sizes[i], surbs[i], placed.AckPrefixes[i]));
                batch.Build(region);
                Assert.True(expected.AsSpan().SequenceEqual(region));
            }

            judged += sizes.Length;
        }

        return judged;
    }

    // What holds fresh randomness is opened instead: acks, forward packets and SURBs of every level.
    [Fact]
    public void What_every_level_builds_arrives()
    {
        int count = Cases(1_000);
        Assert.True(GeneratedInputs.Judged(439, count, BuildAndTravel) >= count);
    }

    private static int BuildAndTravel(SeededBytes random, int count)
    {
        int judged = 0;
        for (; judged < count; judged += Lanes)
            BuildAndTravel(random);
        return judged;
    }

    private static void BuildAndTravel(SeededBytes random)
    {
        byte[] ackKey = random.Bytes(16), recipientKeys = random.Bytes(Lanes * 32), recipients = new byte[Lanes * 32];
        X25519.MultiplyBaseLanes(recipientKeys, recipients, Lanes);
        foreach (CpuLevel level in Levels)
        {
            TestRoute[] routes = [.. Enumerable.Range(0, Lanes).Select(i => new TestRoute(random, 1 + (i % 5)))];
            AckBatch acks = new(level);
            ReplySurbBatch surbs = new(level);
            ForwardPacketBatch forwards = new(level);
            ReplyPacketBatch replies = new(level);
            PlacedPackets sent = new(random, [.. Enumerable.Repeat(PacketSize.Regular, Lanes)]);
            PlacedPackets answered = new(random, [.. Enumerable.Repeat(PacketSize.Regular, Lanes)]);
            for (int i = 0; i < Lanes; i++)
            {
                Assert.Equal(i, acks.Add(routes[i].Route, ackKey, 100, (byte)i));
                Assert.Equal(i, surbs.Add(routes[i].Route));
            }

            acks.Build();
            surbs.Build();
            for (int i = 0; i < Lanes; i++)
            {
                // A table, the table of somebody else, none.
                X25519Table? table = (i % 3) switch
                {
                    0 => X25519Table.TryCreate(recipients.AsSpan(32 * i, 32)),
                    1 => X25519Table.Base,
                    _ => null,
                };
                forwards.Add(
                    sent.Offsets[i], PacketSize.Regular, routes[i].Route, recipients.AsSpan(32 * i, 32), acks.Prefix(i), table);
                replies.Add(answered.Offsets[i], PacketSize.Regular, surbs.Surb(i), acks.Prefix(i));
            }

            forwards.Build(sent.Region);
            replies.Build(answered.Region);
            for (int i = 0; i < Lanes; i++)
            {
                byte[] content = routes[i].Travel(acks.Prefix(i)[NodeAddress.AckPrefixBytes..]);
                Assert.True(AckContent.TryRead(content, ackKey, out uint setId, out byte position));
                Assert.Equal((100u, (byte)i), (setId, position));

                byte[] plaintext = routes[i].Travel(sent.Packet(i));
                Assert.Equal(acks.Prefix(i).ToArray(), plaintext[..405]);
                FragmentLane[] lanes = [new FragmentLane { Offset = 405, Length = plaintext.Length - 405, Key = i }];
                new FragmentCipherBatch(CpuLevel.Portable).DecryptForward(plaintext, lanes, recipientKeys);
                Assert.True(lanes[0].Valid);
                Assert.Equal(sent.Fragments[i], plaintext[437..]);

                plaintext = routes[i].Travel(answered.Packet(i));
                Assert.Equal(surbs.Digest(i).ToArray(), plaintext[405..437]);
                byte[] digest = new byte[ReplyKey.DigestBytes];
                ReplyKey.Digest(surbs.ReplyKey(i), digest);
                Assert.Equal(digest, plaintext[405..437]);
                ReplyKey.Transform(surbs.ReplyKey(i), plaintext.AsSpan(437));
                Assert.Equal(answered.Fragments[i], plaintext[437..]);
            }
        }
    }

    private static byte[] RandomSurb(SeededBytes random)
    {
        int hops = 1 + random.Below(SphinxSizes.MaximumHops);
        byte[] surb = random.Bytes(ReplySurb.MaterialOffset + (hops * (random.Below(3) == 0 ? 192 : 16)));
        surb[ReplySurb.FirstHopOffset] = 4;
        return surb;
    }
}
