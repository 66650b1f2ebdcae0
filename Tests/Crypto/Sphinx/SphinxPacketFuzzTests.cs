using System.Buffers.Binary;
using FastExit.Crypto;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using Xunit;
using static FastExit.Tests.Crypto.Lanes.LaneKernels;

namespace FastExit.Tests.Crypto.Sphinx;

/// <summary>
/// A million whole packets (fewer at the portable level), most of them with a right code over whatever the routing block says, so that what stands behind the code is
/// reached. The builder knows the shared secrets of a few alphas beforehand; the hop computes every one.
/// </summary>
public class SphinxPacketFuzzTests
{
    private const int LongestPayload = 160;
    private const int Stride = SphinxSizes.HeaderBytes + LongestPayload;
    private static readonly ushort[] Versions = [1, 257, 258, 259];

    // A million take minutes where X25519 is done one after the other.
    private static readonly int s_inputs =
        CpuLevels.Current == CpuLevel.Portable ? Cases(3 * GeneratedInputs.Count / 10)
        : CpuLevels.Current < CpuLevels.Highest ? Cases(GeneratedInputs.Count) : GeneratedInputs.Count;

    [Fact]
    public void PacketsMeanWhatTheirBuilderWrote()
    {
        int[] seen = new int[Enum.GetValues<SphinxStatus>().Length];
        int good = GeneratedInputs.Accepted(36, (random, inputs) => Share(random, inputs, seen), s_inputs);

        Assert.InRange(good, s_inputs * 3 / 10, s_inputs * 8 / 10);
        foreach (SphinxStatus reached in new[]
        {
            SphinxStatus.Forward, SphinxStatus.Final, SphinxStatus.InvalidLength, SphinxStatus.BadMac, SphinxStatus.BadRouting,
            SphinxStatus.BadAddress, SphinxStatus.BadPayload, SphinxStatus.Skipped,
        })
        {
            Assert.True(seen[(int)reached] > s_inputs / 200, $"{reached}: {seen[(int)reached]}");
        }
    }

    private static int Share(Random random, int inputs, int[] seen)
    {
        byte[] privateKey = new byte[32];
        random.NextBytes(privateKey);
        Sender[] senders = [.. Enumerable.Range(0, 32).Select(_ => new Sender(random, privateKey))];
        byte[] region = new byte[8 * Stride], before = new byte[region.Length], payloadKey = new byte[SphinxSizes.PayloadKeyBytes];
        SphinxHopBatch[] batches = [new(), new() { TagsBySeedBlock = true }];
        SphinxLane[] lanes = new SphinxLane[8];
        Expected[] expected = [.. Enumerable.Range(0, 8).Select(_ => new Expected())];
        int good = 0;
        for (int done = 0; done < inputs; done += lanes.Length)
        {
            bool allowForward = random.Next(8) == 0;
            SphinxHopBatch batch = batches[random.Next(2)];
            for (int i = 0; i < lanes.Length; i++)
                lanes[i] = Build(random, senders[random.Next(senders.Length)], region, i * Stride, allowForward, expected[i], payloadKey);
            region.CopyTo(before, 0);
            batch.OpenHeaders(region, lanes, privateKey);
            Assert.True(region.AsSpan().SequenceEqual(before));
            for (int i = 0; i < lanes.Length; i++)
            {
                Assert.Equal(expected[i].HeaderStatus, lanes[i].Status);
                if (lanes[i].Status == SphinxStatus.HeaderValid && expected[i].IsTakenOut)
                    lanes[i].Status = SphinxStatus.Skipped;
            }

            batch.OpenPayloads(region, lanes, allowForward);
            for (int i = 0; i < lanes.Length; i++)
            {
                Interlocked.Increment(ref seen[(int)lanes[i].Status]);
                good += Judge(in lanes[i], expected[i], region, before, i * Stride, allowForward, batch.TagsBySeedBlock) ? 1 : 0;
            }
        }

        return good;
    }

