using FastExit.Native.Sockets;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Native.Tun;

/// <summary>
/// One queue of a <see cref="TunDevice"/>: every read and every write is one frame, a <see cref="VirtioNetHeader"/>
/// and an IP packet of up to 65,535 bytes. A buffer that is too short cuts the frame off, so give reads
/// <see cref="MaximumFrameBytes"/>. The descriptor is non-blocking; the device closes it. Through a ring read it with
/// <c>PrepareReadMultishot</c> and write it with <c>PrepareWriteVectored</c>; the calls here are for all else.
/// </summary>
public sealed unsafe class TunQueue
{
    public const int MaximumFrameBytes = VirtioNetHeader.Bytes + 65535;

    private int fd;

    internal TunQueue(int fd, int index)
    {
        this.fd = fd;
        Index = index;
    }

    /// <summary>-1 once the device is disposed.</summary>
    public int Fd => fd;

    public int Index { get; }

    /// <summary>One frame's bytes, or -errno: -EAGAIN when none waits, -EBADFD when the device is gone.</summary>
    public int Read(Span<byte> frame)
    {
        fixed (byte* target = frame)
        {
            nint bytes = (nint)read(fd, target, (size_t)(ulong)frame.Length);
            return bytes < 0 ? -errno : (int)bytes;
        }
    }

    /// <summary>The frame's bytes, or -errno: -EINVAL for a header or packet the kernel refuses, -EIO when the device
    /// is down.</summary>
    public int Write(ReadOnlySpan<byte> frame)
    {
        fixed (byte* source = frame)
        {
            nint bytes = (nint)write(fd, source, (size_t)(ulong)frame.Length);
            return bytes < 0 ? -errno : (int)bytes;
        }
    }

    /// <summary>Blocks until a frame can be read or the time is over.</summary>
    public bool WaitReadable(TimeSpan timeout)
    {
        var entry = new pollfd { fd = fd, events = POLLIN };
        return poll(&entry, 1, (int)Math.Clamp(timeout.TotalMilliseconds, 0, int.MaxValue)) > 0;
    }

    internal void Close()
    {
        int closing = Interlocked.Exchange(ref fd, -1);
        if (closing >= 0)
            _ = close(closing);
    }
}
