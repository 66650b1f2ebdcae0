using FastExit.Cores;

namespace FastExit.SelfDescription;

/// <summary>
/// `/metrics/packets-stats`: totals of all cores in the network's terms. An exit forwards nothing: what it was asked to forward counts as
/// received and dropped, and what it sends is its own and the acknowledgements of what it received.
/// </summary>
internal static class PacketStatistics
{
    public static void Write(SerdeJson json, IReadOnlyList<CoreCounters> cores)
    {
        long Sum(params ReadOnlySpan<Counter> counters)
        {
            long sum = 0;
            foreach (var core in cores)
            {
                foreach (var counter in counters)
                    sum += core.Read(counter);
            }

            return sum;
        }

        var acks = Sum(Counter.Sphinx_AcksReleased);
        json.StartObject()
            .Name("ingress_mixing").StartObject()
            .Name("forward_hop_packets_received").Value(Sum(Counter.Sphinx_ForwardHopsRefused))
            .Name("final_hop_packets_received").Value(Sum(Counter.Sphinx_FinalHops))
            .Name("malformed_packets_received").Value(Sum(
                Counter.Sphinx_BadMac, Counter.Sphinx_ExpiredKey, Counter.Sphinx_BadRouting, Counter.Sphinx_BadPayload, Counter.Sphinx_MissingAck))
            .Name("replayed_packets_received").Value(Sum(Counter.Sphinx_Replays))
            .Name("excessive_delay_packets").Value(0)
            .Name("forward_hop_packets_dropped").Value(Sum(Counter.Sphinx_ForwardHopsRefused))
            .Name("final_hop_packets_dropped").Value(Sum(Counter.Sphinx_UnknownDestination, Counter.Sphinx_ReplayFilterFull, Counter.MixLink_NoSlot))
            .EndObject()
            .Name("egress_mixing").StartObject()
            .Name("forward_hop_packets_sent").Value(Math.Max(Sum(Counter.MixLink_PacketsSent) - acks, 0))
            .Name("forward_hop_packets_dropped").Value(Sum(Counter.MixLink_EgressQueueFull, Counter.MixLink_EgressExpired, Counter.MixLink_EgressUnknownPeer))
            .Name("ack_packets_sent").Value(acks)
            .EndObject().EndObject();
    }
}
