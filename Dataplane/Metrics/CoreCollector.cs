using System.Globalization;
using System.Runtime.InteropServices;
using FastExit.Commands;
using FastExit.Cores;
using FastExit.Sphinx;
using Prometheus;
using Counter = FastExit.Cores.Counter;
using Gauge = FastExit.Cores.Gauge;

namespace FastExit.Metrics;

/// <summary>
/// Copies every core's counters and gauges into a Prometheus registry whenever it is collected; the cores only ever write their own
/// memory and know nothing of it. The default process facts and a build line stand beside them.
/// </summary>
internal sealed class CoreCollector
{
    private readonly Func<IReadOnlyList<CoreCounters>> _cores;
    private readonly (Counter Counter, Prometheus.Counter Metric)[] _counters;
    private readonly (Gauge Gauge, Prometheus.Gauge Metric)[] _gauges;
    private readonly Func<IReadOnlyList<ReplayFilterFill>>? _filters;
    private readonly Prometheus.Gauge _filterFill;
    private readonly Prometheus.Counter _allocated;
    private readonly Lock _copying = new();

    public CoreCollector(Func<IReadOnlyList<CoreCounters>> cores, Func<IReadOnlyList<ReplayFilterFill>>? filters = null)
    {
        _filters = filters;
        _cores = cores;
        Registry = Prometheus.Metrics.NewCustomRegistry();
        var factory = Prometheus.Metrics.WithCustomRegistry(Registry);
        _counters = [.. Enum.GetValues<Counter>().Select(counter => (counter,
            factory.CreateCounter(MetricNames.Of(counter), MetricHelp.Counters.GetValueOrDefault(counter, counter.ToString()), "core")))];
        _gauges = [.. Enum.GetValues<Gauge>().Select(gauge => (gauge,
            factory.CreateGauge(MetricNames.Of(gauge), MetricHelp.Gauges.GetValueOrDefault(gauge, gauge.ToString()), "core")))];
        _filterFill = factory.CreateGauge(
            "fastexit_sphinx_replay_filter_fill",
            "Packets in the replay filter of that rotation's key, as a share of mix_link.replay_filter_packets; from about 1.2 on packets are refused.",
            "rotation");
        _allocated = factory.CreateCounter("fastexit_process_allocated_bytes_total", "Managed bytes allocated by all threads since the start.");
        factory.CreateGauge("fastexit_build_info", "Always 1; the labels say what runs.", "version", "runtime", "architecture")
            .WithLabels(ProgramVersion.Text, RuntimeInformation.FrameworkDescription, RuntimeInformation.RuntimeIdentifier)
            .Set(1);
        DotNetStats.Register(Registry);
        Registry.AddBeforeCollectCallback(Copy);
    }

    public CollectorRegistry Registry { get; }

    private void Copy()
    {
        // Scrapes may overlap, and a counter must not be set back by the slower one.
        lock (_copying)
        {
            foreach (var core in _cores())
            {
                var label = core.Core.ToString(CultureInfo.InvariantCulture);
                foreach (var (counter, metric) in _counters)
                    metric.WithLabels(label).IncTo(core.Read(counter));
                foreach (var (gauge, metric) in _gauges)
                    metric.WithLabels(label).Set(core.Read(gauge));
            }

            var fills = (_filters?.Invoke() ?? []).ToDictionary(
                fill => fill.Rotation.ToString(CultureInfo.InvariantCulture), fill => fill.Fill);
            foreach (var labels in _filterFill.GetAllLabelValues().Where(labels => !fills.ContainsKey(labels[0])).ToArray())
                _filterFill.RemoveLabelled(labels);
            foreach (var (rotation, fill) in fills)
                _filterFill.WithLabels(rotation).Set(fill);
            _allocated.IncTo(GC.GetTotalAllocatedBytes());
        }
    }
}
