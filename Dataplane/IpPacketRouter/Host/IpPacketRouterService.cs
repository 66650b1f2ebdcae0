using System.Runtime.InteropServices;
using FastExit.Commands;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Delivery;
using FastExit.Policy;

namespace FastExit.IpPacketRouter.Host;

/// <summary>
/// The IP Packet Router of a running exit: the tunnel on this host, what all cores' shards share, and how a core builds its own. Dispose it
/// after the cores.
/// </summary>
internal sealed class IpPacketRouterService : IDisposable
{
    private readonly TunnelHost _tunnel;
    private readonly PublishedPacketPolicy _policy = new(new PacketPolicy(ExitPolicy.Bundled, AddressGuard.Default));
    private readonly IprPlan _plan;

    private IpPacketRouterService(IpPacketRouterSettings settings, int cores, Action<string> log)
    {
        // The ten texts that clients expect are those of a Rust build; what has no counterpart stays empty.
        var health = new PublishedHealth(
            ["fastexit", "", ProgramVersion.Text, "", "", "", RuntimeInformation.FrameworkDescription, "", "", RuntimeInformation.RuntimeIdentifier]);
        _tunnel = TunnelHost.Start(settings, cores, health, log);

        // A family that this host does not have is as one that is not set.
        IpPacketRouterSettings carried = settings with
        {
            Ipv4 = _tunnel.Prefixes.Any(prefix => !prefix.IsIPv6) ? settings.Ipv4 : null,
            Ipv6 = _tunnel.Prefixes.Any(prefix => prefix.IsIPv6) ? settings.Ipv6 : null,
        };
        _plan = new IprPlan(TunnelNetwork.From(carried), IprLimits.From(settings), _policy, health);
    }

    /// <summary>The clients' networks, which nobody reaches but through the tunnel.</summary>
    public IEnumerable<AddressPrefix> Networks => _tunnel.Prefixes.Select(prefix => AddressPrefix.Parse(prefix.ToString()));

    /// <inheritdoc cref="TunnelHost.Start"/>
    public static IpPacketRouterService Start(IpPacketRouterSettings settings, int cores, Action<string> log) =>
        new(settings, cores, log);

    /// <summary>Every shard judges by these from its next packet on.</summary>
    public void Use(ExitPolicy rules, AddressGuard guard) => _policy.Publish(new PacketPolicy(rules, guard));

    /// <summary>A core's shard, on the core's thread.</summary>
    public IService BuildShard(ShardContext core)
    {
        var references = new SlotReferences(core.Memory);
        TunQueueDevice device = _tunnel.Attach(core.Core, queue => new TunQueueDevice(
            core.Ring, queue, core.Memory, references, core.Counters, _tunnel.TakesLargeUdp, _tunnel.NoticeLoss));
        try
        {
            return new IprShard(
                _plan, core.Memory, references, core.Links, core.Replies, device, core.Counters, core.Now);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    public void Dispose() => _tunnel.Dispose();
}
