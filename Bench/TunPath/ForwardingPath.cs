using System.Runtime.InteropServices;
using FastExit.Native.Threads;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Bench.TunPath;

/// <summary>What a forwarding thread has done since it began.</summary>
internal readonly record struct PathSample(long Packets, long Dropped, long SystemCalls, double CpuSeconds, long AllocatedBytes);

/// <summary>One way to carry packets between the two hosts of a <see cref="PathNetwork"/>: one thread, pinned to one core.</summary>
internal abstract partial class ForwardingPath : IDisposable
{
    private const int ThreadCpuClock = 3;

    private readonly Thread _thread;
    private readonly ManualResetEventSlim _ready = new();
    private volatile bool _stop;
    private Exception? _failure;
    private PathNetwork? _network;
    private PathSample _sample;
    private int _asked;
    private int _answered;

    protected ForwardingPath(string name, int core)
    {
        Name = name;
        _thread = new Thread(() => Run(core)) { IsBackground = true, Name = name };
    }

    public string Name { get; }

    /// <summary>Once started.</summary>
    public PathNetwork Network => _network ?? throw new InvalidOperationException("not started");

    public void Start()
    {
        _network = new PathNetwork(Name[..1]);
        _thread.Start();
        _ready.Wait();
        if (_failure is not null)
            throw _failure;
    }

    /// <summary>What the thread has done so far, told by itself.</summary>
    public PathSample Sample()
    {
        int asked = Interlocked.Increment(ref _asked);
        while (Volatile.Read(ref _answered) != asked)
        {
            if (_failure is not null)
                throw _failure;
            Thread.Sleep(1);
        }

        return _sample;
    }

    public void Dispose()
    {
        _stop = true;
        if (_thread.IsAlive)
            _thread.Join();
        _ready.Dispose();
        _network?.Dispose();
    }

    /// <summary>On the forwarding thread, once.</summary>
    protected abstract void Open();

    /// <summary>Carries what there is, and waits at most a few milliseconds when there is nothing.</summary>
    protected abstract void Turn();

    /// <summary>On the forwarding thread, at the end.</summary>
    protected abstract void Close();

    protected abstract (long Packets, long Dropped, long SystemCalls) Count();

    /// <summary>Until one of them can be read or 5 ms are over.</summary>
    protected static unsafe void WaitReadable(int one, int other)
    {
        pollfd* entries = stackalloc pollfd[2];
        entries[0] = new pollfd { fd = one, events = POLLIN };
        entries[1] = new pollfd { fd = other, events = POLLIN };
        _ = poll(entries, 2, 5);
    }

    private void Run(int core)
    {
        try
        {
            CpuAffinity.PinCurrentThread(core);
            Open();
            _ready.Set();
            while (!_stop)
            {
                Turn();
                int asked = Volatile.Read(ref _asked);
                if (asked == _answered)
                    continue;
                (long packets, long dropped, long calls) = Count();
                _sample = new PathSample(packets, dropped, calls, CpuSeconds(), GC.GetAllocatedBytesForCurrentThread());
                Volatile.Write(ref _answered, asked);
            }

            Close();
        }
#pragma warning disable CA1031 // A background thread's last words: Start and Sample throw them on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _failure = e;
            _ready.Set();
        }
    }

    private static unsafe double CpuSeconds()
    {
        long* time = stackalloc long[2];
        _ = clock_gettime(ThreadCpuClock, time);
        return time[0] + (time[1] / 1e9);
    }

    /// <summary>Seconds and nanoseconds on 64-bit hosts.</summary>
    [LibraryImport("libc")]
    private static unsafe partial int clock_gettime(int clock, long* time);
}
