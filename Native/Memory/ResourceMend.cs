using FastExit.Native.Sockets;

namespace FastExit.Native.Memory;

/// <summary>What an operator can do when the kernel is out of something; the text that ends a
/// <see cref="NativeException"/>.</summary>
internal static class ResourceMend
{
    public static string? For(int errno) => errno switch
    {
        Errno.EMFILE =>
            "The process has used up its file descriptors: raise RLIMIT_NOFILE (`ulimit -n`, LimitNOFILE= in systemd).",
        Errno.ENFILE => "The host has used up its open files: raise fs.file-max.",
        Errno.ENOMEM =>
            "The kernel has no memory for it: free some, or raise RLIMIT_MEMLOCK (`ulimit -l`, LimitMEMLOCK= in"
            + " systemd).",
        Errno.EAFNOSUPPORT => "The host has this address family disabled: enable IPv6 or use an IPv4 address.",
        _ => null,
    };
}
