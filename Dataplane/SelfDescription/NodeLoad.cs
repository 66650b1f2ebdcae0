using System.Globalization;
using System.Net.NetworkInformation;

namespace FastExit.SelfDescription;

/// <summary>
/// `/load`: how busy machine and network are, in the network's words. Machine: the load average of a minute, per processor. Network: bytes of
/// all devices but loopback since the sample before, the busier direction, of an assumed gigabit a second. A sample is kept for 30 s.
/// </summary>
internal sealed class NodeLoad(TimeProvider time)
{
    public static readonly TimeSpan Kept = TimeSpan.FromSeconds(30);

    private const double LinkBytesPerSecond = 125_000_000;
    private static readonly TimeSpan s_shortest = TimeSpan.FromSeconds(1);

    private readonly Lock _sampling = new();
    private (long At, long Received, long Sent)? _before;
    private (long At, Sample Sample)? _latest;

    /// <summary>Shares of 1; null: not known.</summary>
    public sealed record Sample(double? Machine, double? Network)
    {
        public void Write(SerdeJson json)
        {
            double? total = Machine is null && Network is null ? null : Math.Max(Machine ?? 0, Network ?? 0);
            json.StartObject().Name("total").Value(Word(total)).Name("machine").Value(Word(Machine)).Name("network").Value(Word(Network)).EndObject();
        }

        public static string Word(double? share) => share switch
        {
            null => "unknown",
            < 0.05 => "negligible",
            < 0.25 => "low",
            < 0.5 => "medium",
            < 0.75 => "high",
            < 0.95 => "very_high",
            _ => "at_capacity",
        };
    }

    public Sample Read()
    {
        lock (_sampling)
        {
            var now = time.GetTimestamp();
            if (_latest is var (at, sample) && time.GetElapsedTime(at, now) < Kept)
                return sample;
            var (received, sent) = Traffic();
            double? network = null;
            if (_before is var (then, receivedThen, sentThen) && time.GetElapsedTime(then, now) >= s_shortest)
                network = Math.Max(Math.Max(received - receivedThen, sent - sentThen), 0) / time.GetElapsedTime(then, now).TotalSeconds / LinkBytesPerSecond;
            if (_before is null || network is not null)
                _before = (now, received, sent);
            sample = new Sample(Machine(), network);
            // Nothing is known of the network yet: the next question is answered anew.
            _latest = network is null ? null : (now, sample);
            return sample;
        }
    }

    private static double? Machine() =>
        double.TryParse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture, out var load) ? load / Environment.ProcessorCount : null;

    private static (long Received, long Sent) Traffic()
    {
        long received = 0, sent = 0;
        foreach (var device in NetworkInterface.GetAllNetworkInterfaces().Where(device => device.NetworkInterfaceType != NetworkInterfaceType.Loopback))
        {
            var statistics = device.GetIPStatistics();
            received += statistics.BytesReceived;
            sent += statistics.BytesSent;
        }

        return (received, sent);
    }
}