    private static SphinxLane Build(
        Random random, Sender sender, byte[] region, int offset, bool allowForward, Expected expected, byte[] payloadKey)
    {
        int payloadBytes = random.Next(16) == 0
            ? random.Next(SphinxSizes.MinimumPayloadBytes)
            : random.Next(SphinxSizes.MinimumPayloadBytes, LongestPayload + 1);
        Span<byte> packet = region.AsSpan(offset, SphinxSizes.HeaderBytes + payloadBytes);
        Span<byte> block = expected.Block;
        random.NextBytes(block);
        block[0] = (byte)(random.Next(8) == 0 ? random.Next(256) : random.Next(1, 3));
        ushort version = random.Next(4) == 0 ? (ushort)random.Next(ushort.MaxValue + 1) : Versions[random.Next(Versions.Length)];
        BinaryPrimitives.WriteUInt16BigEndian(block[2..], version);
        if (random.Next(4) != 0)
            block[4] = (byte)(random.Next(2) == 0 ? 4 : 6);

        sender.Alpha.CopyTo(packet);
        Span<byte> routing = packet[48..348];
        for (int i = 0; i < routing.Length; i++)
            routing[i] = (byte)(block[i] ^ sender.Keystream[i]);
        HmacSha256.Compute(sender.Expanded.AsSpan(16, 16), routing, expected.Mac);
        expected.Mac.AsSpan(0, 16).CopyTo(packet[32..48]);

        // 16 zeros, text without a one, the one, zeros: each may be missing.
        Span<byte> payload = packet[348..];
        payload.Clear();
        int text = random.Next(Math.Max(1, payloadBytes - 16));
        for (int i = 16; i < Math.Min(payloadBytes, 16 + text); i++)
            payload[i] = (byte)random.Next(2, 256);
        bool framed = payloadBytes >= SphinxSizes.MinimumPayloadBytes && random.Next(8) != 0;
        if (framed)
            payload[16 + text] = 1;
        else if (random.Next(2) == 0 && payloadBytes > 0)
            payload[random.Next(Math.Min(16, payloadBytes))] = 1;
        expected.Payload = payload.ToArray();
        if (payloadBytes >= SphinxSizes.MinimumPayloadBytes)
        {
            if (version is 1 or 257 or 258)
                sender.Expanded.AsSpan(32, 192).CopyTo(payloadKey);
            else
                sender.SeedKey.CopyTo(payloadKey, 0);
            Lioness.Encrypt(payloadKey, payload);
        }

        // Noise, one bit of the header (the highest of alpha is not part of the point), a packet that is cut, or nothing.
        int harm = random.Next(12);
        int length = packet.Length;
        if (harm == 0)
        {
            random.NextBytes(packet);
        }
        else if (harm == 1)
        {
            int bit = random.Next(8 * SphinxSizes.HeaderBytes);
            packet[bit >> 3] ^= (byte)(1 << (bit & 7));
            harm = bit == 255 ? -1 : 1;
        }
        else if (harm == 2)
        {
            length = random.Next(SphinxSizes.MinimumPacketBytes);
        }

        bool forward = block[0] == 1;
        expected.Sender = sender;
        expected.Version = version;
        expected.IsTakenOut = random.Next(32) == 0;
        expected.TextBytes = text;
        expected.HeaderStatus = length < SphinxSizes.MinimumPacketBytes ? SphinxStatus.InvalidLength
            : harm is 0 or 1 ? SphinxStatus.BadMac
            : block[0] is not (1 or 2) ? SphinxStatus.BadRouting
            : SphinxStatus.HeaderValid;
        expected.Status = expected.HeaderStatus != SphinxStatus.HeaderValid ? expected.HeaderStatus
            : expected.IsTakenOut ? SphinxStatus.Skipped
            : forward && !allowForward ? SphinxStatus.Forward
            : payloadBytes < SphinxSizes.MinimumPayloadBytes ? SphinxStatus.BadPayload
            : forward && block[4] is not (4 or 6) ? SphinxStatus.BadAddress
            : forward ? SphinxStatus.Forward
            : framed ? SphinxStatus.Final
            : SphinxStatus.BadPayload;
        return new() { Offset = offset, Length = length };
    }

