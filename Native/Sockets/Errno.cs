namespace FastExit.Native.Sockets;

/// <summary>
/// Linux error numbers (<c>errno(3)</c>, the generic table shared by x86-64 and arm64). Kernel results carry them
/// negated: a completion of -<see cref="ECONNREFUSED"/> is a refused connection.
/// </summary>
public static class Errno
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int ESRCH = 3;
    public const int EINTR = 4;
    public const int EIO = 5;
    public const int ENXIO = 6;
    public const int EBADF = 9;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EACCES = 13;
    public const int EFAULT = 14;
    public const int EBUSY = 16;
    public const int EEXIST = 17;
    public const int ENODEV = 19;
    public const int EINVAL = 22;
    public const int ENFILE = 23;
    public const int EMFILE = 24;
    public const int ENOSPC = 28;
    public const int EPIPE = 32;
    public const int ERANGE = 34;
    public const int ENOSYS = 38;
    public const int EBADR = 53;
    public const int ETIME = 62;
    public const int EPROTO = 71;
    public const int EOVERFLOW = 75;
    public const int EBADFD = 77;
    public const int ENOTSOCK = 88;
    public const int EMSGSIZE = 90;
    public const int EPROTONOSUPPORT = 93;
    public const int EOPNOTSUPP = 95;
    public const int EAFNOSUPPORT = 97;
    public const int EADDRINUSE = 98;
    public const int EADDRNOTAVAIL = 99;
    public const int ENETDOWN = 100;
    public const int ENETUNREACH = 101;
    public const int ECONNABORTED = 103;
    public const int ECONNRESET = 104;
    public const int ENOBUFS = 105;
    public const int EISCONN = 106;
    public const int ENOTCONN = 107;
    public const int ESHUTDOWN = 108;
    public const int ETIMEDOUT = 110;
    public const int ECONNREFUSED = 111;
    public const int EHOSTDOWN = 112;
    public const int EHOSTUNREACH = 113;
    public const int EALREADY = 114;
    public const int EINPROGRESS = 115;
    public const int ECANCELED = 125;

    /// <summary>The symbolic name (<c>ECONNREFUSED</c>) of a positive or negated number; <c>errno 4711</c> for
    /// one that is not in the table.</summary>
    public static string Name(int errno)
    {
        errno = Math.Abs(errno);
        return errno switch
        {
            EPERM => nameof(EPERM),
            ENOENT => nameof(ENOENT),
            ESRCH => nameof(ESRCH),
            EINTR => nameof(EINTR),
            EIO => nameof(EIO),
            ENXIO => nameof(ENXIO),
            EBADF => nameof(EBADF),
            EAGAIN => nameof(EAGAIN),
            ENOMEM => nameof(ENOMEM),
            EACCES => nameof(EACCES),
            EFAULT => nameof(EFAULT),
            EBUSY => nameof(EBUSY),
            EEXIST => nameof(EEXIST),
            ENODEV => nameof(ENODEV),
            EINVAL => nameof(EINVAL),
            ENFILE => nameof(ENFILE),
            EMFILE => nameof(EMFILE),
            ENOSPC => nameof(ENOSPC),
            EPIPE => nameof(EPIPE),
            ERANGE => nameof(ERANGE),
            ENOSYS => nameof(ENOSYS),
            EBADR => nameof(EBADR),
            ETIME => nameof(ETIME),
            EPROTO => nameof(EPROTO),
            EOVERFLOW => nameof(EOVERFLOW),
            EBADFD => nameof(EBADFD),
            ENOTSOCK => nameof(ENOTSOCK),
            EMSGSIZE => nameof(EMSGSIZE),
            EPROTONOSUPPORT => nameof(EPROTONOSUPPORT),
            EOPNOTSUPP => nameof(EOPNOTSUPP),
            EAFNOSUPPORT => nameof(EAFNOSUPPORT),
            EADDRINUSE => nameof(EADDRINUSE),
            EADDRNOTAVAIL => nameof(EADDRNOTAVAIL),
            ENETDOWN => nameof(ENETDOWN),
            ENETUNREACH => nameof(ENETUNREACH),
            ECONNABORTED => nameof(ECONNABORTED),
            ECONNRESET => nameof(ECONNRESET),
            ENOBUFS => nameof(ENOBUFS),
            EISCONN => nameof(EISCONN),
            ENOTCONN => nameof(ENOTCONN),
            ESHUTDOWN => nameof(ESHUTDOWN),
            ETIMEDOUT => nameof(ETIMEDOUT),
            ECONNREFUSED => nameof(ECONNREFUSED),
            EHOSTDOWN => nameof(EHOSTDOWN),
            EHOSTUNREACH => nameof(EHOSTUNREACH),
            EALREADY => nameof(EALREADY),
            EINPROGRESS => nameof(EINPROGRESS),
            ECANCELED => nameof(ECANCELED),
            _ => $"errno {errno}",
        };
    }
}
