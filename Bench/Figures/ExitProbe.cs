using System.Globalization;
using System.Net.Sockets;
using FastExit.Native.Netlink;

namespace FastExit.Bench.Figures;

/// <summary>Looks at a running exit from outside: its metrics page and its process.</summary>
/// <param name="metrics">The page.</param>
/// <param name="processId">The exit's.</param>
/// <param name="space">Where the page is; null: here. Stays the caller's.</param>
internal sealed class ExitProbe(Uri metrics, int processId, NetworkNamespace? space = null) : IDisposable
{
    private readonly HttpClient _client = new(Handler(space)) { Timeout = TimeSpan.FromSeconds(10) };

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

    private static SocketsHttpHandler Handler(NetworkNamespace? space)
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        if (space is null)
            return handler;
        handler.ConnectCallback = async (context, stop) =>
        {
            Socket socket = space.Run(() => new Socket(SocketType.Stream, ProtocolType.Tcp));
            try
            {
                await socket.ConnectAsync(context.DnsEndPoint, stop).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        };
        return handler;
    }
}
