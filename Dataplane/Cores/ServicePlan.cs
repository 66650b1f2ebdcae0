using FastExit.Configuration;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.Native.IoUring;

namespace FastExit.Cores;

/// <summary>What a shard is built from, on the thread of the core it lives on.</summary>
internal sealed record ShardContext(
    int Core,
    ExitSettings Settings,
    CoreMemory Memory,
    CoreLinks Links,
    IoRing Ring,
    IReplyPath Replies,
    CoreCounters Counters,
    long Now);

/// <summary>A service as every core builds its own part of it; the order of plans is that of <see cref="Sphinx.ServiceKeys"/>.</summary>
internal sealed record ServicePlan(ServiceIdentity Identity, DeliverySettings Delivery, Func<ShardContext, IService> BuildShard)
{
    /// <summary>Index of the Network Requester, which every exit has.</summary>
    public const int NetworkRequester = 0;

    /// <summary>Index of the IP Packet Router, if it is enabled.</summary>
    public const int IpPacketRouter = 1;
}
