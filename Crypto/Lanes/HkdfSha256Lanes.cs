using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Lanes;

/// <summary>
/// HKDF-SHA-256 for up to 16 lanes side by side: extract once, then expand as far as needed, later further. A workspace for
/// one thread, allocated once.
/// </summary>
/// <remarks>
/// <para>References: RFC 5869, as <see cref="HkdfSha256"/>.</para>
/// <para>Parameters: the same salt and info for all lanes, an input of one length for each lane. Output blocks of 32 bytes
/// T(1), T(2), ... in order; the workspace remembers the last one.</para>
/// <para>Constant time: as <see cref="Sha256Lanes"/>. <see cref="Clear"/> erases keys and output.</para>
/// </remarks>
public sealed unsafe class HkdfSha256Lanes
{
    /// <summary>Lanes at most.</summary>
    public const int MaximumLanes = LaneFeed.MaximumLanes;

    // Before the memory of Sha256Wide, each in its rows: midstates of the lanes' keys. The last block of output stays in the
    // first rows of its Words.
    private const int KeptWords = 2 * Sha256Wide.StateWords;

    private readonly CpuLevel _level;
    private readonly byte[] _memory;
    private readonly uint* _inner, _outer;
    private readonly byte* _wide;

    // For levels and lane counts without a wide kernel.
    private readonly HmacSha256Key[] _keys = new HmacSha256Key[MaximumLanes];
    private readonly byte[] _blocks = new byte[MaximumLanes * HkdfSha256.BlockBytes];
    private int _lanes;

    /// <summary>A workspace for the level of this process.</summary>
    public HkdfSha256Lanes()
        : this(CpuLevels.Current)
    {
    }

    internal HkdfSha256Lanes(CpuLevel level)
    {
        _level = level;
        _memory = GC.AllocateArray<byte>(64 + 4 * KeptWords + Sha256Wide.MemoryBytes, pinned: true);
        _inner = (uint*)Sha256Wide.Align((byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0));
        _outer = _inner + Sha256Wide.StateWords;
        _wide = (byte*)(_inner + KeptWords);
    }

    /// <summary>How many output blocks there have been since <see cref="Extract"/>.</summary>
    public int Blocks { get; private set; }

    /// <summary>Any byte that is not zero where keys and output are.</summary>
    internal bool HoldsSecrets => _memory.AsSpan().ContainsAnyExcept((byte)0) || _blocks.AsSpan().ContainsAnyExcept((byte)0)
        || MemoryMarshal.AsBytes(_keys.AsSpan()).ContainsAnyExcept((byte)0);

    private bool IsWide => _level == CpuLevel.Avx512 || Sha256Wide.Pays(_level, _lanes);

    /// <summary>Pseudorandom keys of the lanes' inputs, each field a lane's; nothing is expanded yet.</summary>
    public void Extract(in HmacSha256Key salt, LaneFields inputs, int lanes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)lanes, (uint)MaximumLanes);
        inputs.ThrowIfShort(lanes);
        _lanes = lanes;
        Blocks = 0;
        if (lanes == 0)
            return;
        if (IsWide)
        {
            ExtractWide(in salt, inputs);
            return;
        }

        Span<byte> pseudorandomKey = stackalloc byte[HkdfSha256.BlockBytes];
        for (int lane = 0; lane < lanes; lane++)
        {
            salt.Compute(inputs[lane], pseudorandomKey);
            _keys[lane] = HmacSha256Key.Create(pseudorandomKey);
        }
    }

    /// <summary>
    /// Continues until so many output blocks are there (nothing if they are): those made now go to their places in
    /// output, where lane i's T(1) belongs at byte i * stride, T(2) behind it, and so on. Always the same info after an
    /// <see cref="Extract"/>.
    /// </summary>
    /// <param name="info">Prepared for at least so many blocks.</param>
    /// <param name="blocks">Output blocks that there shall be in all.</param>
    /// <param name="output">Takes them.</param>
    /// <param name="stride">Bytes from one lane's output to the next one's.</param>
    /// <param name="lastBytes">Bytes wanted of the last block, if not all 32.</param>
    public void ExpandTo(
        HkdfSha256Info info, int blocks, Span<byte> output, int stride, int lastBytes = HkdfSha256.BlockBytes)
    {
        ArgumentNullException.ThrowIfNull(info);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(blocks, info.MaximumBlocks);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)lastBytes, (uint)HkdfSha256.BlockBytes);
        while (_lanes > 0 && Blocks < blocks)
        {
            int counter = ++Blocks, start = (counter - 1) * HkdfSha256.BlockBytes;
            int bytes = counter == blocks ? lastBytes : HkdfSha256.BlockBytes;
            if (IsWide)
                ExpandWide(info, counter, output[start..], stride, bytes);
            else
                ExpandScalar(info, counter, output[start..], stride, bytes);
        }
    }

    /// <summary>Erases what the workspace knows.</summary>
    public void Clear()
    {
        if (_level != CpuLevel.Portable)
        {
            // The system's function takes several times as long.
            fixed (byte* memory = _memory)
            {
                byte* end = memory + _memory.Length;
                for (byte* at = memory; at <= end - Vector512<byte>.Count; at += Vector512<byte>.Count)
                    Vector512<byte>.Zero.Store(at);
            }
        }

        if (_level != CpuLevel.Avx512)
        {
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(_keys.AsSpan()));
            CryptographicOperations.ZeroMemory(_blocks);
        }

        _lanes = 0;
    }

    private void ExtractWide(in HmacSha256Key salt, LaneFields inputs)
    {
        byte** pointers = stackalloc byte*[MaximumLanes];
        int* lengths = stackalloc int[MaximumLanes];
        Sha256Wide wide = new(_level, _lanes, _wide);
        fixed (byte* bytes = inputs.Bytes)
        {
            for (int lane = 0; lane < _lanes; lane++)
            {
                pointers[lane] = bytes + lane * inputs.Stride;
                lengths[lane] = inputs.Length;
            }

            wide.ActivateAll();
            wide.SetState(in salt.Inner);
            wide.Absorb(pointers, lengths, Sha256.BlockBytes, wide.State, wide.Words);
        }

        wide.SetState(in salt.Outer);
        wide.FinishMac(wide.State, wide.State);
        wide.PrepareKeysOfDigests(_inner, _outer);
    }

    private void ExpandWide(HkdfSha256Info info, int counter, Span<byte> output, int stride, int bytes)
    {
        Sha256Wide wide = new(_level, _lanes, _wide);
        uint* from = _inner;
        int blocks = info.BlocksOf(counter);
        for (int block = 0; block < blocks; block++)
        {
            uint* words = info.Schedule(counter, block), to = block == blocks - 1 ? wide.Words : wide.State;
            if (counter > 1 && block == 0)
            {
                wide.SetUpperWords(words + 8);
                wide.Compress(from, to);
            }
            else
            {
                wide.CompressOfOne(from, to, words);
            }

            from = wide.State;
        }

        wide.FinishMac(_outer, wide.Words);
        wide.StoreDigests(wide.Words, output, stride, bytes);
    }

    private void ExpandScalar(HkdfSha256Info info, int counter, Span<byte> output, int stride, int bytes)
    {
        for (int lane = 0; lane < _lanes; lane++)
        {
            Span<byte> last = _blocks.AsSpan(lane * HkdfSha256.BlockBytes, HkdfSha256.BlockBytes);
            HkdfSha256.Expand(in _keys[lane], info.Bytes, last, counter - 1, counter == 1 ? default : last);
            last[..bytes].CopyTo(output.Slice(lane * stride, bytes));
        }
    }
}
