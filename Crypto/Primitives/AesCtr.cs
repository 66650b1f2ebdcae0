using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FastExit.Crypto.Lanes;
using ArmAes = System.Runtime.Intrinsics.Arm.Aes;
using X86Aes = System.Runtime.Intrinsics.X86.Aes;

namespace FastExit.Crypto.Primitives;

/// <summary>AES-128 in counter mode.</summary>
/// <remarks>
/// <para>References: FIPS 197; SP 800-38A §6.5; sphinx.md §3, end-to-end.md §4.1 (which part of the block counts).</para>
/// <para>Parameters: key 16 bytes, initial counter block 16 bytes, data of any length, in place. The low 64 bits of the
/// block count, big-endian; no carry goes into the upper 8 bytes. That is ordinary 128-bit counting unless the low half
/// wraps.</para>
/// <para>Constant time: AES instructions of x86 or Arm with 8 blocks in flight, else a bit-sliced computation without
/// tables (<see cref="AesBitsliced"/>).</para>
/// </remarks>
[SkipLocalsInit]
public static class AesCtr
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyBytes = 16;

    /// <summary>Bytes of a block and of the initial counter block.</summary>
    public const int BlockBytes = 16;

    private const int Rounds = 10;

    /// <summary>data = data xor the key stream that starts at counter block iv.</summary>
    public static void Transform(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, Span<byte> data)
    {
        Vector128<byte> upper = Vector128.Create(iv[..BlockBytes]);
        ulong counter = BinaryPrimitives.ReadUInt64BigEndian(iv[8..]);
        if (X86Aes.IsSupported)
            TransformX86(key[..KeyBytes], upper, counter, data);
        else if (ArmAes.IsSupported)
            TransformArm(key[..KeyBytes], upper, counter, data);
        else
            AesBitsliced.Transform(key[..KeyBytes], iv[..BlockBytes], data);
    }

    /// <summary><see cref="Transform"/> with 16 zero bytes as initial counter block.</summary>
    public static void TransformZeroIv(ReadOnlySpan<byte> key, Span<byte> data)
    {
        Span<byte> iv = stackalloc byte[BlockBytes];
        iv.Clear();
        Transform(key, iv, data);
    }

    /// <summary>
    /// <see cref="TransformZeroIv"/> for several ranges of a region, which must not overlap, each with its own key: lane i's
    /// is field i. Any number of lanes and any mix of lengths; those of 5 to 8 lanes of one length go side by side.
    /// </summary>
    public static void TransformZeroIvLanes(LaneFields keys, Span<byte> region, ReadOnlySpan<LaneRange> lanes) =>
        TransformZeroIvLanes(CpuLevels.Current, keys, region, lanes);

    internal static void TransformZeroIvLanes(
        CpuLevel level, LaneFields keys, Span<byte> region, ReadOnlySpan<LaneRange> lanes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(keys.Length, KeyBytes);
        keys.ThrowIfShort(lanes.Length);
        foreach (ref readonly LaneRange lane in lanes)
            lane.ThrowIfOutside(region.Length);
        for (int first = 0; first < lanes.Length; first += AesCtrKernel.Lanes)
        {
            ReadOnlySpan<LaneRange> group = lanes.Slice(first, Math.Min(AesCtrKernel.Lanes, lanes.Length - first));
            LaneFields groupKeys = new(keys.Bytes[(first * keys.Stride)..], keys.Stride, KeyBytes);
            if (level != CpuLevel.Portable && group.Length > 4 && OfOneLength(group))
            {
                TransformLanesX86(groupKeys, region, group);
                continue;
            }

            for (int i = 0; i < group.Length; i++)
                TransformZeroIv(groupKeys[i], region.Slice(group[i].Offset, group[i].Length));
        }
    }

    /// <summary>output = the key stream from counter block zero on.</summary>
    public static void Keystream(ReadOnlySpan<byte> key, Span<byte> output)
    {
        output.Clear();
        TransformZeroIv(key, output);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> CounterBlock(Vector128<byte> upper, ulong counter) =>
        upper.AsUInt64().WithElement(1, BinaryPrimitives.ReverseEndianness(counter)).AsByte();

    private static bool OfOneLength(ReadOnlySpan<LaneRange> lanes)
    {
        foreach (ref readonly LaneRange lane in lanes)
        {
            if (lane.Length != lanes[0].Length)
                return false;
        }

        return true;
    }

    private static unsafe void TransformX86(
        ReadOnlySpan<byte> key, Vector128<byte> upper, ulong counter, Span<byte> data)
    {
        const int GroupBytes = 8 * BlockBytes;
        int groups = data.Length / GroupBytes, rest = data.Length % GroupBytes;
        Vector128<byte>* schedule = stackalloc Vector128<byte>[Rounds + 1];
        fixed (byte* keyBytes = key, start = data)
        {
            AesCtrKernel.ExpandKey(keyBytes, schedule);
            AesCtrKernel.XorStream(schedule, 1, upper, counter, start, groups);
        }

        if (rest == 0)
            return;
        byte* last = stackalloc byte[GroupBytes];
        data[^rest..].CopyTo(new(last, GroupBytes));
        counter += 8 * (ulong)groups;
        if (rest <= BlockBytes)
            AesCtrKernel.XorOne(schedule, upper, counter, last);
        else
            AesCtrKernel.XorStream(schedule, 1, upper, counter, last, 1);
        new Span<byte>(last, rest).CopyTo(data[^rest..]);
    }

    // Up to 8 lanes of one length: whole groups of 8 blocks lane by lane, the rest of all lanes block by block together.
    private static unsafe void TransformLanesX86(LaneFields keys, Span<byte> region, ReadOnlySpan<LaneRange> lanes)
    {
        const int Lanes = AesCtrKernel.Lanes, GroupBytes = 8 * BlockBytes;
        Vector128<byte>* schedule = stackalloc Vector128<byte>[Lanes * (Rounds + 1)];
        Vector128<byte>* ends = stackalloc Vector128<byte>[Lanes];
        ulong* pointers = stackalloc ulong[Lanes];
        ulong* steps = stackalloc ulong[Lanes];
        int groups = lanes[0].Length / GroupBytes, blocks = lanes[0].Length % GroupBytes / BlockBytes;
        int rest = lanes[0].Length % BlockBytes;
        ulong counter = 8 * (ulong)groups;
        fixed (byte* start = region, key = keys.Bytes)
        {
            for (int lane = 0; lane < Lanes; lane++)
                pointers[lane] = (ulong)(key + (lane < lanes.Length ? lane * keys.Stride : 0));
            AesCtrKernel.ExpandKeys(pointers, schedule);
            for (int lane = 0; lane < Lanes; lane++)
            {
                // Lanes without a stream work on a block that nobody reads.
                pointers[lane] = (ulong)(ends + lane);
                steps[lane] = 0;
                if (lane >= lanes.Length)
                    continue;
                byte* data = start + lanes[lane].Offset;
                AesCtrKernel.XorStream(schedule + lane, Lanes, default, 0, data, groups);
                pointers[lane] = (ulong)(data + groups * GroupBytes);
                steps[lane] = BlockBytes;
            }

            AesCtrKernel.XorLanes(schedule, counter, pointers, steps, blocks);
            if (rest == 0)
                return;
            for (int lane = 0; lane < lanes.Length; lane++)
                new ReadOnlySpan<byte>((byte*)pointers[lane], rest).CopyTo(new(ends + lane, BlockBytes));
            for (int lane = 0; lane < Lanes; lane++)
                pointers[lane] = (ulong)(ends + lane);
            AesCtrKernel.XorLanes(schedule, counter + (ulong)blocks, pointers, steps, 1);
            for (int lane = 0; lane < lanes.Length; lane++)
                new ReadOnlySpan<byte>(ends + lane, rest).CopyTo(new(start + lanes[lane].Offset + lanes[lane].Length - rest, rest));
        }
    }

    private static void TransformArm(
        ReadOnlySpan<byte> key, Vector128<byte> upper, ulong counter, Span<byte> data)
    {
        Span<Vector128<byte>> k = stackalloc Vector128<byte>[Rounds + 1];
        ExpandKeyArm(key, k);
        int offset = 0;
        for (; data.Length - offset >= 4 * BlockBytes; offset += 4 * BlockBytes)
        {
            Vector128<byte> b0 = CounterBlock(upper, counter), b1 = CounterBlock(upper, counter + 1);
            Vector128<byte> b2 = CounterBlock(upper, counter + 2), b3 = CounterBlock(upper, counter + 3);
            for (int round = 0; round < Rounds - 1; round++)
            {
                b0 = ArmAes.MixColumns(ArmAes.Encrypt(b0, k[round]));
                b1 = ArmAes.MixColumns(ArmAes.Encrypt(b1, k[round]));
                b2 = ArmAes.MixColumns(ArmAes.Encrypt(b2, k[round]));
                b3 = ArmAes.MixColumns(ArmAes.Encrypt(b3, k[round]));
            }

            XorPart(data[offset..], ArmAes.Encrypt(b0, k[Rounds - 1]) ^ k[Rounds]);
            XorPart(data[(offset + 16)..], ArmAes.Encrypt(b1, k[Rounds - 1]) ^ k[Rounds]);
            XorPart(data[(offset + 32)..], ArmAes.Encrypt(b2, k[Rounds - 1]) ^ k[Rounds]);
            XorPart(data[(offset + 48)..], ArmAes.Encrypt(b3, k[Rounds - 1]) ^ k[Rounds]);
            counter += 4;
        }

        for (; offset < data.Length; offset += BlockBytes, counter++)
        {
            Vector128<byte> b = CounterBlock(upper, counter);
            for (int round = 0; round < Rounds - 1; round++)
                b = ArmAes.MixColumns(ArmAes.Encrypt(b, k[round]));
            XorPart(data[offset..], ArmAes.Encrypt(b, k[Rounds - 1]) ^ k[Rounds]);
        }
    }

    private static void ExpandKeyArm(ReadOnlySpan<byte> key, Span<Vector128<byte>> k)
    {
        k[0] = Vector128.Create(key);
        uint constant = 1;
        for (int round = 1; round <= Rounds; round++)
        {
            // With the same word in all columns, the row shift inside the instruction changes nothing.
            Vector128<uint> last = Vector128.Create(k[round - 1].AsUInt32()[3]);
            uint image = ArmAes.Encrypt(last.AsByte(), Vector128<byte>.Zero).AsUInt32()[0];
            image = (image >> 8 | image << 24) ^ constant;
            Vector128<uint> words = k[round - 1].AsUInt32();
            uint w0 = words[0] ^ image, w1 = words[1] ^ w0, w2 = words[2] ^ w1, w3 = words[3] ^ w2;
            k[round] = Vector128.Create(w0, w1, w2, w3).AsByte();
            constant = constant << 1 ^ (constant >> 7) * 0x11B;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void XorInto(ref byte block, Vector128<byte> stream) =>
        (Vector128.LoadUnsafe(ref block) ^ stream).StoreUnsafe(ref block);

    private static void XorPart(Span<byte> data, Vector128<byte> stream)
    {
        if (data.Length >= BlockBytes)
        {
            XorInto(ref MemoryMarshal.GetReference(data), stream);
            return;
        }

        Span<byte> bytes = stackalloc byte[BlockBytes];
        stream.CopyTo(bytes);
        for (int i = 0; i < data.Length; i++)
            data[i] ^= bytes[i];
    }
}
