using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Native.Netlink;

/// <summary>
/// A network namespace of this host (<c>network_namespaces(7)</c>). A socket, a netlink socket or a TUN device belongs to
/// the namespace of the thread that opened it, for good and whichever thread uses it later; <see cref="Run"/> opens such
/// things inside, while the rest of the process stays where it is.
/// </summary>
public sealed unsafe partial class NetworkNamespace : IDisposable
{
    private const string NamedFolder = "/run/netns";
    private const int NetworkKind = 0x40000000;
    private const string CapabilityMend =
        "It needs CAP_SYS_ADMIN and CAP_NET_ADMIN: run as root, or `setcap cap_sys_admin,cap_net_admin+ep` on the program.";

    private int fd;

    private NetworkNamespace(int fd, string path)
    {
        this.fd = fd;
        Path = path;
    }

    public string Path { get; }

    /// <summary>A namespace that <c>ip netns add</c> has made.</summary>
    /// <exception cref="NativeException">ENOENT, EACCES …, each with its mend.</exception>
    public static NetworkNamespace OpenNamed(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name.Contains('/', StringComparison.Ordinal) || name is "." or "..")
            throw new ArgumentException($"'{name}' is a path, not the name of a namespace", nameof(name));
        return Open($"{NamedFolder}/{name}", $"`ip netns add {name}` makes it, `ip netns list` shows which there are.");
    }

    /// <summary>Any path of a namespace, for example <c>/proc/PID/ns/net</c>.</summary>
    /// <exception cref="NativeException">ENOENT, EACCES …, each with its mend.</exception>
    public static NetworkNamespace Open(string path) => Open(path, "The path of a namespace is /proc/PID/ns/net or /run/netns/NAME.");

    /// <summary>
    /// Runs on a thread of its own that has entered the namespace and ends afterwards; what it throws is thrown here.
    /// </summary>
    /// <exception cref="NativeException">EPERM: entering is not allowed; EINVAL: the path is no network namespace.</exception>
    public T Run<T>(Func<T> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        ObjectDisposedException.ThrowIf(fd < 0, this);
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Enter();
                result = function();
            }
            catch (Exception thrown) when (thrown is not OutOfMemoryException)
            {
                failure = ExceptionDispatchInfo.Capture(thrown);
            }
        })
        { IsBackground = true, Name = "namespace" };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    public void Dispose()
    {
        int closing = Interlocked.Exchange(ref fd, -1);
        if (closing >= 0)
            _ = close(closing);
    }

    private static NetworkNamespace Open(string path, string missingMend)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] bytes = [.. System.Text.Encoding.UTF8.GetBytes(path), 0];
        fixed (byte* text = bytes)
        {
            int opened = open(text, O_RDONLY | O_CLOEXEC);
            if (opened >= 0)
                return new NetworkNamespace(opened, path);
        }

        int error = errno;
        throw new NativeException($"opening network namespace {path}", error, error switch
        {
            Errno.ENOENT => missingMend,
            Errno.EPERM or Errno.EACCES => CapabilityMend,
            _ => ResourceMend.For(error),
        });
    }

    private void Enter()
    {
        if (setns(fd, NetworkKind) == 0)
            return;
        int error = Marshal.GetLastPInvokeError();
        throw new NativeException($"entering network namespace {Path}", error, error switch
        {
            Errno.EPERM or Errno.EACCES => CapabilityMend,
            Errno.EINVAL => "The path is no network namespace.",
            _ => ResourceMend.For(error),
        });
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(int fd, int kind);
}
