using System.Globalization;

namespace FastExit.Bench.Figures;

/// <summary>Looks at a running exit from outside: its metrics page and its process.</summary>
internal sealed class ExitProbe(Uri metrics, int processId) : IDisposable
{
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>Every sample `name{core="…"}`, summed over cores.</summary>
    public async Task<Dictionary<string, double>> ReadAsync()
    {
        string text = await _client.GetStringAsync(metrics).ConfigureAwait(false);
        var values = new Dictionary<string, double>();
        foreach (string line in text.Split('\n'))
        {
            int space = line.LastIndexOf(' ');
            if (space < 0 || line[0] == '#')
                continue;
            string name = line[..space];
            int brace = name.IndexOf('{', StringComparison.Ordinal);
            if (brace >= 0)
                name = name[..brace];
            if (double.TryParse(line[(space + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
                values[name] = values.GetValueOrDefault(name) + value;
        }

        return values;
    }

    /// <summary>Resident set of the exit, bytes.</summary>
    public long ResidentBytes()
    {
        foreach (string line in File.ReadLines($"/proc/{processId}/status"))
        {
            if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
            {
                string kilobytes = line["VmRSS:".Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
                return long.Parse(kilobytes, CultureInfo.InvariantCulture) * 1024;
            }
        }

        throw new InvalidOperationException("the exit's process is gone");
    }

    public void Dispose() => _client.Dispose();
}
