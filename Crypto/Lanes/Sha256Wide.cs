using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

// The working memory of up to 16 SHA-256 lanes and what is done on it; the kernel follows from level and number of lanes.
// Only for levels above Portable. The memory is the caller's: on its stack, or pinned in a workspace.
//
// Layout, from a 64-byte boundary
//   (slack) 15 rows: where the words go that come with the end of a message and are no part of it
//   Words   16 rows of 16 x u32: the block to compress, and what is left of its schedule afterwards
//   State   16 rows of 16 x u32: chaining words, the digest; or a key
//   Active  1 row of 16 x u32: all ones for the lanes that take part
//   Tails   16 x 128 bytes: the end of each lane's message
//
// With up to 8 lanes the second half of each row is neither read nor written. A row is written as wide as it is read:
// the processor hands it over from store to load without waiting.
internal readonly unsafe struct Sha256Wide
{
    public const int MaximumLanes = LaneFeed.MaximumLanes, RowWords = 16, StateWords = 8 * RowWords;

    /// <summary>Bytes of memory to give, alignment included.</summary>
    public const int MemoryBytes = 64 + 4 * RowWords * (SlackRows + 16 + 16 + 1) + MaximumLanes * TailBytes;

    private const int SlackRows = 15, TailBytes = 2 * Sha256.BlockBytes;
    private const uint InnerPad = 0x36363636, OuterPad = 0x5C5C5C5C, Marker = 0x80000000;

    private readonly CpuLevel _level;
    private readonly int _lanes;

    public Sha256Wide(CpuLevel level, int lanes, byte* memory)
    {
        _level = level;
        _lanes = lanes;
        Words = (uint*)Align(memory) + SlackRows * RowWords;
        State = Words + 16 * RowWords;
        Active = State + 16 * RowWords;
        Tails = (byte*)(Active + RowWords);
    }

    public uint* Words { get; }

    public uint* State { get; }

    public uint* Active { get; }

    public byte* Tails { get; }

    // 16 lanes to a vector; otherwise 8.
    private bool IsFull => _level == CpuLevel.Avx512 && _lanes > 8;

    public static byte* Align(byte* memory) => (byte*)((nuint)memory + 63 & ~(nuint)63);

    /// <summary>Whether lanes of this number are faster by a wide kernel than one after the other.</summary>
    public static bool Pays(CpuLevel level, int lanes) => level != CpuLevel.Portable && lanes > 1;

    public void ActivateAll() => Fill(Active, uint.MaxValue, 1);

    /// <summary>State = the same midstate in every lane.</summary>
    public void SetState(in Sha256State from)
    {
        for (int word = 0; word < 8; word++)
            Fill(State + word * RowWords, from[word], 1);
    }

    /// <summary>Rows 8 to 15 of Words, the same for all lanes.</summary>
    public void SetUpperWords(uint* words)
    {
        for (int t = 0; t < 8; t++)
            Fill(Words + (8 + t) * RowWords, words[t], 1);
    }

    /// <summary>to = from after Words, which are used up; to may be from, or the first rows of Words.</summary>
    public void Compress(uint* from, uint* to)
    {
        fixed (uint* constants = Sha256.RoundConstants)
        {
            if (IsFull)
            {
                Sha256Kernel16.Compress(from, to, Words, constants, Active);
                return;
            }

            for (int half = 0; half < _lanes; half += 8)
            {
                if (_level == CpuLevel.Avx512)
                    Sha256Kernel8<Avx512Logic>.Compress(from + half, to + half, Words + half, constants, Active + half);
                else
                    Sha256Kernel8<Avx2Logic>.Compress(from + half, to + half, Words + half, constants, Active + half);
            }
        }
    }

    /// <summary>to = from after one block for all lanes: its schedule of 64 words with the round constants added.</summary>
    public void CompressOfOne(uint* from, uint* to, uint* schedule)
    {
        if (IsFull)
        {
            Sha256Kernel16.CompressOfOne(from, to, schedule, Active);
            return;
        }

        for (int half = 0; half < _lanes; half += 8)
        {
            if (_level == CpuLevel.Avx512)
                Sha256Kernel8<Avx512Logic>.CompressOfOne(from + half, to + half, schedule, Active + half);
            else
                Sha256Kernel8<Avx2Logic>.CompressOfOne(from + half, to + half, schedule, Active + half);
        }
    }

    /// <summary>
    /// to = the digests of each lane's message behind what from has compressed already, so many bytes in all lanes; to is
    /// State or the first rows of Words. Uses State.
    /// </summary>
    public void Absorb(byte** messages, int* lengths, int bytesBefore, uint* from, uint* to)
    {
        bool equal = true;
        for (int lane = 1; lane < _lanes; lane++)
            equal &= lengths[lane] == lengths[0];
        if (equal)
            AbsorbEqual(messages, lengths[0], bytesBefore, from, to);
        else
            AbsorbMixed(messages, lengths, bytesBefore, from, to);
    }

    /// <summary>inner, outer = midstates of HMAC keys of at most 64 bytes. Uses State.</summary>
    public void PrepareKeys(LaneFields keys, uint* inner, uint* outer)
    {
        fixed (byte* bytes = keys.Bytes)
        {
            byte** pointers = stackalloc byte*[MaximumLanes];
            for (int lane = 0; lane < _lanes; lane++)
                pointers[lane] = bytes + lane * keys.Stride;
            PrepareKeys(LoadStart(pointers, keys.Length, State), inner, outer);
        }
    }

    /// <summary>inner, outer = midstates of the 32-byte keys that State holds as digests.</summary>
    public void PrepareKeysOfDigests(uint* inner, uint* outer) => PrepareKeys(8, inner, outer);

    /// <summary>
    /// to = HMAC's second hash over the digest in the first rows of Words, from outer midstates; to is State or those rows.
    /// </summary>
    public void FinishMac(uint* outer, uint* to)
    {
        Fill(Words + 8 * RowWords, Marker, 1);
        Fill(Words + 9 * RowWords, 0, 6);
        Fill(Words + 15 * RowWords, 8 * (Sha256.BlockBytes + Sha256.HashBytes), 1);
        Compress(outer, to);
    }

    /// <summary>The first bytes of each lane's digest in from to its place in output.</summary>
    public void StoreDigests(uint* from, Span<byte> output, int stride, int bytes)
    {
        ulong* pointers = stackalloc ulong[MaximumLanes];
        ArgumentOutOfRangeException.ThrowIfGreaterThan((_lanes - 1) * stride + bytes, output.Length);
        fixed (byte* places = output)
        {
            bool whole = bytes == Sha256.HashBytes;
            for (int lane = 0; lane < MaximumLanes; lane++)
                pointers[lane] = (ulong)(whole && lane < _lanes ? places + lane * stride : Tails + lane * Sha256.HashBytes);
            LaneTranspose.Store8(from, LaneTranspose.BigEndian, pointers);
            if (_lanes > 8)
                LaneTranspose.Store8(from + 8, LaneTranspose.BigEndian, pointers + 8);
            for (int lane = 0; lane < _lanes && !whole; lane++)
                Unsafe.CopyBlock(places + lane * stride, Tails + lane * Sha256.HashBytes, (uint)bytes);
        }
    }

    private static int TailBlocks(int length) => length % Sha256.BlockBytes + 9 <= Sha256.BlockBytes ? 1 : 2;

    // 16 rows from 64 bytes at each pointer.
    private void Load(ulong* pointers, uint* rows)
    {
        if (IsFull)
        {
            LaneTranspose.Load16(pointers, LaneTranspose.BigEndian, rows);
            return;
        }

        LaneTranspose.Load8(pointers, LaneTranspose.BigEndian, rows);
        if (_lanes > 8)
            LaneTranspose.Load8(pointers + 8, LaneTranspose.BigEndian, rows + 8);
    }

    // Rows from so many bytes, at most 64, of each lane, the last filled up with zeros; how many rows that are.
    private int LoadStart(byte** from, int bytes, uint* rows)
    {
        ulong* pointers = stackalloc ulong[MaximumLanes];
        for (int lane = 0; lane < MaximumLanes; lane++)
        {
            byte* place = Tails + lane * Sha256.BlockBytes;
            pointers[lane] = (ulong)place;
            if (lane >= _lanes)
                continue;
            switch (bytes)
            {
                case 16:
                    Vector128.Load(from[lane]).Store(place);
                    break;
                case 32:
                    Vector256.Load(from[lane]).Store(place);
                    break;
                default:
                    // Zeros first, where the last word has no bytes of the message.
                    *(uint*)(place + (bytes & ~3 & 63)) = 0;
                    Unsafe.CopyBlock(place, from[lane], (uint)bytes);
                    break;
            }
        }

        Load(pointers, rows);
        return (bytes + 3) / 4;
    }

    private void AbsorbEqual(byte** messages, int length, int bytesBefore, uint* from, uint* to)
    {
        ulong* pointers = stackalloc ulong[MaximumLanes];
        for (int lane = 0; lane < MaximumLanes; lane++)
            pointers[lane] = (ulong)messages[lane < _lanes ? lane : 0];
        int rest = length % Sha256.BlockBytes;
        for (int blocks = length / Sha256.BlockBytes; blocks > 0; blocks--)
        {
            Load(pointers, Words);
            Compress(from, State);
            from = State;
            for (int lane = 0; lane < MaximumLanes; lane++)
                pointers[lane] += Sha256.BlockBytes;
        }

        ulong bytes = (ulong)bytesBefore + (ulong)length;
        if (rest == 0 && Sha256Schedule.TryPadding(bytes, out uint* schedule))
        {
            CompressOfOne(from, to, schedule);
            return;
        }

        if (rest % 4 == 0 && length > rest && rest > 0)
        {
            // The last 64 bytes of the message, so that the rest begins at the first row.
            for (int lane = 0; lane < MaximumLanes; lane++)
                pointers[lane] -= (ulong)(Sha256.BlockBytes - rest);
            Load(pointers, Words - (Sha256.BlockBytes - rest) / 4 * RowWords);
        }
        else if (rest > 0)
        {
            LoadStart((byte**)pointers, rest, Words);
        }

        Pad(rest, bytes, from, to);
    }

    // Marker and length behind so many bytes in Words, and compresses.
    private void Pad(int rest, ulong messageBytes, uint* from, uint* to)
    {
        int row = rest / 4;
        if (rest % 4 == 0)
            Fill(Words + row * RowWords, Marker, 1);
        else
            Or(Words + row * RowWords, Marker >> 8 * (rest % 4));
        row++;
        if (row > 14)
        {
            Fill(Words + row * RowWords, 0, 16 - row);
            Compress(from, State);
            from = State;
            row = 0;
        }

        Fill(Words + row * RowWords, 0, 14 - row);
        Fill(Words + 14 * RowWords, (uint)(messageBytes >> 29), 1);
        Fill(Words + 15 * RowWords, (uint)(messageBytes << 3), 1);
        Compress(from, to);
    }

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

    [SkipLocalsInit]
    private void AbsorbMixed(byte** messages, int* lengths, int bytesBefore, uint* from, uint* to)
    {
        Unsafe.SkipInit(out LaneFeed feed);
        feed.Reset(_lanes, Sha256.BlockBytes, Tails);
        for (int lane = 0; lane < _lanes; lane++)
        {
            PadTail(messages[lane], lengths[lane], lane, bytesBefore);
            feed.Append(lane, messages[lane], lengths[lane] / Sha256.BlockBytes);
            feed.Append(lane, Tails + lane * TailBytes, TailBlocks(lengths[lane]));
        }

        while (feed.TryNext(out int blocks))
        {
            for (int lane = 0; lane < MaximumLanes; lane++)
                Active[lane] = (uint)feed.Active[lane];
            for (; blocks > 0; blocks--)
            {
                Load(feed.Pointers, Words);
                Compress(from, State);
                from = State;
                feed.Step();
            }
        }

        ActivateAll();
        if (to != State)
            Copy(State, to, 8);
    }

    // Of keys in so many rows of State.
    private void PrepareKeys(int rows, uint* inner, uint* outer)
    {
        XorKey(rows, InnerPad);
        Compress(Sha256Initial.Rows, inner);
        XorKey(rows, OuterPad);
        Compress(Sha256Initial.Rows, outer);
    }

    private void XorKey(int rows, uint value)
    {
        for (int row = 0; row < rows; row++)
            CopyRow(State + row * RowWords, Words + row * RowWords, value);
        Fill(Words + rows * RowWords, value, 16 - rows);
    }

    private void Copy(uint* from, uint* to, int rows)
    {
        for (int row = 0; row < rows; row++)
            CopyRow(from + row * RowWords, to + row * RowWords, 0);
    }

    private void CopyRow(uint* from, uint* to, uint xored)
    {
        if (IsFull)
        {
            (Vector512.Load(from) ^ Vector512.Create(xored)).Store(to);
            return;
        }

        (Vector256.Load(from) ^ Vector256.Create(xored)).Store(to);
        if (_lanes > 8)
            (Vector256.Load(from + 8) ^ Vector256.Create(xored)).Store(to + 8);
    }

    private void Or(uint* row, uint value)
    {
        for (int lane = 0; lane < MaximumLanes; lane++)
            row[lane] |= value;
    }

    private void Fill(uint* row, uint value, int rows)
    {
        uint* end = row + rows * RowWords;
        if (IsFull)
        {
            for (; row < end; row += RowWords)
                Vector512.Create(value).Store(row);
            return;
        }

        for (; row < end; row += RowWords)
        {
            Vector256.Create(value).Store(row);
            if (_lanes > 8)
                Vector256.Create(value).Store(row + 8);
        }
    }
}

// SHA-256's initial state in every lane.
internal static unsafe class Sha256Initial
{
    private static readonly byte[] Memory = Make();

    /// <summary>8 rows of 16 x u32, 64-byte aligned.</summary>
    public static uint* Rows { get; } = (uint*)Sha256Wide.Align(
        (byte*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(Memory, 0));

    private static byte[] Make()
    {
        byte[] memory = GC.AllocateArray<byte>(64 + 4 * Sha256Wide.StateWords, pinned: true);
        uint* rows = (uint*)Sha256Wide.Align(
            (byte*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0));
        Sha256State initial = Sha256State.Initial;
        for (int word = 0; word < 8; word++)
            new Span<uint>(rows + word * Sha256Wide.RowWords, Sha256Wide.RowWords).Fill(initial[word]);
        return memory;
    }
}
