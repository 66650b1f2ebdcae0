using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using DnsClient;
using FastExit.Configuration;
using FastExit.Crypto;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using FastExit.Native.Threads;

namespace FastExit.Commands;

/// <summary>What `fastexit check` looks at on the host itself. Everything is tried or read, nothing is changed.</summary>
internal static partial class HostChecks
{
    private const int TimexBytes = 256;
    private const int ClockUnsynchronized = 5;
    private const long HugePageBytes = PinnedRegion.HugePageBytes;
    private static readonly Version s_oldestKernel = new(6, 1);
    private static readonly Version s_bundleKernel = new(6, 10);

    public static Finding Kernel()
    {
        var release = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        var digits = string.Join('.', release.Split('.', '-').TakeWhile(part => part.All(char.IsAsciiDigit)).Take(2));
        if (!Version.TryParse(digits, out var version))
            return Finding.Warn("kernel", $"Linux {release}", $"make sure it is {s_oldestKernel} or newer");
        if (version < s_oldestKernel)
            return Finding.Fail("kernel", $"Linux {release}", $"install Linux {s_oldestKernel} or newer (Debian 12 has it)");
        return Finding.Ok("kernel", $"Linux {release}{(version < s_bundleKernel ? " (receive bundles come with 6.10)" : "")}");
    }

    /// <summary>Which vector instructions the cryptography uses.</summary>
    public static Finding Cpu()
    {
        var level = CpuLevels.Name(CpuLevels.Current);
        if (CpuLevels.Problem is { } problem)
            return Finding.Warn("cpu", $"level {level}; {problem}", $"unset {CpuLevels.Variable}, or set it to {CpuLevels.Name(CpuLevels.Highest)} or lower");
        return Finding.Ok("cpu", CpuLevels.Current == CpuLevels.Highest
            ? $"level {level}"
            : $"level {level} by {CpuLevels.Variable}; this CPU has {CpuLevels.Name(CpuLevels.Highest)}");
    }

    public static IEnumerable<Finding> IoUring(NetworkRequesterSettings limits, int mixConnections)
    {
        var descriptorsWanted = limits.MaximumConnections + limits.MaximumHalfOpen + mixConnections;
        var (failure, direct, bundles) = RingTrial.Run();
        if (failure is not null)
        {
            yield return Finding.Fail(
                "io_uring",
                failure,
                "set `sysctl kernel.io_uring_disabled=0`; in a container let its seccomp profile allow io_uring_setup, io_uring_enter, io_uring_register");
            yield break;
        }

        yield return Finding.Ok("io_uring", $"accept, receive, send, message and close work; receive bundles: {(bundles ? "yes" : "no")}");
        yield return direct >= descriptorsWanted
            ? Finding.Ok("descriptors", $"{direct} per core")
            : Finding.Warn(
                "descriptors",
                $"{direct} per core, the configuration has room for {descriptorsWanted}",
                $"raise the limit: `ulimit -n {descriptorsWanted}`, or LimitNOFILE={descriptorsWanted} in the service's unit");
    }

    public static Finding LockedMemory()
    {
        const string Name = "Max locked memory";
        var line = File.ReadLines("/proc/self/limits").FirstOrDefault(text => text.StartsWith(Name, StringComparison.Ordinal));
        var soft = line?[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0];
        const long Wanted = 8L << 20;
        return soft is null or "unlimited" || (long.TryParse(soft, CultureInfo.InvariantCulture, out var bytes) && bytes >= Wanted)
            ? Finding.Ok("memlock", soft ?? "unlimited")
            : Finding.Warn("memlock", $"{soft} bytes", "raise the limit: `ulimit -l unlimited`, or LimitMEMLOCK=infinity in the service's unit");
    }

    public static IEnumerable<Finding> Memory(MemorySettings memory, int cores)
    {
        var perCore = ((long)memory.RegularSlots * 2_560) + ((long)memory.ExtendedSlots * 34_816) + memory.AssemblyBytes;
        var wanted = perCore * cores;
        var available = MemoryInformation("MemAvailable") << 10;
        yield return available >= wanted
            ? Finding.Ok("memory", $"{wanted >> 20} MiB for {cores} cores, {available >> 20} MiB available")
            : Finding.Fail("memory", $"{wanted >> 20} MiB for {cores} cores, but {available >> 20} MiB available", "lower the sizes under [memory], or use fewer cores");
        if (!memory.HugePages)
            yield break;

        PageBacking backing;
        using (var region = PinnedRegion.Allocate(HugePageBytes))
            backing = region.Backing;
        var pages = ((perCore / HugePageBytes) + 8) * cores;
        var free = MemoryInformation("HugePages_Free");
        yield return backing == PageBacking.Huge && free >= pages
            ? Finding.Ok("huge pages", $"{free} free, {pages} wanted")
            : Finding.Warn("huge pages", $"{free} free, {pages} wanted; the rest gets {(backing == PageBacking.Base ? "ordinary" : "transparent huge")} pages", $"reserve them: `sysctl vm.nr_hugepages={pages}`");
    }

