using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

/// <summary>Keyed BLAKE2b of several messages side by side, each under its own key.</summary>
/// <remarks>
/// <para>References: RFC 7693 §3, as <see cref="Blake2b"/>.</para>
/// <para>Parameters: any number of lanes, taken in groups of 8 (AVX-512: 8 at once, or 4 in half the time; AVX2: 4); keys of
/// one length, 0 to 64 bytes; messages of any lengths, a group takes as long as its longest; digests of one length, 1 to
/// 64 bytes.</para>
/// <para>Constant time: as <see cref="Blake2b"/>; time depends on lengths and their mix.</para>
/// </remarks>
public static unsafe class Blake2bLanes
{
    /// <summary>Lanes that are computed at once at most.</summary>
    public const int MaximumLanes = 8;

    private const int StateWords = 8 * MaximumLanes, MessageWords = 16 * MaximumLanes, ParameterWords = 3 * MaximumLanes;

    // Message, state, parameters; a key block and the end of the message for each lane.
    private const int MemoryBytes =
        64 + 8 * (MessageWords + StateWords + ParameterWords) + 2 * MaximumLanes * Blake2b.BlockBytes;

    // The word order of all rounds as the kernels take it.
    private static readonly byte[] Order = MakeOrder();

    /// <summary>
    /// digests = for each message hashBytes bytes of digest, one behind the other in the order of messages; they must not
    /// overlap the region. Lane i's key is field i.
    /// </summary>
    public static void KeyedHash(
        LaneFields keys,
        ReadOnlySpan<byte> region,
        ReadOnlySpan<LaneRange> messages,
        Span<byte> digests,
        int hashBytes = Blake2b.MaximumHashBytes) =>
        KeyedHash(CpuLevels.Current, keys, region, messages, digests, hashBytes);

