using System.Text.Json;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

/// <summary>What the builders make, taken apart by the nodes and clients it is meant for.</summary>
public class PacketBuilderTests
{
    private static readonly PacketSize[] Sizes =
        [PacketSize.Regular, PacketSize.Extended8, PacketSize.Extended16, PacketSize.Extended32];

    [Fact]
    public void Acks_come_back_with_their_identifiers()
    {
        SeededBytes random = new(101);
        AckBatch batch = new();
        for (int round = 0; round < 3; round++)
        {
            batch.Clear();
            int count = round == 0 ? 8 : 1 + random.Below(8);
            byte[] key = random.Bytes(16);
            TestRoute[] routes = new TestRoute[count];
            for (int lane = 0; lane < count; lane++)
            {
                routes[lane] = new TestRoute(random, 1 + random.Below(5));
                Assert.Equal(lane, batch.Add(routes[lane].Route, key, (uint)(0x1000 + lane), (byte)(lane + 1)));
            }

            batch.Build();
            for (int lane = 0; lane < count; lane++)
            {
                ReadOnlySpan<byte> prefix = batch.Prefix(lane);
                Assert.Equal(405, prefix.Length);
                CheckAck(prefix, routes[lane], key, (uint)(0x1000 + lane), (byte)(lane + 1));
            }
        }
    }

    [Fact]
    public void Replies_reach_the_maker_of_their_surbs()
    {
        SeededBytes random = new(103);
        for (int round = 0; round < 3; round++)
        {
            // Lane i uses i mod 4 as its size; hops differ; one guard byte pattern lies between the packets.
            TestRoute[] routes = [.. Enumerable.Range(0, 8).Select(i => new TestRoute(random, round == 0 ? 4 : 1 + (i % 5)))];
            ReplySurbBatch surbs = new();
            foreach (TestRoute route in routes)
                surbs.Add(route.Route);
            surbs.Build();

            ReplyPacketBatch replies = new();
            PlacedPackets placed = new(random, Sizes.Concat(Sizes).ToArray());
            for (int i = 0; i < 8; i++)
            {
                Assert.Equal(396 + (16 * routes[i].Hops), surbs.Surb(i).Length);
                Assert.Equal(i, replies.Add(placed.Offsets[i], placed.Sizes[i], surbs.Surb(i), placed.AckPrefixes[i]));
                Assert.Equal(routes[i].FirstHop, replies.FirstHop(i));
            }

            Assert.Equal(-1, replies.Add(0, PacketSize.Regular, surbs.Surb(0), placed.AckPrefixes[0]));
            Assert.Equal(-1, surbs.Add(routes[0].Route));
            replies.Build(placed.Region);
            placed.AssertGuards();
            for (int i = 0; i < 8; i++)
            {
                byte[] plaintext = routes[i].Travel(placed.Packet(i));
                Assert.Equal(PacketSizes.PlaintextBytes(placed.Sizes[i]), plaintext.Length);
                Assert.Equal(placed.AckPrefixes[i], plaintext[..405]);
                Assert.Equal(surbs.Digest(i).ToArray(), plaintext[405..437]);
                byte[] digest = new byte[32];
                Blake3.Hash(surbs.ReplyKey(i), digest);
                Assert.Equal(digest, plaintext[405..437]);
                ReplyKey.Transform(surbs.ReplyKey(i), plaintext.AsSpan(437));
                Assert.Equal(placed.Fragments[i], plaintext[437..]);
            }
        }
    }

    [Fact]
    public void Both_surb_key_forms_give_the_same_packet()
    {
        SeededBytes random = new(107);
        TestRoute route = new(random, 4);
        ReplySurbBatch surbs = new();
        surbs.Add(route.Route);
        surbs.Build();
        Assert.Equal(460, surbs.Surb(0).Length);

        // Seeds expanded when the SURB arrived.
        byte[] expanded = new byte[SurbBlock.LegacyEntryBytes];
        surbs.Surb(0)[..396].CopyTo(expanded);
        Surb.ExpandKeys(surbs.Surb(0)[396..], SurbKeyForm.Seeds, expanded.AsSpan(396));

        PlacedPackets placed = new(random, [PacketSize.Regular, PacketSize.Regular]);
        placed.Fragments[0].CopyTo(placed.Region, placed.Offsets[1] + PacketLayout.FragmentOffset);
        ReplyPacketBatch replies = new();
        replies.Add(placed.Offsets[0], PacketSize.Regular, surbs.Surb(0), placed.AckPrefixes[0]);
        replies.Add(placed.Offsets[1], PacketSize.Regular, expanded, placed.AckPrefixes[0]);
        replies.Build(placed.Region);
        Assert.Equal(placed.Packet(0).ToArray(), placed.Packet(1).ToArray());
        Assert.Equal(placed.AckPrefixes[0], route.Travel(placed.Packet(1))[..405]);
    }

