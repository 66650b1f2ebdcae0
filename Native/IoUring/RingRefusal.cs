using FastExit.Native.Memory;
using FastExit.Native.Sockets;

namespace FastExit.Native.IoUring;

/// <summary>Why the kernel refuses a ring, and the mend for each reason.</summary>
internal static class RingRefusal
{
    public const string KernelMend = "FastExit needs Linux 6.1 or newer (`uname -r`).";

    public static NativeException For(int errno) => new("creating an io_uring", errno, errno switch
    {
        Errno.EPERM or Errno.EACCES =>
            "io_uring is forbidden here: set `sysctl kernel.io_uring_disabled=0`, and in a container allow"
            + " io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile.",
        Errno.ENOSYS => $"This kernel was built without io_uring, or a sandbox hides it. {KernelMend}",
        Errno.EINVAL => KernelMend,
        _ => ResourceMend.For(errno),
    });
}