    internal static void KeyedHash(
        CpuLevel level,
        LaneFields keys,
        ReadOnlySpan<byte> region,
        ReadOnlySpan<LaneRange> messages,
        Span<byte> digests,
        int hashBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(keys.Length, Blake2b.MaximumKeyBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(hashBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(hashBytes, Blake2b.MaximumHashBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)messages.Length * hashBytes, digests.Length);
        keys.ThrowIfShort(messages.Length);
        byte** keyPointers = stackalloc byte*[MaximumLanes];
        byte** pointers = stackalloc byte*[MaximumLanes];
        int* lengths = stackalloc int[MaximumLanes];
        Span<byte> group = stackalloc byte[MaximumLanes * Blake2b.MaximumHashBytes];
        fixed (byte* bytes = region, key = keys.Bytes, scratch = group)
        {
            for (int first = 0; first < messages.Length; first += MaximumLanes)
            {
                int lanes = Math.Min(messages.Length - first, MaximumLanes);
                Sha256Lanes.Place(bytes, region.Length, messages.Slice(first, lanes), pointers, lengths);
                for (int lane = 0; lane < lanes; lane++)
                    keyPointers[lane] = key + (first + lane) * keys.Stride;
                Hash(level, lanes, keyPointers, keys.Length, pointers, lengths, scratch, hashBytes);
                for (int lane = 0; lane < lanes; lane++)
                {
                    group.Slice(lane * Blake2b.MaximumHashBytes, hashBytes)
                        .CopyTo(digests[((first + lane) * hashBytes)..]);
                }
            }
        }
    }

    /// <summary>
    /// 1 to 8 lanes: digests takes 64 bytes for each, of which the first hashBytes are the digest and the rest has no
    /// meaning.
    /// </summary>
    internal static void Hash(
        CpuLevel level, int lanes, byte** keys, int keyBytes, byte** messages, int* lengths, byte* digests, int hashBytes)
    {
        if (level != CpuLevel.Portable)
        {
            HashWide(level, lanes, keys, keyBytes, messages, lengths, digests, hashBytes);
            return;
        }

        for (int lane = 0; lane < lanes; lane++)
        {
            Blake2b.KeyedHash(
                level,
                new(keys[lane], keyBytes),
                new(messages[lane], lengths[lane]),
                new(digests + lane * Blake2b.MaximumHashBytes, hashBytes));
        }
    }

    // A wide kernel wins even for a single lane.
    [SkipLocalsInit]
    private static void HashWide(
        CpuLevel level, int lanes, byte** keys, int keyBytes, byte** messages, int* lengths, byte* digests, int hashBytes)
    {
        byte* memory = stackalloc byte[MemoryBytes];
        ulong* message = (ulong*)((nuint)memory + 63 & ~(nuint)63);
        ulong* state = message + MessageWords, parameters = state + StateWords;
        byte* ends = (byte*)(parameters + ParameterWords), keyBlocks = ends + MaximumLanes * Blake2b.BlockBytes;
        Unsafe.SkipInit(out LaneFeed feed);
        feed.Reset(lanes, Blake2b.BlockBytes, ends);
        for (int lane = 0; lane < lanes; lane++)
        {
            if (keyBytes > 0)
            {
                Copy(keys[lane], keyBytes, keyBlocks + lane * Blake2b.BlockBytes);
                feed.Append(lane, keyBlocks + lane * Blake2b.BlockBytes, 1);
            }

            // The last block is always a run of its own; a keyed hash of nothing ends with the key block.
            int length = lengths[lane];
            if (length == 0 && keyBytes > 0)
                continue;
            int whole = length == 0 ? 0 : (length - 1) / Blake2b.BlockBytes, done = whole * Blake2b.BlockBytes;
            feed.Append(lane, messages[lane], whole);
            if (length - done == Blake2b.BlockBytes)
            {
                feed.Append(lane, messages[lane] + done, 1);
                continue;
            }

            Copy(messages[lane] + done, length - done, ends + lane * Blake2b.BlockBytes);
            feed.Append(lane, ends + lane * Blake2b.BlockBytes, 1);
        }

        ulong first = Blake2b.InitialValue[0] ^ 0x01010000UL ^ (ulong)keyBytes << 8 ^ (ulong)hashBytes;
        for (int word = 0; word < 8; word++)
            Vector512.Create(word == 0 ? first : Blake2b.InitialValue[word]).Store(state + word * MaximumLanes);
        Vector512<ulong>.Zero.Store(parameters);
        int keyBlock = keyBytes > 0 ? Blake2b.BlockBytes : 0;
        fixed (byte* order = Order)
        {
            while (feed.TryNext(out int blocks))
            {
                for (int lane = 0; lane < MaximumLanes; lane++)
                {
                    bool last = lane < lanes && feed.RunsAfter(lane) == 0;
                    parameters[MaximumLanes + lane] = last ? ulong.MaxValue : 0;
                    parameters[2 * MaximumLanes + lane] = feed.Active[lane];
                    // The count before the block, so that adding a block's size gives the count with it.
                    if (last)
                        parameters[lane] = (ulong)(keyBlock + lengths[lane] - Blake2b.BlockBytes);
                }

                for (; blocks > 0; blocks--)
                {
                    (Vector512.Load(parameters) + Vector512.Create((ulong)Blake2b.BlockBytes)).Store(parameters);
                    Compress(level, lanes, feed.Pointers, message, state, parameters, order);
                    feed.Step();
                }
            }
        }

        // Word by word is enough: 8 to 64 of them to 17 compressions of 16 rows.
        ulong* output = (ulong*)digests;
        for (int lane = 0; lane < lanes; lane++)
        {
            for (int word = 0; word < 8; word++)
                output[8 * lane + word] = state[word * MaximumLanes + lane];
        }
    }

    private static void Compress(
        CpuLevel level, int lanes, ulong* pointers, ulong* message, ulong* state, ulong* parameters, byte* order)
    {
        if (level == CpuLevel.Avx512 && lanes > 4)
        {
            LaneTranspose.LoadWide8(pointers, message);
            Blake2bKernel8.Compress(state, message, parameters, order);
            return;
        }

        for (int half = 0; half < lanes; half += 4)
        {
            LaneTranspose.LoadWide4(pointers + half, message + half);
            if (level == CpuLevel.Avx512)
                Blake2bKernel4<Avx512Logic>.Compress(state + half, message + half, parameters + half, order);
            else
                Blake2bKernel4<Avx2Logic>.Compress(state + half, message + half, parameters + half, order);
        }
    }

    // A block of zeros that begins with the bytes.
    private static void Copy(byte* from, int bytes, byte* block)
    {
        for (int i = 0; i < Blake2b.BlockBytes; i += 32)
            Vector256<byte>.Zero.Store(block + i);
        new ReadOnlySpan<byte>(from, bytes).CopyTo(new(block, Blake2b.BlockBytes));
    }

    private static byte[] MakeOrder()
    {
        byte[] order = GC.AllocateArray<byte>(Blake2b.Sigma.Length, pinned: true);
        for (int i = 0; i < order.Length; i++)
            order[i] = (byte)(Blake2b.Sigma[i] * MaximumLanes);
        return order;
    }
}
