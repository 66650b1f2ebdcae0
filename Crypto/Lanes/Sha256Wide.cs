using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

// The working memory of up to 16 SHA-256 lanes and what is done on it; the kernel follows from level and number of lanes.
// Only for levels above Portable. The memory is the caller's: on its stack, or pinned in a workspace.
//
// Layout, from a 64-byte boundary
//   Words   64 rows of 16 x u32: message schedule, of which the first 16 rows are given
//   State   8 rows of 16 x u32: chaining words; afterwards the digest
//   Active  1 row of 16 x u32: all ones for the lanes that take part
//   Tails   16 x 128 bytes: the end of each lane's message with its padding
internal readonly unsafe struct Sha256Wide
{
    public const int MaximumLanes = LaneFeed.MaximumLanes, RowWords = 16, StateWords = 8 * RowWords;

    /// <summary>Bytes of memory to give, alignment included.</summary>
    public const int MemoryBytes = 64 + 4 * (64 * RowWords + StateWords + RowWords) + MaximumLanes * TailBytes;

    private const int TailBytes = 2 * Sha256.BlockBytes;
    private const uint InnerPad = 0x36363636, OuterPad = 0x5C5C5C5C;

    private readonly CpuLevel _level;
    private readonly int _lanes;

    public Sha256Wide(CpuLevel level, int lanes, byte* memory)
    {
        _level = level;
        _lanes = lanes;
        Words = (uint*)Align(memory);
        State = Words + 64 * RowWords;
        Active = State + StateWords;
        Tails = (byte*)(Active + RowWords);
    }

    public uint* Words { get; }

    public uint* State { get; }

    public uint* Active { get; }

    public byte* Tails { get; }

    public static byte* Align(byte* memory) => (byte*)((nuint)memory + 63 & ~(nuint)63);

    /// <summary>Whether lanes of this number are faster by a wide kernel than one after the other.</summary>
    public static bool Pays(CpuLevel level, int lanes) => level != CpuLevel.Portable && lanes > 1;

    public void ActivateAll() => Fill(Active, uint.MaxValue, 1);

    public void SetInitial()
    {
        Sha256State initial = Sha256State.Initial;
        for (int word = 0; word < 8; word++)
            Fill(State + word * RowWords, initial[word], 1);
    }

    public void SetState(uint* from) => Unsafe.CopyBlock(State, from, 4 * StateWords);

    /// <summary>State = midstate in every lane.</summary>
    public void SetState(in Sha256State from)
    {
        for (int word = 0; word < 8; word++)
            Fill(State + word * RowWords, from[word], 1);
    }

    /// <summary>Rows 0 to 15 of Words from 64 bytes at each pointer.</summary>
    public void Load(ulong* pointers)
    {
        if (_level == CpuLevel.Avx512 && _lanes > 8)
        {
            LaneTranspose.Load16(pointers, LaneTranspose.BigEndian, Words);
            return;
        }

        LaneTranspose.Load8(pointers, LaneTranspose.BigEndian, Words);
        if (_lanes > 8)
            LaneTranspose.Load8(pointers + 8, LaneTranspose.BigEndian, Words + 8);
    }

    /// <summary>Compresses rows 0 to 15 of Words, which stay, into State.</summary>
    public void Compress()
    {
        fixed (uint* constants = Sha256.RoundConstants)
        {
            if (_level == CpuLevel.Avx512 && _lanes > 8)
            {
                Sha256Kernel16.Expand(Words);
                Sha256Kernel16.Rounds(State, Words, constants, Active);
                return;
            }

            for (int half = 0; half < _lanes; half += 8)
            {
                if (_level == CpuLevel.Avx512)
                {
                    Sha256Kernel8<Avx512Logic>.Expand(Words + half);
                    Sha256Kernel8<Avx512Logic>.Rounds(State + half, Words + half, constants, Active + half);
                }
                else
                {
                    Sha256Kernel8<Avx2Logic>.Expand(Words + half);
                    Sha256Kernel8<Avx2Logic>.Rounds(State + half, Words + half, constants, Active + half);
                }
            }
        }
    }

    /// <summary>Compresses one block for all lanes: its schedule of 64 words with the round constants added.</summary>
    public void CompressOfOne(uint* schedule)
    {
        if (_level == CpuLevel.Avx512 && _lanes > 8)
        {
            Sha256Kernel16.RoundsOfOne(State, schedule, Active);
            return;
        }

        for (int half = 0; half < _lanes; half += 8)
        {
            if (_level == CpuLevel.Avx512)
                Sha256Kernel8<Avx512Logic>.RoundsOfOne(State + half, schedule, Active + half);
            else
                Sha256Kernel8<Avx2Logic>.RoundsOfOne(State + half, schedule, Active + half);
        }
    }

    /// <summary>
    /// Compresses each lane's message and its padding into State, which holds what was compressed before: so many bytes,
    /// the same for all lanes.
    /// </summary>
    public void Absorb(byte** messages, int* lengths, int bytesBefore)
    {
        bool equal = true;
        for (int lane = 0; lane < _lanes; lane++)
        {
            PadTail(messages[lane], lengths[lane], lane, bytesBefore);
            equal &= lengths[lane] == lengths[0];
        }

        if (equal)
            AbsorbEqual(messages, lengths[0]);
        else
            AbsorbMixed(messages, lengths);
    }

    /// <summary>inner, outer = midstates of HMAC keys of at most 64 bytes.</summary>
    public void PrepareKeys(LaneFields keys, uint* inner, uint* outer)
    {
        ulong* pointers = stackalloc ulong[MaximumLanes];
        for (int lane = 0; lane < MaximumLanes; lane++)
        {
            byte* block = Tails + lane * TailBytes;
            pointers[lane] = (ulong)block;
            if (lane >= _lanes)
                continue;
            Span<byte> bytes = new(block, Sha256.BlockBytes);
            keys[lane].CopyTo(bytes);
            bytes[keys.Length..].Clear();
        }

        Load(pointers);
        PrepareKeys(inner, outer);
    }

    /// <summary>inner, outer = midstates of the 32-byte keys that State holds as digests.</summary>
    public void PrepareKeysOfDigests(uint* inner, uint* outer)
    {
        Unsafe.CopyBlock(Words, State, 4 * StateWords);
        Fill(Words + StateWords, 0, 8);
        PrepareKeys(inner, outer);
    }

    /// <summary>State = the digest in State under outer midstates: the last step of HMAC.</summary>
    public void FinishMac(uint* outer)
    {
        LoadDigestBlock();
        SetState(outer);
        Compress();
    }

    /// <summary><see cref="FinishMac(uint*)"/> with one key for all lanes.</summary>
    public void FinishMac(in Sha256State outer)
    {
        LoadDigestBlock();
        SetState(in outer);
        Compress();
    }

    /// <summary>The 32 bytes of each lane's digest to its pointer; all 16 pointers must be writable.</summary>
    public void StoreDigests(ulong* pointers)
    {
        LaneTranspose.Store8(State, LaneTranspose.BigEndian, pointers);
        if (_lanes > 8)
            LaneTranspose.Store8(State + 8, LaneTranspose.BigEndian, pointers + 8);
    }

    /// <summary>The first bytes of each lane's digest to its place in output, by way of Tails.</summary>
    public void StoreDigests(Span<byte> output, int stride, int bytes)
    {
        ulong* pointers = stackalloc ulong[MaximumLanes];
        for (int lane = 0; lane < MaximumLanes; lane++)
            pointers[lane] = (ulong)(Tails + lane * Sha256.HashBytes);
        StoreDigests(pointers);
        for (int lane = 0; lane < _lanes; lane++)
            new ReadOnlySpan<byte>(Tails + lane * Sha256.HashBytes, bytes).CopyTo(output.Slice(lane * stride, bytes));
    }

    private static int TailBlocks(int length) => length % Sha256.BlockBytes + 9 <= Sha256.BlockBytes ? 1 : 2;

    private void PadTail(byte* message, int length, int lane, int bytesBefore)
    {
        int rest = length % Sha256.BlockBytes;
        byte* tail = Tails + lane * TailBytes;
        for (int i = 0; i < TailBytes; i += 32)
            Vector256<byte>.Zero.Store(tail + i);
        new ReadOnlySpan<byte>(message + length - rest, rest).CopyTo(new(tail, TailBytes));
        tail[rest] = 0x80;
        int end = TailBlocks(length) * Sha256.BlockBytes;
        *(ulong*)(tail + end - 8) = BinaryPrimitives.ReverseEndianness(8 * ((ulong)bytesBefore + (ulong)length));
    }

    private void AbsorbEqual(byte** messages, int length)
    {
        ulong* pointers = stackalloc ulong[MaximumLanes];
        for (int lane = 0; lane < MaximumLanes; lane++)
            pointers[lane] = (ulong)messages[lane < _lanes ? lane : 0];
        AbsorbBlocks(pointers, length / Sha256.BlockBytes);
        for (int lane = 0; lane < MaximumLanes; lane++)
            pointers[lane] = (ulong)(Tails + lane * TailBytes);
        AbsorbBlocks(pointers, TailBlocks(length));
    }

    private void AbsorbBlocks(ulong* pointers, int blocks)
    {
        for (; blocks > 0; blocks--)
        {
            Load(pointers);
            Compress();
            for (int lane = 0; lane < MaximumLanes; lane++)
                pointers[lane] += Sha256.BlockBytes;
        }
    }

    [SkipLocalsInit]
    private void AbsorbMixed(byte** messages, int* lengths)
    {
        Unsafe.SkipInit(out LaneFeed feed);
        feed.Reset(_lanes, Sha256.BlockBytes, Tails);
        for (int lane = 0; lane < _lanes; lane++)
        {
            feed.Append(lane, messages[lane], lengths[lane] / Sha256.BlockBytes);
            feed.Append(lane, Tails + lane * TailBytes, TailBlocks(lengths[lane]));
        }

        while (feed.TryNext(out int blocks))
        {
            for (int lane = 0; lane < MaximumLanes; lane++)
                Active[lane] = (uint)feed.Active[lane];
            for (; blocks > 0; blocks--)
            {
                Load(feed.Pointers);
                Compress();
                feed.Step();
            }
        }

        ActivateAll();
    }

    // The second message of HMAC after its key block: a digest, padded to 96 bytes.
    private void LoadDigestBlock()
    {
        Unsafe.CopyBlock(Words, State, 4 * StateWords);
        Fill(Words + 8 * RowWords, 0x80000000, 1);
        Fill(Words + 9 * RowWords, 0, 6);
        Fill(Words + 15 * RowWords, 8 * (Sha256.BlockBytes + Sha256.HashBytes), 1);
    }

    private void PrepareKeys(uint* inner, uint* outer)
    {
        XorRows(InnerPad);
        SetInitial();
        Compress();
        Unsafe.CopyBlock(inner, State, 4 * StateWords);
        XorRows(InnerPad ^ OuterPad);
        SetInitial();
        Compress();
        Unsafe.CopyBlock(outer, State, 4 * StateWords);
    }

    private void XorRows(uint value)
    {
        for (uint* row = Words; row < Words + 16 * RowWords; row += 8)
            (Vector256.Load(row) ^ Vector256.Create(value)).Store(row);
    }

    private static void Fill(uint* row, uint value, int rows)
    {
        for (uint* end = row + rows * RowWords; row < end; row += 8)
            Vector256.Create(value).Store(row);
    }
}
