using System.Globalization;
using FastExit.Bench.Lab;
using FastExit.Native.Netlink;

namespace FastExit.Bench.Tunnel;

/// <summary>What everything had done at one moment; processor times in seconds.</summary>
internal sealed record TunnelSample(
    long Taken,
    IReadOnlyDictionary<string, double> Metrics,
    double ExitSeconds,
    double CoreSeconds,
    double LabSeconds,
    double ClientSeconds,
    DatagramCount Application,
    DatagramCount Internet,
    long ExitDeviceDrops,
    long ClientDeviceDrops);

/// <summary>UDP datagrams that a namespace's programs have sent, and those that came for them.</summary>
internal readonly record struct DatagramCount(long Sent, long Arrived)
{
    /// <summary>What found its socket full has arrived: the tunnel did its part.</summary>
    public static DatagramCount Of(NetworkNamespace space)
    {
        string[] lines = space.Run(() => File.ReadAllLines("/proc/thread-self/net/snmp"));
        return TryParse(lines, out DatagramCount count) ? count : throw new LabException("/proc/net/snmp tells nothing about UDP");
    }

    /// <summary>From the two lines that begin with `Udp:`, names and values.</summary>
    internal static bool TryParse(IEnumerable<string> lines, out DatagramCount count)
    {
        count = default;
        string[][] udp = [.. lines.Where(line => line.StartsWith("Udp:", StringComparison.Ordinal)).Select(line => line.Split(' '))];
        if (udp is not [string[] names, string[] values] || names.Length != values.Length)
            return false;
        bool TryValue(string name, out long value)
        {
            value = 0;
            int field = Array.IndexOf(names, name);
            return field > 0 && long.TryParse(values[field], NumberStyles.None, CultureInfo.InvariantCulture, out value);
        }

        if (!TryValue("OutDatagrams", out long sent) || !TryValue("InDatagrams", out long taken) || !TryValue("RcvbufErrors", out long full))
            return false;
        count = new DatagramCount(sent, taken + full);
        return true;
    }
}

/// <summary>Packets that the host had no room for in a device's queue, because the program at its other end did not keep up.</summary>
internal static class DeviceDrops
{
    // Eight fields of receiving come first, then bytes, packets and errors of sending.
    private const int Field = 11;

    public static long Of(NetworkNamespace space, string device)
    {
        string[] lines = space.Run(() => File.ReadAllLines("/proc/thread-self/net/dev"));
        return TryParse(lines, device, out long drops) ? drops : throw new LabException($"the device {device} is gone");
    }

    /// <summary>From the lines of <c>/proc/net/dev</c>.</summary>
    internal static bool TryParse(IEnumerable<string> lines, string device, out long drops)
    {
        drops = 0;
        foreach (string line in lines)
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0 || !line.AsSpan(0, colon).Trim().SequenceEqual(device))
                continue;
            string[] fields = line[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return fields.Length > Field && long.TryParse(fields[Field], NumberStyles.None, CultureInfo.InvariantCulture, out drops);
        }

        return false;
    }
}
