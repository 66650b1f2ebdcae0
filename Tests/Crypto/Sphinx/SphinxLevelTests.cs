using FastExit.Crypto;
using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;
using static FastExit.Tests.Crypto.Lanes.LaneKernels;

namespace FastExit.Tests.Crypto.Sphinx;

/// <summary>Random batches of anything, at every level and by way of tables: byte for byte what the portable level makes.</summary>
public class SphinxLevelTests
{
    private const int Lanes = SphinxSizes.MaximumLanes;

    private static readonly ushort[] Versions = [259, 259, 259, 258, 257, 1, 260, 0];
    private static readonly int[] PayloadSizes = [38, 2065, 2065, 2065, 33, 8209, 500];
    private static readonly CpuLevel[] WideLevels =
        [.. Enum.GetValues<CpuLevel>().Where(level => level > CpuLevel.Portable && level <= CpuLevels.Highest)];

    // A point of the curve, the twist's smallest, and points of low order.
    private static readonly byte[][] OddKeys = [Key(9), Key(2), Key(0), Key(1), Key(5)];

    [Fact]
    [Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
    public void HeadersAreTheSameAtEveryLevelAndByTables()
    {
        int withTables = 0, headers = Cases(8_000);
        Assert.True(GeneratedInputs.Judged(401, headers, (random, lanes) => CompareHeaders(random, lanes, ref withTables)) >= headers);
        Assert.True(withTables > headers);
    }

    // The reference makes each header alone and by ladders.
    private static int CompareHeaders(SeededBytes random, int headers, ref int withTables)
    {
        SphinxHeaderBatch[] others =
            [.. Enumerable.Range(0, 1 + WideLevels.Length).Select(i => new SphinxHeaderBatch((CpuLevel)i))];
        (byte[] Public, X25519Table Table)[] nodes = [.. Enumerable.Range(0, 12).Select(_ => Node(random))];
        SphinxHeaderBatch ladders = new(CpuLevel.Portable);
        int judged = 0;
        while (judged < headers)
        {
            int count = 1 + random.Below(Lanes);
            Request[] requests = [.. Enumerable.Range(0, count).Select(_ => new Request(random, nodes))];
            Interlocked.Add(ref withTables, requests.Sum(r => r.Tables.Count(t => t is not null)));
            bool derive = random.Below(4) != 0;
            foreach (SphinxHeaderBatch batch in others)
                Build(batch, requests, tables: true, derive);
            for (int lane = 0; lane < count; lane++)
            {
                Build(ladders, [requests[lane]], tables: false, derive);
                foreach (SphinxHeaderBatch batch in others)
                {
                    Assert.Equal(ladders.Header(0), batch.Header(lane));
                    Assert.Equal(ladders.PayloadSeeds(0), batch.PayloadSeeds(lane));
                    if (derive || SphinxVersion.HasExplicitKeys(requests[lane].Version))
                        Assert.Equal(ladders.PayloadKeys(0), batch.PayloadKeys(lane));
                }
            }

            judged += count;
        }

        return judged;
    }

    // A table of another key would make packets that nobody can open; one that was freed must not be read.
    [Fact]
    public void TablesThatAreNotOfTheKeyAreLeftAside()
    {
        SeededBytes random = new(409);
        (byte[] key, X25519Table table) = Node(random);
        (_, X25519Table other) = Node(random);
        X25519Table disposed = X25519Table.TryCreate(key)!;
        disposed.Dispose();
        byte[] secret = random.Bytes(32), padding = random.Bytes(SphinxSizes.PaddingBytes(1)), address = random.Bytes(32);
        byte[]? expected = null;
        foreach (X25519Table? candidate in (X25519Table?[])[null, table, other, disposed])
        {
            SphinxHeaderBatch batch = new();
            Assert.Equal(0, batch.Add(
                new SphinxRoute(key, address, new ulong[1], new byte[32], new byte[16], [candidate]), 259, secret, padding));
            batch.Build();
            expected ??= batch.Header(0).ToArray();
            Assert.Equal(expected, batch.Header(0).ToArray());
        }

        Assert.Equal(
            -1, new SphinxHeaderBatch().Add(new SphinxRoute(key, address, new ulong[1], new byte[32], new byte[16], [table, table]), 259));
    }

    [Fact]
    [Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
    public void HopsAreTheSameAtEveryLevel()
    {
        int[] seen = new int[Enum.GetValues<SphinxStatus>().Length];
        int count = Cases(100_000);
        int judged = GeneratedInputs.Judged(419, count, (random, lanes) => CompareHops(random, lanes, seen));
        Assert.True(judged >= count);
        foreach (SphinxStatus status in Enum.GetValues<SphinxStatus>())
        {
            if (status is not (SphinxStatus.None or SphinxStatus.HeaderValid))
                Assert.True(seen[(int)status] > count / 100, $"{status}: {seen[(int)status]}");
        }
    }

    private static int CompareHops(SeededBytes random, int count, int[] seen)
    {
        SphinxHopBatch reference = new(CpuLevel.Portable);
        SphinxHopBatch[] others = [.. WideLevels.Select(level => new SphinxHopBatch(level))];
        SphinxHeaderBatch builder = new();
        int judged = 0;
        while (judged < count)
        {
            byte[] privateKeys = random.Bytes(3 * 32);
            (byte[] region, SphinxLane[] lanes) = Packets(random, builder, privateKeys);
            bool allowForward = random.Below(4) != 0;
            int skipped = random.Below(4) == 0 ? random.Below(lanes.Length) : -1;
            (byte[] expectedRegion, SphinxLane[] expected) =
                OpenSingly(reference, region, lanes, privateKeys, skipped, allowForward);
            judged += lanes.Length;
            foreach (ref readonly SphinxLane lane in expected.AsSpan())
                Interlocked.Increment(ref seen[(int)lane.Status]);
            foreach (SphinxHopBatch batch in others)
            {
                (byte[] actualRegion, SphinxLane[] actual) =
                    Open(batch, region, lanes, privateKeys, skipped, allowForward);
                Assert.True(expectedRegion.AsSpan().SequenceEqual(actualRegion));
                for (int i = 0; i < lanes.Length; i++)
                    AssertSame(expected[i], actual[i]);
            }
        }

        return judged;
    }

    [Fact]
    public void LargeTablesCountAsWhatTheyTake()
    {
        SeededBytes random = new(431);
        byte[][] keys = [.. Enumerable.Range(0, 3).Select(_ => Node(random).Public)];
        using NodeTables tables = new(X25519Table.LargeTableBytes + X25519Table.TableBytes);
        NodeTables.Entry large = tables.Of(keys[0], isLarge: true), small = tables.Of(keys[1]);
        Assert.Same(large, tables.Of(keys[0]));
        NodeTables.Entry another = tables.Of(keys[2], isLarge: true);
        tables.Build(CancellationToken.None);
        Assert.Equal((X25519Table.LargeTableBytes, X25519Table.TableBytes), (large.Table!.Bytes, small.Table!.Bytes));
        Assert.Null(another.Table);
        Assert.Equal(X25519Table.LargeTableBytes + X25519Table.TableBytes, tables.Bytes);
        tables.Forget(keys[0]);
        Assert.Equal(X25519Table.TableBytes, tables.Bytes);
        tables.Build(CancellationToken.None);
        Assert.Equal(X25519Table.LargeTableBytes, another.Table!.Bytes);
    }

    [Fact]
    public void TablesComeInOrderWithinTheirRoomAndAreForgotten()
    {
        SeededBytes random = new(421);
        byte[][] keys = [.. Enumerable.Range(0, 4).Select(_ => Node(random).Public)];
        using NodeTables tables = new(2 * X25519Table.TableBytes + 100);
        NodeTables.Entry[] entries = [.. keys.Select(k => tables.Of(k))];
        Assert.Same(entries[1], tables.Of(keys[1]));
        Assert.All(entries, e => Assert.Null(e.Table));
        tables.Build(CancellationToken.None);
        Assert.Equal([true, true, false, false], entries.Select(e => e.Table is not null));
        Assert.Equal(2 * X25519Table.TableBytes, tables.Bytes);
        Assert.Equal(keys[1], entries[1].Table!.Point);

        tables.Forget(keys[0]);
        Assert.Null(entries[0].Table);
        tables.Build(CancellationToken.None);
        Assert.Equal([false, true, true, false], entries.Select(e => e.Table is not null));

        // The twist has no tables, and costs no room.
        tables.Forget(keys[1]);
        tables.Forget(keys[3]);
        NodeTables.Entry twist = tables.Of(Key(2));
        tables.Build(CancellationToken.None);
        Assert.Null(twist.Table);
        Assert.Equal(X25519Table.TableBytes, tables.Bytes);
        tables.Dispose();
        Assert.Null(entries[2].Table);
    }

    private static byte[] Key(byte first)
    {
        byte[] key = new byte[32];
        key[0] = first;
        return key;
    }

    private static (byte[] Public, X25519Table Table) Node(SeededBytes random)
    {
        byte[] key = new byte[32];
        X25519.MultiplyBase(random.Bytes(32), key);
        return (key, X25519Table.TryCreate(key)!);
    }

    private static void Build(SphinxHeaderBatch batch, Request[] requests, bool tables, bool derive)
    {
        batch.Clear();
        for (int lane = 0; lane < requests.Length; lane++)
            Assert.Equal(lane, requests[lane].AddTo(batch, tables));
        batch.Build(derive);
    }

    private static (byte[] Region, SphinxLane[] Lanes) Open(
        SphinxHopBatch batch, byte[] region, SphinxLane[] lanes, byte[] privateKeys, int skipped, bool allowForward)
    {
        (region, lanes) = ([.. region], [.. lanes]);
        batch.OpenHeaders(region, lanes, privateKeys);
        if (skipped >= 0)
            lanes[skipped].Status = SphinxStatus.Skipped;
        batch.OpenPayloads(region, lanes, allowForward);
        return (region, lanes);
    }

    // Each packet as a batch of its own.
    private static (byte[] Region, SphinxLane[] Lanes) OpenSingly(
        SphinxHopBatch batch, byte[] region, SphinxLane[] lanes, byte[] privateKeys, int skipped, bool allowForward)
    {
        (region, lanes) = ([.. region], [.. lanes]);
        for (int i = 0; i < lanes.Length; i++)
        {
            batch.OpenHeaders(region, lanes.AsSpan(i, 1), privateKeys);
            if (skipped == i)
                lanes[i].Status = SphinxStatus.Skipped;
            batch.OpenPayloads(region, lanes.AsSpan(i, 1), allowForward);
        }

        return (region, lanes);
    }

    // Up to 8 packets one behind the other, for routes that begin at one of three nodes, some of them spoilt.
    private static (byte[] Region, SphinxLane[] Lanes) Packets(
        SeededBytes random, SphinxHeaderBatch builder, byte[] privateKeys)
    {
        builder.Clear();
        SphinxLane[] lanes = new SphinxLane[1 + random.Below(Lanes)];
        List<byte> region = [.. random.Bytes(random.Below(20))];
        for (int i = 0; i < lanes.Length; i++)
        {
            lanes[i].Key = random.Below(privateKeys.Length / 32);
            byte[] first = new byte[32];
            X25519.MultiplyBase(privateKeys.AsSpan(32 * lanes[i].Key, 32), first);
            new Request(random, [(first, null!)]).AddTo(builder, tables: false);
        }

        builder.Build();
        for (int i = 0; i < lanes.Length; i++)
        {
            int payloadBytes = PayloadSizes[random.Below(PayloadSizes.Length)];
            byte[] packet = SphinxRun.Packet(
                builder.Header(i), builder.PayloadKeys(i), payloadBytes, random.Bytes(random.Below(payloadBytes - 16)));
            lanes[i].Offset = region.Count;
            Spoil(random, ref packet, ref lanes[i], privateKeys);
            region.AddRange(packet);
            lanes[i].Length = packet.Length;
        }

        return ([.. region, .. random.Bytes(random.Below(20))], lanes);
    }

    private static void Spoil(SeededBytes random, ref byte[] packet, ref SphinxLane lane, byte[] privateKeys)
    {
        switch (random.Below(16))
        {
            case 0:
                packet[random.Below(SphinxSizes.HeaderBytes)] ^= (byte)(1 << random.Below(7));
                break;
            case 1:
                packet[SphinxSizes.HeaderBytes + random.Below(packet.Length - SphinxSizes.HeaderBytes)] ^= 1;
                break;
            case 2:
                packet = packet[..random.Below(packet.Length)];
                break;
            case 3:
                lane.Key = random.Below(5) - 1;
                break;
            case 4:
                random.Fill(packet);
                break;
            case 5:
                packet = packet[..(SphinxSizes.HeaderBytes + 17 + random.Below(16))];
                break;
            case 6:
                lane.Offset = -1 - random.Below(3);
                break;
            case 7:
                packet[48] ^= 4;
                Authenticate(packet, privateKeys.AsSpan(32 * lane.Key, 32));
                break;
            case 8:
                packet.AsSpan(0, 32).Clear();
                break;
        }
    }

    // Another flag than there is, under a good code.
    private static void Authenticate(Span<byte> packet, ReadOnlySpan<byte> privateKey)
    {
        byte[] secret = new byte[32], expanded = new byte[SharedSecretExpansion.Bytes];
        X25519.Multiply(privateKey, packet[..32], secret);
        SharedSecretExpansion expansion = SharedSecretExpansion.Start(secret);
        expansion.ExtendTo(1, expanded);
        RoutingBlock.ComputeMac(expanded.AsSpan(SharedSecretExpansion.MacKeyOffset, 16), packet[48..348], packet[32..48]);
    }

    private static void AssertSame(SphinxLane expected, SphinxLane actual)
    {
        Assert.Equal(expected.Status, actual.Status);
        Assert.Equal(
            (expected.IsForward, expected.Version, expected.DelayNanoseconds, expected.PlaintextOffset, expected.PlaintextBytes),
            (actual.IsForward, actual.Version, actual.DelayNanoseconds, actual.PlaintextOffset, actual.PlaintextBytes));
        Assert.Equal(expected.ReplayTag[..], actual.ReplayTag[..]);
        Assert.Equal(expected.Destination[..], actual.Destination[..]);
        Assert.Equal(expected.NextHop[..], actual.NextHop[..]);
        Assert.Equal(expected.Identifier[..], actual.Identifier[..]);
    }

    // A header to build: 1 to 5 hops, any version, keys of nodes with and without tables, now and then an odd key.
    private sealed class Request
    {
        private readonly byte[] _keys, _addresses, _destination, _identifier, _secret, _padding;
        private readonly ulong[] _delays;

        public Request(SeededBytes random, (byte[] Public, X25519Table Table)[] nodes)
        {
            int hops = 1 + random.Below(SphinxSizes.MaximumHops);
            Version = Versions[random.Below(Versions.Length)];
            _keys = new byte[32 * hops];
            _addresses = random.Bytes(32 * hops);
            _delays = new ulong[hops];
            Tables = new X25519Table?[hops];
            for (int hop = 0; hop < hops; hop++)
            {
                (byte[] key, X25519Table? table) = nodes[random.Below(nodes.Length)];
                if (hop > 0 && random.Below(10) == 0)
                    (key, table) = (OddKeys[random.Below(OddKeys.Length)], null);
                key.CopyTo(_keys, 32 * hop);
                Tables[hop] = random.Below(4) == 0 ? null : table;
                _delays[hop] = random.Next();
                if (random.Below(8) != 0)
                    _addresses[32 * hop] = (byte)(random.Below(2) == 0 ? 4 : 6);
            }

            (_destination, _identifier) = (random.Bytes(32), random.Bytes(16));
            (_secret, _padding) = (random.Bytes(32), random.Bytes(SphinxSizes.PaddingBytes(hops)));
        }

        public ushort Version { get; }

        public X25519Table?[] Tables { get; }

        public int AddTo(SphinxHeaderBatch batch, bool tables) =>
            batch.Add(
                new SphinxRoute(_keys, _addresses, _delays, _destination, _identifier, tables ? Tables : default),
                Version,
                _secret,
                _padding);
    }
}
