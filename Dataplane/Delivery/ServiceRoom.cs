using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Memory;
using FastExit.MixLink;

namespace FastExit.Delivery;

/// <summary>
/// One service on one core: its clients with their SURBs, its replies, its inbox and its shard. Rooms of different services share the slots
/// and the link to the mix nodes and nothing else, so that equal tags at two services are two clients.
/// </summary>
internal sealed class ServiceRoom : IDisposable
{
    /// <param name="index">The service's place in <see cref="Sphinx.ServiceKeys"/>.</param>
    /// <param name="memory">The core's slots.</param>
    /// <param name="links">Rings to the same service on other cores.</param>
    /// <param name="egress">The core's link to the mix nodes.</param>
    /// <param name="routes">The core's routes; shared between its rooms.</param>
    /// <param name="identity">What the service signs its replies with.</param>
    /// <param name="settings">Sizes of this service's tables.</param>
    /// <param name="hugePages">Try huge pages for the SURBs.</param>
    /// <param name="counters">The core's counters.</param>
    /// <param name="shard">Builds the shard around its way back to the clients.</param>
    /// <param name="usualPosition">Of the packets that the service sends most, for which acks are built ahead.</param>
    public ServiceRoom(
        int index,
        CoreMemory memory,
        CoreLinks links,
        MixEgress egress,
        RouteBook routes,
        ServiceIdentity identity,
        DeliverySettings settings,
        bool hugePages,
        CoreCounters counters,
        Func<IReplyPath, IService> shard,
        byte usualPosition = 1)
    {
        Clients = new Clients(settings, hugePages, counters);
        try
        {
            Replies = new ReplyStage(memory.Own, egress, routes, Clients, identity, settings, counters, usualPosition);
            Shard = shard(Replies);
        }
        catch
        {
            Clients.Dispose();
            throw;
        }

        Replies.Connect(Shard);
        Inbox = new Inbox(memory, links, Clients, Replies, Shard, settings, counters, index);
    }

    public Clients Clients { get; }

    public ReplyStage Replies { get; }

    public Inbox Inbox { get; }

    public IService Shard { get; }

    public bool HasWork => Replies.HasWork || Shard.HasWork;

    public bool Drained => Shard.Drained && Replies.IsSettled;

    public void OnParcel(in CoreParcel parcel, long now)
    {
        if (parcel.Kind == ParcelKind.IpPacket)
            Shard.OnParcel(parcel, now);
        else
            Inbox.OnParcel(parcel, now);
    }

    public void Tick(long now)
    {
        Inbox.Tick(now);
        Replies.Tick();
        Shard.Tick(now);
    }

    public void Dispose()
    {
        (Shard as IDisposable)?.Dispose();
        Clients.Dispose();
    }
}
