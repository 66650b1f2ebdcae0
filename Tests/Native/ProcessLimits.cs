using System.Runtime.InteropServices;
using Xunit;

namespace FastExit.Tests.Native;

/// <summary>Tests that touch what the whole process shares (descriptors, limits) run alone.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessLimits
{
    public const string Name = "process limits";
}

/// <summary>Lowers the soft RLIMIT_NOFILE while it lives.</summary>
internal sealed unsafe partial class LoweredDescriptorLimit : IDisposable
{
    private const int Resource = 7;
    private readonly ulong soft;
    private readonly ulong hard;

    public LoweredDescriptorLimit(int descriptors)
    {
        ulong* limits = stackalloc ulong[2];
        Assert.Equal(0, GetLimits(Resource, limits));
        soft = limits[0];
        hard = limits[1];
        limits[0] = (ulong)descriptors;
        Assert.Equal(0, SetLimits(Resource, limits));
    }

    /// <summary>What the soft limit may be raised to without privilege.</summary>
    public ulong Hard => hard;

    /// <summary>Where the next descriptor of this process would go.</summary>
    public static int NextDescriptor()
    {
        using var probe = new FastExit.Native.Sockets.EventSignal();
        return probe.Fd;
    }

    /// <summary>Descriptors this process holds. Other tests' leftovers may be finalized later, so a count may only
    /// fall between two calls unless something leaks.</summary>
    public static int OpenDescriptors() => Directory.GetFileSystemEntries("/proc/self/fd").Length;

    public void Dispose()
    {
        ulong* limits = stackalloc ulong[2];
        limits[0] = soft;
        limits[1] = hard;
        Assert.Equal(0, SetLimits(Resource, limits));
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimits(int resource, ulong* limits);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimits(int resource, ulong* limits);
}
