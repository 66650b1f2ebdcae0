using System.Runtime.InteropServices;

namespace FastExit.Native.IoUring;

/// <summary>RLIMIT_NOFILE (<c>getrlimit(2)</c>), which also bounds a ring's table of direct descriptors.</summary>
internal static unsafe partial class DescriptorLimit
{
    // RLIMIT_NOFILE, and the kernel's IORING_MAX_FIXED_FILES.
    private const int Resource = 7;
    private const int MaximumTable = 1 << 20;

    /// <summary>Raises the soft limit, and where the process may the hard limit, to what is wanted; never lowers.
    /// </summary>
    /// <returns>What is granted, at most what was wanted.</returns>
    public static int RaiseTo(int wanted)
    {
        wanted = Math.Min(wanted, MaximumTable);
        Limits limits = default;
        if (GetLimits(Resource, &limits) < 0)
            return wanted;
        if (limits.Soft >= (ulong)wanted)
            return wanted;

        var raised = new Limits { Soft = (ulong)wanted, Hard = Math.Max(limits.Hard, (ulong)wanted) };
        if (SetLimits(Resource, &raised) == 0)
            return wanted;

        // Raising the hard limit takes CAP_SYS_RESOURCE; the soft one may always go up to it.
        raised = limits with { Soft = limits.Hard };
        return SetLimits(Resource, &raised) == 0 ? (int)Math.Min(limits.Hard, (ulong)wanted) : (int)limits.Soft;
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimits(int resource, Limits* limits);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimits(int resource, Limits* limits);

    [StructLayout(LayoutKind.Sequential)]
    private record struct Limits
    {
        public ulong Soft;
        public ulong Hard;
    }
}
