using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

/// <summary>One payload of a region to put layers on.</summary>
/// <param name="Offset">First byte of the payload (not of the packet) in the region.</param>
/// <param name="Length">Bytes of the payload, at least 33.</param>
/// <param name="KeysOffset">Where this lane's Hops payload keys of 192 bytes begin, route order.</param>
/// <param name="Hops">Layers.</param>
public readonly record struct PayloadLane(int Offset, int Length, int KeysOffset, int Hops);

/// <summary>Framing and layers of payloads (sphinx.md §8): 16 zero bytes, message, 0x01, zeros; last hop's layer innermost.</summary>
public static class SphinxPayload
{
    /// <summary>Where the message stands in a framed payload.</summary>
    public const int MessageOffset = 16;

    private const byte Marker = 1;

    /// <summary>
    /// Writes the 16 zeros, the marker and the rest around a message that lies at payload[16..]. The message must leave
    /// room for <see cref="SphinxSizes.PayloadOverheadBytes"/>.
    /// </summary>
    public static void Frame(Span<byte> payload, int messageBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(messageBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(messageBytes, payload.Length - SphinxSizes.PayloadOverheadBytes);
        payload[..MessageOffset].Clear();
        Span<byte> rest = payload[(MessageOffset + messageBytes)..];
        rest.Clear();
        rest[0] = Marker;
    }

    /// <summary>Encrypts every lane in place with its keys, last hop first. Any number of lanes, not overlapping.</summary>
    public static void AddLayers(Span<byte> region, ReadOnlySpan<PayloadLane> lanes, ReadOnlySpan<byte> keys) =>
        AddLayers(CpuLevels.Current, region, lanes, keys);

    internal static void AddLayers(
        CpuLevel level, Span<byte> region, ReadOnlySpan<PayloadLane> lanes, ReadOnlySpan<byte> keys)
    {
        Span<byte> layerKeys = stackalloc byte[SphinxSizes.MaximumLanes * Lioness.KeyBytes];
        Span<LionessLane> layer = stackalloc LionessLane[SphinxSizes.MaximumLanes];
        while (!lanes.IsEmpty)
        {
            ReadOnlySpan<PayloadLane> group = lanes[..Math.Min(lanes.Length, SphinxSizes.MaximumLanes)];
            lanes = lanes[group.Length..];
            int count;
            int fromLast = 0;
            do
            {
                count = 0;
                foreach (ref readonly PayloadLane lane in group)
                {
                    int hop = lane.Hops - 1 - fromLast;
                    if (hop < 0)
                        continue;
                    keys.Slice(lane.KeysOffset + hop * Lioness.KeyBytes, Lioness.KeyBytes)
                        .CopyTo(layerKeys[(count * Lioness.KeyBytes)..]);
                    layer[count++] = new(lane.Offset, lane.Length);
                }

                Lioness.EncryptLanes(level, region, layer[..count], layerKeys);
                fromLast++;
            }
            while (count > 0);
        }

        layerKeys.Clear();
    }

    /// <summary>
    /// Finds the message in a payload without layers (sphinx.md §8.4): 16 zero bytes, then up to the last byte that is
    /// 0x01. What follows that byte is not looked at. False when either is missing.
    /// </summary>
    public static bool TryRecover(ReadOnlySpan<byte> payload, out int plaintextOffset, out int plaintextBytes)
    {
        plaintextOffset = MessageOffset;
        plaintextBytes = 0;
        if (payload.Length < SphinxSizes.PayloadOverheadBytes || !X25519.IsZero(payload[..MessageOffset]))
            return false;
        int marker = payload[MessageOffset..].LastIndexOf(Marker);
        plaintextBytes = Math.Max(marker, 0);
        return marker >= 0;
    }
}
