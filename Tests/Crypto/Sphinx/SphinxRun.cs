using System.Text.Json;
using FastExit.Crypto;
using FastExit.Crypto.Sphinx;

namespace FastExit.Tests.Crypto.Sphinx;

/// <summary>Builds and walks whole packets for the tests.</summary>
internal static class SphinxRun
{
    public static int Add(SphinxHeaderBatch batch, JsonElement entry)
    {
        List<JsonElement> nodes = entry.List("nodes");
        ulong[] delays = [.. entry.List("delays_ns").Select(d => ulong.Parse(d.GetString()!))];
        return batch.Add(
            new SphinxRoute(
                nodes.Joined("public_key"), nodes.Joined("address"), delays, entry.Hex("destination"), entry.Hex("identifier")),
            (ushort)entry.Int("version"),
            entry.Hex("initial_secret"),
            entry.Hex("header_padding"));
    }

    public static byte[] Packet(ReadOnlySpan<byte> header, ReadOnlySpan<byte> keys, int payloadBytes, byte[] message) =>
        Packet(header, keys, payloadBytes, message, CpuLevels.Current);

    public static byte[] Packet(
        ReadOnlySpan<byte> header, ReadOnlySpan<byte> keys, int payloadBytes, byte[] message, CpuLevel level)
    {
        byte[] packet = new byte[SphinxSizes.HeaderBytes + payloadBytes];
        header.CopyTo(packet);
        message.CopyTo(packet, SphinxSizes.HeaderBytes + SphinxPayload.MessageOffset);
        SphinxPayload.Frame(packet.AsSpan(SphinxSizes.HeaderBytes), message.Length);
        PayloadLane[] lanes = [new(SphinxSizes.HeaderBytes, payloadBytes, 0, keys.Length / SphinxSizes.PayloadKeyBytes)];
        SphinxPayload.AddLayers(level, packet, lanes, keys);
        return packet;
    }

    /// <summary>Processes one packet at one hop, in place.</summary>
    public static SphinxLane Open(SphinxHopBatch batch, byte[] packet, byte[] privateKey, bool allowForward = true)
    {
        SphinxLane[] lanes = [new() { Length = packet.Length }];
        batch.OpenHeaders(packet, lanes, privateKey);
        batch.OpenPayloads(packet, lanes, allowForward);
        return lanes[0];
    }

    public static byte[] Plaintext(byte[] region, SphinxLane lane) =>
        region.AsSpan(lane.PlaintextOffset, lane.PlaintextBytes).ToArray();
}
