using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

// The working memory of up to 16 lanes of BLAKE3, one chunk each, and what is done on it. Only for levels above Portable.
// The memory is the caller's.
//
// Layout, from a 64-byte boundary
//   Message     16 rows of 16 x u32
//   State       8 rows of 16 x u32: chaining value; afterwards the digest
//   Parameters  3 rows of 16 x u32: block length, flags, all ones for the lanes that take part
//   Blocks      16 x 64 bytes: a block of each lane, for input and output
internal readonly unsafe struct Blake3Wide
{
    public const int MaximumLanes = LaneFeed.MaximumLanes, RowWords = 16, StateWords = 8 * RowWords;

    /// <summary>Bytes of memory to give, alignment included.</summary>
    public const int MemoryBytes = 64 + 4 * (16 * RowWords + StateWords + 3 * RowWords) + MaximumLanes * Blake3.BlockBytes;

    private static readonly byte[] Order = MakeOrder();

    private readonly CpuLevel _level;
    private readonly int _lanes;

    public Blake3Wide(CpuLevel level, int lanes, byte* memory)
    {
        _level = level;
        _lanes = lanes;
        Message = (uint*)((nuint)memory + 63 & ~(nuint)63);
        State = Message + 16 * RowWords;
        Parameters = State + StateWords;
        Blocks = (byte*)(Parameters + 3 * RowWords);
    }

    public uint* Message { get; }

    public uint* State { get; }

    public uint* Parameters { get; }

    public byte* Blocks { get; }

    /// <summary>The same block length and flags for all lanes, all taking part.</summary>
    public void SetParameters(uint length, uint flags)
    {
        Fill(Parameters, length, 1);
        Fill(Parameters + RowWords, flags, 1);
        Fill(Parameters + 2 * RowWords, uint.MaxValue, 1);
    }

    /// <summary>State = 8 words, the same for all lanes.</summary>
    public void SetState(ReadOnlySpan<uint> value)
    {
        for (int word = 0; word < 8; word++)
            Fill(State + word * RowWords, value[word], 1);
    }

    /// <summary>Message = 8 words of each lane, then a padding word in the 8 others, all xor that padding.</summary>
    public void SetMessage(uint* rows, uint pad)
    {
        for (int i = 0; i < StateWords; i += 8)
            (Vector256.Load(rows + i) ^ Vector256.Create(pad)).Store(Message + i);
        Fill(Message + StateWords, pad, 8);
    }

    /// <summary>Message = one word for all lanes, then zeros.</summary>
    public void SetMessage(uint word)
    {
        Fill(Message, word, 1);
        Fill(Message + RowWords, 0, 15);
    }

    /// <summary>Message = 64 bytes at each pointer.</summary>
    public void Load(ulong* pointers)
    {
        if (_level == CpuLevel.Avx512 && _lanes > 8)
        {
            LaneTranspose.Load16(pointers, LaneTranspose.LittleEndian, Message);
            return;
        }

        for (int half = 0; half < _lanes; half += 8)
            LaneTranspose.Load8(pointers + half, LaneTranspose.LittleEndian, Message + half);
    }

    public void Compress()
    {
        fixed (byte* order = Order)
        {
            if (_level == CpuLevel.Avx512 && _lanes > 8)
            {
                Blake3Kernel16.Compress(State, Message, Parameters, order);
                return;
            }

            for (int half = 0; half < _lanes; half += 8)
            {
                if (_level == CpuLevel.Avx512)
                    Blake3Kernel8<Avx512Logic>.Compress(State + half, Message + half, Parameters + half, order);
                else
                    Blake3Kernel8<Avx2Logic>.Compress(State + half, Message + half, Parameters + half, order);
            }
        }
    }

    /// <summary>The first bytes of each lane's digest to its place in output, by way of Blocks.</summary>
    public void StoreDigests(Span<byte> output, int stride, int bytes)
    {
        ulong* pointers = stackalloc ulong[MaximumLanes];
        for (int lane = 0; lane < MaximumLanes; lane++)
            pointers[lane] = (ulong)(Blocks + lane * Blake3.BlockBytes);
        for (int half = 0; half < _lanes; half += 8)
            LaneTranspose.Store8(State + half, LaneTranspose.LittleEndian, pointers + half);
        for (int lane = 0; lane < _lanes; lane++)
            new ReadOnlySpan<byte>((byte*)pointers[lane], bytes).CopyTo(output.Slice(lane * stride, bytes));
    }

    /// <summary>Puts bytes at the start of a lane's block and zeros behind them.</summary>
    public byte* SetBlock(int lane, ReadOnlySpan<byte> bytes)
    {
        byte* block = Blocks + lane * Blake3.BlockBytes;
        Vector512<byte>.Zero.Store(block);
        bytes.CopyTo(new(block, Blake3.BlockBytes));
        return block;
    }

    private static void Fill(uint* row, uint value, int rows)
    {
        for (uint* end = row + rows * RowWords; row < end; row += 8)
            Vector256.Create(value).Store(row);
    }

    private static byte[] MakeOrder()
    {
        byte[] order = GC.AllocateArray<byte>(Blake3.Schedule.Length, pinned: true);
        for (int i = 0; i < order.Length; i++)
            order[i] = (byte)(Blake3.Schedule[i] * RowWords);
        return order;
    }
}