    [Fact]
    public void Legacy_surbs_are_honoured()
    {
        SeededBytes random = new(109);
        TestRoute route = new(random, 4);
        SphinxHeaderBatch headers = new();
        headers.Add(route.Route, SphinxVersion.ExplicitKeys);
        headers.Build();
        byte[] surb = new byte[SurbBlock.LegacyEntryBytes];
        byte[] key = random.Bytes(16);
        key.CopyTo(surb, 0);
        Assert.Equal(1164 - 16, Surb.Write(headers, 0, surb.AsSpan(16)));
        PlacedPackets placed = new(random, [PacketSize.Extended8]);
        ReplyPacketBatch replies = new();
        replies.Add(placed.Offsets[0], placed.Sizes[0], surb, placed.AckPrefixes[0]);
        replies.Build(placed.Region);
        byte[] plaintext = route.Travel(placed.Packet(0));
        ReplyKey.Transform(key, plaintext.AsSpan(437));
        Assert.Equal(placed.Fragments[0], plaintext[437..]);
    }

    // Vectors/sphinx.json: SURBs of versions 257 to 259, 1 to 5 hops, seeds and keys, made elsewhere.
    [Fact]
    public void Replies_with_known_surbs_are_opened_by_their_nodes()
    {
        SeededBytes random = new(113);
        int opened = 0;
        SphinxHopBatch hops = new() { ChecksNextHop = false };
        foreach (JsonElement vector in SphinxVectors.Surbs)
        {
            byte[] key = random.Bytes(16);
            byte[] replySurb = [.. key, .. vector.Hex("surb")];
            replySurb[364] = 4;
            JsonElement[] nodes = [.. vector.GetProperty("nodes").EnumerateArray()];
            byte[] privateKeys = [.. nodes.SelectMany(n => n.Hex("private_key"))];
            foreach (PacketSize size in Sizes)
            {
                PlacedPackets placed = new(random, [size]);
                ReplyPacketBatch replies = new();
                Assert.Equal(0, replies.Add(placed.Offsets[0], size, replySurb, placed.AckPrefixes[0]));
                replies.Build(placed.Region);
                SphinxLane[] lanes =
                    [new SphinxLane { Offset = placed.Offsets[0], Length = PacketSizes.PacketBytes(size) }];
                for (int i = 0; i < nodes.Length; i++)
                {
                    lanes[0].Key = i;
                    hops.OpenHeaders(placed.Region, lanes, privateKeys);
                    hops.OpenPayloads(placed.Region, lanes);
                }

                Assert.Equal(SphinxStatus.Final, lanes[0].Status);
                Assert.Equal(PacketSizes.PlaintextBytes(size), lanes[0].PlaintextBytes);
                Span<byte> plaintext = placed.Region.AsSpan(lanes[0].PlaintextOffset, lanes[0].PlaintextBytes);
                Assert.Equal(placed.AckPrefixes[0], plaintext[..405].ToArray());
                ReplyKey.Transform(key, plaintext[437..]);
                Assert.Equal(placed.Fragments[0], plaintext[437..].ToArray());
                opened++;
            }
        }

        Assert.Equal(48, opened);
    }

