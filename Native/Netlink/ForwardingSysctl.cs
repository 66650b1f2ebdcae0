using FastExit.Native.Sockets;

namespace FastExit.Native.Netlink;

/// <summary>One setting that was changed.</summary>
/// <param name="Key">Below <c>/proc/sys</c>.</param>
/// <param name="Before">Value found.</param>
/// <param name="After">Value set.</param>
public sealed record SysctlChange(string Key, string Before, string After)
{
    public override string ToString() => $"{Key}: {Before} -> {After}";
}

/// <summary>
/// Kernel settings that let a host forward packets (<c>/proc/sys/net</c>, of the calling thread's network namespace).
/// Reads freely, writes what it is told to and remembers what was there; <see cref="Dispose"/> puts it back only if
/// asked to, and leaves alone what somebody else has changed since. Keys have slashes, since device names may hold
/// dots: <c>net/ipv4/conf/eth0.7/rp_filter</c>.
/// </summary>
/// <param name="restore">Put the old values back on <see cref="Dispose"/>.</param>
public sealed class ForwardingSysctl(bool restore) : IDisposable
{
    public const string IPv4Key = "net/ipv4/ip_forward";
    public const string IPv6Key = "net/ipv6/conf/all/forwarding";

    private readonly List<SysctlChange> _changes = [];
    private bool _disposed;

    public IReadOnlyList<SysctlChange> Changes => _changes;

    public static bool ForwardsIPv4 => Read(IPv4Key) == "1";

    public static bool ForwardsIPv6 => Read(IPv6Key) == "1";

    /// <summary>The reverse path filter in force on a device: the stricter of its own and the host's. 0 off, 1 strict,
    /// 2 loose; -1 when there is no such device.</summary>
    public static int ReversePathFilter(string device)
    {
        if (!int.TryParse(Read($"net/ipv4/conf/{device}/rp_filter"), out int own)
            || !int.TryParse(Read("net/ipv4/conf/all/rp_filter"), out int all))
            return -1;
        return Math.Max(own, all);
    }

    /// <summary>Null when there is no such setting or it may not be read.</summary>
    public static string? Read(string key)
    {
        try
        {
            return File.ReadAllText(PathOf(key)).Trim();
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Sets a value unless it has it already; the change, or null.</summary>
    /// <exception cref="NativeException">ENOENT: no such setting. EACCES: not allowed, with the command to run.
    /// </exception>
    public SysctlChange? Set(string key, string value)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        string mend = $"Let root do it: `echo {value} > {PathOf(key)}`.";
        string operation = $"setting {key} to {value}";
        string before = Read(key)
            ?? throw new NativeException(operation, Errno.ENOENT, "This kernel or container has no such setting.");
        if (before == value)
            return null;
        try
        {
            File.WriteAllText(PathOf(key), value);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new NativeException($"{operation} (it is {before})", Errno.EACCES, mend);
        }

        var change = new SysctlChange(key, before, Read(key) ?? value);
        _changes.Add(change);
        return change;
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (!restore)
            return;
        for (int last = _changes.Count - 1; last >= 0; last--)
        {
            SysctlChange change = _changes[last];
            if (Read(change.Key) != change.After)
                continue;
            try
            {
                File.WriteAllText(PathOf(change.Key), change.Before);
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                // The device of that setting is gone, and its settings with it.
            }
        }
    }

    private static string PathOf(string key) => "/proc/sys/" + key;
}
