using FastExit.Configuration;
using FastExit.Cores;

namespace FastExit.Metrics;

/// <summary><c>fastexit_&lt;room&gt;_&lt;snake_case&gt;_total</c> for counters, without `_total` for gauges; the room ends at the first underscore.</summary>
internal static class MetricNames
{
    public static string Of(Counter counter) => $"{Of(counter.ToString())}_total";

    public static string Of(Gauge gauge) => Of(gauge.ToString());

    private static string Of(string name)
    {
        var border = name.IndexOf('_', StringComparison.Ordinal);
        return $"fastexit_{Setting.SnakeCase(name[..border])}_{Setting.SnakeCase(name[(border + 1)..])}";
    }
}
