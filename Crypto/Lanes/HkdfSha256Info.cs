using System.Buffers.Binary;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

/// <summary>
/// The info of an HKDF-SHA-256 that is used over and over, prepared for lanes: made once, read by any thread.
/// </summary>
/// <remarks>
/// <para>Block i of the output is HMAC(key, T(i-1) | info | i), RFC 5869 §2.3. Only T(i-1), the first half of the first
/// block of that message, differs between lanes, so the message schedules of all other blocks are computed here, once for
/// all packets: a third less work for each such block.</para>
/// </remarks>
public sealed unsafe class HkdfSha256Info
{
    // For each counter: the schedules of its blocks; where the first block begins with T(i-1), its own 16 words stand there.
    private readonly uint[] _schedules;
    private readonly byte[] _info;
    private readonly int _blocksPerCounter;

    /// <summary>Prepares an info of at most 256 bytes for the output blocks 1 to maximumBlocks of 32 bytes.</summary>
    public HkdfSha256Info(ReadOnlySpan<byte> info, int maximumBlocks)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(info.Length, HkdfSha256.MaximumInfoBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumBlocks, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maximumBlocks, 255);
        _info = info.ToArray();
        MaximumBlocks = maximumBlocks;
        _blocksPerCounter = BlocksOf(2);
        _schedules = GC.AllocateArray<uint>(maximumBlocks * _blocksPerCounter * Sha256Schedule.Words, pinned: true);
        Span<byte> message = stackalloc byte[_blocksPerCounter * Sha256.BlockBytes];
        for (int counter = 1; counter <= maximumBlocks; counter++)
        {
            int start = counter == 1 ? 0 : HkdfSha256.BlockBytes, length = start + info.Length + 1;
            int blocks = BlocksOf(counter);
            message.Clear();
            info.CopyTo(message[start..]);
            message[length - 1] = (byte)counter;
            message[length] = 0x80;
            BinaryPrimitives.WriteUInt64BigEndian(
                message[(blocks * Sha256.BlockBytes - 8)..], 8 * (ulong)(Sha256.BlockBytes + length));
            for (int block = 0; block < blocks; block++)
            {
                Span<uint> schedule = _schedules.AsSpan(Index(counter, block), Sha256Schedule.Words);
                for (int t = 0; t < 16; t++)
                    schedule[t] = BinaryPrimitives.ReadUInt32BigEndian(message[(block * Sha256.BlockBytes + 4 * t)..]);
                if (counter == 1 || block > 0)
                    Sha256Schedule.Complete(schedule);
            }
        }
    }

    /// <summary>Output blocks of 32 bytes that this was prepared for.</summary>
    public int MaximumBlocks { get; }

    /// <summary>The info itself.</summary>
    public ReadOnlySpan<byte> Bytes => _info;

    /// <summary>Blocks of the message of a counter, 1 to MaximumBlocks.</summary>
    internal int BlocksOf(int counter) =>
        ((counter == 1 ? 0 : HkdfSha256.BlockBytes) + _info.Length + 1 + 9 + Sha256.BlockBytes - 1) / Sha256.BlockBytes;

    /// <summary>
    /// The schedule of a block with round constants; of block 0 of counters above 1 only its 16 words, 8 of them zero.
    /// </summary>
    internal uint* Schedule(int counter, int block) =>
        (uint*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(_schedules, Index(counter, block));

    private int Index(int counter, int block) => ((counter - 1) * _blocksPerCounter + block) * Sha256Schedule.Words;
}