    [Fact]
    public void Bad_surbs_are_refused()
    {
        byte[] ack = new byte[405];
        ReplyPacketBatch replies = new();
        foreach (JsonElement vector in SphinxVectors.BadSurbs)
        {
            byte[] replySurb = [.. new byte[16], .. vector.Hex("surb")];

            // The vectors' first hops are random bytes; a node address is this layer's own demand.
            if (replySurb.Length > 364)
                replySurb[364] = 4;
            bool expected = vector.GetProperty("expect").GetProperty("outcome").GetString() == "ok";
            Assert.Equal(expected, ReplySurb.TryRead(replySurb, out _));
            replies.Clear();
            Assert.Equal(expected ? 0 : -1, replies.Add(0, PacketSize.Regular, replySurb, ack));
            if (!expected)
                continue;
            replySurb[364] = 9;
            Assert.Equal(-1, replies.Add(0, PacketSize.Regular, replySurb, ack));
        }

        for (int entries = 0; entries < 14; entries++)
        {
            byte[] replySurb = new byte[396 + (16 * entries)];
            replySurb[364] = 4;
            Assert.Equal(entries is (>= 1 and <= 5) or 12, ReplySurb.TryRead(replySurb, out _));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => replies.Add(0, PacketSize.Regular, new byte[460], new byte[404]));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => replies.Add(0, PacketSize.Acknowledgement, new byte[460], new byte[405]));
    }

    [Fact]
    public void Generated_surbs_are_read_by_length_and_address_alone()
    {
        SeededBytes random = new(127);
        byte[] buffer = new byte[1400];
        random.Fill(buffer);
        int accepted = 0;
        Allocation.AssertNone(() =>
        {
            for (int i = 0; i < 500_000; i++)
            {
                int length = random.Below(4) switch
                {
                    0 => random.Below(buffer.Length),
                    1 => 396 + (192 * random.Below(6)),
                    _ => 396 + (16 * random.Below(14)),
                };
                length = Math.Clamp(length + (random.Below(4) == 0 ? random.Below(3) - 1 : 0), 0, buffer.Length);
                buffer[364] = (byte)(3 + random.Below(4));
                buffer[random.Below(buffer.Length)] = (byte)random.Next();
                Span<byte> input = buffer.AsSpan(0, length);
                int material = length - 396;
                bool seeds = material is 16 or 32 or 48 or 64 or 80;
                bool keys = material is 192 or 384 or 576 or 768 or 960;
                bool expected = (seeds || keys) && input[364] is (4 or 6);
                if (ReplySurb.TryRead(input, out ReplySurb surb) != expected)
                    Assert.Fail($"{length} bytes");
                if (!expected)
                    continue;
                accepted++;
                if (surb.Hops != material / (seeds ? 16 : 192) || surb.Bytes.Length != length)
                    Assert.Fail($"{length} bytes");
            }
        });
        Assert.True(accepted > 100_000);
    }

    [Fact]
    public void Forward_packets_reach_their_recipients_and_release_their_acks()
    {
        SeededBytes random = new(131);
        byte[] ackKey = random.Bytes(16);
        TestRoute[] routes = [.. Enumerable.Range(0, 8).Select(i => new TestRoute(random, i < 4 ? 4 : 1 + (i % 5)))];
        TestRoute[] ackRoutes = [.. Enumerable.Range(0, 8).Select(_ => new TestRoute(random, 4))];
        AckBatch acks = new();
        for (int i = 0; i < 8; i++)
            acks.Add(ackRoutes[i].Route, ackKey, (uint)(77 + i), (byte)(200 + i));
        acks.Build();

        byte[] recipientKeys = random.Bytes(8 * 32), recipientPublic = new byte[8 * 32];
        X25519.MultiplyBaseLanes(recipientKeys, recipientPublic, 8);
        PlacedPackets placed = new(random, Sizes.Concat(Sizes).ToArray());
        ForwardPacketBatch forward = new();
        for (int i = 0; i < 8; i++)
        {
            acks.Prefix(i).CopyTo(placed.AckPrefixes[i]);
            Assert.Equal(i, forward.Add(
                placed.Offsets[i], placed.Sizes[i], routes[i].Route, recipientPublic.AsSpan(32 * i, 32),
                placed.AckPrefixes[i]));
        }

        Assert.Equal(-1, forward.Add(0, PacketSize.Regular, routes[0].Route, recipientPublic, placed.AckPrefixes[0]));
        forward.Build(placed.Region);
        placed.AssertGuards();
        for (int i = 0; i < 8; i++)
        {
            Assert.True(forward.IsBuilt(i));
            Assert.Equal(routes[i].FirstHop, forward.FirstHop(i));
            byte[] plaintext = routes[i].Travel(placed.Packet(i));
            Assert.Equal(PacketSizes.PlaintextBytes(placed.Sizes[i]), plaintext.Length);
            CheckAck(plaintext.AsSpan(0, 405), ackRoutes[i], ackKey, (uint)(77 + i), (byte)(200 + i));
            FragmentLane[] lanes = [new FragmentLane { Offset = 405, Length = plaintext.Length - 405, Key = i }];
            new FragmentCipherBatch().DecryptForward(plaintext, lanes, recipientKeys);
            Assert.True(lanes[0].Valid);
            Assert.Equal(placed.Fragments[i], plaintext[437..]);
        }
    }

    [Fact]
    public void A_low_order_recipient_is_not_built_and_spares_its_neighbours()
    {
        SeededBytes random = new(137);
        TestRoute route = new(random, 4);
        byte[] privateKey = random.Bytes(32), publicKey = new byte[32];
        X25519.MultiplyBase(privateKey, publicKey);
        PlacedPackets placed = new(random, [PacketSize.Regular, PacketSize.Regular, PacketSize.Regular]);
        ForwardPacketBatch forward = new();
        forward.Add(placed.Offsets[0], PacketSize.Regular, route.Route, publicKey, placed.AckPrefixes[0]);
        forward.Add(placed.Offsets[1], PacketSize.Regular, route.Route, new byte[32], placed.AckPrefixes[1]);
        forward.Add(placed.Offsets[2], PacketSize.Regular, route.Route, publicKey, placed.AckPrefixes[2]);
        forward.Build(placed.Region);
        Assert.Equal((true, false, true), (forward.IsBuilt(0), forward.IsBuilt(1), forward.IsBuilt(2)));
        foreach (int lane in new[] { 0, 2 })
            Assert.Equal(placed.AckPrefixes[lane], route.Travel(placed.Packet(lane))[..405]);
    }

    [Fact]
    public void Randomness_is_fresh_for_every_packet()
    {
        SeededBytes random = new(139);
        TestRoute route = new(random, 4);
        AckBatch acks = new();
        ReplySurbBatch surbs = new();
        HashSet<string> seen = [];
        for (int i = 0; i < 8; i++)
        {
            acks.Add(route.Route, new byte[16], 1, 1);
            surbs.Add(route.Route);
        }

        for (int round = 0; round < 2; round++)
        {
            acks.Build();
            surbs.Build();
            for (int i = 0; i < 8; i++)
            {
                if (round == 0)
                    Assert.True(seen.Add(Convert.ToHexString(acks.Prefix(i)[19..51])));
                Assert.True(seen.Add(Convert.ToHexString(surbs.ReplyKey(i))));
            }
        }
    }

    [SkippableFact]
    public void Builders_allocate_nothing()
    {
        Allocation.SkipIfUnoptimised();
        SeededBytes random = new(149);
        TestRoute route = new(random, 4);
        byte[] ackKey = random.Bytes(16), recipient = route.PublicKeys[..32];
        PlacedPackets placed = new(random, [.. Enumerable.Repeat(PacketSize.Regular, 8)]);
        AckBatch acks = new();
        ReplySurbBatch surbs = new();
        ReplyPacketBatch replies = new();
        ForwardPacketBatch forward = new();
        Allocation.AssertNone(() =>
        {
            acks.Clear();
            surbs.Clear();
            for (int i = 0; i < 8; i++)
            {
                acks.Add(route.Route, ackKey, 5, (byte)(i + 1));
                surbs.Add(route.Route);
            }

            acks.Build();
            surbs.Build();
            replies.Clear();
            forward.Clear();
            for (int i = 0; i < 8; i++)
                replies.Add(placed.Offsets[i], PacketSize.Regular, surbs.Surb(i), acks.Prefix(i));
            replies.Build(placed.Region);
            for (int i = 0; i < 8; i++)
                forward.Add(placed.Offsets[i], PacketSize.Regular, route.Route, recipient, acks.Prefix(i));
            forward.Build(placed.Region);
            NodeAddress first = replies.FirstHop(3);
            if (first != forward.FirstHop(4))
                Assert.Fail("The first hop got lost.");
        });
    }

    private static void CheckAck(ReadOnlySpan<byte> prefix, TestRoute route, byte[] key, uint setId, byte position)
    {
        Assert.True(NodeAddress.TryRead(prefix, out NodeAddress first, out _));
        Assert.Equal(route.FirstHop, first);
        byte[] content = route.Travel(prefix[19..]);
        Assert.Equal(21, content.Length);
        Assert.True(AckContent.TryRead(content, key, out uint readId, out byte readPosition));
        Assert.Equal((setId, position), (readId, readPosition));
    }
}