    private static bool Judge(in SphinxLane lane, Expected expected, byte[] region, byte[] before, int offset, bool allowForward, bool shortTags)
    {
        Assert.Equal(expected.Status, lane.Status);
        ReadOnlySpan<byte> packet = region.AsSpan(offset, Stride), sent = before.AsSpan(offset, Stride);
        ReadOnlySpan<byte> block = expected.Block, expanded = expected.Sender.Expanded;
        if (expected.HeaderStatus == SphinxStatus.HeaderValid)
        {
            // What a key comes from, or may be, is never part of a tag.
            bool isShort = shortTags && block[0] == 2 && expected.Version is not (1 or 257 or 258);
            byte[] tag = isShort ? [.. expanded[48..64], .. expanded[48..64]] : [.. expanded[256..288]];
            bool same = lane.Version == expected.Version && lane.IsForward == (block[0] == 1)
                && tag.SequenceEqual(lane.ReplayTag)
                && (lane.IsForward
                    ? block[4..36].SequenceEqual(lane.NextHop) && lane.DelayNanoseconds == BinaryPrimitives.ReadUInt64BigEndian(block[36..])
                    : block[4..36].SequenceEqual(lane.Destination) && block[36..52].SequenceEqual(lane.Identifier));
            Assert.True(same);
        }

        if (lane.Status == SphinxStatus.Final)
        {
            Assert.Equal(offset + 364, lane.PlaintextOffset);
            Assert.Equal(expected.TextBytes, lane.PlaintextBytes);
            Assert.True(packet.Slice(364, lane.PlaintextBytes).SequenceEqual(expected.Payload.AsSpan(16, lane.PlaintextBytes)));
            return true;
        }

        if (lane.Status == SphinxStatus.Forward && allowForward)
        {
            // The next hop's alpha, then what was behind this hop's part of the block, made whole by the stream's last 60 bytes.
            byte[] alpha = expected.Version is 1 or 257 ? expected.Sender.ReducedAlpha : expected.Sender.ClampedAlpha;
            Assert.True(packet[..32].SequenceEqual(alpha));
            Assert.True(packet[32..288].SequenceEqual(block[44..300]));
            Assert.True(packet[288..348].SequenceEqual(expected.Sender.Keystream.AsSpan(300, 60)));
            Assert.True(packet.Slice(348, expected.Payload.Length).SequenceEqual(expected.Payload));
            return true;
        }

        if (lane.Status != SphinxStatus.BadPayload)
            Assert.True(packet.SequenceEqual(sent));
        return lane.Status == SphinxStatus.Forward;
    }

    private sealed class Expected
    {
        public byte[] Block { get; } = new byte[SphinxSizes.RoutingBytes];

        public byte[] Mac { get; } = new byte[32];

        public byte[] Payload { get; set; } = [];

        public Sender Sender { get; set; } = null!;

        public ushort Version { get; set; }

        public bool IsTakenOut { get; set; }

        public int TextBytes { get; set; }

        public SphinxStatus HeaderStatus { get; set; }

        public SphinxStatus Status { get; set; }
    }

    /// <summary>An alpha and all that its shared secret with the hop gives.</summary>
    private sealed class Sender
    {
        public Sender(Random random, byte[] privateKey)
        {
            random.NextBytes(Alpha);
            Alpha[31] &= 0x7f;
            byte[] secret = new byte[32], reduced = new byte[32];
            X25519.Multiply(privateKey, Alpha, secret);
            SharedSecretExpansion expansion = SharedSecretExpansion.Start(secret);
            expansion.ExtendTo(SharedSecretExpansion.AllBlocks, Expanded);
            SharedSecretExpansion.ExpandSeed(Expanded.AsSpan(32, 16), SeedKey);
            AesCtr.Keystream(Expanded.AsSpan(0, 16), Keystream);
            X25519.Multiply(Expanded.AsSpan(224, 32), Alpha, ClampedAlpha);
            GroupOrderScalar.Reduce(Expanded.AsSpan(224, 32), reduced);
            X25519.MultiplyUnclamped(reduced, Alpha, ReducedAlpha);
        }

        public byte[] Alpha { get; } = new byte[32];

        public byte[] Expanded { get; } = new byte[SharedSecretExpansion.Bytes];

        public byte[] SeedKey { get; } = new byte[SphinxSizes.PayloadKeyBytes];

        public byte[] Keystream { get; } = new byte[SphinxSizes.StreamBytes];

        public byte[] ClampedAlpha { get; } = new byte[32];

        public byte[] ReducedAlpha { get; } = new byte[32];
    }
}
