using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Xunit;

namespace FastExit.Tests.Native;

/// <summary>
/// A network namespace of its own, named so that <c>ip netns exec</c> finds it. <see cref="Run(Action)"/> runs test
/// code inside it: one thread has entered it and stays there, so sockets, TUN devices and netlink sockets made there
/// belong to it for good, whichever thread uses them later. Threads and processes started from there are inside too.
/// </summary>
internal sealed partial class NetworkNamespace : IDisposable
{
    private const int CloneNewNet = 0x40000000;
    private const int ReadOnly = 0;
    private static int s_count;

    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;

    private NetworkNamespace(string name)
    {
        Name = name;
        Tool.Run("ip", $"netns add {name}");
        Tool.Run("ip", $"-n {name} link set lo up");
        using var entered = new ManualResetEventSlim();
        int error = 0;
        _thread = new Thread(() =>
        {
            error = Enter(name);
            entered.Set();
            foreach (Action work in _work.GetConsumingEnumerable())
                work();
        })
        { IsBackground = true, Name = name };
        _thread.Start();
        entered.Wait();
        if (error == 0)
            return;
        Dispose();
        throw new InvalidOperationException($"entering namespace {name}: errno {error}");
    }

    public string Name { get; }

    /// <summary>Null when namespaces can be made here, else why not: for <c>Skip.IfNot</c>.</summary>
    public static string? Unavailable { get; } = Probe();

    /// <summary>Skips the running test when there is no privilege or no iproute2.</summary>
    public static void Require() => Skip.If(Unavailable is not null, Unavailable);

    public static NetworkNamespace Create(string purpose = "t") =>
        new($"fx{purpose}{Environment.ProcessId}x{Interlocked.Increment(ref s_count)}");

    /// <summary>Runs on the namespace's own thread; what it throws is thrown here.</summary>
    public void Run(Action action) => Run(() =>
    {
        action();
        return true;
    });

    /// <inheritdoc cref="Run(Action)"/>
    public T Run<T>(Func<T> function)
    {
        if (Thread.CurrentThread == _thread)
            return function();
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        using var done = new ManualResetEventSlim();
        _work.Add(() =>
        {
            try
            {
                result = function();
            }
            catch (Exception thrown) when (thrown is not OutOfMemoryException)
            {
                failure = ExceptionDispatchInfo.Capture(thrown);
            }

            done.Set();
        });
        done.Wait();
        failure?.Throw();
        return result;
    }

    /// <summary>A further thread inside, for blocking code; background, started.</summary>
    public Thread Start(Action action)
    {
        var thread = new Thread(() =>
        {
            int error = Enter(Name);
            if (error != 0)
                throw new InvalidOperationException($"entering namespace {Name}: errno {error}");
            action();
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }

    /// <summary><c>ip</c> inside: <c>Ip("addr add 10.0.0.1/24 dev a")</c>.</summary>
    public string Ip(string arguments) => Tool.Run("ip", $"-n {Name} {arguments}");

    /// <summary>A program inside.</summary>
    public string Execute(string program, string arguments) =>
        Tool.Run("ip", $"netns exec {Name} {program} {arguments}");

    /// <summary>A pair of virtual Ethernet devices, one end here and one there, both up.</summary>
    public void Connect(NetworkNamespace other, string here, string there)
    {
        Ip($"link add name {here} type veth peer name {there} netns {other.Name}");
        Ip($"link set dev {here} up");
        other.Ip($"link set dev {there} up");
    }

    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join(TimeSpan.FromSeconds(5));
        _ = Tool.TryRun("ip", $"netns del {Name}", out _);
    }

    private static string? Probe()
    {
        if (Environment.UserName != "root" && geteuid() != 0)
            return "network namespaces need root";
        if (!Tool.Exists("ip"))
            return "no `ip` program: apt install iproute2";
        string name = $"fxprobe{Environment.ProcessId}";
        if (!Tool.TryRun("ip", $"netns add {name}", out string output))
            return $"no network namespace can be made here: {output.Trim()}";
        _ = Tool.TryRun("ip", $"netns del {name}", out _);
        return null;
    }

    private static int Enter(string name)
    {
        int fd = open($"/run/netns/{name}", ReadOnly);
        if (fd < 0)
            return Marshal.GetLastPInvokeError();
        int result = setns(fd, CloneNewNet) < 0 ? Marshal.GetLastPInvokeError() : 0;
        _ = close(fd);
        return result;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(int fd, int kind);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    [LibraryImport("libc")]
    private static partial uint geteuid();
}

/// <summary>Programs of the host that a test runs or compares with.</summary>
internal static class Tool
{
    private static readonly string[] s_folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

    public static bool Exists(string program) => s_folders.Any(folder => File.Exists(Path.Combine(folder, program)));

    /// <summary>Skips the running test when a program is not installed.</summary>
    public static void Require(string program) =>
        Skip.IfNot(Exists(program), $"`{program}` is not installed");

    /// <summary>Its output; fails the test when it exits other than 0.</summary>
    public static string Run(string program, string arguments)
    {
        bool succeeded = TryRun(program, arguments, out string output);
        Assert.True(succeeded, $"{program} {arguments}: {output}");
        return output;
    }

    /// <summary>False when it exits other than 0; its standard output, or its errors then.</summary>
    public static bool TryRun(string program, string arguments, out string output)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            output += errors.Result;
        return process.ExitCode == 0;
    }
}
