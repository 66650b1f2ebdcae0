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
    ServiceKeys Services,
    ServiceIdentity Service,
    Func<SphinxKeySet> Keys,
    Func<RouteBook> Routes,
    IReadOnlyList<NodeAddress> NextHops,
    CoreGate Gate,
    PublishedAnswers Answers,
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

    public Core(CorePlan plan, Core?[] others, DrainAgreement agreement)
    {
        _agreement = agreement;
        _plan = plan;
        _counters = plan.Counters;
        _others = others;
        _keysInUse = plan.Keys();
        _thread = new Thread(Run) { IsBackground = true, Name = $"core {plan.Index}" };
    }

    public Task Started => _started.Task;

    /// <summary>Ends when all cores have drained or this one was stopped; faults if it died.</summary>
    public Task Ended => _ended.Task;

    /// <summary>The key set that the core's last batch used: an older one may be wiped once no core uses it.</summary>
    public SphinxKeySet KeysInUse => Volatile.Read(ref _keysInUse);

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
            Rooms? rooms = null;
            try
            {
                rooms = new Rooms(_plan, ring);
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

    private void Loop(IoRing ring, Rooms rooms)
    {
        long nextTick = 0;
        long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        bool draining = false;
        rooms.ArmSignal();
        while (!_stop)
        {
            bool busy = rooms.HasWork;
            int entered = busy ? ring.Submit() : ring.SubmitAndWait(1, s_tick);
            if (entered < 0 && entered != -Errno.EBUSY)
                throw new NativeException("io_uring_enter", -entered, mend: null);
            long now = Environment.TickCount64;
            _counters.Increment(Counter.Core_Loops);
            rooms.BeginLoop(now);
            UseNewestKeys(rooms, now);

            for (int taken = 0; taken < CompletionsPerTurn && !rooms.Stage.IsBusy && ring.TryTake(out Completion completion); taken++)
                rooms.Dispatch(completion, now);
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

    private void UseNewestKeys(Rooms rooms, long now)
    {
        SphinxKeySet keys = _plan.Keys();
        if (ReferenceEquals(keys, _keysInUse))
            return;
        rooms.Use(keys, now);
        Volatile.Write(ref _keysInUse, keys);
        _counters.Increment(Counter.Sphinx_ReplayFilterRotations);
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

    /// <summary>The stages of one core and the way completions reach them. Lives on the core's thread.</summary>
    private sealed class Rooms : IDisposable
    {
        private readonly CorePlan _plan;
        private readonly IoRing _ring;
        private readonly CoreCounters _counters;
        private readonly MixIngress _ingress;
        private readonly MixEgress _egress;
        private readonly Clients _clients;
        private readonly RouteBook _routes;
        private readonly ReplyStage _replies;
        private readonly NrShard _requester;
        private readonly Inbox _inbox;
        private readonly PinnedRegion _signalValue = PinnedRegion.Allocate(4096, preferHugePages: false);

        public Rooms(CorePlan plan, IoRing ring)
        {
            ExitSettings settings = plan.Settings;
            _plan = plan;
            _ring = ring;
            _counters = plan.Counters;
            SlotPool slots = plan.Memory.Own;
            _egress = new MixEgress(ring, slots, plan.NextHops, settings.MixLink, plan.Counters);
            Stage = new SphinxStage(slots, _egress, plan.Services, plan.Keys(), plan.Counters);
            _clients = new Clients(settings.Delivery, settings.Memory.HugePages, plan.Counters);
            _routes = plan.Routes();
            _replies = new ReplyStage(
                slots, _egress, _routes, _clients, plan.Service, settings.Delivery, plan.Counters);
            _requester = new NrShard(
                settings.NetworkRequester, plan.Memory, ring, _replies, plan.Gate, plan.Counters, plan.Answers,
                Environment.TickCount64);
            _replies.Connect(_requester);
            _inbox = new Inbox(
                plan.Memory, plan.Links, _clients, _replies, _requester, settings.Delivery, plan.Counters);
            Stage.Connect(_inbox);
            Use(plan.Keys(), Environment.TickCount64);
            _ingress = new MixIngress(ring, slots, Stage, plan.Listeners, settings.MixLink, plan.Counters);
        }

        public SphinxStage Stage { get; }

        public bool HasWork => Stage.HasWork || _replies.HasWork;

        public bool Drained => _requester.Drained && _replies.IsSettled && _egress.Queued == 0;

        public void ArmSignal() => _ring.PrepareRead(
            _plan.Gate.Signal.Fd, _signalValue, 0, sizeof(ulong), CompletionKind.Pack(CompletionKind.Signal, 0, 0));

        public void Use(SphinxKeySet keys, long now)
        {
            Stage.Use(keys);
            _routes.UseOwnKeys(keys);
            _clients.UseRotation(keys.Rotation(0), now);
        }

        public void BeginLoop(long now) => _replies.BeginLoop(now);

        public void Dispatch(in Completion completion, long now)
        {
            byte kind = CompletionKind.KindOf(completion.UserData);
            switch (kind)
            {
                case CompletionKind.Accept:
                    _ingress.OnAccept(completion, now);
                    break;
                case CompletionKind.MixReceive:
                    _ingress.OnReceive(completion, now);
                    break;
                case CompletionKind.MixClosed:
                    _ingress.OnClosed(completion);
                    break;
                case CompletionKind.EgressConnect:
                    _egress.OnConnect(completion, now);
                    break;
                case CompletionKind.EgressSend:
                    _egress.OnSend(completion, now);
                    break;
                case CompletionKind.EgressReceive:
                    if (completion.HasBuffer)
                        _ingress.GiveBack(completion.BufferId);
                    _egress.OnReceive(completion, now);
                    break;
                case CompletionKind.EgressClosed:
                    _egress.OnClosed(completion, now);
                    break;
                case CompletionKind.Signal:
                    ArmSignal();
                    break;
                case >= CompletionKind.NetworkRequesterFirst and <= CompletionKind.NetworkRequesterLast:
                    _requester.OnCompletion(completion, now);
                    break;
                default:
                    Debug.Assert(kind is CompletionKind.Wake or CompletionKind.Ignored, "completion of nobody");
                    break;
            }
        }

        public void TakeFromOtherCores(long now)
        {
            for (int i = 0; i < _plan.Incoming.Length; i++)
            {
                if (i == _plan.Index)
                    continue;
                while (_plan.Returned[i]!.TryPop(out SlotHandle slot))
                    _plan.Memory.Own.Free(slot);
                while (_plan.Incoming[i]!.TryPop(out CoreParcel parcel))
                    _inbox.OnParcel(parcel, now);
            }
        }

        public void TakeVerdicts(long now)
        {
            while (_plan.Gate.TryTake(out GateVerdict verdict))
                _requester.OnVerdict(verdict, now);
        }

        /// <summary>One batch of each stage: completions and replies take turns even under load.</summary>
        public void RunStages(long now)
        {
            if (Stage.HasWork)
                Stage.Run(now);
            if (_replies.HasWork)
                _replies.Run();
        }

        public void Tick(long now)
        {
            _ingress.Tick(now);
            _egress.Tick(now);
            _inbox.Tick(now);
            _replies.Tick();
            _requester.Tick(now);
            SlotPool slots = _plan.Memory.Own;
            _counters.Set(Gauge.MixLink_Connections, _ingress.Connections);
            _counters.Set(Gauge.MixLink_EgressPeers, _egress.ActivePeers);
            _counters.Set(Gauge.MixLink_EgressQueued, _egress.Queued);
            _counters.Set(Gauge.Memory_RegularSlotsInUse, slots.InUse(SlotClass.Regular));
            _counters.Set(Gauge.Memory_ExtendedSlotsInUse, slots.InUse(SlotClass.Extended));
            _counters.Set(Gauge.Memory_AssemblyBytesInUse, slots.AssemblyBytesInUse);
            _counters.Set(Gauge.Delivery_Sets, _inbox.Sets);
            _counters.Set(Gauge.Delivery_Peers, _clients.Peers.Count);
            _counters.Set(Gauge.Delivery_Surbs, _clients.Surbs.Count);
            _counters.Set(Gauge.Delivery_PendingAcks, _replies.Pending);
            _counters.Set(Gauge.Delivery_Parked, _replies.Parked);
        }

        public void Flush(long now) => _egress.Flush(now);

        public void BeginDrain(long now)
        {
            _ingress.StopAccepting();
            _requester.BeginDrain(now);
        }

        public void Dispose()
        {
            _requester.Dispose();
            _ingress.Dispose();
            _egress.Dispose();
            _clients.Dispose();
            _signalValue.Dispose();
        }
    }
}
