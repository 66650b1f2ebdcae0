using System.Globalization;
using System.Net;
using System.Text;
using FastExit.Cores;
using FastExit.Metrics;

namespace FastExit.Tests.EndToEnd;

/// <summary>One reading of the exit's metrics endpoint.</summary>
internal sealed class MetricsSample(string text)
{
    private readonly Dictionary<string, double> _values = Parse(text);

    /// <summary>Over all cores.</summary>
    public double this[Counter counter] => Sum(MetricNames.Of(counter));

    /// <summary>Over all cores.</summary>
    public double this[Gauge gauge] => Sum(MetricNames.Of(gauge));

    public double On(int core, Counter counter) => _values.GetValueOrDefault($"{MetricNames.Of(counter)}{{core=\"{core}\"}}");

    public double On(int core, Gauge gauge) => _values.GetValueOrDefault($"{MetricNames.Of(gauge)}{{core=\"{core}\"}}");

    /// <summary>Every counter that differs, for a failure's text.</summary>
    public string Since(MetricsSample before)
    {
        var text = new StringBuilder();
        foreach ((string name, double value) in _values.Where(v => v.Key.StartsWith("fastexit_", StringComparison.Ordinal)))
        {
            if (value != before._values.GetValueOrDefault(name))
                text.AppendLine(CultureInfo.InvariantCulture, $"{name} {before._values.GetValueOrDefault(name)} -> {value}");
        }

        return text.ToString();
    }

    private double Sum(string name) =>
        _values.Where(v => v.Key.StartsWith(name + "{", StringComparison.Ordinal)).Sum(v => v.Value);

    private static Dictionary<string, double> Parse(string text)
    {
        var values = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (string line in text.Split('\n'))
        {
            int space = line.LastIndexOf(' ');
            if (space > 0 && line[0] != '#'
                && double.TryParse(line[(space + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
                values[line[..space]] = value;
        }

        return values;
    }
}

/// <summary>The metrics endpoint of a running exit, by way of <paramref name="handler"/> where it is in another namespace.</summary>
internal sealed class ExitMetrics(IPEndPoint address, HttpMessageHandler? handler = null) : IDisposable
{
    private readonly HttpClient _client = new(handler ?? new SocketsHttpHandler()) { Timeout = TimeSpan.FromSeconds(30) };
    private readonly Uri _address = new($"http://{address}/metrics");

    public async Task<MetricsSample> ReadAsync() => new(await TextAsync());

    public Task<string> TextAsync() => _client.GetStringAsync(_address);

    /// <summary>Reads again and again until <paramref name="reached"/>; the last reading.</summary>
    public async Task<MetricsSample> UntilAsync(TimeSpan patience, Func<MetricsSample, bool> reached, string otherwise)
    {
        MetricsSample first = await ReadAsync();
        MetricsSample sample = first;
        var empty = new MetricsSample("");
        for (long end = Environment.TickCount64 + (long)patience.TotalMilliseconds; !reached(sample);)
        {
            if (Environment.TickCount64 > end)
                throw new TimeoutException($"{otherwise} within {patience.TotalSeconds:0} s:\n{sample.Since(empty)}");
            await Task.Delay(200);
            sample = await ReadAsync();
        }

        return sample;
    }

    public void Dispose() => _client.Dispose();
}
