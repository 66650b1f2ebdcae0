using System.Runtime.CompilerServices;

namespace FastExit.Cores;

/// <summary>
/// One core's counters and gauges. The core's thread is the only writer; any thread may read (64-bit loads, no tearing, no lock).
/// </summary>
public sealed class CoreCounters
{
    // Room on both sides keeps another core's counters off our cache lines.
    private const int PaddingEntries = 16;
    private static readonly int s_counters = Enum.GetValues<Counter>().Length;
    private static readonly int s_gauges = Enum.GetValues<Gauge>().Length;

    private readonly long[] _values = GC.AllocateArray<long>(s_counters + s_gauges + (2 * PaddingEntries), pinned: true);

    public CoreCounters(int core) => Core = core;

    public int Core { get; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Increment(Counter counter) => _values[PaddingEntries + (int)counter]++;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(Counter counter, long amount) => _values[PaddingEntries + (int)counter] += amount;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Set(Counter counter, long value) => _values[PaddingEntries + (int)counter] = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Set(Gauge gauge, long value) => _values[PaddingEntries + s_counters + (int)gauge] = value;

    public long Read(Counter counter) => Volatile.Read(ref _values[PaddingEntries + (int)counter]);

    public long Read(Gauge gauge) => Volatile.Read(ref _values[PaddingEntries + s_counters + (int)gauge]);
}
