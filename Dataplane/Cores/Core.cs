using System.Diagnostics;
using FastExit.Configuration;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.MixLink;
using FastExit.Native.IoUring;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using FastExit.Native.Threads;
using FastExit.NetworkRequester;
using FastExit.Sphinx;
using FastExit.Topology;

namespace FastExit.Cores;

/// <summary>Everything a core is given when it is built; shared parts are read-only or made for several threads.</summary>
internal sealed record CorePlan(
    int Index,
    int Cpu,
    ExitSettings Settings,
    CoreMemory Memory,
    CoreLinks Links,
    SpscRing<CoreParcel>?[] Incoming,
    SpscRing<SlotHandle>?[] Returned,
    SocketDescriptor[] Listeners,
    ServiceKeys ServiceKeys,
    IReadOnlyList<ServicePlan> Services,
    Func<SphinxKeySet> Keys,
    Func<RouteBook> Routes,
    IReadOnlyList<NodeAddress> NextHops,
    Func<NetworkTopology> Topology,
    NoiseIdentity? Noise,
    CoreGate Gate,
    CoreCounters Counters);

/// <summary>
/// One pinned thread with its own io_uring, pools and stages. A loop takes the completions that are there, runs the stages on what
/// they brought, and hands everything new to the kernel with one system call.
/// </summary>
internal sealed class Core : IDisposable
{
    // Packets between two hand-overs to the kernel, so that a burst does not hold back what is already built.
    private const int CompletionsPerTurn = 64;
    private const long TickMilliseconds = 10;
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(TickMilliseconds);

    private readonly CorePlan _plan;
    private readonly CoreCounters _counters;
    private readonly Core?[] _others;
    private readonly DrainAgreement _agreement;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _drain;
    private volatile bool _stop;
    private volatile int _ringFd = -1;
    private SphinxKeySet _keysInUse;
    private NetworkTopology _topologyInUse;

    public Core(CorePlan plan, Core?[] others, DrainAgreement agreement)
    {
        _agreement = agreement;
        _plan = plan;
        _counters = plan.Counters;
        _others = others;
        _keysInUse = plan.Keys();
        _topologyInUse = plan.Topology();
        _thread = new Thread(Run) { IsBackground = true, Name = $"core {plan.Index}" };
    }

    public Task Started => _started.Task;

    /// <summary>Ends when all cores have drained or this one was stopped; faults if it died.</summary>
    public Task Ended => _ended.Task;

    /// <summary>The key set that the core's last batch used: an older one may be wiped once no core uses it.</summary>
    public SphinxKeySet KeysInUse => Volatile.Read(ref _keysInUse);

    /// <summary>The topology that the core's last batch used.</summary>
    public NetworkTopology TopologyInUse => Volatile.Read(ref _topologyInUse);

    public void Start() => _thread.Start();

    public void BeginDrain()
    {
        _drain = true;
        _plan.Gate.Signal.Signal();
    }

    public void Stop()
    {
        _stop = true;
        _plan.Gate.Signal.Signal();
    }

    public void Dispose()
    {
        Stop();
        if (_thread.IsAlive)
            _thread.Join();
    }

    private void Run()
    {
        try
        {
            if (_plan.Settings.Cores.Pin)
                CpuAffinity.PinCurrentThread(_plan.Cpu);
            var ring = new IoRing(new IoRingOptions());
            CoreRooms? rooms = null;
            try
            {
                rooms = new CoreRooms(_plan, ring);
                _ringFd = ring.Fd;
                _started.TrySetResult();
                Loop(ring, rooms);
            }
            finally
            {
                // The ring first: it awaits what the kernel still does with the rooms' memory.
                _ringFd = -1;
                ring.Dispose();
                rooms?.Dispose();
            }

            _ended.TrySetResult();
        }
        catch (Exception e)
        {
            // The thread's last act: whoever started the exit decides what a dead core means.
            if (!_started.TrySetException(e))
                _ended.TrySetException(e);
        }
    }

    private void Loop(IoRing ring, CoreRooms rooms)
    {
        long nextTick = 0;
        long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        bool draining = false, idle = false;
        rooms.ArmSignal();
        while (!_stop)
        {
            bool busy = rooms.HasWork;
            if (!busy && idle && rooms.HasIdleWork)
            {
                rooms.RunIdle();
                busy = true;
            }

            int entered = busy ? ring.Submit() : ring.SubmitAndWait(1, s_tick);
            if (entered < 0 && entered != -Errno.EBUSY)
                throw new NativeException("io_uring_enter", -entered, mend: null);
            long now = Environment.TickCount64;
            _counters.Increment(Counter.Core_Loops);
            rooms.BeginLoop(now);
            UseNewestKeys(rooms, now);
            UseNewestTopology(rooms, now);

            int taken = 0;
            for (; taken < CompletionsPerTurn && !rooms.Stage.IsBusy && ring.TryTake(out Completion completion); taken++)
                rooms.Dispatch(completion, now);
            idle = taken == 0;
            rooms.TakeFromOtherCores(now);
            rooms.TakeVerdicts(now);
            rooms.RunStages(now);
            if (now >= nextTick)
            {
                nextTick = now + TickMilliseconds;
                rooms.Tick(now);
                _counters.Set(Counter.Core_AllocatedBytes, GC.GetAllocatedBytesForCurrentThread() - allocatedBefore);
            }

            rooms.Flush(now);
            WakeOthers(ring);
            if (_drain && !draining)
            {
                draining = true;
                rooms.BeginDrain(now);
            }

            if (draining && _agreement.Report(_plan.Index, rooms.Drained))
                return;
        }
    }

    private void UseNewestKeys(CoreRooms rooms, long now)
    {
        SphinxKeySet keys = _plan.Keys();
        if (ReferenceEquals(keys, _keysInUse))
            return;
        rooms.Use(keys, now);
        Volatile.Write(ref _keysInUse, keys);
        _counters.Increment(Counter.Sphinx_ReplayFilterRotations);
    }

    private void UseNewestTopology(CoreRooms rooms, long now)
    {
        NetworkTopology topology = _plan.Topology();
        if (ReferenceEquals(topology, _topologyInUse))
            return;
        rooms.Use(topology, now);
        Volatile.Write(ref _topologyInUse, topology);
    }

    private void WakeOthers(IoRing ring)
    {
        for (int i = 0; i < _others.Length; i++)
        {
            if (i == _plan.Index || !_plan.Links.TakeWake(i))
                continue;
            int target = _others[i]!._ringFd;
            if (target >= 0)
            {
                ring.PrepareMessage(
                    target, CompletionKind.Pack(CompletionKind.Wake, 0, 0), 0,
                    CompletionKind.Pack(CompletionKind.Ignored, 0, 0));
            }
        }
    }
}
