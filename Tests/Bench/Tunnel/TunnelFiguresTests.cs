using System.Text;
using FastExit.Bench.Tunnel;
using Xunit;

namespace FastExit.Tests.Bench.Tunnel;

/// <summary>What the figures of a tunnel are read from and reckoned with.</summary>
public sealed class TunnelFiguresTests
{
    private static readonly string[] s_snmp =
    [
        "Tcp: RtoAlgorithm RtoMin", "Tcp: 1 200",
        "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors",
        "Udp: 1200 0 34 77 34 0 0 0 0",
    ];

    private static readonly string[] s_devices =
    [
        "Inter-|   Receive                                                |  Transmit",
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed",
        "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0",
        "nymtun0: 2945011  32013    0    1    0     0          0         0  6350525   69031    0 1234    0     0       0          0",
    ];

    private const string ProcessLine =
        "4002 (core 0) x) S 3962 3962 3962 0 -1 4194560 1 2 3 4 1250 75 0 0 20 0 18 0 2539391 53 1 2";

    [Fact]
    public void The_kernels_counts_are_read()
    {
        Assert.True(DatagramCount.TryParse(s_snmp, out DatagramCount count));
        Assert.Equal(new DatagramCount(77, 1234), count);
        Assert.False(DatagramCount.TryParse(s_snmp[..3], out _));
        Assert.True(DeviceDrops.TryParse(s_devices, "nymtun0", out long drops));
        Assert.Equal(1234, drops);
        Assert.False(DeviceDrops.TryParse(s_devices, "nymtun", out _));
        Assert.True(ProcessorTime.TryParse(ProcessLine, out double seconds));
        Assert.Equal(13.25, seconds);
        Assert.True(ProcessorTime.OfProcess(Environment.ProcessId) > 0);
        Assert.Equal(0, ProcessorTime.OfProcess(int.MaxValue));
    }

    [Fact]
    public void Iperfs_report_is_read()
    {
        const string Report = """
            {"start": {}, "intervals": [], "end": {"streams": [],
              "sum_sent": {"seconds": 5.0, "bytes": 3000000, "bits_per_second": 4800000.5, "retransmits": 39, "sender": true},
              "sum_received": {"seconds": 5.1, "bytes": 2900000, "bits_per_second": 4270000.25, "sender": false}}}
            """;
        Assert.True(IperfReport.TryParse(Report, out IperfReport report));
        Assert.Equal(new IperfReport(4270000.25, 39, null), report);
        Assert.True(IperfReport.TryParse("""{"end": {}, "error": "the server is busy"}""", out report));
        Assert.Equal("the server is busy", report.Error);
        Assert.True(IperfReport.TryParse("""{"end": {"sum": {"packets": 1}}}""", out report));
        Assert.Equal(default, report);
        Assert.False(IperfReport.TryParse("", out _));
        Assert.False(IperfReport.TryParse("[]", out _));
        Assert.False(IperfReport.TryParse("{}", out _));
    }

    [Fact]
    public void Generated_texts_are_read_or_refused()
    {
        string[] pieces =
        [
            "{", "}", "[", "]", "\"end\":", "\"error\":", "\"sum_received\":", "\"bits_per_second\":", "1e999", "-5", "3.5", "null", "\"x\"", ",", " ",
            "Udp:", "OutDatagrams", "InDatagrams", "RcvbufErrors", "99999999999999999999", "nym0", ":", ")", "(",
        ];
        int read = GeneratedInputs.Accepted(seed: 72, (random, count) =>
        {
            int accepted = 0;
            var text = new StringBuilder();
            for (int i = 0; i < count; i++)
            {
                text.Clear();
                for (int piece = random.Next(12); piece > 0; piece--)
                    text.Append(pieces[random.Next(pieces.Length)]).Append(random.Next(3) == 0 ? " " : "");
                string line = text.ToString();

                // A JSON reader throws by design, which costs thousands of times more than to answer.
                if (i % 100 == 0)
                    accepted += IperfReport.TryParse($$"""{"end": {{line}}}""", out _) ? 1 : 0;
                accepted += DatagramCount.TryParse(["Udp: InDatagrams OutDatagrams RcvbufErrors", "Udp: " + line], out _) ? 1 : 0;
                accepted += DatagramCount.TryParse(["Udp: " + line, "Udp: 1 2 3"], out _) ? 1 : 0;
                accepted += DeviceDrops.TryParse([line], "nym0", out _) ? 1 : 0;
                accepted += ProcessorTime.TryParse(line, out _) ? 1 : 0;
            }

            return accepted;
        });
        Assert.InRange(read, 1, GeneratedInputs.Count);
    }

    [Theory]
    [InlineData(5500, 5500)]
    [InlineData(300, 0)]
    [InlineData(1_000_000, 16_000)]
    public async Task The_search_ends_just_below_what_is_carried(double carried, double expected)
    {
        var search = new RateSearch(Lowest: 1000, Highest: 16_000, Tolerated: 0.01, Steps: 4);
        var tried = new List<double>();
        double found = await search.RunAsync(rate =>
        {
            tried.Add(rate);
            return Task.FromResult(rate <= carried ? 0.001 : 0.5);
        });
        Assert.InRange(found, expected * 0.95, expected);
        Assert.InRange(tried.Count, 2, 14);
        Assert.InRange(tried.Max(), 1000, 16_000);
    }

    [Fact]
    public async Task One_noisy_moment_does_not_end_the_search()
    {
        var search = new RateSearch(Lowest: 1000, Highest: 4000, Tolerated: 0.01, Steps: 2);
        int trials = 0;
        Assert.Equal(4000, await search.RunAsync(_ => Task.FromResult(trials++ == 0 ? 0.3 : 0)));
    }

    [Fact]
    public void Figures_are_differences_by_the_second()
    {
        long second = System.Diagnostics.Stopwatch.Frequency;
        TunnelSample before = Sample(0, 100, 10, new DatagramCount(0, 5), new DatagramCount(1000, 0));
        TunnelSample after = Sample(2 * second, 300, 50, new DatagramCount(0, 1805), new DatagramCount(3000, 0));
        var down = new LoadFigures(new TunnelLoad(Downwards: true, 1000), before, after, default);
        Assert.Equal(1000, down.DatagramsSent);
        Assert.Equal(900, down.DatagramsArrived);
        Assert.Equal(0.1, down.Lost, 6);
        Assert.Equal(100, down.MixPackets);
        Assert.Equal("dropped_no_surbs 20/s", down.Drops);
        Assert.Equal(0.5, down.CoreShare, 6);
        var up = new LoadFigures(new TunnelLoad(Downwards: false, 1000), before, after, default);
        Assert.Equal(0, up.DatagramsSent);
        Assert.Equal(1, up.Lost);
    }

    private static TunnelSample Sample(long taken, double frames, double drops, DatagramCount application, DatagramCount internet) => new(
        taken,
        new Dictionary<string, double>
        {
            ["fastexit_mix_link_frames_received_total"] = frames,
            ["fastexit_ip_packet_router_dropped_no_surbs_total"] = drops,
            ["fastexit_ip_packet_router_dropped_queue_full_total"] = 7,
        },
        0, frames / 200, 0, 0, application, internet, 0, 0);
}
