using System.Text;
using FastExit.Policy;

namespace FastExit.Resolution;

/// <summary>
/// The system's fixed names (hosts(5)): an address and names a line, <c>#</c> comments, lines that make no sense are
/// skipped. Looked at again when the file changed, at most every five seconds.
/// </summary>
internal sealed class HostsFile
{
    private const int MaximumBytes = 16 * 1024 * 1024;
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(5);

    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly Lock _reading = new();
    private Dictionary<string, NumericAddress[]> _names = [];
    private (DateTime Written, long Bytes) _stamp;
    private long _lookedAt;

    public HostsFile(string path, TimeProvider time)
    {
        _path = path;
        _time = time;
        Reread();
    }

    /// <summary>The addresses of a lower-case name without final dot; null when the file does not have it.</summary>
    public NumericAddress[]? Find(string name)
    {
        if (_time.GetElapsedTime(Volatile.Read(ref _lookedAt)) >= LookAgain) Reread();
        return Volatile.Read(ref _names).GetValueOrDefault(name);
    }

    internal static Dictionary<string, NumericAddress[]> Parse(IEnumerable<string> lines)
    {
        var names = new Dictionary<string, List<NumericAddress>>(StringComparer.Ordinal);
        foreach (var line in lines)
        {
            var comment = line.IndexOf('#');
            var fields = (comment < 0 ? line : line[..comment]).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 2) continue;
            // A link-local entry may carry a scope, which nobody here can connect through.
            var literal = fields[0].Split('%')[0];
            if (!NumericAddress.TryParse(Encoding.UTF8.GetBytes(literal), out var address)) continue;
            foreach (var field in fields.AsSpan(1))
            {
                var name = field.TrimEnd('.').ToLowerInvariant();
                if (!names.TryGetValue(name, out var addresses)) names[name] = addresses = [];
                if (!addresses.Contains(address)) addresses.Add(address);
            }
        }

        return names.ToDictionary(static pair => pair.Key, static pair => pair.Value.ToArray(), StringComparer.Ordinal);
    }

    private void Reread()
    {
        lock (_reading)
        {
            Volatile.Write(ref _lookedAt, _time.GetTimestamp());
            try
            {
                var file = new FileInfo(_path);
                if (!file.Exists || file.Length > MaximumBytes)
                {
                    Volatile.Write(ref _names, []);
                    _stamp = default;
                    return;
                }

                var stamp = (file.LastWriteTimeUtc, file.Length);
                if (stamp == _stamp) return;
                Volatile.Write(ref _names, Parse(File.ReadLines(_path)));
                _stamp = stamp;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // The file is being replaced or is not ours to read: what was known stays, the next look decides.
            }
        }
    }
}
