using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using Xunit;

namespace FastExit.Tests.Crypto.Sphinx;

public class SphinxFuzzTests
{
    // A million payloads that begin like good ones or nearly so; the oracle is §8.4 word by word.
    [Fact]
    [Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
    public void PayloadRecoveryFollowsTheRule()
    {
        Random random = new(31);
        byte[] buffer = new byte[64];
        int recovered = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            Span<byte> payload = buffer.AsSpan(0, random.Next(buffer.Length));
            random.NextBytes(payload);
            if (i % 4 != 0)
                payload[..Math.Min(16, payload.Length)].Clear();
            if (i % 16 == 1 && payload.Length > 0)
                payload[random.Next(payload.Length)] = 1;
            for (int j = 16; j < payload.Length; j++)
                payload[j] &= 3;
            int marker = -1;
            bool zeros = payload.Length >= 17;
            for (int j = 0; j < payload.Length; j++)
            {
                zeros &= j >= 16 || payload[j] == 0;
                if (j >= 16 && payload[j] == 1)
                    marker = j;
            }

            bool found = SphinxPayload.TryRecover(payload, out int offset, out int bytes);
            Assert.True(found == (zeros && marker >= 0));
            Assert.True(!found || (offset == 16 && offset + bytes == marker));
            recovered += found ? 1 : 0;
        }

        Assert.InRange(recovered, 200_000, 800_000);
    }

    [Fact]
    [Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
    public void SurbMaterialIsToldByItsLength()
    {
        Random random = new(32);
        byte[] buffer = new byte[2000];
        random.NextBytes(buffer);
        int good = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            int length = i < buffer.Length ? i : random.Next(buffer.Length);
            bool whole = i % 2 == 0;
            bool found = whole
                ? Surb.TryRead(buffer.AsSpan(0, length), out int hops, out SurbKeyForm form)
                : Surb.TryMaterial(buffer.AsSpan(0, length), out hops, out form);
            int material = whole ? length - 380 : length;
            bool seeds = material is 16 or 32 or 48 or 64 or 80, keys = material is 192 or 384 or 576 or 768 or 960;
            Assert.True(found == (seeds || keys));
            Assert.True(!found || hops * (form == SurbKeyForm.Seeds ? 16 : 192) == material);
            good += found ? 1 : 0;
        }

        Assert.InRange(good, 1_000, 100_000);
    }

    // Noise and damaged packets of full size beside a good one; SphinxPacketFuzzTests has a million smaller ones, and
    // lengths and places have a million of their own below.
    [Fact]
    public void GarbageNeverGetsPastTheCode()
    {
        Random random = new(33);
        byte[] good = GoodPacket(out byte[] key);
        byte[] region = new byte[8 * good.Length];
        SphinxHopBatch batch = new();
        SphinxLane[] lanes = new SphinxLane[8];
        for (int round = 0; round < 1_000; round++)
        {
            int[] damaged = new int[8];
            for (int i = 0; i < 8; i++)
            {
                Span<byte> packet = region.AsSpan(i * good.Length, good.Length);
                good.CopyTo(packet);
                lanes[i] = new() { Offset = i * good.Length, Length = good.Length };
                damaged[i] = i == round % 8 ? 0 : random.Next(1, 4);
                if (damaged[i] == 1)
                    random.NextBytes(packet);
                else if (damaged[i] == 2)
                    packet[random.Next(SphinxSizes.HeaderBytes)] ^= (byte)(1 << random.Next(7));
                else if (damaged[i] == 3)
                    packet[random.Next(SphinxSizes.HeaderBytes, good.Length)] ^= (byte)(1 << random.Next(8));
            }

            byte[] before = (byte[])region.Clone();
            batch.OpenHeaders(region, lanes, key);
            Assert.Equal(before, region);
            batch.OpenPayloads(region, lanes);
            for (int i = 0; i < 8; i++)
            {
                SphinxStatus expected = damaged[i] switch
                {
                    0 => SphinxStatus.Final,
                    3 => SphinxStatus.BadPayload,
                    _ => SphinxStatus.BadMac,
                };
                Assert.Equal(expected, lanes[i].Status);
                if (expected == SphinxStatus.BadMac)
                    Assert.True(before.AsSpan(lanes[i].Offset, good.Length).SequenceEqual(region.AsSpan(lanes[i].Offset, good.Length)));
            }
        }
    }