    public static Finding Cores(CoreSettings settings)
    {
        var allowed = CpuAffinity.AllowedCores();
        var missing = settings.Cores.Except(allowed).ToList();
        if (missing.Count == 0)
            return Finding.Ok("cores", $"{string.Join(", ", settings.Cores)} of {string.Join(", ", allowed)}");
        var seen = $"{string.Join(", ", missing)} not allowed; allowed are {string.Join(", ", allowed)}";
        const string Mend = "correct cores.cores, or let this process use them (taskset, cpuset, CPUAffinity)";
        return settings.Pin ? Finding.Fail("cores", seen, Mend) : Finding.Warn("cores", seen, Mend);
    }

    public static IEnumerable<Finding> Ports(ExitSettings settings)
    {
        foreach (var address in settings.MixLink.Listen)
            yield return Port("mix link", address);
        if (settings.Metrics.Listen is { } metrics)
            yield return Port("metrics", metrics);
        if (settings.Node.HttpListen is { } http)
            yield return Port("http interface", http);
    }

    public static async Task<Finding> NameServersAsync(DnsSettings settings)
    {
        IReadOnlyList<IPEndPoint> servers = settings.Servers;
        if (servers.Count == 0)
            servers = [.. NameServer.ResolveNameServers(skipIPv6SiteLocal: true, fallbackToGooglePublicDns: false).Select(server => new IPEndPoint(IPAddress.Parse(server.Address!), server.Port))];
        if (servers.Count == 0)
            return Finding.Fail("dns", "no server configured", "set dns.servers, or put nameserver lines into /etc/resolv.conf");
        var silent = new List<IPEndPoint>();
        foreach (var server in servers)
        {
            var client = new LookupClient(new LookupClientOptions(server)
            {
                Retries = 1,
                Timeout = settings.QueryTimeout,
                UseCache = false,
                ThrowDnsErrors = false,
                ContinueOnDnsError = false,
            });
            try
            {
                await client.QueryAsync(".", QueryType.NS).ConfigureAwait(false);
            }
            catch (DnsResponseException)
            {
                silent.Add(server);
            }
        }

        var seen = silent.Count == 0 ? $"{string.Join(", ", servers)} answer" : $"no answer from {string.Join(", ", silent)}";
        const string Mend = "check dns.servers (or /etc/resolv.conf) and that port 53 is not filtered";
        if (silent.Count == servers.Count)
            return Finding.Fail("dns", seen, Mend);
        return silent.Count == 0 ? Finding.Ok("dns", seen) : Finding.Warn("dns", seen, Mend);
    }

    public static Finding Clock()
    {
        var built = File.GetLastWriteTimeUtc(typeof(HostChecks).Assembly.Location);
        if (DateTime.UtcNow < built.AddDays(-1))
            return Finding.Fail("clock", $"{DateTime.UtcNow:u}, before this program was installed", "set the clock, for example with systemd-timesyncd or chrony");
        var state = AdjustTime(new byte[TimexBytes]);
        return state is >= 0 and not ClockUnsynchronized
            ? Finding.Ok("clock", $"{DateTime.UtcNow:u}, synchronized")
            : Finding.Warn("clock", $"{DateTime.UtcNow:u}, the kernel says it is not synchronized", "run a time service, for example systemd-timesyncd or chrony");
    }

    private static Finding Port(string subject, IPEndPoint address)
    {
        try
        {
            using var listener = SocketDescriptor.ListenTcp(EndpointAddress.From(address), 1, reusePort: false, out _);
            return Finding.Ok(subject, $"{address} is free");
        }
        catch (NativeException error)
        {
            var mend = error.Errno == Errno.EADDRINUSE ? "stop what uses it (`ss -ltnp`), perhaps a running fastexit, or choose another port" : "correct the address in config.toml";
            return Finding.Fail(subject, $"{address}: {Errno.Name(error.Errno)}", mend);
        }
    }

    private static long MemoryInformation(string name)
    {
        var line = File.ReadLines("/proc/meminfo").FirstOrDefault(text => text.StartsWith(name + ":", StringComparison.Ordinal));
        var number = line?[(name.Length + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return long.TryParse(number, CultureInfo.InvariantCulture, out var value) ? value : 0;
    }

    // struct timex is 208 bytes; modes 0 only reads.
    [LibraryImport("libc", EntryPoint = "adjtimex")]
    private static partial int AdjustTime(Span<byte> timex);
}
