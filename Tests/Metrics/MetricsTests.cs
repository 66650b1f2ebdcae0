using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using FastExit.Cores;
using FastExit.Metrics;
using Xunit;

namespace FastExit.Tests.Metrics;

public sealed partial class MetricsTests
{
    [Fact]
    public void Every_counter_and_gauge_has_its_help()
    {
        Assert.Equal(Enum.GetValues<Counter>(), MetricHelp.Counters.Keys.Order());
        Assert.Equal(Enum.GetValues<Gauge>(), MetricHelp.Gauges.Keys.Order());
        var texts = MetricHelp.Counters.Values.Concat(MetricHelp.Gauges.Values).ToList();
        Assert.All(texts, text => Assert.Matches(@"^[A-Z][^\n]{8,}\.$", text));
    }

    [Fact]
    public void Names_follow_the_rule()
    {
        Assert.Equal("fastexit_network_requester_sends_beyond_window_total", MetricNames.Of(Counter.NetworkRequester_SendsBeyondWindow));
        Assert.Equal("fastexit_mix_link_egress_queued", MetricNames.Of(Gauge.MixLink_EgressQueued));
        var names = Enum.GetValues<Counter>().Select(MetricNames.Of).Concat(Enum.GetValues<Gauge>().Select(MetricNames.Of)).ToList();
        Assert.Equal(names.Count, names.Distinct().Count());
        Assert.All(names, name => Assert.Matches("^fastexit_[a-z][a-z0-9_]*[a-z0-9]$", name));
    }

    [Fact]
    public async Task Each_value_of_each_core_arrives_over_http()
    {
        CoreCounters[] cores = [new(0), new(1)];
        foreach (var core in cores)
        {
            foreach (var counter in Enum.GetValues<Counter>())
                core.Add(counter, Expected(core.Core, (int)counter));
            foreach (var gauge in Enum.GetValues<Gauge>())
                core.Set(gauge, Expected(core.Core, 500 + (int)gauge));
        }

        var collector = new CoreCollector(() => cores);
        await using var endpoint = await MetricsEndpoint.StartAsync(new IPEndPoint(IPAddress.Loopback, 0), collector.Registry);
        using var client = new HttpClient();
        var values = Parse(await client.GetStringAsync(endpoint.Address));
        foreach (var core in cores)
        {
            foreach (var counter in Enum.GetValues<Counter>())
                Assert.Equal(Expected(core.Core, (int)counter), values[$"{MetricNames.Of(counter)}{{core=\"{core.Core}\"}}"]);
            foreach (var gauge in Enum.GetValues<Gauge>())
                Assert.Equal(Expected(core.Core, 500 + (int)gauge), values[$"{MetricNames.Of(gauge)}{{core=\"{core.Core}\"}}"]);
        }

        Assert.True(values["fastexit_process_allocated_bytes_total"] > 0);
        Assert.True(values["process_working_set_bytes"] > 0);
        Assert.Contains(values.Keys, name => name.StartsWith("fastexit_build_info{version=\"", StringComparison.Ordinal));

        cores[1].Increment(Counter.Core_Loops);
        cores[1].Set(Gauge.Delivery_Peers, 3);
        values = Parse(await client.GetStringAsync(endpoint.Address));
        Assert.Equal(Expected(1, (int)Counter.Core_Loops) + 1, values["fastexit_core_loops_total{core=\"1\"}"]);
        Assert.Equal(3, values["fastexit_delivery_peers{core=\"1\"}"]);
    }

    [SkippableFact]
    public async Task Help_and_type_stand_beside_the_values()
    {
        Skip.IfNot(Native.LoopbackIPv6.IsPresent, Native.LoopbackIPv6.Missing);
        var collector = new CoreCollector(() => [new CoreCounters(0)]);
        await using var endpoint = await MetricsEndpoint.StartAsync(new IPEndPoint(IPAddress.IPv6Loopback, 0), collector.Registry);
        using var client = new HttpClient();
        using var response = await client.GetAsync(endpoint.Address);
        Assert.Equal("text/plain", response.Content.Headers.ContentType?.MediaType);
        var text = await response.Content.ReadAsStringAsync();
        foreach (var (counter, help) in MetricHelp.Counters)
        {
            Assert.Contains($"# HELP {MetricNames.Of(counter)} {help}\n", text, StringComparison.Ordinal);
            Assert.Contains($"# TYPE {MetricNames.Of(counter)} counter\n", text, StringComparison.Ordinal);
        }

        foreach (var gauge in Enum.GetValues<Gauge>())
            Assert.Contains($"# TYPE {MetricNames.Of(gauge)} gauge\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_the_one_path_and_method_answer()
    {
        var collector = new CoreCollector(() => []);
        await using var endpoint = await MetricsEndpoint.StartAsync(new IPEndPoint(IPAddress.Loopback, 0), collector.Registry);
        using var client = new HttpClient();
        using var root = await client.GetAsync(new Uri(endpoint.Address, "/"));
        Assert.Equal(HttpStatusCode.NotFound, root.StatusCode);
        using var post = await client.PostAsync(endpoint.Address, null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, post.StatusCode);
        await Assert.ThrowsAsync<IOException>(async () =>
            await MetricsEndpoint.StartAsync(new IPEndPoint(IPAddress.Loopback, endpoint.Address.Port), collector.Registry));
    }

    [Fact]
    public async Task Scrapes_at_the_same_time_never_set_a_counter_back()
    {
        var core = new CoreCounters(0);
        var collector = new CoreCollector(() => [core]);
        await using var endpoint = await MetricsEndpoint.StartAsync(new IPEndPoint(IPAddress.Loopback, 0), collector.Registry);
        using var client = new HttpClient();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            double last = 0;
            for (var i = 0; i < 25; i++)
            {
                core.Increment(Counter.Core_Loops);
                var value = Parse(await client.GetStringAsync(endpoint.Address))["fastexit_core_loops_total{core=\"0\"}"];
                Assert.True(value >= last);
                last = value;
            }
        }));
    }

    private static long Expected(int core, int index) => (1_000_000L * (core + 1)) + index;

    private static Dictionary<string, double> Parse(string text)
    {
        var values = new Dictionary<string, double>();
        foreach (Match match in Sample().Matches(text))
            values.Add(match.Groups[1].Value, double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture));
        return values;
    }

    [GeneratedRegex(@"^([a-z][^\s#]*(?:\{[^}]*\})?) (\S+)$", RegexOptions.Multiline)]
    private static partial Regex Sample();
}
