using System.Runtime.CompilerServices;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

/// <summary>HMAC-SHA-256 of several messages side by side, each under its own key.</summary>
/// <remarks>
/// <para>References: RFC 2104, as <see cref="HmacSha256"/>.</para>
/// <para>Parameters: as <see cref="Sha256Lanes"/>; keys of one length, at most 64 bytes; codes of 1 to 32 bytes, the first
/// ones of 32.</para>
/// <para>Constant time: as <see cref="Sha256Lanes"/>.</para>
/// </remarks>
public static class HmacSha256Lanes
{
    /// <summary>Longest key in bytes: a block. A longer one would be hashed first; no key here is.</summary>
    public const int MaximumKeyBytes = Sha256.BlockBytes;

    /// <summary>
    /// The first macBytes bytes of the code of message i go to byte i * macStride of macs, which must not overlap the
    /// region. Lane i's key is field i.
    /// </summary>
    public static void Compute(
        LaneFields keys,
        ReadOnlySpan<byte> region,
        ReadOnlySpan<LaneRange> messages,
        Span<byte> macs,
        int macStride,
        int macBytes = HmacSha256.MacBytes) =>
        Compute(CpuLevels.Current, keys, region, messages, macs, macStride, macBytes);

    [SkipLocalsInit]
    internal static unsafe void Compute(
        CpuLevel level,
        LaneFields keys,
        ReadOnlySpan<byte> region,
        ReadOnlySpan<LaneRange> messages,
        Span<byte> macs,
        int macStride,
        int macBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(keys.Length, MaximumKeyBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)macBytes, (uint)HmacSha256.MacBytes);
        keys.ThrowIfShort(messages.Length);
        byte* memory = stackalloc byte[Sha256Wide.MemoryBytes];
        byte* kept = stackalloc byte[64 + 4 * 2 * Sha256Wide.StateWords];
        uint* midstates = (uint*)Sha256Wide.Align(kept);
        byte** pointers = stackalloc byte*[Sha256Lanes.MaximumLanes];
        int* lengths = stackalloc int[Sha256Lanes.MaximumLanes];
        Span<byte> mac = stackalloc byte[HmacSha256.MacBytes];
        fixed (byte* bytes = region)
        {
            for (int first = 0; first < messages.Length; first += Sha256Lanes.MaximumLanes)
            {
                int lanes = Math.Min(messages.Length - first, Sha256Lanes.MaximumLanes);
                Span<byte> output = macs[(first * macStride)..];
                if (Sha256Wide.Pays(level, lanes))
                {
                    Sha256Wide wide = new(level, lanes, memory);
                    Sha256Lanes.Place(bytes, region.Length, messages.Slice(first, lanes), pointers, lengths);
                    wide.ActivateAll();
                    LaneFields group = new(keys.Bytes[(first * keys.Stride)..], keys.Stride, keys.Length);
                    wide.PrepareKeys(group, midstates, midstates + Sha256Wide.StateWords);
                    wide.Absorb(pointers, lengths, Sha256.BlockBytes, midstates, wide.Words);
                    wide.FinishMac(midstates + Sha256Wide.StateWords, wide.State);
                    wide.StoreDigests(wide.State, output, macStride, macBytes);
                    continue;
                }

                for (int lane = 0; lane < lanes; lane++)
                {
                    LaneRange m = messages[first + lane];
                    HmacSha256.Compute(level, keys[first + lane], region.Slice(m.Offset, m.Length), mac);
                    mac[..macBytes].CopyTo(output.Slice(lane * macStride, macBytes));
                }
            }
        }
    }
}
