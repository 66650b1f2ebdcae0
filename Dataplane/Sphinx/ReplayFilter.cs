using System.Buffers.Binary;
using FastExit.Native.Memory;

namespace FastExit.Sphinx;

/// <summary>Answer of <see cref="ReplayFilter.Check"/>.</summary>
internal enum ReplayVerdict : byte
{
    Fresh,
    Replay,

    /// <summary>Both buckets are full: the filter was sized too small for its key's life. The packet must be dropped.</summary>
    Full,
}

/// <summary>
/// Remembers the replay tags seen under one Sphinx key: 32 bytes as sphinx.md §4.3 has them, or 16 bytes twice
/// (<see cref="FastExit.Crypto.Sphinx.SphinxHopBatch.TagsBySeedBlock"/>). Shared by all cores without a lock.
/// <para>
/// A tag is a 32-bit fingerprint in one of two buckets of 16 (one cache line each), so a look-up touches at most two lines. Entries
/// are claimed by compare-and-swap in bucket order and never move or leave: two copies of one packet that race for a bucket meet at
/// the same entry, and the loser sees the winner's fingerprint. Copies that chose different buckets see each other in the second look
/// that follows the claim; then both are refused, never both let through.
/// </para>
/// <para>
/// Memory is fixed: 5 bytes a packet at the design load of 0.8. A false positive (a fresh packet refused) has a probability of at
/// most 32 × 2^-32 per packet. The filter lives and dies with its key, in memory or in a <see cref="ReplayFilterFile"/>.
/// </para>
/// </summary>
internal sealed class ReplayFilter : IDisposable
{
    public const int BucketBytes = BucketEntries * sizeof(uint);

    private const int BucketEntries = 16;
    private const uint SampledBuckets = 1024;
    private const double Load = 0.8;

    private readonly PinnedRegion _region;
    private readonly uint _buckets;
    private readonly long _offset;
    private readonly int _packets;

    /// <param name="packets">Packets that the filter is to hold.</param>
    public ReplayFilter(int packets)
    {
        _packets = packets;
        _buckets = BucketsFor(packets);
        // Touched at random over hours: base pages keep the resident size near what is used.
        _region = PinnedRegion.Allocate((long)_buckets * BucketBytes, preferHugePages: false);
    }

    /// <summary>Over a <see cref="ReplayFilterFile"/>.</summary>
    public ReplayFilter(int packets, PinnedRegion file, string path)
    {
        _packets = packets;
        _buckets = BucketsFor(packets);
        _region = file;
        _offset = ReplayFilterFile.HeaderBytes;
        Path = path;
    }

    public long Bytes => (long)_buckets * BucketBytes;

    /// <summary>The file it lies in; null: in memory.</summary>
    public string? Path { get; }

    public unsafe bool IsDisposed => _region.Pointer == null;

    public static uint BucketsFor(int packets)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(packets, 1);
        return (uint)Math.Max(2, Math.Ceiling(packets / Load / BucketEntries));
    }

    /// <summary>
    /// Packets held, as a share of what the filter was made for; from a sample of buckets, always the same, since tags spread evenly.
    /// Any thread.
    /// </summary>
    public double Fill()
    {
        uint sampled = Math.Min(_buckets, SampledBuckets);
        long used = 0;
        for (uint i = 0; i < sampled; i++)
        {
            int free = Entries((uint)((ulong)i * _buckets / sampled)).IndexOf(0u);
            used += free < 0 ? BucketEntries : free;
        }

        return used * ((double)_buckets / sampled) / _packets;
    }

    /// <summary>Looks the 32-byte tag up and remembers it. Any thread.</summary>
    public ReplayVerdict Check(ReadOnlySpan<byte> tag)
    {
        uint fingerprint = BinaryPrimitives.ReadUInt32LittleEndian(tag);
        // 0 marks a free entry.
        fingerprint += fingerprint == 0 ? 1u : 0u;
        uint first = Bucket(BinaryPrimitives.ReadUInt64LittleEndian(tag[8..]));
        uint second = Bucket(BinaryPrimitives.ReadUInt64LittleEndian(tag[16..]));

        int usedFirst = Find(first, fingerprint);
        if (usedFirst < 0)
            return ReplayVerdict.Replay;
        int usedSecond = Find(second, fingerprint);
        if (usedSecond < 0)
            return ReplayVerdict.Replay;

        bool takeFirst = usedFirst <= usedSecond;
        (uint chosen, uint other) = takeFirst ? (first, second) : (second, first);
        ReplayVerdict verdict = Claim(chosen, fingerprint);
        if (verdict == ReplayVerdict.Full)
        {
            (chosen, other) = (other, chosen);
            verdict = Claim(chosen, fingerprint);
        }

        if (verdict == ReplayVerdict.Fresh && other != chosen && Find(other, fingerprint) < 0)
            return ReplayVerdict.Replay;
        return verdict;
    }

    public void Dispose() => _region.Dispose();

    private uint Bucket(ulong hash) => (uint)Math.BigMul(hash, (ulong)_buckets, out _);

    /// <summary>Entries in use, or -1 if the fingerprint is among them.</summary>
    private int Find(uint bucket, uint fingerprint)
    {
        Span<uint> entries = Entries(bucket);
        for (int i = 0; i < BucketEntries; i++)
        {
            uint entry = Volatile.Read(ref entries[i]);
            if (entry == fingerprint)
                return -1;
            if (entry == 0)
                return i;
        }

        return BucketEntries;
    }

    private ReplayVerdict Claim(uint bucket, uint fingerprint)
    {
        Span<uint> entries = Entries(bucket);
        for (int i = 0; i < BucketEntries; i++)
        {
            uint entry = Interlocked.CompareExchange(ref entries[i], fingerprint, 0);
            if (entry == 0)
                return ReplayVerdict.Fresh;
            if (entry == fingerprint)
                return ReplayVerdict.Replay;
        }

        return ReplayVerdict.Full;
    }

    private Span<uint> Entries(uint bucket) =>
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(
            _region.Slice(_offset + ((long)bucket * BucketBytes), BucketBytes));
}
