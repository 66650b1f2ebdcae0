using FastExit.Native.Sockets;
using static Tmds.Linux.LibC;

namespace FastExit.Native.Threads;

/// <summary>Which processors a thread may run on (<c>sched_setaffinity(2)</c>), by the kernel's numbers.</summary>
public static unsafe class CpuAffinity
{
    // The kernel takes masks of any length; 1024 bytes cover every core count it can be built for.
    private const int MaskBytes = 1024;

    /// <summary>Pins the calling operating-system thread. Meant for threads of one's own: a pool thread would carry
    /// the pin to its next work item.</summary>
    /// <exception cref="NativeException">The core does not exist or the process may not use it.</exception>
    public static void PinCurrentThread(int core)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(core);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(core, MaskBytes * 8);
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        mask[core / 8] = (byte)(1 << (core % 8));
        if (sched_setaffinity(0, MaskBytes, (Tmds.Linux.cpu_set_t*)mask) < 0)
        {
            throw new NativeException(
                $"pinning a thread to core {core}",
                errno,
                $"Choose among the cores this process may use: {string.Join(", ", AllowedCores())}.");
        }
    }

    /// <summary>The cores that the process's first thread may use (cpusets and taskset apply), ascending.</summary>
    public static int[] AllowedCores() => Cores(Environment.ProcessId);

    /// <summary>The cores that the calling thread may use: one after <see cref="PinCurrentThread"/>.</summary>
    public static int[] CurrentThreadCores() => Cores(0);

    private static int[] Cores(int thread)
    {
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        if (sched_getaffinity(thread, MaskBytes, (Tmds.Linux.cpu_set_t*)mask) < 0)
            throw new NativeException("reading the processor affinity", errno, null);

        var cores = new List<int>();
        for (int core = 0; core < MaskBytes * 8; core++)
        {
            if ((mask[core / 8] & (1 << (core % 8))) != 0)
                cores.Add(core);
        }

        return [.. cores];
    }
}
