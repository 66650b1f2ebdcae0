using System.Diagnostics;
using FastExit.Configuration;
using FastExit.Crypto;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Sphinx;
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

/// <summary>The stages of one core and the way completions reach them. Lives on the core's thread.</summary>
internal sealed class CoreRooms : IDisposable
{
    // Eight side by side cost a wide kernel 0.15 ms; without one a packet that arrives meanwhile must not wait for more than one.
    private static readonly int s_idleAcks = CpuLevels.Current == CpuLevel.Portable ? 1 : SphinxSizes.MaximumLanes;

    private readonly CorePlan _plan;
    private readonly IoRing _ring;
    private readonly CoreCounters _counters;
    private readonly MixIngress _ingress;
    private readonly MixEgress _egress;
    private readonly RouteBook _routes;
    private readonly ServiceRoom[] _services;
    private readonly NrShard _requester;
    private readonly PinnedRegion _signalValue = PinnedRegion.Allocate(4096, preferHugePages: false);

    public CoreRooms(CorePlan plan, IoRing ring)
    {
        ExitSettings settings = plan.Settings;
        _plan = plan;
        _ring = ring;
        _counters = plan.Counters;
        SlotPool slots = plan.Memory.Own;
        _egress = new MixEgress(ring, slots, plan.NextHops, settings.MixLink, plan.Counters, plan.Noise, plan.Topology());
        Stage = new SphinxStage(slots, _egress, plan.ServiceKeys, plan.Keys(), plan.Counters);
        _routes = plan.Routes();
        _services = new ServiceRoom[plan.Services.Count];
        for (int i = 0; i < _services.Length; i++)
        {
            ServicePlan service = plan.Services[i];
            _services[i] = new ServiceRoom(
                i, plan.Memory, plan.Links, _egress, _routes, service.Identity, service.Delivery, settings.Memory.HugePages,
                plan.Counters,
                replies => service.BuildShard(new ShardContext(
                    plan.Index, settings, plan.Memory, plan.Links, ring, replies, plan.Counters, Environment.TickCount64)),
                // IP packets are sent once, whatever becomes of them.
                i == ServicePlan.IpPacketRouter ? Outgoing.UnawaitedPosition : (byte)1);
            Stage.Connect(_services[i].Inbox);
        }

        _requester = (NrShard)_services[ServicePlan.NetworkRequester].Shard;
        Use(plan.Keys(), Environment.TickCount64);
        _ingress = new MixIngress(ring, slots, Stage, plan.Listeners, settings.MixLink, plan.Counters, plan.Noise);
        _ingress.Use(plan.Topology());
    }

    public SphinxStage Stage { get; }

    public bool HasWork
    {
        get
        {
            bool work = Stage.HasWork;
            foreach (ServiceRoom service in _services)
                work |= service.HasWork;
            return work;
        }
    }

    /// <summary>Nothing has to be done, but something can be.</summary>
    public bool HasIdleWork
    {
        get
        {
            bool work = false;
            foreach (ServiceRoom service in _services)
                work |= service.Replies.WantsAcks || service.Replies.WantsTable;
            return work;
        }
    }

    public bool Drained
    {
        get
        {
            bool drained = _egress.Queued == 0;
            foreach (ServiceRoom service in _services)
                drained &= service.Drained;
            return drained;
        }
    }

    public void ArmSignal() => _ring.PrepareRead(
        _plan.Gate.Signal.Fd, _signalValue, 0, sizeof(ulong), CompletionKind.Pack(CompletionKind.Signal, 0, 0));

    public void Use(SphinxKeySet keys, long now)
    {
        Stage.Use(keys);
        _routes.UseOwnKeys(keys);
        foreach (ServiceRoom service in _services)
        {
            service.Clients.UseRotation(keys.Rotation(0), now);
            service.Replies.DiscardAcks();
        }
    }

    public void Use(NetworkTopology topology, long now)
    {
        _egress.Use(topology, now);
        _ingress.Use(topology);
        _routes.Use(topology);
        foreach (ServiceRoom service in _services)
            service.Replies.DiscardAcks();
    }

    public void BeginLoop(long now)
    {
        foreach (ServiceRoom service in _services)
            service.Replies.BeginLoop(now);
    }

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
            case CompletionKind.MixSend:
                _ingress.OnSend(completion);
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
                _egress.OnReceive(completion, completion.HasBuffer ? _ingress.Received(completion) : default, now);
                if (completion.HasBuffer)
                    _ingress.GiveBack(completion.BufferId);
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
            case >= CompletionKind.IpPacketRouterFirst and <= CompletionKind.IpPacketRouterLast:
                _services[ServicePlan.IpPacketRouter].Shard.OnCompletion(completion, now);
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
                _services[parcel.Service].OnParcel(parcel, now);
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
        foreach (ServiceRoom service in _services)
        {
            if (service.Replies.HasWork)
                service.Replies.Run();
        }
    }

    /// <summary>One table of a client's key, or one batch of acks.</summary>
    public void RunIdle()
    {
        foreach (ServiceRoom service in _services)
        {
            if (service.Replies.WantsTable)
            {
                service.Replies.MakeTable();
                return;
            }

            if (!service.Replies.WantsAcks)
                continue;
            service.Replies.BuildAcks(s_idleAcks);
            return;
        }
    }

    public void Tick(long now)
    {
        _ingress.Tick(now);
        _egress.Tick(now);
        int sets = 0, peers = 0, surbs = 0, pending = 0, parked = 0, pooled = 0;
        foreach (ServiceRoom service in _services)
        {
            service.Tick(now);
            sets += service.Inbox.Sets;
            peers += service.Clients.Peers.Count;
            surbs += service.Clients.Surbs.Count;
            pending += service.Replies.Pending;
            parked += service.Replies.Parked;
            pooled += service.Replies.PooledAcks;
        }

        SlotPool slots = _plan.Memory.Own;
        _counters.Set(Gauge.MixLink_Connections, _ingress.Connections);
        _counters.Set(Gauge.MixLink_EgressPeers, _egress.ActivePeers);
        _counters.Set(Gauge.MixLink_EgressQueued, _egress.Queued);
        _counters.Set(Gauge.Memory_RegularSlotsInUse, slots.InUse(SlotClass.Regular));
        _counters.Set(Gauge.Memory_ExtendedSlotsInUse, slots.InUse(SlotClass.Extended));
        _counters.Set(Gauge.Memory_AssemblyBytesInUse, slots.AssemblyBytesInUse);
        _counters.Set(Gauge.Delivery_Sets, sets);
        _counters.Set(Gauge.Delivery_Peers, peers);
        _counters.Set(Gauge.Delivery_Surbs, surbs);
        _counters.Set(Gauge.Delivery_PendingAcks, pending);
        _counters.Set(Gauge.Delivery_Parked, parked);
        _counters.Set(Gauge.Delivery_PooledAcks, pooled);
    }

    public void Flush(long now)
    {
        foreach (ServiceRoom service in _services)
            service.Shard.Flush(now);
        _egress.Flush(now);
    }

    public void BeginDrain(long now)
    {
        _ingress.StopAccepting();
        foreach (ServiceRoom service in _services)
            service.Shard.BeginDrain(now);
    }

    public void Dispose()
    {
        foreach (ServiceRoom service in _services)
            service.Dispose();
        _ingress.Dispose();
        _egress.Dispose();
        _signalValue.Dispose();
    }
}
