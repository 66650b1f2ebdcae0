using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using Xunit;

namespace FastExit.Tests.Crypto.Sphinx;

public class SphinxPropertyTests
{
    private static readonly int[] PlaintextSizes = [21, 2048, 8192, 16384, 32768, 16, 100];
    private static readonly ushort[] Versions = [1, 257, 258, 259, 260, 0, 65535];

    // Random routes of 1 to 5 hops, every size, every kind of version, eight lanes at a time: in lock step to the end.
    [Fact]
    public void WhatIsBuiltArrives()
    {
        Random random = new(21);
        SphinxHeaderBatch builder = new();
        SphinxHopBatch hopBatch = new();
        for (int round = 0; round < 30; round++)
        {
            builder.Clear();
            Journey[] journeys = [.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => new Journey(random))];
            for (int lane = 0; lane < journeys.Length; lane++)
                Assert.Equal(lane, builder.Add(journeys[lane].Route, journeys[lane].Version));
            Assert.Equal(journeys.Length, builder.Count);
            builder.Build();
            byte[] region = [.. journeys.SelectMany((j, lane) => SphinxRun.Packet(
                builder.Header(lane), builder.PayloadKeys(lane), j.Message.Length + j.Slack + 17, j.Message))];
            SphinxLane[] lanes = new SphinxLane[journeys.Length];
            byte[] keys = [.. journeys.SelectMany(j => j.PrivateKeys)];
            HashSet<string> tags = [];
            for (int hop = 0; hop < SphinxSizes.MaximumHops; hop++)
            {
                int offset = 0, keyIndex = 0;
                for (int i = 0; i < lanes.Length; i++)
                {
                    lanes[i].Offset = offset;
                    lanes[i].Length = SphinxSizes.HeaderBytes + journeys[i].Message.Length + journeys[i].Slack + 17;
                    // Lanes that have arrived are given a place outside the region.
                    if (hop >= journeys[i].Hops)
                        lanes[i].Offset = region.Length - lanes[i].Length + 1;
                    lanes[i].Key = keyIndex + Math.Min(hop, journeys[i].Hops - 1);
                    offset += lanes[i].Length;
                    keyIndex += journeys[i].Hops;
                }

                hopBatch.OpenHeaders(region, lanes, keys);
                hopBatch.OpenPayloads(region, lanes);
                for (int i = 0; i < lanes.Length; i++)
                    journeys[i].Check(hop, lanes[i], region, tags);
            }

            Assert.Equal(journeys.Sum(j => j.Hops), tags.Count);
        }
    }

    // A key on the twist, which nobody can own: the folded scalar would miss it, the chain of §4.2 does not.
    [Fact]
    public void TwistKeysTakeTheChain()
    {
        Random random = new(22);
        byte[] x = new byte[32], twist = new byte[32], keys = new byte[96], secret = new byte[32];
        random.NextBytes(x);
        do
            random.NextBytes(twist);
        while (X25519.IsOnCurve(twist));
        byte[] privateKey = new byte[32];
        privateKey[3] = 1;
        X25519.MultiplyBase(privateKey, keys);
        twist.CopyTo(keys, 32);
        twist.CopyTo(keys, 64);
        SphinxHeaderBatch batch = new();
        for (int lane = 0; lane < 3; lane++)
        {
            Assert.Equal(lane, batch.Add(
                new SphinxRoute(keys, new byte[96], new ulong[3], new byte[32], new byte[16]), 259, x, new byte[128]));
        }

        batch.Build();
        List<byte[]> factors = [];
        for (int hop = 0; hop < 3; hop++)
        {
            X25519.Multiply(x, keys.AsSpan(32 * hop, 32), secret);
            foreach (byte[] factor in factors)
                X25519.Multiply(factor, secret, secret);
            byte[] expanded = new byte[SharedSecretExpansion.Bytes];
            SharedSecretExpansion expansion = SharedSecretExpansion.Start(secret);
            expansion.ExtendTo(SharedSecretExpansion.AllBlocks, expanded);
            Assert.Equal(expanded[32..48], batch.PayloadSeeds(1).Slice(16 * hop, 16).ToArray());
            factors.Add(expanded[224..256]);
        }
    }

    [Fact]
    public void RoutesThatCannotBeAreNotAdded()
    {
        SphinxHeaderBatch batch = new();
        ulong[] delays = new ulong[6];
        for (int hops = 0; hops <= 6; hops++)
        {
            SphinxRoute route = new(
                new byte[32 * hops], new byte[32 * hops], delays.AsSpan(0, hops), new byte[32], new byte[16]);
            batch.Clear();
            Assert.Equal(hops is >= 1 and <= 5 ? 0 : -1, batch.Add(route, 259));
        }

        batch.Clear();
        Assert.Equal(-1, batch.Add(new SphinxRoute(new byte[33], new byte[32], delays.AsSpan(0, 1), new byte[32], new byte[16]), 259));
        Assert.Equal(-1, batch.Add(new SphinxRoute(new byte[32], new byte[64], delays.AsSpan(0, 1), new byte[32], new byte[16]), 259));
        Assert.Equal(-1, batch.Add(new SphinxRoute(new byte[32], new byte[32], delays.AsSpan(0, 2), new byte[32], new byte[16]), 259));
        Assert.Equal(-1, batch.Add(new SphinxRoute(new byte[32], new byte[32], delays.AsSpan(0, 1), new byte[31], new byte[16]), 259));
        SphinxRoute good = new(new byte[32], new byte[32], delays.AsSpan(0, 1), new byte[32], new byte[16]);
        Assert.Equal(-1, batch.Add(good, 259, new byte[31], new byte[248]));
        Assert.Equal(-1, batch.Add(good, 259, new byte[32], new byte[247]));
        for (int lane = 0; lane < 8; lane++)
            Assert.Equal(lane, batch.Add(good, 259));
        Assert.Equal(-1, batch.Add(good, 259));
    }

    [Fact]
    public void NextHopAndForwardingAreTheCallersChoice()
    {
        Random random = new(23);
        Journey journey = new(random) { };
        while (journey.Hops < 2)
            journey = new(random);
        byte[] addresses = (byte[])journey.Addresses.Clone();
        addresses[32] = 5;
        SphinxHeaderBatch builder = new();
        builder.Add(new SphinxRoute(journey.PublicKeys, addresses, journey.Delays, journey.Destination, journey.Identifier), 259);
        builder.Build();
        byte[] packet = SphinxRun.Packet(builder.Header(0), builder.PayloadKeys(0), 2065, new byte[2048]);
        byte[] copy = (byte[])packet.Clone();
        byte[] key = journey.PrivateKeys[..32];
        Assert.Equal(SphinxStatus.BadAddress, SphinxRun.Open(new SphinxHopBatch(), copy, key).Status);
        Assert.Equal(SphinxStatus.Forward, SphinxRun.Open(new SphinxHopBatch(), copy, key, allowForward: false).Status);
        Assert.Equal(packet, copy);
        SphinxHopBatch free = new() { ChecksNextHop = false };
        Assert.Equal(SphinxStatus.Forward, SphinxRun.Open(free, copy, key).Status);
        Assert.NotEqual(packet, copy);

        // Skipped after the headers: untouched. A key that is not there: skipped.
        SphinxLane[] lanes = [new() { Length = packet.Length }, new() { Length = packet.Length, Key = 1 }];
        copy = (byte[])packet.Clone();
        free.OpenHeaders(copy, lanes, key);
        Assert.Equal(SphinxStatus.HeaderValid, lanes[0].Status);
        Assert.Equal(SphinxStatus.Skipped, lanes[1].Status);
        lanes[0].Status = SphinxStatus.Skipped;
        free.OpenPayloads(copy, lanes);
        Assert.Equal(SphinxStatus.Skipped, lanes[0].Status);
        Assert.Equal(packet, copy);
    }

    private sealed class Journey
    {
        public Journey(Random random)
        {
            Hops = random.Next(1, 6);
            Version = Versions[random.Next(Versions.Length)];
            Message = new byte[PlaintextSizes[random.Next(PlaintextSizes.Length)]];
            Slack = random.Next(3) == 0 ? random.Next(50) : 0;
            PrivateKeys = new byte[32 * Hops];
            PublicKeys = new byte[32 * Hops];
            Addresses = new byte[32 * Hops];
            Delays = new ulong[Hops];
            foreach (byte[] field in (byte[][])[PrivateKeys, Message, Addresses, Destination, Identifier])
                random.NextBytes(field);
            for (int hop = 0; hop < Hops; hop++)
            {
                X25519.MultiplyBase(PrivateKeys.AsSpan(32 * hop, 32), PublicKeys.AsSpan(32 * hop, 32));
                Addresses[32 * hop] = (byte)(random.Next(2) == 0 ? 4 : 6);
                Delays[hop] = (ulong)random.NextInt64();
            }
        }

        public int Hops { get; }
        public ushort Version { get; }
        public byte[] Message { get; }
        public int Slack { get; }
        public byte[] PrivateKeys { get; }
        public byte[] PublicKeys { get; }
        public byte[] Addresses { get; }
        public ulong[] Delays { get; }
        public byte[] Destination { get; } = new byte[32];
        public byte[] Identifier { get; } = new byte[16];
        public SphinxRoute Route => new(PublicKeys, Addresses, Delays, Destination, Identifier);

        public void Check(int hop, SphinxLane lane, byte[] region, HashSet<string> tags)
        {
            if (hop >= Hops)
            {
                Assert.Equal(SphinxStatus.InvalidLength, lane.Status);
                return;
            }

            Assert.Equal(Version, lane.Version);
            Assert.True(tags.Add(Convert.ToHexString(lane.ReplayTag)));
            if (hop < Hops - 1)
            {
                Assert.Equal(SphinxStatus.Forward, lane.Status);
                Assert.Equal(Delays[hop], lane.DelayNanoseconds);
                Assert.Equal(Addresses.AsSpan(32 * (hop + 1), 32).ToArray(), lane.NextHop[..].ToArray());
                return;
            }

            Assert.Equal(SphinxStatus.Final, lane.Status);
            Assert.Equal(Destination, lane.Destination[..].ToArray());
            Assert.Equal(Identifier, lane.Identifier[..].ToArray());
            Assert.Equal(Message, SphinxRun.Plaintext(region, lane));
        }
    }
}
