using FastExit.Policy;

namespace FastExit.IpPacketRouter.Packets;

/// <summary>
/// Keeps the verdict on a first fragment for its followers (ip-packet-router.md §2.5), by source, destination, id and, for IPv4,
/// protocol (RFC 791; RFC 8200 §4.5 leaves it out). Bounded: 4,096 entries of 30 s in sets of four, where a newcomer takes the oldest
/// place. A follower that reaches back into its first fragment is refused: it could overwrite the ports that were judged, or, behind
/// an IPv6 fragment header, the headers before them (RFC 5722). One per thread; allocates at construction alone.
/// </summary>
public sealed class FragmentCache
{
    public const int Capacity = 4096;

    public const long LifetimeMilliseconds = 30_000;

    private const int Ways = 4;

    private readonly Entry[] _entries = new Entry[Capacity];

    /// <summary>
    /// Stores the verdict on a first fragment, in place of an older one on the same datagram. Other packets are ignored, and so are
    /// fragments that stand alone (RFC 6946).
    /// </summary>
    public void Remember(in IpPacket packet, bool accepted, long nowMilliseconds)
    {
        if (!packet.IsFirstFragment || !packet.MoreFragments)
            return;
        Span<Entry> set = SetOf(packet);
        ref Entry place = ref set[0];
        foreach (ref Entry entry in set)
        {
            if (entry.IsOf(packet))
            {
                place = ref entry;
                break;
            }

            if (entry.Expires < place.Expires)
                place = ref entry;
        }

        place = new Entry(packet, accepted, nowMilliseconds + LifetimeMilliseconds);
    }

    /// <summary>The verdict for a later fragment; false when its first one was not seen, or too long ago, or it is none.</summary>
    public bool TryFind(in IpPacket packet, long nowMilliseconds, out bool accepted)
    {
        accepted = false;
        if (packet.HasTransport)
            return false;
        foreach (ref Entry entry in SetOf(packet))
        {
            if (entry.IsOf(packet) && entry.Expires > nowMilliseconds)
            {
                accepted = entry.Accepted && packet.FragmentOffset >= entry.FirstEnd;
                return true;
            }
        }

        return false;
    }

    private Span<Entry> SetOf(in IpPacket packet)
    {
        int hash = HashCode.Combine(packet.Source, packet.Destination, packet.FragmentId, ProtocolOf(packet));
        return _entries.AsSpan((int)((uint)hash % (Capacity / Ways)) * Ways, Ways);
    }

    private static byte ProtocolOf(in IpPacket packet) => packet.IsIPv6 ? (byte)0 : packet.Protocol;

    private readonly struct Entry(in IpPacket packet, bool accepted, long expires)
    {
        private readonly NumericAddress _source = packet.Source, _destination = packet.Destination;
        private readonly uint _id = packet.FragmentId;
        private readonly byte _protocol = ProtocolOf(packet);

        /// <summary>0 in an entry never used.</summary>
        public long Expires { get; } = expires;

        public bool Accepted { get; } = accepted;

        public int FirstEnd { get; } = packet.FragmentEnd;

        public bool IsOf(in IpPacket packet) =>
            Expires != 0 && _id == packet.FragmentId && _protocol == ProtocolOf(packet)
            && _source == packet.Source && _destination == packet.Destination;
    }
}
