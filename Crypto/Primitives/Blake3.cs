using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace FastExit.Crypto.Primitives;

/// <summary>BLAKE3 in hash mode (no key, no context), 32 bytes of output.</summary>
/// <remarks>
/// <para>References: O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere", §2.1 to §2.5.</para>
/// <para>Parameters: block 64 bytes, chunk 1024 bytes, binary tree over chunks, any message length, digest 32 bytes.</para>
/// <para>Constant time: additions, rotations and xor only; time depends on the length alone.</para>
/// </remarks>
[SkipLocalsInit]
public static class Blake3
{
    /// <summary>Bytes of a digest.</summary>
    public const int HashBytes = 32;

    internal const int BlockBytes = 64, ChunkBytes = 1024;

    // A tree over 2^54 chunks is as deep as 64-bit lengths allow.
    private const int MaximumDepth = 54;

    internal const uint ChunkStart = 1, ChunkEnd = 2, Parent = 4, Root = 8;

    internal static readonly uint[] InitialValue =
    [
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
    ];

    // Word order of every round: the message permutation applied 0 to 6 times.
    internal static ReadOnlySpan<byte> Schedule =>
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8,
        3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1,
        10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6,
        12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4,
        9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7,
        11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13,
    ];

    /// <summary>digest = BLAKE3(data); digest takes 32 bytes.</summary>
    public static void Hash(ReadOnlySpan<byte> data, Span<byte> digest)
    {
        Span<uint> value = stackalloc uint[8];
        if (data.Length <= ChunkBytes)
        {
            HashChunk(data, 0, Root, value);
            Write(value, digest);
            return;
        }

        // Chaining values of complete subtrees, largest first: one per set bit of the number of chunks so far.
        Span<uint> stack = stackalloc uint[8 * MaximumDepth];
        int depth = 0;
        ulong chunk = 0;
        while (data.Length > ChunkBytes)
        {
            HashChunk(data[..ChunkBytes], chunk, 0, value);
            data = data[ChunkBytes..];
            chunk++;
            for (ulong complete = chunk; (complete & 1) == 0; complete >>= 1)
            {
                depth--;
                Merge(stack.Slice(8 * depth, 8), value, 0);
            }

            value.CopyTo(stack[(8 * depth)..]);
            depth++;
        }

        HashChunk(data, chunk, 0, value);
        while (depth > 0)
        {
            depth--;
            Merge(stack.Slice(8 * depth, 8), value, depth == 0 ? Root : 0);
        }

        Write(value, digest);
    }

    // value = chaining value of the parent of left and value.
    private static void Merge(ReadOnlySpan<uint> left, Span<uint> value, uint flags)
    {
        Span<uint> message = stackalloc uint[16];
        left.CopyTo(message);
        value.CopyTo(message[8..]);
        InitialValue.CopyTo(value);
        Compress(value, message, 0, BlockBytes, Parent | flags);
    }

    private static void HashChunk(ReadOnlySpan<byte> data, ulong counter, uint lastFlags, Span<uint> value)
    {
        InitialValue.CopyTo(value);
        Span<uint> message = stackalloc uint[16];
        uint flags = ChunkStart;
        while (data.Length > BlockBytes)
        {
            Read(data, message);
            Compress(value, message, counter, BlockBytes, flags);
            data = data[BlockBytes..];
            flags = 0;
        }

        Span<byte> last = stackalloc byte[BlockBytes];
        last.Clear();
        data.CopyTo(last);
        Read(last, message);
        Compress(value, message, counter, (uint)data.Length, flags | ChunkEnd | lastFlags);
    }

    private static void Read(ReadOnlySpan<byte> block, Span<uint> message)
    {
        for (int i = 0; i < 16; i++)
            message[i] = BinaryPrimitives.ReadUInt32LittleEndian(block.Slice(4 * i, 4));
    }

    private static void Write(ReadOnlySpan<uint> value, Span<byte> digest)
    {
        for (int i = 0; i < 8; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(digest.Slice(4 * i, 4), value[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static unsafe void Compress(
        Span<uint> value, ReadOnlySpan<uint> message, ulong counter, uint length, uint flags)
    {
        uint v0 = value[0], v1 = value[1], v2 = value[2], v3 = value[3];
        uint v4 = value[4], v5 = value[5], v6 = value[6], v7 = value[7];
        uint v8 = InitialValue[0], v9 = InitialValue[1], v10 = InitialValue[2], v11 = InitialValue[3];
        uint v12 = (uint)counter, v13 = (uint)(counter >> 32), v14 = length, v15 = flags;
        fixed (uint* m = message)
        fixed (byte* schedule = Schedule)
        {
            for (byte* s = schedule; s < schedule + 7 * 16; s += 16)
            {
                Mix(ref v0, ref v4, ref v8, ref v12, m[s[0]], m[s[1]]);
                Mix(ref v1, ref v5, ref v9, ref v13, m[s[2]], m[s[3]]);
                Mix(ref v2, ref v6, ref v10, ref v14, m[s[4]], m[s[5]]);
                Mix(ref v3, ref v7, ref v11, ref v15, m[s[6]], m[s[7]]);
                Mix(ref v0, ref v5, ref v10, ref v15, m[s[8]], m[s[9]]);
                Mix(ref v1, ref v6, ref v11, ref v12, m[s[10]], m[s[11]]);
                Mix(ref v2, ref v7, ref v8, ref v13, m[s[12]], m[s[13]]);
                Mix(ref v3, ref v4, ref v9, ref v14, m[s[14]], m[s[15]]);
            }
        }

        value[0] = v0 ^ v8;
        value[1] = v1 ^ v9;
        value[2] = v2 ^ v10;
        value[3] = v3 ^ v11;
        value[4] = v4 ^ v12;
        value[5] = v5 ^ v13;
        value[6] = v6 ^ v14;
        value[7] = v7 ^ v15;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(ref uint a, ref uint b, ref uint c, ref uint d, uint x, uint y)
    {
        a += b + x;
        d = BitOperations.RotateRight(d ^ a, 16);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 12);
        a += b + y;
        d = BitOperations.RotateRight(d ^ a, 8);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 7);
    }
}
