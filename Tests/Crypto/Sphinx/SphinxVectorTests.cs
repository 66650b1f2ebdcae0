using System.Text.Json;
using FastExit.Crypto;
using FastExit.Crypto.Sphinx;
using Xunit;

namespace FastExit.Tests.Crypto.Sphinx;

/// <summary>Every packet, SURB and bad packet of the vector file, at every level; counts asserted so that none is skipped.</summary>
[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class SphinxVectorTests
{
    /// <summary>What this CPU has.</summary>
    public static TheoryData<CpuLevel> Levels =>
        [.. Enum.GetValues<CpuLevel>().Where(level => level <= CpuLevels.Highest)];

    private static SphinxHopBatch HopBatch(CpuLevel level) => new(level) { ChecksNextHop = false };

    [Theory]
    [MemberData(nameof(Levels))]
    public void PacketsAreBuiltByteForByte(CpuLevel level)
    {
        BuildAll(level, "packets_259", 11);
        BuildAll(level, "packets_legacy", 11);
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void PacketsAreOpenedAtEveryHop(CpuLevel level)
    {
        OpenAll(level, "packets_259", 11, 33);
        OpenAll(level, "packets_legacy", 11, 31);
    }

    private static void BuildAll(CpuLevel level, string section, int count)
    {
        List<JsonElement> entries = SphinxVectors.Entries(section);
        Assert.Equal(count, entries.Count);
        SphinxHeaderBatch batch = new(level);
        int built = 0;
        foreach (JsonElement[] group in entries.Chunk(SphinxSizes.MaximumLanes))
        {
            batch.Clear();
            for (int lane = 0; lane < group.Length; lane++)
                Assert.Equal(lane, SphinxRun.Add(batch, group[lane]));
            batch.Build();
            for (int lane = 0; lane < group.Length; lane++, built++)
            {
                JsonElement entry = group[lane];
                byte[] keys = [.. entry.List("hops").SelectMany(h => h.Hex("payload_key"))];
                Assert.Equal(keys, batch.PayloadKeys(lane).ToArray());
                byte[] seeds = [.. entry.List("hops").SelectMany(h => h.Hex("expanded_secret")[32..48])];
                Assert.Equal(seeds, batch.PayloadSeeds(lane).ToArray());
                Assert.Equal(
                    entry.Hex("packet"),
                    SphinxRun.Packet(batch.Header(lane), batch.PayloadKeys(lane), entry.Int("payload_size"), entry.Hex("message"), level));
            }
        }

        Assert.Equal(count, built);
    }

    private static void OpenAll(CpuLevel level, string section, int count, int hopCount)
    {
        List<JsonElement> entries = SphinxVectors.Entries(section);
        Assert.Equal(count, entries.Count);
        int hops = 0;
        foreach (JsonElement entry in entries)
            hops += Walk(level, entry, entry.Hex("packet"), entry.Hex("message"));
        Assert.Equal(hopCount, hops);
        Assert.Equal(hopCount, entries.Sum(e => e.Int("hop_count")));
    }

    // All 22 packets, eight at a time, whatever their version and size: the same as alone.
    [Theory]
    [MemberData(nameof(Levels))]
    public void LanesOfAnyMixEqualSingles(CpuLevel level)
    {
        List<JsonElement> entries = [.. SphinxVectors.Entries("packets_259"), .. SphinxVectors.Entries("packets_legacy")];
        Assert.Equal(22, entries.Count);
        SphinxHopBatch batch = HopBatch(level);
        foreach (JsonElement[] group in entries.Chunk(SphinxSizes.MaximumLanes))
        {
            byte[] keys = [.. group.SelectMany(e => e.List("nodes")[0].Hex("private_key"))];
            byte[] region = [.. group.SelectMany(e => e.Hex("packet"))];
            SphinxLane[] lanes = new SphinxLane[group.Length];
            for (int i = 0, offset = 0; i < lanes.Length; offset += lanes[i++].Length)
                lanes[i] = new() { Offset = offset, Length = group[i].Hex("packet").Length, Key = i };
            batch.OpenHeaders(region, lanes, keys);
            batch.OpenPayloads(region, lanes);
            for (int i = 0; i < lanes.Length; i++)
            {
                JsonElement hop = group[i].List("hops")[0];
                CheckLane(hop, lanes[i], region);
                byte[] alone = group[i].Hex("packet");
                SphinxRun.Open(HopBatch(level), alone, group[i].List("nodes")[0].Hex("private_key"));
                Assert.Equal(alone, region[lanes[i].Offset..(lanes[i].Offset + lanes[i].Length)]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void SurbsAreMadeUsedAndOpened(CpuLevel level)
    {
        List<JsonElement> entries = SphinxVectors.Entries("surbs");
        Assert.Equal(12, entries.Count);
        SphinxHeaderBatch batch = new(level);
        int hops = 0;
        foreach (JsonElement entry in entries)
        {
            batch.Clear();
            Assert.Equal(0, SphinxRun.Add(batch, entry));
            // Seeds need no payload keys at the creator's.
            batch.Build(derivePayloadKeys: false);
            byte[] surb = new byte[2000];
            int bytes = Surb.Write(batch, 0, surb);
            surb = surb[..bytes];
            Assert.Equal(entry.Hex("surb"), surb);

            Assert.True(Surb.TryRead(surb, out int entryCount, out SurbKeyForm form));
            Assert.Equal(entry.Int("hop_count"), entryCount);
            Assert.Equal(entry.Text("key_material") == "seeds_16" ? SurbKeyForm.Seeds : SurbKeyForm.Keys, form);
            Assert.Equal(bytes, Surb.Bytes(entryCount, form));
            Assert.Equal(
                entry.Hex("first_hop_address"),
                surb[Surb.FirstHopOffset..Surb.MaterialOffset]);
            byte[] keys = new byte[entryCount * SphinxSizes.PayloadKeyBytes];
            Surb.ExpandKeys(surb.AsSpan(Surb.MaterialOffset), form, keys);
            byte[] packet = SphinxRun.Packet(
                surb.AsSpan(Surb.HeaderOffset, SphinxSizes.HeaderBytes), keys, entry.Int("payload_size"), entry.Hex("reply"), level);
            Assert.Equal(entry.Hex("reply_packet"), packet);
            hops += Walk(level, entry, packet, entry.Hex("reply"));
        }

        Assert.Equal(entries.Sum(e => e.Int("hop_count")), hops);
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void BadPacketsFailWhereTheyShould(CpuLevel level)
    {
        List<JsonElement> entries = SphinxVectors.Entries("bad_packets");
        Assert.Equal(34, entries.Count);
        int errors = 0;
        foreach (JsonElement entry in entries)
        {
            JsonElement expect = entry.GetProperty("expect");
            byte[] packet = entry.Hex("packet");
            byte[][] keys = [.. entry.List("node_private_keys").Select(k => Convert.FromHexString(k.GetString()!))];
            SphinxHopBatch batch = HopBatch(level);
            SphinxLane lane = default;
            int hop = 0;
            for (; hop < keys.Length; hop++)
            {
                lane = SphinxRun.Open(batch, packet, keys[hop]);
                if (lane.Status != SphinxStatus.Forward)
                    break;
            }

            string id = entry.Text("id");
            Assert.True(expect.Int("at_hop") == hop, id);

            // The network's own nodes accept it; the vector leaves it open.
            if (id == "alpha-zero")
            {
                Assert.Equal(SphinxStatus.BadKey, lane.Status);
                continue;
            }

            if (expect.Text("outcome") == "ok")
            {
                Assert.True(lane.Status == SphinxStatus.Final, id);
                Assert.Equal(expect.Int("reported_version"), lane.Version);
                Assert.Equal(expect.Hex("plaintext"), SphinxRun.Plaintext(packet, lane));
                continue;
            }

            errors++;
            SphinxStatus status = expect.Text("error") switch
            {
                "InvalidPacket" => SphinxStatus.InvalidLength,
                "InvalidHeader" => SphinxStatus.BadMac,
                "InvalidRouting" => SphinxStatus.BadRouting,
                "InvalidPayload" => SphinxStatus.BadPayload,
                string other => throw new InvalidDataException(other),
            };
            Assert.True(status == lane.Status, $"{id}: {lane.Status}");
        }

        Assert.Equal(entries.Count(e => e.GetProperty("expect").Text("outcome") == "error"), errors);
        Assert.InRange(errors, 1, 33);
    }

    // Good and bad packets in the same batch: each gets its own status, none disturbs the others.
    [Theory]
    [MemberData(nameof(Levels))]
    public void BadPacketsDoNotDisturbTheirNeighbours(CpuLevel level)
    {
        List<JsonElement> entries = SphinxVectors.Entries("bad_packets");
        SphinxHopBatch batch = HopBatch(level), single = HopBatch(level);
        foreach (JsonElement[] group in entries.Chunk(SphinxSizes.MaximumLanes))
        {
            byte[] keys = [.. group.SelectMany(e => Convert.FromHexString(e.List("node_private_keys")[0].GetString()!))];
            byte[] region = [.. group.SelectMany(e => e.Hex("packet"))];
            SphinxLane[] lanes = new SphinxLane[group.Length];
            for (int i = 0, offset = 0; i < lanes.Length; offset += lanes[i++].Length)
                lanes[i] = new() { Offset = offset, Length = group[i].Hex("packet").Length, Key = i };
            batch.OpenHeaders(region, lanes, keys);
            batch.OpenPayloads(region, lanes);
            for (int i = 0; i < lanes.Length; i++)
            {
                byte[] alone = group[i].Hex("packet");
                SphinxLane expected = SphinxRun.Open(single, alone, keys[(32 * i)..(32 * i + 32)]);
                Assert.Equal(expected.Status, lanes[i].Status);
                Assert.Equal(expected.PlaintextBytes, lanes[i].PlaintextBytes);
                Assert.Equal(expected.ReplayTag[..].ToArray(), lanes[i].ReplayTag[..].ToArray());
                Assert.Equal(alone, region[lanes[i].Offset..(lanes[i].Offset + lanes[i].Length)]);
            }
        }
    }

    [Fact]
    public void BadSurbsAreRefused()
    {
        List<JsonElement> entries = SphinxVectors.Entries("bad_surbs");
        Assert.Equal(7, entries.Count);
        foreach (JsonElement entry in entries)
        {
            bool good = entry.GetProperty("expect").Text("outcome") == "ok";
            Assert.True(good == Surb.TryRead(entry.Hex("surb"), out _, out _), entry.Text("id"));
        }
    }

    private static int Walk(CpuLevel level, JsonElement entry, byte[] packet, byte[] message)
    {
        SphinxHopBatch batch = HopBatch(level);
        List<JsonElement> hops = entry.List("hops");
        foreach (JsonElement hop in hops)
        {
            Assert.Equal(hop.Hex("alpha"), packet[..32]);
            byte[] key = entry.List("nodes")[hop.Int("node")].Hex("private_key");
            SphinxLane lane = SphinxRun.Open(batch, packet, key);
            CheckLane(hop, lane, packet);
        }

        Assert.Equal("final", hops[^1].Text("kind"));
        Assert.Equal(message, hops[^1].Hex("plaintext"));
        return hops.Count;
    }

    private static void CheckLane(JsonElement hop, SphinxLane lane, byte[] region)
    {
        Assert.Equal(hop.Hex("replay_tag"), lane.ReplayTag[..].ToArray());
        Assert.Equal(hop.Int("version"), lane.Version);
        if (hop.Text("kind") == "forward")
        {
            Assert.Equal(SphinxStatus.Forward, lane.Status);
            Assert.True(lane.IsForward);
            Assert.Equal(hop.Hex("next_hop_address"), lane.NextHop[..].ToArray());
            Assert.Equal(ulong.Parse(hop.Text("delay_ns")), lane.DelayNanoseconds);
            Assert.Equal(hop.Hex("next_packet"), region[lane.Offset..(lane.Offset + lane.Length)]);
            return;
        }

        Assert.Equal(SphinxStatus.Final, lane.Status);
        Assert.False(lane.IsForward);
        Assert.Equal(hop.Hex("destination"), lane.Destination[..].ToArray());
        Assert.Equal(hop.Hex("identifier"), lane.Identifier[..].ToArray());
        Assert.Equal(hop.Hex("plaintext"), SphinxRun.Plaintext(region, lane));
    }
}
