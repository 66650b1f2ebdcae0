using FastExit.Native.Memory;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Native.Sockets;

/// <summary>
/// An <c>eventfd(2)</c>: any thread signals without allocating, one thread waits, either here or by reading
/// <see cref="ReadBytes"/> bytes from <see cref="Fd"/> through its ring. Signals that nobody has taken yet merge
/// into one. The descriptor is blocking on purpose: io_uring answers a read of a non-blocking one with -EAGAIN
/// instead of waiting.
/// </summary>
public sealed unsafe class EventSignal : IDisposable
{
    /// <summary>An eventfd is read as one 8-byte counter.</summary>
    public const int ReadBytes = 8;

    private int fd;

    public EventSignal()
    {
        fd = eventfd(0, EFD_CLOEXEC);
        if (fd < 0)
            throw new NativeException("creating an eventfd", errno, ResourceMend.For(errno));
    }

    public int Fd => fd;

    public void Signal()
    {
        ulong one = 1;
        while (write(fd, &one, ReadBytes) < 0 && errno == Errno.EINTR)
        {
        }
    }

    /// <summary>Blocks until a signal is there and takes it.</summary>
    public void Wait()
    {
        ulong count;
        while (read(fd, &count, ReadBytes) < 0 && errno == Errno.EINTR)
        {
        }
    }

    /// <summary>Blocks for at most the timeout; true when a signal was there and was taken. Negative waits for
    /// ever. Assumes no other reader.</summary>
    public bool Wait(TimeSpan timeout)
    {
        long deadline = Environment.TickCount64 + (long)Math.Ceiling(timeout.TotalMilliseconds);
        while (true)
        {
            int left = timeout < TimeSpan.Zero
                ? -1
                : (int)Math.Clamp(deadline - Environment.TickCount64, 0, int.MaxValue);
            var entry = new pollfd { fd = fd, events = POLLIN };
            int ready = poll(&entry, 1, left);
            if (ready > 0)
            {
                Wait();
                return true;
            }

            if (ready == 0 && (left == 0 || Environment.TickCount64 >= deadline))
                return false;
        }
    }

    public void Dispose()
    {
        int closing = Interlocked.Exchange(ref fd, -1);
        if (closing >= 0)
            _ = close(closing);
    }
}
