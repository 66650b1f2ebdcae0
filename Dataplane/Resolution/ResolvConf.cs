using System.Net;

namespace FastExit.Resolution;

/// <summary>
/// The <c>nameserver</c> lines of resolv.conf(5), scopes kept. Search lists are left aside: a client's name is always whole.
/// </summary>
internal static class ResolvConf
{
    private const int DnsPort = 53;

    /// <summary>The servers in order; the local host, as libc does, when the file names none or cannot be read.</summary>
    public static IReadOnlyList<IPEndPoint> Servers(string path)
    {
        try
        {
            var servers = Parse(File.ReadLines(path));
            if (servers.Count > 0) return servers;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Same answer as for an empty file.
        }

        return [new IPEndPoint(IPAddress.Loopback, DnsPort)];
    }

    internal static List<IPEndPoint> Parse(IEnumerable<string> lines)
    {
        var servers = new List<IPEndPoint>();
        foreach (var line in lines)
        {
            var fields = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length >= 2 && fields[0] == "nameserver" && IPAddress.TryParse(fields[1], out var address))
                servers.Add(new IPEndPoint(address, DnsPort));
        }

        return servers;
    }
}
