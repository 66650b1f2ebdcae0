using FastExit.Crypto;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

/// <summary>The end-to-end batches at every level: the same bytes as the portable one, or packets that it can open.</summary>
public class PacketLevelTests
{
    private const int Lanes = SphinxSizes.MaximumLanes;

    private static readonly CpuLevel[] Levels = [.. Enum.GetValues<CpuLevel>().Where(level => level <= CpuLevels.Highest)];
    private static readonly PacketSize[] Sizes = [PacketSize.Regular, PacketSize.Regular, PacketSize.Extended8, PacketSize.Extended32];

    // Blocks of every length from none to several kilobytes, and ephemeral keys of low order among them.
    [Fact]
    public void Fragments_are_the_same_at_every_level()
    {
        SeededBytes random = new(431);
        FragmentCipherBatch[] batches = [.. Levels.Select(level => new FragmentCipherBatch(level))];
        int valid = 0, invalid = 0;
        for (int round = 0; round < 400; round++)
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

            byte[]? expected = null;
            bool[]? flags = null;
            foreach (FragmentCipherBatch batch in batches)
            {
                byte[] copy = [.. region];
                FragmentLane[] result = [.. lanes];
                batch.DecryptForward(copy, result, keys);
                expected ??= copy;
                flags ??= [.. result.Select(l => l.Valid)];
                Assert.Equal(expected, copy);
                Assert.Equal(flags, result.Select(l => l.Valid));
            }

            valid += flags!.Count(f => f);
            invalid += flags!.Count(f => !f);
        }

        Assert.True(valid > 1000 && invalid > 300, $"{valid}, {invalid}");
    }

    [Fact]
    public void Replies_are_the_same_at_every_level()
    {
        SeededBytes random = new(433);
        ReplyPacketBatch[] batches = [.. Levels.Select(level => new ReplyPacketBatch(level))];
        for (int round = 0; round < 60; round++)
        {
            PacketSize[] sizes = [.. Enumerable.Range(0, 1 + random.Below(Lanes)).Select(_ => Sizes[random.Below(Sizes.Length)])];
            PlacedPackets placed = new(random, sizes);
            byte[][] surbs = [.. sizes.Select(_ => RandomSurb(random))];
            byte[]? expected = null;
            foreach (ReplyPacketBatch batch in batches)
            {
                byte[] region = [.. placed.Region];
                batch.Clear();
                for (int i = 0; i < sizes.Length; i++)
                    Assert.Equal(i, batch.Add(placed.Offsets[i], sizes[i], surbs[i], placed.AckPrefixes[i]));
                batch.Build(region);
                expected ??= region;
                Assert.Equal(expected, region);
            }
        }
    }

    // What holds fresh randomness is opened instead: acks, forward packets and SURBs of every level.
    [Fact]
    public void What_every_level_builds_arrives()
    {
        SeededBytes random = new(439);
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
