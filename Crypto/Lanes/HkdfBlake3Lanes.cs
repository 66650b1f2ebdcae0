using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

/// <summary>The fragment keys of several X25519 results side by side.</summary>
/// <remarks>
/// <para>References: as <see cref="HkdfBlake3"/>.</para>
/// <para>Parameters: any number of lanes, taken in groups of 16; secrets 32 bytes, keys 16 bytes. 6 compressions instead of
/// 8: those of the salt's padded blocks are constants.</para>
/// <para>Constant time: as <see cref="Blake3"/>.</para>
/// </remarks>
public static unsafe class HkdfBlake3Lanes
{
    private const uint InnerPad = 0x36363636, OuterPad = 0x5C5C5C5C;
    private const uint LastFlags = Blake3.ChunkEnd | Blake3.Root;

    // Chaining values after the padded key blocks of a salt of zeros: a chunk of 16 equal words and more to come.
    private static readonly uint[] SaltInner = AfterBlockOf(InnerPad), SaltOuter = AfterBlockOf(OuterPad);

    /// <summary>Key i, 16 bytes, goes to byte i * keyStride of keys; secret i is field i. They must not overlap.</summary>
    public static void DeriveFragmentKeys(LaneFields sharedSecrets, int lanes, Span<byte> keys, int keyStride) =>
        DeriveFragmentKeys(CpuLevels.Current, sharedSecrets, lanes, keys, keyStride);

    [SkipLocalsInit]
    internal static void DeriveFragmentKeys(
        CpuLevel level, LaneFields sharedSecrets, int lanes, Span<byte> keys, int keyStride)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(sharedSecrets.Length, X25519.KeyBytes);
        sharedSecrets.ThrowIfShort(lanes);
        Span<byte> memory = stackalloc byte[Blake3Wide.MemoryBytes];
        uint* pseudorandomKey = stackalloc uint[Blake3Wide.StateWords];
        for (int first = 0; first < lanes; first += Blake3Wide.MaximumLanes)
        {
            int count = Math.Min(Blake3Wide.MaximumLanes, lanes - first);
            // A wide kernel wins even for a single lane.
            if (level != CpuLevel.Portable)
            {
                fixed (byte* start = memory)
                {
                    Blake3Wide wide = new(level, count, start);
                    DeriveGroup(wide, sharedSecrets, first, count, pseudorandomKey);
                    wide.StoreDigests(keys[(first * keyStride)..], keyStride, HkdfBlake3.KeyBytes);
                }

                continue;
            }

            for (int lane = first; lane < first + count; lane++)
                HkdfBlake3.DeriveFragmentKey(level, sharedSecrets[lane], keys.Slice(lane * keyStride, HkdfBlake3.KeyBytes));
        }

        CryptographicOperations.ZeroMemory(memory);
        CryptographicOperations.ZeroMemory(new Span<byte>(pseudorandomKey, 4 * Blake3Wide.StateWords));
    }

    private static void DeriveGroup(Blake3Wide wide, LaneFields secrets, int first, int count, uint* pseudorandomKey)
    {
        ulong* pointers = stackalloc ulong[Blake3Wide.MaximumLanes];
        for (int lane = 0; lane < Blake3Wide.MaximumLanes; lane++)
            pointers[lane] = (ulong)wide.SetBlock(lane, lane < count ? secrets[first + lane] : default);

        // Extract: HMAC of the secret under zeros.
        wide.SetState(SaltInner);
        wide.Load(pointers);
        wide.SetParameters(Blake3.HashBytes, LastFlags);
        wide.Compress();
        wide.SetMessage(wide.State, 0);
        wide.SetState(SaltOuter);
        wide.Compress();
        Unsafe.CopyBlock(pseudorandomKey, wide.State, 4 * Blake3Wide.StateWords);

        // Expand: HMAC of the byte 1 under the pseudorandom key.
        CompressKeyBlock(wide, pseudorandomKey, InnerPad);
        wide.SetMessage(1);
        wide.SetParameters(1, LastFlags);
        wide.Compress();
        uint* inner = stackalloc uint[Blake3Wide.StateWords];
        Unsafe.CopyBlock(inner, wide.State, 4 * Blake3Wide.StateWords);
        CompressKeyBlock(wide, pseudorandomKey, OuterPad);
        wide.SetMessage(inner, 0);
        wide.SetParameters(Blake3.HashBytes, LastFlags);
        wide.Compress();
    }

    private static void CompressKeyBlock(Blake3Wide wide, uint* key, uint pad)
    {
        wide.SetState(Blake3.InitialValue);
        wide.SetMessage(key, pad);
        wide.SetParameters(Blake3.BlockBytes, Blake3.ChunkStart);
        wide.Compress();
    }

    private static uint[] AfterBlockOf(uint word)
    {
        uint[] value = (uint[])Blake3.InitialValue.Clone(), message = new uint[16];
        message.AsSpan().Fill(word);
        Blake3.Compress(value, message, 0, Blake3.BlockBytes, Blake3.ChunkStart);
        return value;
    }
}