    // A million lanes that are too short, out of the region or have no key: refused before any arithmetic.
    [Fact]
    [Trait(CpuLevelTests.Levels, CpuLevelTests.Same)]
    public void ImpossiblePlacesAreRefused()
    {
        Random random = new(34);
        byte[] region = new byte[5000], key = new byte[32];
        SphinxHopBatch batch = new();
        SphinxLane[] lanes = new SphinxLane[8];
        int[] edges = [int.MinValue, -1, 0, 364, 365, 5000, 5001, int.MaxValue];
        for (int round = 0; round < 125_000; round++)
        {
            for (int i = 0; i < 8; i++)
            {
                ref SphinxLane lane = ref lanes[i];
                lane.Offset = random.Next(2) == 0 ? edges[random.Next(edges.Length)] : random.Next(-10, 6000);
                lane.Length = random.Next(2) == 0 ? edges[random.Next(edges.Length)] : random.Next(-10, 6000);
                lane.Key = random.Next(2) == 0 ? -1 : random.Next(1, int.MaxValue);
                lane.Status = (SphinxStatus)random.Next(10);
            }

            batch.OpenHeaders(region, lanes, key);
            foreach (ref SphinxLane lane in lanes.AsSpan())
            {
                bool placed = lane.Length >= 365 && lane.Offset >= 0 && (long)lane.Offset + lane.Length <= region.Length;
                Assert.True(lane.Status == (placed ? SphinxStatus.Skipped : SphinxStatus.InvalidLength));
            }

            batch.OpenPayloads(region, lanes);
        }
    }

    [Fact]
    public void NothingIsAllocated()
    {
        byte[] good = GoodPacket(out byte[] key);
        byte[] region = new byte[8 * good.Length], surb = new byte[Surb.Bytes(1, SurbKeyForm.Seeds)];
        byte[] publicKey = new byte[32], keys = new byte[192 * 8];
        X25519.MultiplyBase(key, publicKey);
        byte[] address = new byte[32], destination = new byte[32], identifier = new byte[16];
        ulong[] delays = new ulong[1];
        SphinxHeaderBatch builder = new();
        SphinxHopBatch batch = new();
        SphinxLane[] lanes = new SphinxLane[8];
        PayloadLane[] payloads = [new(SphinxSizes.HeaderBytes, 2065, 0, 1)];
        byte[] digest = new byte[32];
        long allocated = -1;
        for (int round = 0; round < 60; round++)
        {
            if (round == 40)
                allocated = GC.GetAllocatedBytesForCurrentThread();
            builder.Clear();
            for (int i = 0; i < 8; i++)
                builder.Add(new SphinxRoute(publicKey, address, delays, destination, identifier), Versions[i % 4]);
            builder.Build();
            Surb.Write(builder, 3, surb);
            Surb.TryRead(surb, out _, out SurbKeyForm form);
            Surb.ExpandKeys(surb.AsSpan(Surb.MaterialOffset), form, keys);
            for (int i = 0; i < 8; i++)
            {
                Span<byte> packet = region.AsSpan(i * good.Length, good.Length);
                good.CopyTo(packet);
                packet[i] ^= (byte)(i & 1);
                lanes[i].Offset = i * good.Length;
                lanes[i].Length = good.Length;
                lanes[i].Key = 0;
            }

            batch.OpenHeaders(region, lanes, key);
            batch.OpenPayloads(region, lanes);
            SphinxPayload.Frame(region.AsSpan(SphinxSizes.HeaderBytes, 2065), 2048);
            SphinxPayload.AddLayers(region, payloads, keys);
            Blake3.Hash(region, digest);
            HkdfBlake3.DeriveFragmentKey(digest, digest.AsSpan(0, 16));
            AesBitsliced.Transform(digest.AsSpan(0, 16), digest.AsSpan(0, 16), region.AsSpan(0, 100));
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - allocated);
        Assert.Equal(SphinxStatus.Final, lanes[0].Status);
        Assert.Equal(SphinxStatus.BadMac, lanes[1].Status);
    }

    private static readonly ushort[] Versions = [1, 257, 258, 259];

    private static byte[] GoodPacket(out byte[] privateKey)
    {
        privateKey = new byte[32];
        new Random(35).NextBytes(privateKey);
        byte[] publicKey = new byte[32];
        X25519.MultiplyBase(privateKey, publicKey);
        SphinxHeaderBatch builder = new();
        builder.Add(new SphinxRoute(publicKey, new byte[32], new ulong[1], new byte[32], new byte[16]), 259);
        builder.Build();
        return SphinxRun.Packet(builder.Header(0), builder.PayloadKeys(0), 2065, new byte[2048]);
    }
}
