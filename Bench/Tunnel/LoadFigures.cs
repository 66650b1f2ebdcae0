using System.Diagnostics;
using System.Globalization;

namespace FastExit.Bench.Tunnel;

/// <summary>What happened between two samples of a running tunnel under one load.</summary>
internal sealed class LoadFigures(TunnelLoad load, TunnelSample before, TunnelSample after, IperfReport iperf)
{
    /// <summary>Parts of counters' names that tell of something that did not arrive.</summary>
    private static readonly string[] s_lossWords =
        ["dropped", "no_slot", "no_client", "full", "memory_exhausted", "limited", "bad_", "denied", "spoofed", "too_big", "given_up", "expired", "errors", "without_session"];

    public double Seconds { get; } = Stopwatch.GetElapsedTime(before.Taken, after.Taken).TotalSeconds;

    public IperfReport Iperf => iperf;

    public double DatagramsSent => (Sender(after).Sent - Sender(before).Sent) / Seconds;

    public double DatagramsArrived => (Receiver(after).Arrived - Receiver(before).Arrived) / Seconds;

    /// <summary>Share of the datagrams, 0 to 1.</summary>
    public double Lost => DatagramsSent <= 0 ? 1 : Math.Clamp(1 - (DatagramsArrived / DatagramsSent), 0, 1);

    /// <summary>Sphinx packets in and out of the exit.</summary>
    public double MixPackets => (Delta("fastexit_mix_link_frames_received_total") + Delta("fastexit_mix_link_packets_sent_total")) / Seconds;

    /// <summary>IP packets that the exit moved between its clients and its device.</summary>
    public double IpPackets =>
        (Delta("fastexit_ip_packet_router_uplink_packets_total") + Delta("fastexit_ip_packet_router_downlink_packets_total")) / Seconds;

    public double AllocatedPerMixPacket => Delta("fastexit_core_allocated_bytes_total") / Math.Max(1, MixPackets * Seconds);

    public double MixRetransmissions => Delta("fastexit_delivery_retransmissions_total") / Seconds;

    /// <summary>Processor seconds a second.</summary>
    public double ExitShare => (after.ExitSeconds - before.ExitSeconds) / Seconds;

    /// <inheritdoc cref="ExitShare"/>
    public double CoreShare => (after.CoreSeconds - before.CoreSeconds) / Seconds;

    /// <inheritdoc cref="ExitShare"/>
    public double LabShare => (after.LabSeconds - before.LabSeconds) / Seconds;

    /// <inheritdoc cref="ExitShare"/>
    public double ClientShare => (after.ClientSeconds - before.ClientSeconds) / Seconds;

    /// <summary>A second, before the exit could read them.</summary>
    public double ExitDeviceDrops => (after.ExitDeviceDrops - before.ExitDeviceDrops) / Seconds;

    /// <summary>A second, before the client could read them.</summary>
    public double ClientDeviceDrops => (after.ClientDeviceDrops - before.ClientDeviceDrops) / Seconds;

    /// <summary>What the exit dropped, by the names of its counters; empty when nothing.</summary>
    public string Drops => string.Join(", ", after.Metrics.Keys
        .Where(name => s_lossWords.Any(word => name.Contains(word, StringComparison.Ordinal)) && Delta(name) > 0)
        .OrderByDescending(Delta)
        .Select(name => string.Create(CultureInfo.InvariantCulture, $"{Short(name)} {Delta(name) / Seconds:N0}/s")));

    private static string Short(string name) =>
        name.Replace("fastexit_", "", StringComparison.Ordinal).Replace("ip_packet_router_", "", StringComparison.Ordinal)
            .Replace("_total", "", StringComparison.Ordinal);

    private DatagramCount Sender(TunnelSample sample) => load.Downwards ? sample.Internet : sample.Application;

    private DatagramCount Receiver(TunnelSample sample) => load.Downwards ? sample.Application : sample.Internet;

    private double Delta(string name) => after.Metrics.GetValueOrDefault(name) - before.Metrics.GetValueOrDefault(name);
}
